"""``reindex``: compare the indexes behind lists with the instances, and correct what differs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from interlock.cli.auditing import write_down
from interlock.cli.exits import CliError, Exit
from interlock.cli.instances import AsJson
from interlock.cli.output import print_facts, print_json, say

app = typer.Typer(rich_markup_mode=None)


@app.command()
def reindex(
    check: Annotated[
        bool, typer.Option("--check", help="Only compare; exit code 1 where they differ.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compare the indexes that lists are read from with the instances, and write them anew where they differ.

    It may run beside workers: it takes each partition for moments only. It can be run again at any time.
    """
    from interlock.cli.server import Server
    from interlock.engine.audit import Action
    from interlock.engine.errors import LeaseLost
    from interlock.workers.reindex import PartitionBusy, Reindex

    server = Server()
    try:
        found = Reindex(server.store, server.registered_chart, repair=not check).run()
    except (PartitionBusy, LeaseLost) as error:
        raise CliError(Exit.FAILED, f"{error}. What was corrected stays; run it again.") from None
    if not check:
        told = {"missing": found.missing, "stale": found.stale, "rows": found.rows}
        write_down(server.store.client, server.store.keys, Action.INDEXES_CORRECTED, "instances", **told)
    if as_json:
        print_json({**asdict(found), "repaired": not check})
    else:
        print_facts(
            [
                ("instances", found.instances),
                ("entries", found.entries),
                ("missing", found.missing),
                ("stale", found.stale),
                ("rows", found.rows),
                ("skipped", found.skipped),
            ]
        )
    if found.found and check:
        say("The indexes differ from the instances. `interlock reindex` corrects them.")
        raise typer.Exit(Exit.FAILED)
