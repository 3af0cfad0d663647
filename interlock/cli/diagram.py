"""``diagram``: a chart as a picture, with an instance's place or the number of instances in each state."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interlock.cli.exits import CliError, Exit
from interlock.cli.output import print_block, say

if TYPE_CHECKING:
    from interlock.cli.server import Server
    from interlock.engine.chart import Chart, TransitionDef
    from interlock.engine.snapshot import Snapshot

app = typer.Typer(rich_markup_mode=None)


class Format(StrEnum):
    """What a diagram can be written as."""

    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"
    PNG = "png"
    PLANTUML = "plantuml"
    SCXML = "scxml"
    XSTATE = "xstate"
    TEXT = "text"


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

    chosen = format_ or _format_of(output)
    if chosen is Format.PNG and output is None and sys.stdout.isatty():
        raise CliError(Exit.USAGE, "A PNG is no text for a terminal. Name a file with -o, or pipe it on.")
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
    _write(picture, output, chosen)


def _format_of(output: Path | None) -> Format:
    endings = {f".{known.value}": known for known in Format}
    endings |= {".mmd": Format.MERMAID, ".md": Format.MERMAID, ".gv": Format.DOT, ".txt": Format.TEXT}
    endings |= {".puml": Format.PLANTUML, ".json": Format.XSTATE}
    if output is None:
        return Format.MERMAID
    if output.suffix not in endings:
        raise CliError(
            Exit.USAGE, f"{output.name} does not say what to write. Name it with --format, such as svg."
        )
    return endings[output.suffix]


def _scene(what: str, counts: bool, taken: bool) -> Scene:
    path = Path(what)
    is_instance = "/" in what and not path.suffix and not path.is_file()
    if taken and not is_instance:
        raise CliError(Exit.USAGE, "--taken is about an instance. Name one as MACHINE/KEY.")
    if is_instance:
        return _instance(what, taken)
    if path.is_file():
        from interlock.engine.loader import load_chart
        from interlock.statecharts.functions import FUNCTIONS

        return _with_counts(load_chart(path, functions=FUNCTIONS), counts)
    return _with_counts(_chart_by_id(what), counts)


def _chart_by_id(name: str) -> Chart:
    from interlock.cli.inputs import settings
    from interlock.statecharts.catalog import Catalog

    catalog = Catalog.load(settings().charts)
    machine = catalog.machine(name)
    if machine is not None:
        return machine.chart
    registered = _registered_chart(name)
    if registered is None:
        known = ", ".join(sorted({chart.id for chart in catalog.charts}))
        raise CliError(
            Exit.NOT_FOUND,
            f"{name} is no file and no chart's id. Name a file, MACHINE/KEY, or one of: {known}.",
        )
    return registered


def _registered_chart(name: str) -> Chart | None:
    """The newest chart of this id that workers have registered; None where there is none, or no server."""
    from interlock.cli.server import Server
    from interlock.engine.errors import ServerUnreachable

    try:
        return Server().latest(name)
    except ServerUnreachable:
        return None
    except CliError as error:
        if error.code is not Exit.NOT_FOUND:
            raise
        return None


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


def _write(picture: bytes, output: Path | None, chosen: Format) -> None:
    if output is not None:
        try:
            output.write_bytes(picture)
        except OSError as error:
            raise CliError(
                Exit.FAILED, f"{output}: {error.strerror}. Name a file that can be written."
            ) from None
        say(f"Wrote {output}.")
    elif chosen is Format.PNG:
        sys.stdout.flush()
        sys.stdout.buffer.write(picture)
    else:
        print_block(picture.decode())
