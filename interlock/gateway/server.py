"""The process that serves HTTP: uvicorn on a listening socket, an orderly end."""

from __future__ import annotations

import os
import signal
import socket
from types import FrameType

import structlog
import uvicorn

from interlock.engine.collecting import end_loading
from interlock.engine.settings import Settings
from interlock.gateway.app import make_app
from interlock.gateway.deployment import ServedDeployment
from interlock.gateway.sockets import url_of

_GRACE_SECONDS = 10

log = structlog.get_logger()


def serve(settings: Settings, listening: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then answer what is under way; a second signal ends at once.

    For the main thread. Raises ServerUnreachable where no server answers at the start; one that goes away
    later is waited for.
    """
    deployment = ServedDeployment.open(settings)
    config = uvicorn.Config(
        make_app(deployment),
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    # uvicorn sends the signal to itself again when it has ended; that is not to end us, we end by returning.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _nothing)
    end_loading()
    log.info("listening", http_url=url_of(listening))
    _Server(config, deployment).run(sockets=[listening])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, deployment: ServedDeployment) -> None:
        super().__init__(config)
        self._deployment = deployment

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            # Not by `force_exit`: from Python 3.12.1 on the event loop waits even then until all connections close.
            os._exit(128 + sig)
        self._deployment.commands.stopping = True
        super().handle_exit(sig, frame)


def _nothing(signum: int, frame: FrameType | None) -> None:
    """Keeps a signal from ending the process."""
