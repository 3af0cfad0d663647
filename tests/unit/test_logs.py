"""What the logs show, in each format and from every logger."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Iterator

import orjson
import pytest
import structlog

from interlock.engine import logs
from interlock.engine.settings import Settings

CANARY = "eyJhbGciOi-canary"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging as it was before the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def fail(data: dict[str, str]) -> None:
    agent_jwt = data["agent_jwt"]
    raise ValueError(f"a fault that names none of its {len(agent_jwt)} letters")


def log_failures() -> None:
    """One failure through structlog, and one through each of the libraries' loggers."""
    data = {"agent_jwt": CANARY}
    try:
        fail(data)
    except ValueError:
        structlog.get_logger().exception("failed_here")
        for name in ("uvicorn.error", "rq.worker", "asyncio", "of_the_standard_library"):
            logging.getLogger(name).exception("failed in %s", name)


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_traceback_shows_no_local_variable(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format=log_format))  # type: ignore[arg-type]
    log_failures()
    written = capsys.readouterr().err
    assert written.count("a fault that names none of its 17 letters") == 5
    assert "in fail" in written
    assert CANARY not in written


def test_lines_for_machines_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(log_format="json"))
    structlog.get_logger().warning("server_lost", error="ConnectionError")
    line = orjson.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["error"]) == ("server_lost", "warning", "ConnectionError")


def test_a_logger_outlives_the_stream_that_it_began_with(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(Settings(log_format="json"))
    first = io.StringIO()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", first)
        logger = structlog.get_logger().bind()
        logger.warning("while_it_is_open")
    first.close()
    logger.warning("after_it_was_closed")
    assert "after_it_was_closed" in capsys.readouterr().err
