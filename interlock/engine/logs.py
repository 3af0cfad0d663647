"""Logs are data: one event name, the facts as fields. JSON lines, or readable lines on a terminal."""

from __future__ import annotations

import logging
import sys

import structlog

from interlock.engine.settings import Settings


def configure(settings: Settings) -> None:
    """Set up structlog and the standard library's logging for this process; both write to stderr."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # The default one shows every frame's local variables where rich is installed: private data.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer]
        if as_json
        else [*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_ErrorStream,
    )
    logging.basicConfig(
        level=max(level, logging.WARNING), stream=sys.stderr, format="%(name)s: %(message)s", force=True
    )


class _ErrorStream:
    """Writes to what ``sys.stderr`` is at that moment: a logger may outlive the stream that it began with."""

    def __init__(self, *_names: object) -> None:
        pass

    def msg(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # noqa: T201  this is where the log goes

    log = debug = info = warn = warning = error = critical = fatal = exception = msg
