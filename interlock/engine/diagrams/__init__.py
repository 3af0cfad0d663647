"""Pictures of a chart and of where its instances are, all from one model; and the chart for other engines.

Text, Mermaid, PlantUML, DOT, SVG and PNG are pictures. SCXML and XState JSON are the chart itself, in words
that other engines run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from interlock.engine.chart import Chart, TransitionDef
from interlock.engine.diagrams.dot import dot_source
from interlock.engine.diagrams.mermaid import mermaid_source
from interlock.engine.diagrams.model import Diagram, build_diagram
from interlock.engine.diagrams.overlay import DiagramError, Overlay, lay_over
from interlock.engine.diagrams.plantuml import plantuml_source
from interlock.engine.diagrams.render import render_png, render_svg
from interlock.engine.diagrams.scxml import scxml_source
from interlock.engine.diagrams.text import plain_text
from interlock.engine.diagrams.xstate import xstate_source

__all__ = ["FORMATS", "DiagramError", "draw"]

_PICTURES: Mapping[str, Callable[[Diagram], bytes]] = {
    "mermaid": lambda diagram: mermaid_source(diagram).encode(),
    "dot": lambda diagram: dot_source(diagram).encode(),
    "svg": render_svg,
    "png": render_png,
    "plantuml": lambda diagram: plantuml_source(diagram).encode(),
    "text": lambda diagram: plain_text(diagram).encode(),
}


class _Export(Protocol):
    def __call__(self, chart: Chart, overlay: Overlay, *, brief: bool) -> str: ...


_EXPORTS: Mapping[str, _Export] = {"scxml": scxml_source, "xstate": xstate_source}

FORMATS: tuple[str, ...] = (*_PICTURES, *_EXPORTS)


def draw(
    chart: Chart,
    format: str,
    *,
    active: Sequence[str] = (),
    counts: Mapping[str, int] | None = None,
    taken: Sequence[tuple[str, str] | TransitionDef] = (),
    crossings: Sequence[tuple[TransitionDef, int]] = (),
    timers: Mapping[str, str] | None = None,
    brief: bool = False,
) -> bytes:
    """Draw ``chart`` in one of `FORMATS`; text formats are UTF-8.

    ``active``: paths of an instance's active atomic states; they and their ancestors are highlighted.
    ``counts``: state path -> number of instances, written into the state and shown as heat; states
    without an entry show 0; None shows nothing. ``taken``: transitions to highlight; or (path of the state
    that was active, event), the event being looked for outwards, as the machine does. ``crossings``: how often
    transitions were taken: those that were are highlighted, those that never were are told apart. ``timers``: state
    path -> when its timer is due, as text. ``brief``: events only, no guards, refusals or actions. SCXML and
    XState JSON say all this aside, in attributes of a namespace and in ``meta``.

    Raises `DiagramError` for an unknown format, for a state that the chart does not have, where SVG or PNG
    is wanted and no Graphviz is found, and where XState has no word for what the chart says.
    """
    if format not in FORMATS:
        raise DiagramError(f"no diagram format {format!r}; there are: {', '.join(FORMATS)}.")
    if export := _EXPORTS.get(format):
        overlay = lay_over(chart, active=active, counts=counts, taken=taken, timers=timers)
        return export(chart, overlay, brief=brief).encode()
    return _PICTURES[format](
        build_diagram(
            chart,
            active=active,
            counts=counts,
            taken=taken,
            crossings=crossings,
            timers=timers,
            brief=brief,
        )
    )
