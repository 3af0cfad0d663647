"""The gateway as a child process: ``python -m interlock.gateway DESCRIPTOR PARENT_PID``.

It serves on a socket that its parent made and keeps: while the gateway is started again, who connects waits.
Its settings come from the environment. It dies with its parent.
"""

from __future__ import annotations

import os
import socket
import sys

from interlock.engine.collecting import begin_loading

EXIT_UNREACHABLE = 5


def main(argv: list[str]) -> int:
    """Serve until told to stop; 0, or 5 without a server."""
    begin_loading()
    import structlog

    from interlock.engine import lifeline, logs
    from interlock.engine.errors import ServerUnreachable
    from interlock.engine.settings import Settings
    from interlock.gateway.server import serve

    descriptor, parent_pid = int(argv[0]), int(argv[1])
    lifeline.die_with_parent(parent_pid)
    settings = Settings()
    logs.configure(settings)
    structlog.contextvars.bind_contextvars(process="gateway", pid=os.getpid())
    try:
        serve(settings, socket.socket(fileno=descriptor))
    except ServerUnreachable as error:
        structlog.get_logger().error("server_unreachable", error=str(error))
        return EXIT_UNREACHABLE
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
