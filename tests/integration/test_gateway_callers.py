"""Who asks too often, and who comes with a token that somebody else signed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.engine import tokens
from interlock.gateway import key_sets
from interlock.gateway.key_sets import Pace
from tests.integration.asgi import in_gateway, send
from tests.integration.engage_client import Engage
from tests.integration.gateway_setup import KEYS, Gateway, key_set
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


def test_a_jwt_is_a_principal_in_the_vendors_apis_too(gateway: Gateway) -> None:
    """By its id, kind, tenant and permissions; as a token of ours would be."""
    root = gateway.with_jwt("admin", "jwt-root", tenant="jwt-desk")
    ann = gateway.with_jwt("agent", "jwt-ann", tenant="jwt-desk", permissions=["read:mail", "reply:mail"])
    agent = orjson.dumps({"name": "Ann", "queues": ["mail"], "capacity": {"mail": 3}})
    assert root.send("PUT", "/interlock/v1/agents/jwt-ann", agent).status == 200

    online = ann.send("PUT", "/oneview/v1/jwt-ann/online")
    assert (online.status, online.body["id"], online.body["name"]) == (200, "jwt-ann", "Ann")
    assert ann.send("PUT", "/oneview/v1/jwt-bob/online").status == 403
    assert root.get("/interlock/v1/agents/jwt-ann").body["state"] == ["online"]

    customers = Engage(gateway.with_jwt("system", "jwt-mail", tenant="jwt-desk"), "jwt-mail")
    opened = Engage(ann, "jwt-ann").open(customers.ask("mail", "customer"))
    assert (opened.status, opened.body["user_id"]) == (200, "jwt-ann")
    stranger = Engage(gateway.with_jwt("agent", "jwt-ann", permissions=["read:*"]), "jwt-ann")
    assert stranger.get(opened.body["id"]).status == 404

    foreign = gateway.with_jwt("agent", "jwt-ann", tenant="jwt-desk", aud="elsewhere")
    refused = {path: foreign.get(path) for path in ("/oneview/v1/tickets", "/engage/1.0/interventions")}
    assert {one.status for one in refused.values()} == {401}
    assert refused["/oneview/v1/tickets"].body["errorCode"] == 401
    assert refused["/engage/1.0/interventions"].body["status"] == 401


@pytest.fixture
def provider() -> Iterator[Provider]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Provider) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        Provider.asked = []
        Provider.url = f"http://127.0.0.1:{server.server_port}"
        yield Provider
        server.shutdown()


class Provider(BaseHTTPRequestHandler):
    """An identity provider: ``/jwks`` has its keys, ``/moved`` sends there, all else is not found."""

    url = ""
    keys = b""
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response({"/jwks": 200, "/moved": 302}.get(self.path, 404))
        self.send_header("Location", "/jwks")
        self.end_headers()
        self.wfile.write(self.keys if self.path == "/jwks" else b"")

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def test_the_keys_of_an_identity_provider_are_fetched_and_followed_when_they_change(
    gateway: Gateway, provider: type[Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_sets, "URL_PACE", Pace(fresh=600, at_most=0))
    first, second = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    claims = {"sub": "ann", "kind": "admin", "aud": "desk", "exp": int(time.time()) + 60}

    def signed(key: Ed25519PrivateKey, kid: str) -> str:
        return jwt.encode(claims, key, "EdDSA", headers={"kid": kid})

    async def act(app, _deployment):  # type: ignore[no-untyped-def]
        async def status(key: Ed25519PrivateKey, kid: str) -> int:
            return (await send(app, "GET", LIST, authorization=f"Bearer {signed(key, kid)}")).status

        provider.keys = key_set("1", first)
        found = [await status(first, "1") for _ in range(5)]
        provider.keys = key_set("2", second)
        return [*found, await status(second, "2"), await status(first, "1"), await status(second, "1")]

    url = f"{provider.url}/jwks"
    assert in_gateway(gateway, act, jwt_jwks_url=url, jwt_audience="desk") == [200] * 6 + [401] * 2
    assert provider.asked == ["/jwks"] * 4  # the first five requests made one, each name that was new another

    async def away(app, _deployment):  # type: ignore[no-untyped-def]
        return await send(app, "GET", LIST, authorization=f"Bearer {signed(second, '2')}")

    for path in ("/moved", "/none"):
        answer = in_gateway(gateway, away, jwt_jwks_url=f"{provider.url}{path}", jwt_audience="desk")
        assert (answer.status, answer.is_problem, answer.body["code"]) == (503, True, "keys_unavailable")
        assert answer.headers["retry-after"]
        assert provider.asked[-1] == path


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
