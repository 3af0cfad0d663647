"""``doctor``: looks at one thing after the other and says, for each that is not well, what to do."""

from __future__ import annotations

from dataclasses import asdict

import typer

from interlock.cli.exits import Exit
from interlock.cli.inputs import settings
from interlock.cli.instances import AsJson
from interlock.cli.output import print_json, print_table

app = typer.Typer(rich_markup_mode=None)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Look for what is wrong with this deployment. Exit code 1 where something fails, 5 without a server."""
    from interlock.cli.checkup import examine
    from interlock.cli.health import Health
    from interlock.engine import logs

    used = settings()
    logs.configure(used)
    checks = list(examine(used))
    healthy = all(check.status is not Health.FAIL for check in checks)
    if as_json:
        print_json({"ok": healthy, "checks": [asdict(check) for check in checks]})
    else:
        print_table(
            ["", "check", "found", "next step"],
            [[check.status.value, check.name, check.message, check.next] for check in checks],
        )
    if checks[0].status is Health.FAIL:
        raise typer.Exit(Exit.UNREACHABLE)
    if not healthy:
        raise typer.Exit(Exit.FAILED)
