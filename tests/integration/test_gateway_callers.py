"""Who asks too often, and who comes with a token that somebody else signed."""

from __future__ import annotations

import time

import jwt
import pytest

from interlock.engine import tokens
from tests.integration.asgi import in_gateway, send
from tests.integration.gateway_setup import KEYS, Gateway

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
