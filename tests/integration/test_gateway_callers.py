"""Who asks too often, and who comes with a token that somebody else signed."""

from __future__ import annotations

import time

import jwt
import pytest

from interlock.engine import tokens
from tests.integration.asgi import in_gateway, send
from tests.integration.gateway_setup import KEYS, Gateway
from tests.integration.http_client import Client

SECRET = "s" * 32
LIST = "/interlock/v1/instances/parcel"


@pytest.mark.parametrize("path", [LIST, "/interlock/v1/instances/parcel/none"])
def test_who_asks_too_often_is_told_when_to_come_again(gateway: Gateway, path: str) -> None:
    ann, bob = (tokens.create(gateway.client, KEYS, "admin")["token"] for _ in range(2))

    async def act(app, _deployment):  # type: ignore[no-untyped-def]
        answers = [await send(app, "GET", path, authorization=f"Bearer {ann}") for _ in range(3)]
        return answers, await send(app, "GET", path, authorization=f"Bearer {bob}")

    answers, other = in_gateway(gateway, act, rate_limit=2)
    assert [one.status == 429 for one in answers] == [False, False, True]
    assert (answers[2].is_problem, answers[2].headers["retry-after"]) == (True, "30")
    assert other.status != 429


def test_a_jwt_is_taken_where_the_settings_say_whose(gateway: Gateway) -> None:
    claims = {"sub": "ann", "kind": "admin", "aud": "desk", "exp": int(time.time()) + 60}
    good, bad = jwt.encode(claims, SECRET, "HS256"), jwt.encode(claims, "x" * 32, "HS256")

    async def act(app, _deployment):  # type: ignore[no-untyped-def]
        return [
            (await send(app, "GET", LIST, authorization=f"Bearer {token}")).status
            for token in (good, bad, jwt.encode(claims, "", "none"))
        ]

    assert in_gateway(gateway, act, jwt_secret=SECRET, jwt_audience="desk") == [200, 401, 401]
    assert in_gateway(gateway, act) == [401, 401, 401]


def test_metrics_count_what_was_answered_and_what_waits(gateway: Gateway) -> None:
    token = tokens.create(gateway.client, KEYS, "admin")["token"]

    async def act(app, _deployment):  # type: ignore[no-untyped-def]
        await send(app, "GET", LIST, authorization=f"Bearer {token}")
        await send(app, "GET", LIST)
        await send(app, "GET", "/engage/1.0/secret-path")
        await send(app, "BREW", "/nowhere")
        return await send(app, "GET", "/metrics")

    answer = in_gateway(gateway, act)
    lines = set(answer.raw.decode().splitlines())
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'interlock_http_requests_total{api="interlock",method="GET",status="200"} 1.0' in lines
    assert 'interlock_http_requests_total{api="interlock",method="GET",status="401"} 1.0' in lines
    assert 'interlock_http_requests_total{api="engage",method="GET",status="404"} 1.0' in lines
    assert any(line.startswith("interlock_commands_total{") for line in lines)
    assert "interlock_pump_leads 1.0" in lines
    assert b"secret-path" not in answer.raw
    assert b"BREW" not in answer.raw
    ready = Client(gateway.url).get("/readyz").body
    assert (ready["server"], ready["pump_leads"]) == ("up", True)
