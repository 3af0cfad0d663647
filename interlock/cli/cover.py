"""``cover``: which transitions of a machine's chart its instances have taken, counted and painted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlock.cli.exits import CliError, Exit
from interlock.cli.output import print_json, print_table, say
from interlock.cli.pictures import chosen_format, write_picture
from interlock.engine.picture_format import Format

if TYPE_CHECKING:
    from interlock.cli.server import Server
    from interlock.engine.coverage import Coverage
    from interlock.engine.snapshot import Snapshot

app = typer.Typer(rich_markup_mode=None)

NAMED = 20
"""Instances whose history does not replay that are named; the others are counted."""


@dataclass
class Broken:
    """Instances whose history does not replay. ``named``: key -> why, of the first ones."""

    number: int = 0
    named: dict[str, str] = field(default_factory=dict)

    def add(self, key: str, why: str) -> None:
        self.number += 1
        if len(self.named) < NAMED:
            self.named[key] = why


@app.command()
def cover(
    machine: Annotated[str, typer.Argument(metavar="MACHINE", help="The machine, such as ticket.")],
    version: Annotated[
        int | None, typer.Option("--version", metavar="N", help="Of the chart; the newest where not said.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Read so many instances at most; all where not said."),
    ] = None,
    format_: Annotated[
        Format | None, typer.Option("--format", "-f", help="Paint the chart, on stdout or into a file.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Paint the chart into this file.")
    ] = None,
    brief: Annotated[
        bool, typer.Option("--brief", help="Paint without guards, refusals and actions.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Which transitions the machine's instances have taken, by applying their histories again.

    Ignored and refused commands leave no trace in a history, so what only ignores or refuses is not counted. An
    instance whose history does not replay is named and stops nothing.
    """
    from interlock.cli.server import Server
    from interlock.engine.coverage import Coverage
    from interlock.engine.machine import Machine

    painting = format_ is not None or output is not None
    chosen = chosen_format(format_, output) if painting else None
    if as_json and painting and output is None:
        raise CliError(
            Exit.USAGE, "--json and a picture both want stdout. Name a file for the picture with -o."
        )
    server = Server()
    chart = server.latest(machine) if version is None else server.chart(machine, version)
    found = Coverage(Machine(chart))
    broken = _count(server, machine, found, limit)
    if as_json:
        print_json(_report(found, broken))
    elif output is not None or chosen is None:
        _tell(found)
    if chosen is not None:
        write_picture(_paint(found, chosen, brief), output, chosen)
    _sum_up(found, broken)


def _count(server: Server, machine: str, found: Coverage, limit: int | None) -> Broken:
    """Take in one instance after the other; why some could not be, by their keys."""
    from interlock.engine.decision import ReplayError

    broken = Broken()
    versions = server.versions(machine)
    for snapshot in islice(server.store.instances(machine, private=False), limit):
        try:
            found.add(_life(server, versions, snapshot))
        except (ReplayError, CliError) as error:
            broken.add(snapshot.key, str(error))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            # An entry that has the fields of ours, but not their types: somebody else wrote it.
            broken.add(snapshot.key, f"its history holds what is no entry of ours ({type(error).__name__})")
    return broken


def _life(server: Server, versions: Any, snapshot: Snapshot) -> Any:
    from interlock.engine.decision import ReplayError
    from interlock.engine.migration_command import decisions_again, first_chart_version

    entries = server.store.history(snapshot.machine, snapshot.key)
    if len(entries) < snapshot.version:
        raise ReplayError(f"{len(entries)} of its {snapshot.version} versions are in its history")
    began = first_chart_version(entries, snapshot.chart_version)
    return decisions_again(versions, snapshot.key, entries, began)


def _paint(found: Coverage, chosen: Format, brief: bool) -> bytes:
    from interlock.engine.diagrams import DiagramError, draw

    chart = found.machine.chart
    resting = {path: found.visited[path] for path in found.visited if not chart.states[path].children}
    try:
        return draw(chart, chosen.value, counts=resting, crossings=found.crossings, brief=brief)
    except DiagramError as error:
        raise CliError(Exit.FAILED, str(error)) from None


def _report(found: Coverage, broken: Broken) -> dict[str, Any]:
    arrows = {name: arrow.definition for arrow, name in found.ids.items()}
    named = [{"key": key, "why": why} for key, why in broken.named.items()]
    return {
        "machine": found.machine.id,
        "version": found.machine.version,
        "instances": found.instances,
        "steps": found.steps,
        "transitions": {
            **_share(found.times),
            "each": [
                {
                    "transition": name,
                    "source": arrows[name].source,
                    "event": arrows[name].event,
                    "targets": list(arrows[name].targets),
                    "times": times,
                }
                for name, times in found.times.items()
            ],
        },
        "states": {
            **_share(found.visited),
            "each": [{"state": path, "instances": number} for path, number in found.visited.items()],
        },
        "not_replayed": {"instances": broken.number, "named": named},
    }


def _share(counts: Counter[str]) -> dict[str, Any]:
    from interlock.engine.coverage import share

    reached, total = share(counts)
    return {
        "reached": reached,
        "total": total,
        "percent": round(100 * reached / total, 1) if total else 100.0,
    }


def _tell(found: Coverage) -> None:
    targets = {name: arrow.definition.targets for arrow, name in found.ids.items()}
    print_table(
        ["transition", "times", "to"],
        [[name, times or "never", ", ".join(targets[name])] for name, times in found.times.items()],
    )
    print_table(["state", "instances"], [[path, number or "never"] for path, number in found.visited.items()])


def _sum_up(found: Coverage, broken: Broken) -> None:
    arrows, states = _share(found.times), _share(found.visited)
    say(
        f"{found.machine.id} version {found.machine.version}: {found.instances:,} instances took "
        f"{arrows['reached']} of {arrows['total']} transitions ({arrows['percent']} %) and were in "
        f"{states['reached']} of {states['total']} states ({states['percent']} %), in {found.steps:,} steps."
    )
    if broken.number:
        say(f"{broken.number:,} instances are not counted, for their history does not replay:")
    for key, why in broken.named.items():
        say(f"  {found.machine.id}/{key}: {why}")
