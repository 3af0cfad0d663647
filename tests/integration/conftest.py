"""A receiver and a desk of deliveries for each test; one deployment with a gateway for all tests that only ask it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.engine import tokens
from interlock.engine.embedded import EmbeddedServer
from tests.integration.delivery_desk import Desk
from tests.integration.gateway_setup import AUDIENCE, KEYS, PARCEL, Gateway, key_set
from tests.integration.hostile_receiver import Receiver
from tests.integration.http_client import (
    Client,
    environment,
    start,
    url_in,
    wait_until,
)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def make_desk(redis_client: redis.Redis, valkey_url: str, tmp_path: Path) -> Callable[..., Desk]:
    def make(**fields: Any) -> Desk:
        return Desk.open(redis_client, valkey_url, tmp_path, **fields)

    return make


def _wait_for_charts(client: redis.Redis) -> None:
    """Until the worker has registered its charts: what is asked before is an unknown machine."""
    until = time.monotonic() + 60
    while not {b"parcel@1", b"workbin@1"} <= set(client.hkeys(KEYS.charts)):
        assert time.monotonic() < until, "the worker registers no chart"
        time.sleep(0.01)


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory = tmp_path_factory.mktemp("gateway")
    (directory / "charts").mkdir()
    (directory / "charts" / "parcel.yaml").write_text(PARCEL)
    with EmbeddedServer(directory / "data") as server, redis.Redis.from_url(server.url) as client:
        signs = Ed25519PrivateKey.generate()
        (directory / "jwks.json").write_bytes(key_set("tests", signs))
        environ = environment(
            INTERLOCK_REDIS_URL=server.url,
            INTERLOCK_CHARTS=str(directory / "charts"),
            INTERLOCK_JWT_AUDIENCE=AUDIENCE,
            INTERLOCK_JWT_JWKS_FILE=str(directory / "jwks.json"),
        )
        log = directory / "serve.log"
        processes = [
            start(log, environ, "serve", "--port", "0"),
            start(directory / "worker.log", environ, "worker"),
        ]
        try:
            url = url_in(log, processes[0])
            _wait_for_charts(client)
            admin = Client(url, tokens.create(client, KEYS, "admin", id="root")["token"])
            wait_until(lambda: admin.command("workbin/any", "define", wait=5).status == 200, 60)
            yield Gateway(url, client, environ, admin, signs)
            for process in processes:
                process.send_signal(signal.SIGTERM)
            assert [process.wait(20) for process in processes] == [0, 0], log.read_text()
        finally:
            for process in processes:
                process.kill()
                process.wait()
