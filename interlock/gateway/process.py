"""The gateway as a child of a process that keeps it running: what ``interlock dev`` does with it."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field

import structlog

from interlock.engine.settings import Settings
from interlock.gateway.sockets import url_of

_RESTART_SECONDS = 0.5
_STOP_SECONDS = 15.0
_PROBE_SECONDS = 1.0

log = structlog.get_logger()


@dataclass(slots=True)
class GatewayProcess:
    """A gateway on ``listening``, started again when it dies. Start it from a thread that lives as long."""

    settings: Settings
    listening: socket.socket
    _process: subprocess.Popen[bytes] | None = field(default=None)
    _start_at: float = 0.0

    @property
    def url(self) -> str:
        """``http://127.0.0.1:<port>``; the same for as long as the socket is open."""
        return url_of(self.listening)

    @property
    def pid(self) -> int | None:
        """Process id, None between a death and the next start."""
        return self._process.pid if self._process else None

    def tend(self) -> None:
        """Start it where it does not run. Call it often."""
        if self._process is not None and self._process.poll() is not None:
            log.warning("gateway_died", child_pid=self._process.pid, exit_code=self._process.returncode)
            self._process = None
            self._start_at = time.monotonic() + _RESTART_SECONDS
        if self._process is None and time.monotonic() >= self._start_at:
            self._launch()

    def ready(self) -> bool:
        """Whether it answers."""
        host, port = self.listening.getsockname()[:2]
        connection = http.client.HTTPConnection(host, port, timeout=_PROBE_SECONDS)
        try:
            connection.request("GET", "/livez")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        """End it in order, or at once where that takes too long."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _launch(self) -> None:
        descriptor = self.listening.fileno()
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
            [sys.executable, "-m", "interlock.gateway", str(descriptor), str(os.getpid())],
            env=self.settings.environment(),
            stdin=subprocess.DEVNULL,
            pass_fds=[descriptor],
            process_group=0,  # Ctrl-C reaches the parent alone
        )
