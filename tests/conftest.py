"""Fixtures that several kinds of test share: a real Valkey, a fake one, and the one that is either."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import fakeredis
import pytest
import redis
import structlog

from interlock.engine.embedded import EmbeddedServer


@pytest.fixture(autouse=True)
def logging_as_it_is_unconfigured() -> None:
    """A test that runs a process's main function configures the log for all that follow; not here."""
    structlog.reset_defaults()


@pytest.fixture(scope="session", autouse=True)
def state_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where a secret key is made that no test has named: not in the state of who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A running Valkey of this test process alone, append-only file on; pytest-xdist gives each worker one.

    A test that kills or restarts a server starts its own `EmbeddedServer`.
    """
    with EmbeddedServer(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def valkey_url(valkey_server: EmbeddedServer) -> Iterator[str]:
    """URL of the running server, empty before the test and after it."""
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
        yield valkey_server.url
        client.flushall()


@pytest.fixture
def redis_client(valkey_url: str) -> Iterator[redis.Redis]:
    """A client of the real server; replies are bytes."""
    with redis.Redis.from_url(valkey_url) as client:
        yield client


@pytest.fixture
def fake_client() -> Iterator[redis.Redis]:
    """A client of a server that lives in this process's memory only; replies are bytes."""
    with fakeredis.FakeRedis() as client:
        yield client


@pytest.fixture(params=["fakeredis", "valkey"])
def any_client(request: pytest.FixtureRequest) -> Any:
    """Each test that takes it runs on both servers: one contract, two implementations."""
    return request.getfixturevalue({"fakeredis": "fake_client", "valkey": "redis_client"}[request.param])
