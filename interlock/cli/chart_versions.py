"""``chart diff``: what a new version of a chart means for live instances, publishers and subscribers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlock.cli.exits import CliError, Exit
from interlock.cli.instances import AsJson
from interlock.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from interlock.engine.chart import Chart
    from interlock.engine.chart_diff import Change

app = typer.Typer(name="chart", rich_markup_mode=None, no_args_is_help=True)

WHICH = "A file, or MACHINE@VERSION as registered."


@app.callback()
def chart() -> None:
    """Versions of charts."""


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help=WHICH)],
    new: Annotated[str, typer.Argument(metavar="NEW", help=WHICH)],
    as_json: AsJson = False,
) -> None:
    """What is different between two versions of a chart, each change with its class.

    compatible: live instances can be moved as they are; needs_mapping: `interlock migrate` refuses those that
    it concerns unless --map says how; impossible: none can be moved. Exit code 0 where every change is
    compatible and breaks no publisher or subscriber, else 1.
    """
    from interlock.engine.chart_diff import Verdict, diff_charts, worst

    before, after = _chart(old), _chart(new)
    changes = diff_charts(before, after)
    verdict = worst(changes)
    broken = sorted({word for change in changes for word in change.breaks})
    if as_json:
        print_json(
            {
                "old": {"machine": before.id, "version": before.version},
                "new": {"machine": after.id, "version": after.version},
                "class": verdict.value,
                "breaks": broken,
                "changes": [_as_dict(change) for change in changes],
            }
        )
    else:
        if changes:
            print_table(
                ["class", "change", "what", "name", "breaks", "meaning"],
                [
                    [
                        each.verdict.value,
                        each.change,
                        each.what,
                        each.name,
                        ", ".join(each.breaks),
                        each.message,
                    ]
                    for each in changes
                ],
            )
        say(_summary(changes, broken))
    if verdict is not Verdict.COMPATIBLE or broken:
        raise typer.Exit(Exit.FAILED)


def _summary(changes: list[Change], broken: list[str]) -> str:
    from interlock.engine.chart_diff import Verdict

    numbers = [(verdict.value, sum(each.verdict is verdict for each in changes)) for verdict in Verdict]
    told = ", ".join(f"{number} {word}" for word, number in numbers if number)
    return f"{len(changes)} changes{': ' if told else ''}{told}." + (
        f" Tell the {' and the '.join(broken)} first." if broken else ""
    )


def _chart(which: str) -> Chart:
    """The chart in a file, or the registered one. Raises CliError and ChartError."""
    from interlock.engine.loader import load_chart
    from interlock.statecharts.functions import FUNCTIONS

    if Path(which).is_file():
        return load_chart(Path(which), functions=FUNCTIONS)
    machine, at, version = which.rpartition("@")
    if not (at and machine and version.isdecimal()):
        raise CliError(Exit.NOT_FOUND, f"{which} is no file. Name one, or MACHINE@VERSION, such as ticket@1.")
    return registered_chart(machine, int(version))


def registered_chart(machine: str, version: int) -> Chart:
    """A chart as the workers registered it. Raises CliError, which names the versions that there are."""
    from interlock.cli.server import Server

    server = Server()
    versions = sorted(number for name, number in server.store.charts() if name == machine)
    if version not in versions:
        known = ", ".join(f"{machine}@{number}" for number in versions) or f"no version of {machine}"
        raise CliError(
            Exit.NOT_FOUND,
            f"No chart {machine}@{version} is registered, but {known}. Start a worker that has its file.",
        )
    return server.chart(machine, version)


def _as_dict(change: Change) -> dict[str, Any]:
    return {
        "what": change.what,
        "name": change.name,
        "change": change.change,
        "class": change.verdict.value,
        "message": change.message,
        "breaks": list(change.breaks),
    }
