"""Nobody works: each API says so in its own words, and what was asked is done once, however often asked."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
import redis

from interlock.engine import tokens
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.gateway import asking
from interlock.statecharts.catalog import Catalog
from interlock.workers.drain import Drainer
from interlock.workers.pump import Pump
from tests.integration.asgi import beside, in_gateway, send
from tests.integration.bayeux_client import Bayeux
from tests.integration.gateway_setup import KEYS, Gateway
from tests.integration.genesys_client import Genesys, done
from tests.integration.http_client import Answer, Client, environment

JSON = {"content_type": "application/json"}
CREATE = {"operationName": "Create", "channel": "chat", "queueName": "desk"}
CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "native": ("PUT", "/interlock/v1/queues/new", {}),
    "commands": (
        "POST",
        "/interlock/v1/commands?wait=WAIT",
        {"machine": "ticket", "key": "T-1", "name": "open"},
    ),
    "engage": ("POST", "/engage/1.0/contents?source_id=mail&author_id=cid&body=Hello", {}),
    "oneview": ("PUT", "/oneview/v1/ann/online", {}),
    "sunshine": ("POST", "/sunshine/v2/apps/default/conversations", {"type": "sdkGroup"}),
    "genesys": ("POST", "/genesys/api/v2/interactions", CREATE),
}
ENVELOPES = {
    "native": {"type", "title", "status", "detail", "code"},
    "engage": {"error", "message", "status"},
    "oneview": {"errorCode", "errorMessage"},
    "sunshine": {"errors"},
}
DEFAULTS: Any = asking.ask.__kwdefaults__
"""Of what an API waits for."""


async def ask_all(app: Any, token: str | None, wait: float) -> dict[str, Answer]:
    """The answers to every call, each under its one Idempotency-Key."""

    async def one(name: str) -> Answer:
        method, path, body = CALLS[name]
        sent = {**JSON, "authorization": f"Bearer {token}", "idempotency_key": f"once-{name}"}
        return await send(app, method, path.replace("WAIT", str(wait)), orjson.dumps(body), **sent)

    return dict(zip(CALLS, await asyncio.gather(*map(one, CALLS)), strict=True))


def publish(client: redis.Redis, address: str, name: str, **data: Any) -> None:
    machine, _, key = address.partition("/")
    command = {
        "machine": machine,
        "key": key,
        "name": name,
        "data": data,
        "actor": {"id": "hub", "kind": "system"},
    }
    client.xadd(KEYS.commands, {"command": orjson.dumps(command)})


def told_to_come_again(answers: dict[str, Answer]) -> None:
    """By 503 in the API's own envelope; the native API's commands, and Genesys' calls, by 202 and their id."""
    pending = answers["commands"]
    assert (pending.status, pending.body["status"]) == (202, "pending")
    accepted = answers["genesys"]
    assert (accepted.status, accepted.body["statusCode"]) == (202, 0)
    assert accepted.body.keys() == {"statusCode", "referenceId", "id", "uri"}
    for name, fields in ENVELOPES.items():
        answer = answers[name]
        assert answer.status == 503, (name, answer.raw)
        assert int(answer.headers["retry-after"]) >= 1, name
        assert fields <= set(answer.body), (name, answer.raw)


def identity(answer: Answer) -> tuple[int, str, Any]:
    """What an answer says that it is about."""
    body = answer.body.get("conversation", answer.body)
    return answer.status, str(body.get("id") or body["key"]), body.get("version")


class Worker:
    """What a worker does with commands, in this process."""

    def __init__(self, client: redis.Redis, settings: Settings, catalog: Catalog) -> None:
        self.store = Store.open(client, settings, found=True)
        self._pump = Pump(self.store, settings, lambda _number: None, lambda: None)
        self._drainer = Drainer(self.store, catalog, settings)

    def work(self) -> None:
        """Everything that waits, and what follows from it."""
        while self._pump.take_in() or self.store.backlog():
            for number in range(self.store.keys.partitions):
                self._drainer.drain(number)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Meanwhile it works."""
        stop = threading.Event()

        def loop() -> None:
            while not stop.wait(0.002):
                self.work()

        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(loop)
            try:
                yield
            finally:
                stop.set()
            done.result()


def test_every_api_says_to_come_again_and_what_was_asked_is_done_once(
    valkey_url: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = redis_client
    token = tokens.create(client, KEYS, "admin", id="root")["token"]
    gateway = Gateway("", client, environment(INTERLOCK_REDIS_URL=valkey_url), Client("", token))
    catalog = Catalog.load()
    worker = Worker(client, Settings(redis_url=valkey_url), catalog)
    for chart in catalog.charts:
        worker.store.register_chart(chart)
    publish(client, "agent/ann", "define")
    publish(client, "queue/desk", "define")
    worker.work()

    async def act(app: Any, _deployment: Any) -> None:
        monkeypatch.setitem(DEFAULTS, "wait", 0.1)
        unanswered = [await ask_all(app, token, 0.1) for _ in range(2)]
        for answers in unanswered:
            told_to_come_again(answers)
        monkeypatch.setitem(DEFAULTS, "wait", 60)
        with worker.working():
            first, again = [await ask_all(app, token, 60) for _ in range(2)]
        assert all(one.status in (200, 201) for one in first.values()), first
        promised = {answers["genesys"].body["id"] for answers in unanswered}
        assert promised == {first["genesys"].body["id"]}
        for name in CALLS.keys() - {"native"}:  # a PUT of the same once more is one more version of the same
            assert identity(first[name]) == identity(again[name]), name

    in_gateway(gateway, act)
    names = client.scan_iter("*:instance:*", count=10_000)
    machines = Counter(name.decode().rpartition(":instance:")[2].partition("/")[0] for name in names)
    made = {name: machines[name] for name in ("ticket", "content", "switchboard", "interaction", "agent")}
    assert made == {"ticket": 1, "content": 1, "switchboard": 1, "interaction": 1, "agent": 1}


def test_what_genesys_has_accepted_is_told_when_it_is_done_and_when_it_is_refused(
    valkey_url: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = redis_client
    gateway = Gateway("", client, environment(INTERLOCK_REDIS_URL=valkey_url), Client(""))
    catalog = Catalog.load()
    worker = Worker(client, Settings(redis_url=valkey_url), catalog)
    for chart in catalog.charts:
        worker.store.register_chart(chart)
    publish(client, "queue/desk", "define")
    worker.work()
    with beside(gateway) as second:
        ann, hub = (
            Genesys(second.with_token(tokens.create(client, KEYS, kind, id=name)["token"]), name)
            for kind, name in (("agent", "ann"), ("system", "hub"))
        )
        with worker.working():
            done(ann.start("chat"))
            key = done(hub.create(channel="chat", queueName="desk"))["id"]
        publish(client, f"interaction/{key}", "invite", agent="ann")
        worker.work()
        listener = Bayeux(ann.client).listen()
        monkeypatch.setitem(DEFAULTS, "wait", 0.1)
        accepted = [ann.do(key, "Accept") for _ in range(2)]
        first, second_one = (answer.body["referenceId"] for answer in accepted)
        for answer, reference in zip(accepted, (first, second_one), strict=True):
            assert answer.status == 202
            assert answer.body == {"statusCode": 0, "referenceId": reference, "status": "ok"}
        assert ann.start("chat").status == 503, "more commands than one, and the first is not done"
        worker.work()
        refused = listener.hear(lambda one: one["messageType"] == "ErrorMessage")
        assert (refused["referenceId"], refused["statusCode"]) == (second_one, 2)
        told = listener.hear(lambda one: one.get("state") == "Chatting")
        assert told["referenceId"] == first
