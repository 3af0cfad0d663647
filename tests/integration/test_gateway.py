"""Who comes in over HTTP, and what becomes of his commands; real workers and a real server behind it."""

from __future__ import annotations

import concurrent.futures
import time
from typing import Any

import orjson
import pytest

from interlock.engine import tokens
from interlock.engine.errors import ErrorClass
from interlock.engine.settings import Settings
from interlock.gateway.answers import HTTP_STATUS
from tests.integration.gateway_setup import KEYS, Gateway, read
from tests.integration.http_client import (
    Answer,
    Client,
    basic,
    wait_until,
)

# Health


def test_health_is_told_without_a_token(gateway: Gateway) -> None:
    stranger = Client(gateway.url)
    assert stranger.get("/livez").body == {"status": "alive"}
    assert gateway.admin.command("parcel/timed", "post", data={"owner": "ann"}).status == 200
    # What a test before this one has left to do is done first.
    answer = wait_until(lambda: (told := stranger.get("/readyz")).body["backlog"] == 0 and told)
    assert (answer.status, answer.body["status"], answer.body["timer_lag_seconds"]) == (200, "ready", 0)
    assert answer.body["earliest_timer"] is not None


def test_readiness_tells_how_late_the_first_timer_is(gateway: Gateway) -> None:
    timers = KEYS.partition(0).timers
    gateway.client.zadd(timers, {"[]": (time.time() - 90) * 1000})
    late = Client(gateway.url).get("/readyz").body["timer_lag_seconds"]
    gateway.client.zrem(timers, "[]")
    assert late == 0 or 90 <= late < 120  # 0: a worker was faster and has dropped what is no timer


# Who comes in


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_of_the_api_demands_a_token(gateway: Gateway) -> None:
    stranger = Client(gateway.url)
    document = stranger.get("/openapi.json").body
    asked = [one for one in operations(document) if one[1].startswith("/interlock/v1")]
    assert len(asked) >= 5
    for method, path, _ in asked:
        answer = stranger.send(method.upper(), path.replace("{", "").replace("}", ""))
        assert (answer.status, answer.is_problem) == (401, True), path
        assert "Bearer" in answer.headers["www-authenticate"]
        assert "Basic" in answer.headers["www-authenticate"]


def test_the_openapi_document_says_what_is_asked_for_and_what_may_come(gateway: Gateway) -> None:
    found = operations(Client(gateway.url).get("/openapi.json").body)
    ids = [operation["operationId"] for _, _, operation in found]
    assert len(set(ids)) == len(ids)
    for _, path, operation in found:
        if path.startswith("/interlock/v1"):
            assert operation["security"] == [{"bearer": []}, {"basic": []}]
            assert {"401", "403"} <= operation["responses"].keys()
            assert any(status.startswith("2") for status in operation["responses"])
            assert list(operation["responses"]["401"]["content"]) == ["application/problem+json"]
        else:
            asks_nobody = path in ("/livez", "/readyz", "/metrics")
            assert (operation["security"] == []) == asks_nobody, path


def test_the_document_describes_the_command_that_is_taken(gateway: Gateway) -> None:
    document = Client(gateway.url).get("/openapi.json").body
    body = document["paths"]["/interlock/v1/commands"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert schema["required"] == ["machine", "key", "name"]
    assert not {"actor", "reply_to"} & schema["properties"].keys()


def test_a_token_is_a_bearer_and_a_name_with_a_password(gateway: Gateway) -> None:
    made = tokens.create(gateway.client, KEYS, "admin")
    stranger = Client(gateway.url)
    path = "/interlock/v1/instances/parcel"
    assert stranger.get(path, authorization=f"Bearer {made['token']}").status == 200
    assert stranger.get(path, authorization=f"bearer {made['token']}").status == 200
    assert stranger.get(path, authorization=basic(made["key_id"], made["secret"])).status == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer {key_id}",
        "Bearer {key_id}.",
        "Bearer {key_id}.{secret}x",
        "Bearer ik_0.{secret}",
        "Basic !",
        "Basic e2tleV9pZH0=",
        "Digest {token}",
        "Bearer \xff",
    ],
)
def test_what_is_no_token_is_answered_401(gateway: Gateway, authorization: str) -> None:
    made = tokens.create(gateway.client, KEYS, "admin")
    header = authorization.format(**made)
    answer = Client(gateway.url).get("/interlock/v1/instances/parcel", authorization=header)
    assert (answer.status, answer.is_problem) == (401, True)
    assert made["secret"].encode() not in answer.raw


def test_a_revoked_token_is_refused_at_once(gateway: Gateway) -> None:
    made = tokens.create(gateway.client, KEYS, "admin")
    client = Client(gateway.url, made["token"])
    assert client.get("/interlock/v1/instances/parcel").status == 200
    tokens.revoke(gateway.client, KEYS, made["key_id"])
    assert client.get("/interlock/v1/instances/parcel").status == 401


# Commands


def test_a_command_is_applied_and_answered_with_its_result(gateway: Gateway) -> None:
    answer = gateway.admin.command("parcel/applied", "post", data={"owner": "ann"})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    result = answer.body
    assert result.keys() == {"id", "status", "machine", "key", "version", "state", "events", "error"}
    assert (result["status"], result["version"], result["state"]) == ("applied", 1, ["posted"])


def test_the_actor_is_the_tokens_principal(gateway: Gateway) -> None:
    agent = gateway.with_token("agent", id="ann", permissions=["monitor_tasks"])
    assert agent.command("parcel/actor", "post", data={"owner": "ann"}).status == 200
    bot = gateway.with_token("bot")
    assert bot.command("parcel/actor", "send").status == 403
    assert agent.command("parcel/actor", "send").status == 200
    history = read(gateway.admin, "parcel/actor/history")["history"]
    assert [entry["actor"] for entry in history] == [
        {"id": "ann", "kind": "agent", "permissions": ["monitor_tasks"]}
    ] * 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("actor", {"id": "root", "kind": "admin"}), ("actor", None), ("reply_to", "interlock:reply:other")],
)
def test_what_the_gateway_fills_in_may_not_be_sent(gateway: Gateway, name: str, value: Any) -> None:
    agent = gateway.with_token("agent")
    answer = agent.command("parcel/forged", "post", data={"owner": "ann"}, **{name: value})
    assert (answer.status, answer.is_problem, answer.body["code"]) == (400, True, "unknown_field")
    assert name in answer.body["detail"]
    assert gateway.admin.get("/interlock/v1/instances/parcel/forged").status == 404
    assert gateway.client.exists("interlock:reply:other") == 0


def test_a_command_sent_again_under_its_key_gets_the_first_answer(gateway: Gateway) -> None:
    headers = {"idempotency_key": '"same-1"'}
    first = gateway.admin.command("parcel/twice", "post", data={"owner": "ann"}, headers=headers)
    again = gateway.admin.command(
        "parcel/twice", "post", data={"owner": "ann"}, headers={"idempotency_key": "same-1"}
    )
    assert first.body["id"] == "same-1"
    assert (again.status, again.body) == (200, first.body | {"duplicate": True})
    assert read(gateway.admin, "parcel/twice")["version"] == 1
    other = gateway.admin.command("parcel/twice", "post", data={"owner": "bob"}, headers=headers)
    assert (other.status, other.body["error"]["class"]) == (409, "id_reused")


def test_an_id_of_somebody_else_is_not_answered_with_his_result(gateway: Gateway) -> None:
    headers = {"idempotency_key": "mine"}
    gateway.admin.command("parcel/mine", "post", data={"owner": "ann"}, headers=headers)
    other = gateway.with_token("agent").command("parcel/mine", "post", data={"owner": "ann"}, headers=headers)
    assert (other.status, other.body["error"]["class"]) == (409, "id_reused")


def test_two_bodies_under_one_key_at_once_get_each_its_own_answer(gateway: Gateway) -> None:
    headers = {"idempotency_key": "at-once"}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        keys = [f"once-{number}" for number in range(8)]
        sent = [
            pool.submit(
                gateway.admin.command, f"parcel/{key}", "post", data={"owner": "ann"}, headers=headers
            )
            for key in keys
        ]
        answers = [one.result() for one in sent]
    assert sorted(answer.status for answer in answers) == [200] + [409] * 7
    assert [answer.body["key"] for answer in answers] == keys


@pytest.mark.parametrize(
    ("headers", "field", "value"),
    [({"idempotency_key": "a"}, "id", "b"), ({"if_match": '"1"'}, "expected_version", 2)],
)
def test_a_header_and_a_field_that_differ_are_refused(
    gateway: Gateway, headers: dict[str, str], field: str, value: Any
) -> None:
    answer = gateway.admin.command("parcel/differ", "post", headers=headers, **{field: value})
    assert (answer.status, answer.is_problem, answer.body["code"]) == (400, True, "contradiction")


def test_if_match_is_the_version_that_is_expected(gateway: Gateway) -> None:
    gateway.admin.command("parcel/match", "post", data={"owner": "ann"})
    etag = gateway.admin.get("/interlock/v1/instances/parcel/match").headers["etag"]
    assert etag == '"1"'
    weigh = {"data": {"grams": 5}, "headers": {"if_match": etag}}
    assert gateway.admin.command("parcel/match", "weigh", **weigh).status == 200
    stale = gateway.admin.command("parcel/match", "weigh", **weigh)
    assert (stale.status, stale.body["error"]["class"]) == (409, "stale_version")
    for header in ('W/"1"', "*", '"one"', '"1", "2"', "-1", ""):
        answer = gateway.admin.command(
            "parcel/match", "weigh", data={"grams": 5}, headers={"if_match": header}
        )
        assert (answer.status, answer.is_problem) == (400, True), header


def test_each_class_of_refusal_has_an_http_status() -> None:
    assert HTTP_STATUS.keys() == set(ErrorClass)


@pytest.mark.parametrize(
    ("address", "name", "data", "error_class", "status"),
    [
        ("parcel/status", "post", {"owner": "bob"}, "already_exists", 409),
        ("parcel/other", "post", {"owner": 7}, "invalid_data", 422),
        ("parcel/status", "weigh", {"kilos": 7}, "invalid_data", 422),
        ("parcel/status", "explode", {}, "unknown_command", 422),
        ("parcell/status", "post", {}, "unknown_machine", 422),
        ("parcel/nowhere", "send", {}, "not_found", 404),
        ("parcel/status", "deliver", {}, "not_accepted", 409),
        ("parcel/status", "lose", {}, "guard_failed", 409),
        ("parcel/status", "divide", {"by": 0}, "guard_error", 500),
    ],
)
def test_a_refusal_has_the_status_of_its_class(
    gateway: Gateway, address: str, name: str, data: dict[str, Any], error_class: str, status: int
) -> None:
    gateway.admin.command("parcel/status", "post", data={"owner": "ann"})
    answer = gateway.admin.command(address, name, data=data)
    assert (answer.status, answer.body["error"]["class"]) == (status, error_class)
    assert answer.body["status"] == "refused"


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"machine": 5}, "machine"),
        ({"key": ""}, "key"),
        ({"key": "a\nb"}, "key"),
        ({"data": []}, "data"),
        ({"colour": "red"}, "colour"),
        ({"id": "x" * 129}, "id"),
        ({"expected_version": "1"}, "expected_version"),
        ({"not_before": "2026-01-01T00:00:00"}, "not_before"),
    ],
)
def test_a_malformed_command_is_refused_by_the_name_of_its_field(
    gateway: Gateway, fields: dict[str, Any], place: str
) -> None:
    body = {"machine": "parcel", "key": "malformed", "name": "post", "data": {"owner": "ann"}} | fields
    answer = gateway.admin.send("POST", "/interlock/v1/commands?wait=5", orjson.dumps(body))
    assert (answer.status, answer.is_problem, answer.body["class"]) == (400, True, "malformed")
    assert place in answer.body["detail"]


def test_an_empty_body_lacks_fields_and_a_deep_one_is_too_large(gateway: Gateway) -> None:
    empty = gateway.admin.send("POST", "/interlock/v1/commands")
    deep = gateway.admin.send("POST", "/interlock/v1/commands", b'{"a":' * 100 + b"1" + b"}" * 100)
    assert (empty.status, empty.body["code"]) == (400, "invalid_field")
    assert (deep.status, deep.body["code"], deep.is_problem) == (413, "too_deep", True)


@pytest.mark.parametrize("raw", [b"{", b"[]", b"\xff", b"null"])
def test_what_is_no_object_is_refused(gateway: Gateway, raw: bytes) -> None:
    answer = gateway.admin.send("POST", "/interlock/v1/commands", raw)
    assert (answer.status, answer.is_problem, answer.body["code"]) == (400, True, "not_an_object")


def test_a_form_is_refused(gateway: Gateway) -> None:
    answer = gateway.admin.send(
        "POST", "/interlock/v1/commands", b"{}", content_type="application/x-www-form-urlencoded"
    )
    assert (answer.status, answer.is_problem) == (415, True)


def test_a_body_over_the_limit_is_refused_announced_or_not(gateway: Gateway) -> None:
    limit = Settings().max_command_bytes
    whole = gateway.admin.send("POST", "/interlock/v1/commands", b" " * (limit + 1))
    parts = gateway.admin.send("POST", "/interlock/v1/commands", iter([b" " * 65536] * (limit // 65536 + 1)))
    for answer in (whole, parts):
        assert (answer.status, answer.is_problem, answer.body["code"]) == (413, True, "too_large")
        assert answer.headers["x-content-type-options"] == "nosniff"
    fits = gateway.admin.send("POST", "/interlock/v1/commands", b" " * limit)
    assert fits.status == 400


def test_a_command_that_only_the_workers_find_too_large_is_413_too(gateway: Gateway) -> None:
    space = Settings().max_command_bytes - 200
    answer = gateway.admin.command("parcel/large", "post", data={"owner": "a" * space})
    assert (answer.status, answer.body["error"]["class"]) == (413, "too_large")


@pytest.mark.parametrize("wait", ["-1", "61", "soon", "nan", "inf"])
def test_wait_has_a_range(gateway: Gateway, wait: str) -> None:
    answer = gateway.admin.send("POST", f"/interlock/v1/commands?wait={wait}", b"{}")
    assert (answer.status, answer.is_problem, answer.body["errors"][0]["place"]) == (422, True, "query.wait")


def test_without_waiting_the_id_is_answered_and_the_result_found_under_it(gateway: Gateway) -> None:
    answer = gateway.admin.command("parcel/later", "post", wait=0, data={"owner": "ann"}, id="a/b ?")
    assert (answer.status, answer.body) == (202, {"id": "a/b ?", "status": "pending"})
    result = wait_until(
        lambda: (found := gateway.admin.get(answer.headers["location"])).status == 200 and found.body
    )
    assert (result["id"], result["status"]) == ("a/b ?", "applied")
    unknown = gateway.admin.get("/interlock/v1/commands/never-sent")
    assert (unknown.status, unknown.is_problem) == (404, True)


def test_no_answer_in_time_is_202_with_the_id_and_the_command_is_applied_once(gateway: Gateway) -> None:
    later = time.time() + 2
    fields = {
        "data": {"owner": "ann"},
        "not_before": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(later)),
        "headers": {"idempotency_key": "slow"},
    }
    started = time.monotonic()
    first = gateway.admin.command("parcel/slow", "post", wait=0.2, **fields)
    assert (first.status, first.body["id"]) == (202, "slow")
    assert 0.2 <= time.monotonic() - started < 1.5
    again = gateway.admin.command("parcel/slow", "post", wait=15, **fields)
    assert (again.status, again.body["status"]) == (200, "applied")
    assert read(gateway.admin, "parcel/slow")["version"] == 1


def test_many_that_wait_hold_up_nobody(gateway: Gateway) -> None:
    def wait(number: int) -> Answer:
        return gateway.admin.command(
            f"parcel/wait-{number}", "post", wait=3, data={"owner": "ann"}, not_before="2099-01-01T00:00:00Z"
        )

    with concurrent.futures.ThreadPoolExecutor(60) as pool:
        waiting = [pool.submit(wait, number) for number in range(60)]
        places = [KEYS.partition(number).later for number in range(KEYS.partitions)]
        wait_until(lambda: sum(gateway.client.zcard(place) for place in places) >= 60)  # published: they wait
        started = time.monotonic()
        assert gateway.admin.command("parcel/quick", "post", data={"owner": "ann"}).status == 200
        assert time.monotonic() - started < 1.5
        assert not any(one.done() for one in waiting)
        assert {one.result().status for one in waiting} == {202}
