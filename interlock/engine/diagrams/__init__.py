"""Pictures of a chart and of where its instances are: text, Mermaid, DOT, SVG, PNG, all from one model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from interlock.engine.chart import Chart
from interlock.engine.diagrams.dot import dot_source
from interlock.engine.diagrams.mermaid import mermaid_source
from interlock.engine.diagrams.model import Diagram, DiagramError, build_diagram
from interlock.engine.diagrams.render import render_png, render_svg
from interlock.engine.diagrams.text import plain_text

__all__ = ["FORMATS", "DiagramError", "draw"]

_WRITERS: Mapping[str, Callable[[Diagram], bytes]] = {
    "mermaid": lambda diagram: mermaid_source(diagram).encode(),
    "dot": lambda diagram: dot_source(diagram).encode(),
    "svg": render_svg,
    "png": render_png,
    "text": lambda diagram: plain_text(diagram).encode(),
}

FORMATS: tuple[str, ...] = tuple(_WRITERS)


def draw(
    chart: Chart,
    format: str,
    *,
    active: Sequence[str] = (),
    counts: Mapping[str, int] | None = None,
    taken: Sequence[tuple[str, str]] = (),
    timers: Mapping[str, str] | None = None,
    brief: bool = False,
) -> bytes:
    """Draw ``chart`` in one of `FORMATS`; text formats are UTF-8.

    ``active``: paths of an instance's active atomic states; they and their ancestors are highlighted.
    ``counts``: state path -> number of instances, written into the state and shown as heat; states
    without an entry show 0; None shows nothing. ``taken``: (path of the state that was active, event) of
    transitions to highlight; the event is looked for outwards, as the machine does. ``timers``: state
    path -> when its timer is due, as text. ``brief``: events only, no guards, refusals or actions.

    Raises `DiagramError` for an unknown format, for a state that the chart does not have, and where SVG
    or PNG is wanted and no Graphviz is found.
    """
    writer = _WRITERS.get(format)
    if writer is None:
        raise DiagramError(f"no diagram format {format!r}; there are: {', '.join(FORMATS)}.")
    return writer(build_diagram(chart, active=active, counts=counts, taken=taken, timers=timers, brief=brief))
