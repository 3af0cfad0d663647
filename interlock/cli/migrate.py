"""``migrate``: move live instances to another version of their chart, or bring them back.

What cannot move is told before anything is touched; then each instance gets a command, which a worker decides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from interlock.cli.auditing import write_down
from interlock.cli.chart_versions import registered_chart
from interlock.cli.exits import CliError, Exit
from interlock.cli.instances import AsJson
from interlock.cli.output import print_json, print_table, say

app = typer.Typer(rich_markup_mode=None)


@app.command()
def migrate(
    machine: Annotated[str, typer.Argument(metavar="MACHINE", help="The chart's id, such as ticket.")],
    to: Annotated[int, typer.Option(min=1, metavar="N", help="The chart version to move to.")],
    mapping: Annotated[
        Path | None, typer.Option("--map", metavar="FILE", help="YAML: states, context, drop.")
    ] = None,
    only_from: Annotated[
        int | None, typer.Option("--from", min=1, metavar="M", help="Only those at this version.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Bring back those moved to N that have not moved on since.")
    ] = False,
    patience: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, max=3600, help="Wait so long for the next answer.")
    ] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Move live instances to another version of their chart: states, history, timers, context.

    Nothing is touched while one instance has no place there; what lacks a mapping is told by name and number.
    It can be run again at any time. Exit code: 0 all moved, 6 some cannot or were refused, 4 the mapping is
    wrong, 1 no answer in time (run it again).
    """
    from interlock.cli.server import Server
    from interlock.engine.audit import Action
    from interlock.statecharts.moves import Outcome, apply_moves, survey, survey_undo

    if undo and mapping is not None:
        raise CliError(Exit.USAGE, "--undo brings back what was, so it takes no --map. Leave one out.")
    given = _read_map(mapping)
    server = Server()
    store = server.store
    registered_chart(machine, to)
    found = (
        survey_undo(store, machine, to, only_from)
        if undo
        else survey(store, machine, to, given, only_from, server.functions)
    )
    outcome = Outcome()
    if not (dry_run or found.problems):
        outcome = apply_moves(store, machine, found.moves, patience)
        told = {"undo": undo, "moved": outcome.moved, "unanswered": outcome.unanswered}
        write_down(store.client, store.keys, Action.INSTANCES_MIGRATED, f"{machine}@{to}", **told)
    problems = found.problems or outcome.refused
    report = {
        "machine": machine,
        "to": to,
        "undo": undo,
        "dry_run": dry_run,
        "instances": found.instances,
        "moved": outcome.moved,
        "already": found.already,
        "ended": found.ended,
        "stay": found.stay,
        "unanswered": outcome.unanswered,
        "problems": [
            {"what": what, "name": name, "message": message, "instances": number}
            for (what, name, message), number in problems.most_common()
        ],
    }
    if as_json:
        print_json(report)
    else:
        _tell(report)
    if any(name == "invalid_mapping" for _, name, _ in problems):
        raise typer.Exit(Exit.INVALID)
    if problems:
        raise typer.Exit(Exit.REFUSED)
    if outcome.unanswered:
        raise typer.Exit(Exit.FAILED)


def _tell(report: dict[str, Any]) -> None:
    if report["problems"]:
        print_table(
            ["instances", "what", "name", "why"],
            [[each["instances"], each["what"], each["name"], each["message"]] for each in report["problems"]],
        )
    what = f"{report['machine']} to version {report['to']}"
    if report["undo"]:
        say(f"{report['instances']} instances of {what} can be brought back, {report['stay']} stay.")
    else:
        others = f"{report['already']} are there already, {report['ended']} have come to their end"
        say(f"{report['instances']} instances of {what}: {others}.")
    if report["dry_run"]:
        say("Nothing was touched: this was a dry run.")
    elif report["problems"] and not report["moved"]:
        say("Nothing was touched. Say in --map where these go, then run it again.")
    else:
        say(f"{report['moved']} moved.")
    if report["unanswered"]:
        say(
            f"{report['unanswered']} have not answered in time: `interlock doctor` says whether workers run. "
            "Run it again."
        )


def _read_map(path: Path | None) -> dict[str, Any]:
    """What a mapping file says. Raises CliError, and ChartError with the place where it is no YAML of ours."""
    from interlock.engine.yaml_source import decode, plain, read_yaml

    if path is None:
        return {}
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise CliError(Exit.USAGE, f"--map {path}: {error.strerror}. Name a file that can be read.") from None
    found = plain(read_yaml(decode(raw, str(path)), str(path)))
    if found is None:
        return {}
    if not isinstance(found, dict) or not found.keys() <= {"states", "context", "drop"}:
        raise CliError(Exit.INVALID, f"--map {path}: a mapping has states, context and drop, nothing else.")
    return {word: value for word, value in found.items() if value is not None}
