"""Bodies of the native API: read by one piece of code, after the token and before what they ask for."""

from __future__ import annotations

import pytest

from interlock.engine.errors import ErrorClass
from interlock.engine.messages import Error, Result, Status
from tests.integration.asgi import in_gateway, send
from tests.integration.gateway_setup import Gateway
from tests.integration.http_client import Answer, Client

TAKE_BODIES = [
    ("POST", "commands"),
    ("POST", "bulk"),
    ("POST", "webhooks"),
    ("PATCH", "webhooks/wh_none"),
    ("POST", "webhooks/wh_none/rotate"),
    ("POST", "webhooks/wh_none/test"),
    ("POST", "webhooks/wh_none/redeliver"),
    ("POST", "instances/parcel/none/try"),
    ("PUT", "queues/bodies"),
    ("PUT", "workbins/bodies"),
    ("PUT", "agents/bodies"),
]
DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000


def ask(client: Client, method: str, path: str, body: bytes, media_type: str = "application/json") -> Answer:
    return client.send(method, f"/interlock/v1/{path}", body, content_type=media_type)


@pytest.mark.parametrize(("method", "path"), TAKE_BODIES)
def test_what_is_no_json_object_is_refused_alike_wherever_it_is_sent(
    gateway: Gateway, method: str, path: str
) -> None:
    for body, media_type, status, code in (
        (b"{", "application/json", 400, "not_an_object"),
        (b"[]", "application/json", 400, "not_an_object"),
        (b"\xff", "application/json", 400, "not_an_object"),
        (DEEP[:1000] + b"1" + b"}" * 200, "application/json", 413, "too_deep"),
        (DEEP[:200_000] + b"1" + b"}" * 40_000, "application/json", 413, "too_deep"),
        (b"a=b", "application/x-www-form-urlencoded", 415, "not_json"),
        (b"{}", "text/plain", 415, "not_json"),
    ):
        answer = ask(gateway.admin, method, path, body, media_type)
        assert (answer.status, answer.is_problem, answer.body["code"]) == (status, True, code), body[:20]


@pytest.mark.parametrize(("method", "path"), TAKE_BODIES)
def test_who_has_no_token_is_told_that_and_nothing_of_the_body(
    gateway: Gateway, method: str, path: str
) -> None:
    answer = ask(Client(gateway.url), method, path, b"{")
    assert (answer.status, answer.body["code"]) == (401, "unauthorized")


def test_a_body_that_says_nothing_may_be_left_out(gateway: Gateway) -> None:
    added = ask(gateway.admin, "POST", "webhooks", b'{"url": "https://example.com/bodies"}').body["id"]
    try:
        rotated = gateway.admin.send("POST", f"/interlock/v1/webhooks/{added}/rotate")
        again = gateway.admin.send("POST", f"/interlock/v1/webhooks/{added}/redeliver")
        assert (rotated.status, rotated.body["secret"][:6]) == (200, "whsec_")
        assert (again.status, again.body["requested"]) == (200, 0)
    finally:
        assert gateway.admin.send("DELETE", f"/interlock/v1/webhooks/{added}").status == 204


def test_who_is_refused_because_too_much_waits_is_told_when_to_come_again(gateway: Gateway) -> None:
    bearer = {"authorization": f"Bearer {gateway.admin.token}"}
    busy = Error(ErrorClass.TOO_BUSY, "backlog", "Too much waits.")

    async def refuse(body, _wait):  # type: ignore[no-untyped-def]
        return Result(body["id"], Status.REFUSED, "queue", "busy", None, None, [], busy).as_dict()

    async def act(app, deployment):  # type: ignore[no-untyped-def]
        deployment.commands.request = refuse
        command = b'{"machine": "queue", "key": "busy", "name": "define"}'
        sent = await send(app, "POST", "/interlock/v1/commands?wait=1", command, **bearer)
        return sent, await send(app, "PUT", "/interlock/v1/queues/busy", b"{}", **bearer)

    sent, put = in_gateway(gateway, act)
    assert (sent.status, sent.body["error"]["code"], put.status, put.body["code"]) == (
        503,
        "backlog",
        503,
        "backlog",
    )
    assert [one.headers.get("retry-after") for one in (sent, put)] == ["2", "2"]


def test_a_gateway_without_the_secret_key_says_so_in_the_same_words_everywhere(gateway: Gateway) -> None:
    sealed = gateway.admin.command("parcel/sealed", "post", data={"owner": "ann", "pin": "1"})
    assert sealed.status == 200
    bearer = {"authorization": f"Bearer {gateway.admin.token}"}
    command = (
        b'{"machine": "parcel", "key": "sealed-2", "name": "post", "data": {"owner": "ann", "pin": "1"}}'
    )

    async def act(app, _deployment):  # type: ignore[no-untyped-def]
        return [
            await send(app, "POST", "/interlock/v1/commands", command, **bearer),
            await send(app, "GET", "/interlock/v1/instances/parcel/sealed/why", **bearer),
            await send(app, "POST", "/interlock/v1/webhooks", b'{"url": "https://example.com/"}', **bearer),
        ]

    answers = in_gateway(gateway, act, secret_key="A" * 43 + "=")
    assert [(one.status, one.body["code"], one.is_problem) for one in answers] == [
        (503, "secret_key", True)
    ] * 3
    assert len({one.raw for one in answers}) == 1
    assert {one.headers["retry-after"] for one in answers} == {"5"}
