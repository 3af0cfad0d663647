"""``diagram``: a chart as a picture, with an instance's place or the number of instances in each state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interlock.cli.chart_source import find_chart
from interlock.cli.exits import CliError, Exit
from interlock.cli.pictures import chosen_format, write_picture
from interlock.engine.picture_format import Format

if TYPE_CHECKING:
    from interlock.cli.server import Server
    from interlock.engine.chart import Chart, TransitionDef
    from interlock.engine.snapshot import Snapshot

app = typer.Typer(rich_markup_mode=None)


@dataclass(frozen=True)
class Scene:
    """What is drawn: a chart, and what of the live world is put into it."""

    chart: Chart
    active: Sequence[str] = ()
    counts: Mapping[str, int] | None = None
    timers: Mapping[str, str] = field(default_factory=dict)
    taken: Sequence[TransitionDef] = ()


@app.command()
def diagram(
    what: Annotated[
        str, typer.Argument(metavar="CHART|MACHINE/KEY", help="A file, a chart's id, or an instance.")
    ],
    format_: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="By default what the output file's name says, or mermaid."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there.")
    ] = None,
    counts: Annotated[
        bool, typer.Option("--counts", help="Write the number of live instances into each state.")
    ] = False,
    taken: Annotated[
        bool, typer.Option("--taken", help="Highlight the transitions that the instance has taken.")
    ] = False,
    brief: Annotated[bool, typer.Option("--brief", help="Leave out guards, refusals and actions.")] = False,
) -> None:
    """Draw a chart, or where an instance stands in it."""
    from interlock.engine.diagrams import DiagramError, draw

    chosen = chosen_format(format_, output)
    scene = _scene(what, counts, taken)
    try:
        picture = draw(
            scene.chart,
            chosen.value,
            active=scene.active,
            counts=scene.counts,
            timers=scene.timers,
            taken=scene.taken,
            brief=brief,
        )
    except DiagramError as error:
        raise CliError(Exit.FAILED, str(error)) from None
    write_picture(picture, output, chosen)


def _scene(what: str, counts: bool, taken: bool) -> Scene:
    path = Path(what)
    is_instance = "/" in what and not path.suffix and not path.is_file()
    if taken and not is_instance:
        raise CliError(Exit.USAGE, "--taken is about an instance. Name one as MACHINE/KEY.")
    if is_instance:
        return _instance(what, taken)
    return _with_counts(find_chart(what, "MACHINE/KEY"), counts)


def _with_counts(chart: Chart, counts: bool) -> Scene:
    if not counts:
        return Scene(chart)
    from interlock.cli.server import Server

    return Scene(chart, counts=Server().store.counts(chart))


def _instance(address: str, taken: bool) -> Scene:
    from interlock.cli.inputs import parse_address
    from interlock.cli.server import Server

    server = Server()
    snapshot = server.snapshot(*parse_address(address))
    return Scene(
        server.chart(snapshot.machine, snapshot.chart_version),
        active=snapshot.state,
        timers=_next_due(snapshot),
        taken=_taken(server, snapshot) if taken else (),
    )


def _next_due(snapshot: Snapshot) -> dict[str, str]:
    """State -> when the first of its timers is due; a delayed ``raise`` is no state's."""
    latest_first = sorted(snapshot.timers, key=lambda timer: timer.due, reverse=True)
    return {timer.state: timer.due for timer in latest_first if timer.state}


def _taken(server: Server, snapshot: Snapshot) -> list[TransitionDef]:
    """The transitions of an instance's whole life under its present chart version, by applying its history again."""
    from interlock.engine.migration_command import decisions_again, first_chart_version

    entries = server.store.history(snapshot.machine, snapshot.key)
    began = first_chart_version(entries, snapshot.chart_version)
    decisions = decisions_again(server.versions(snapshot.machine), snapshot.key, entries, began)
    return [
        arrow.definition
        for decision in decisions
        if decision.snapshot and decision.snapshot.chart_version == snapshot.chart_version
        for arrow in decision.taken
    ]
