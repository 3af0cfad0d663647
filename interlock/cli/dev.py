"""``interlock dev``: a server of our own, the workers and the gateway on it, for as long as it runs."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from interlock.engine import logs, tokens
from interlock.engine.clients import connect
from interlock.engine.embedded import (
    DataDirInUse,
    EmbeddedServer,
    EmbeddedServerError,
    EmbeddedServerMissing,
)
from interlock.engine.errors import ChartError
from interlock.engine.keys import Keys
from interlock.engine.settings import Settings
from interlock.gateway.process import GatewayProcess
from interlock.gateway.sockets import listen
from interlock.statecharts.catalog import Catalog
from interlock.workers.processes import EXIT_INVALID
from interlock.workers.supervisor import Supervisor

DEFAULT_DATA_DIR = Path(".interlock")
EXIT_FAILED = 1
_HOST = "127.0.0.1"
_TOKEN_OF = "interlock-dev"  # noqa: S105  # whose token it is, not a token

log = structlog.get_logger()


def run_dev(
    settings: Settings,
    data_dir: Path = DEFAULT_DATA_DIR,
    *,
    port: int = 0,
    redis_port: int = 0,
    charts: tuple[Path, ...] = (),
    processes: int = 2,
) -> int:
    """Run until SIGTERM or SIGINT; 0, 1 where something cannot start, 4 invalid chart, 130 or 143.

    ``port``: of the gateway, ``redis_port``: of the embedded server; 0 for a free one. ``charts``: directories
    beside those of ``settings``.
    Writes ``<data_dir>/dev.json`` (mode 0600) when all of it is ready and keeps it right; nothing it started
    outlives it, even after ``kill -9``.
    """
    logs.configure(settings)
    directories = [*settings.charts, *charts]
    try:
        Catalog.load(directories)
        with listen(_HOST, port) as listening, EmbeddedServer(data_dir, port=redis_port) as server:
            mine = settings.model_copy(
                update={"redis_url": server.url, "rq_redis_url": server.url, "charts": directories}
            )
            token = _admin_token(mine)
            return _Dev(server, Supervisor(mine, processes), GatewayProcess(mine, listening), token).run()
    except ChartError as error:
        print(error, file=sys.stderr)  # noqa: T201  # findings are for people: file:line:column
        return EXIT_INVALID
    except OSError as error:  # of `listen`
        print(  # noqa: T201
            f"The gateway cannot listen on port {port} ({error.strerror}). Name another with --port.",
            file=sys.stderr,
        )
        return EXIT_FAILED
    except (DataDirInUse, EmbeddedServerMissing, EmbeddedServerError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EXIT_FAILED


@dataclass(slots=True)
class _Dev:
    server: EmbeddedServer
    supervisor: Supervisor
    gateway: GatewayProcess
    admin_token: str = field(repr=False)
    _written: dict[str, Any] = field(default_factory=dict)

    def run(self) -> int:
        status = self.server.data_dir / "dev.json"
        status.unlink(missing_ok=True)  # of one that was killed
        try:
            return self.supervisor.run(on_tick=self._tick)
        finally:
            self.gateway.stop()
            status.unlink(missing_ok=True)

    def _tick(self) -> None:
        if not self.server.running:
            log.warning("server_died", server_pid=self.server.pid)
            self.server.restart()
        self.gateway.tend()
        status = self._status()
        if status != self._written and (self._written or self._ready()):
            _write(self.server.data_dir / "dev.json", status)
            if not self._written:
                log.info(
                    "ready",
                    redis_url=self.server.url,
                    http_url=self.gateway.url,
                    data_dir=str(self.server.data_dir),
                )
            self._written = status

    def _ready(self) -> bool:
        return self.supervisor.ready() and self.gateway.ready()

    def _status(self) -> dict[str, Any]:
        return {
            "redis_url": self.server.url,
            "http_url": self.gateway.url,
            "pids": {
                "server": self.server.pid,
                "workers": self.supervisor.pids(),
                "gateway": self.gateway.pid,
            },
            "admin_token": self.admin_token,
        }


def _admin_token(settings: Settings) -> str:
    """A new token; those of starts before it end, for nobody has them any more."""
    with connect(settings) as client:
        keys = Keys(settings.prefix)
        with contextlib.suppress(tokens.TokenNotFound):
            tokens.revoke(client, keys, _TOKEN_OF)
        return tokens.create(client, keys, "admin", id=_TOKEN_OF)["token"]


def _write(path: Path, status: dict[str, Any]) -> None:
    """Whole or not at all, and readable by its owner alone: it holds a token."""
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(status, file)
    new.replace(path)
