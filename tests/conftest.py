"""Fixtures that several kinds of test share: a real Valkey, a fake one, and the one that is either."""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import fakeredis
import pytest
import redis
import structlog

from interlock.engine import loader
from interlock.engine.calendar_files import CALENDAR_SUFFIX
from interlock.engine.chart import Chart
from interlock.engine.embedded import EmbeddedServer
from interlock.engine.loader import Functions, load_chart, read_source
from interlock.statecharts import catalog
from interlock.statecharts.calendars import SHIPPED, files_of, functions_over


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Only where tests run in several processes."""
    from tests.scheduling import SharedFixtures

    return SharedFixtures(config, log)


def pytest_collection_finish() -> None:
    """Thousands of tests stay until the end: a search for garbage need not go through them each time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def interrupts_are_heard() -> None:
    """What a shell starts in the background ignores SIGINT, and so would every process that a test starts."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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


@pytest.fixture(scope="session", autouse=True)
def shipped_charts_compiled_once() -> Iterator[None]:
    """A command that a test runs in its own process loads the shipped charts as if it had one to itself: they are
    the same, so each is compiled once for the same functions. With a calendar of one's own the functions are others.
    """

    @cache
    def compiled(path: Path, text: str, functions: frozenset[tuple[str, Callable[..., Any]]]) -> Chart:
        return load_chart(path, functions=dict(functions))

    def load(path: Path, *, functions: Functions | None = None) -> Chart:
        if path.parent != SHIPPED:
            return load_chart(path, functions=functions)
        return compiled(path, read_source(path), frozenset((functions or {}).items()))

    shipped = cache(lambda: functions_over(()))

    def over(directories: Sequence[Path]) -> dict[str, Callable[..., Any]]:
        return functions_over(directories) if files_of(directories, CALENDAR_SUFFIX) else shipped()

    with pytest.MonkeyPatch.context() as patch:
        for module in (catalog, loader):
            patch.setattr(module, "load_chart", load)
        patch.setattr(catalog, "functions_over", over)
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
