"""``interlock dev``: a server of our own and the workers on it, for as long as it runs."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from interlock.engine import logs
from interlock.engine.embedded import (
    DataDirInUse,
    EmbeddedServer,
    EmbeddedServerError,
    EmbeddedServerMissing,
)
from interlock.engine.errors import ChartError
from interlock.engine.settings import Settings
from interlock.statecharts.catalog import Catalog
from interlock.workers.processes import EXIT_INVALID
from interlock.workers.supervisor import Supervisor

DEFAULT_DATA_DIR = Path(".interlock")
EXIT_FAILED = 1

log = structlog.get_logger()


def run_dev(
    settings: Settings,
    data_dir: Path = DEFAULT_DATA_DIR,
    *,
    port: int = 0,
    charts: tuple[Path, ...] = (),
    processes: int = 2,
) -> int:
    """Run until SIGTERM or SIGINT; 0, 1 where the server cannot start, 4 invalid chart, 130 or 143.

    ``port``: of the embedded server, 0 for a free one. ``charts``: directories beside those of ``settings``.
    Writes ``<data_dir>/dev.json`` (mode 0600) when all of it is ready and keeps it right; nothing it started
    outlives it, even after ``kill -9``.
    """
    logs.configure(settings)
    directories = [*settings.charts, *charts]
    try:
        Catalog.load(directories)
        with EmbeddedServer(data_dir, port=port) as server:
            mine = settings.model_copy(
                update={"redis_url": server.url, "rq_redis_url": server.url, "charts": directories}
            )
            return _Dev(server, Supervisor(mine, processes)).run()
    except ChartError as error:
        print(error, file=sys.stderr)  # noqa: T201  # findings are for people: file:line:column
        return EXIT_INVALID
    except (DataDirInUse, EmbeddedServerMissing, EmbeddedServerError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EXIT_FAILED


@dataclass(slots=True)
class _Dev:
    server: EmbeddedServer
    supervisor: Supervisor
    _written: dict[str, Any] = field(default_factory=dict)

    def run(self) -> int:
        status = self.server.data_dir / "dev.json"
        status.unlink(missing_ok=True)  # of one that was killed
        try:
            return self.supervisor.run(on_tick=self._tick)
        finally:
            status.unlink(missing_ok=True)

    def _tick(self) -> None:
        if not self.server.running:
            log.warning("server_died", server_pid=self.server.pid)
            self.server.restart()
        status = self._status()
        if status != self._written and (self._written or self.supervisor.ready()):
            _write(self.server.data_dir / "dev.json", status)
            if not self._written:
                log.info("ready", redis_url=self.server.url, data_dir=str(self.server.data_dir))
            self._written = status

    def _status(self) -> dict[str, Any]:
        return {
            "redis_url": self.server.url,
            "http_url": None,
            "pids": {"server": self.server.pid, "workers": self.supervisor.pids(), "gateway": None},
            "admin_token": None,
        }


def _write(path: Path, status: dict[str, Any]) -> None:
    """Whole or not at all, and readable by its owner alone: it will hold a token."""
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(status, file)
    new.replace(path)
