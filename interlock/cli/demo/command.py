"""``interlock demo``: plays the desk, shows how far it is, prints what happened."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from interlock.cli.exits import Exit
from interlock.cli.instances import AsJson

app = typer.Typer(rich_markup_mode=None)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the pictures go.")] = Path("demo-output"),
    limit: Annotated[
        int | None, typer.Option(metavar="INCIDENTS", min=1, help="Only the first so many.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The whole way once, on real input, with an embedded server.

    Plays the audit log of a real support desk through two worker processes and a webhook receiver, all on
    this machine, checks everything, and leaves pictures. Exit code 1 where anything is not as it should be.
    """
    from interlock.cli.demo.report import print_report
    from interlock.cli.demo.runner import run_demo

    outcome = run_demo(out, limit)
    print_report(outcome, as_json)
    if outcome.verdict.mismatches:
        raise typer.Exit(Exit.FAILED)
