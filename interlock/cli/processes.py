"""``worker`` and ``dev``: the processes that do the work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interlock.cli.inputs import settings

app = typer.Typer(rich_markup_mode=None)


@app.command()
def worker(
    processes: Annotated[int, typer.Option(min=1, max=256, help="Processes that apply commands.")] = 1,
    delivery_processes: Annotated[
        int, typer.Option(min=0, max=64, help="Processes that deliver webhooks.")
    ] = 1,
    burst: Annotated[bool, typer.Option("--burst", help="Do what is there, then end.")] = False,
) -> None:
    """Run the workers that apply commands and deliver webhooks.

    SIGTERM or Ctrl-C lets them finish what they hold and ends with 0; a second one stops at once.
    """
    from interlock.engine import logs
    from interlock.workers.supervisor import run_workers

    used = settings()
    logs.configure(used)
    code = run_workers(used, processes=processes, delivery_processes=delivery_processes, burst=burst)
    if code:
        raise typer.Exit(code)


@app.command()
def dev(
    data_dir: Annotated[Path, typer.Option(metavar="DIR", help="Where the data live.")] = Path(".interlock"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of HTTP; 0 takes a free one.")] = 0,
    redis_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Of the embedded server; 0 takes a free one.")
    ] = 0,
    charts: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Charts beside the shipped ones; may be repeated."),
    ] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Processes that apply commands.")] = 2,
) -> None:
    """An embedded server with workers and HTTP for development; Ctrl-C stops all.

    DIR/dev.json says where everything is once it is ready, and holds a token of an admin.
    """
    from interlock.cli.serve import need_http

    need_http()
    from interlock.cli.dev import run_dev

    code = run_dev(
        settings(),
        data_dir,
        port=port,
        redis_port=redis_port,
        charts=tuple(charts or ()),
        processes=processes,
    )
    if code:
        raise typer.Exit(code)
