"""``serve``: the gateway."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated

import typer

from interlock.cli.exits import CliError, Exit
from interlock.cli.inputs import settings

app = typer.Typer(rich_markup_mode=None)


def need_http() -> None:
    """Raises CliError where what the gateway is made of is not installed."""
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise CliError(
            Exit.FAILED, 'HTTP needs more than is installed. Install it with: pip install "interlock[http]"'
        )


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8080,
) -> None:
    """Run the gateway: commands and instances over HTTP.

    It speaks plain HTTP: where others reach it, put a proxy that speaks TLS before it. SIGTERM or Ctrl-C
    answers what is under way and ends with 0; a second one stops at once.
    """
    need_http()
    from interlock.engine import logs
    from interlock.gateway.server import serve as run
    from interlock.gateway.sockets import listen

    used = settings()
    logs.configure(used)
    try:
        listening = listen(host, port)
    except OSError as error:
        raise CliError(
            Exit.FAILED,
            f"Cannot listen on {host} port {port}: {error.strerror}. Name others with --host, --port.",
        ) from None
    with listening:
        run(used, listening)
