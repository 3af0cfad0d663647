"""DOT to SVG and PNG: the one module here that runs a program, from PATH or the wheel graphviz-pure."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

from interlock.engine.diagrams.dot import FONT, dot_source, edge_id, state_id
from interlock.engine.diagrams.model import Diagram, Edge, Node
from interlock.engine.diagrams.overlay import DiagramError
from interlock.engine.diagrams.wording import visible

TIMEOUT_SECONDS = 60.0
PNG_DOTS_PER_INCH = 144
WHEEL = "graphviz-pure"
SVG = "http://www.w3.org/2000/svg"
FONT_FAMILY = f"{FONT}, Helvetica, 'Liberation Sans', sans-serif"
MISSING = (
    "no Graphviz was found: SVG and PNG need it. Run `pip install interlock[diagrams]` or install Graphviz"
    " so that `dot` is on PATH. Formats mermaid, dot and text need nothing."
)


def render_svg(diagram: Diagram) -> bytes:
    """The picture as SVG, UTF-8, with title and description; no script, no foreign object, no link.

    Raises `DiagramError` where no Graphviz is found, where it fails or takes over `TIMEOUT_SECONDS`.
    """
    return _accessible(_graphviz(dot_source(diagram), "-Tsvg"), diagram)


def render_png(diagram: Diagram) -> bytes:
    """The picture as PNG with `PNG_DOTS_PER_INCH`. Raises as `render_svg`."""
    return _graphviz(dot_source(diagram), "-Tpng", f"-Gdpi={PNG_DOTS_PER_INCH}")


def find_graphviz() -> Path:
    """``dot`` on PATH, else the executable of the wheel. Raises `DiagramError` where there is neither."""
    for candidate in _candidates():
        if candidate.is_file():
            return candidate
    raise DiagramError(MISSING)


def _candidates() -> Iterator[Path]:
    """The wheel's scripts stand beside the interpreter, or where its list of files says (``--target``)."""
    if found := shutil.which("dot"):
        yield Path(found)
    yield Path(sys.executable).parent / WHEEL
    try:
        files = importlib.metadata.files(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    yield from (Path(str(file.locate())).resolve() for file in files if file.name == WHEEL)
    if found := shutil.which(WHEEL):
        yield Path(found)


def _graphviz(source: str, *arguments: str) -> bytes:
    program = find_graphviz()
    try:
        finished = subprocess.run(  # noqa: S603 - a program we located, fixed arguments, no shell
            [program, "-Kdot", *arguments],
            input=source.encode(),
            capture_output=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DiagramError(
            f"{program.name} took over {TIMEOUT_SECONDS:.0f} s; try brief, or format text."
        ) from None
    except OSError as error:
        raise DiagramError(f"{program} does not run: {error.strerror}. {MISSING}") from error
    if finished.returncode != 0:
        said = finished.stderr.decode(errors="replace").strip()[:500]
        raise DiagramError(f"{program.name} failed with code {finished.returncode}: {said}")
    return finished.stdout


def _accessible(raw: bytes, diagram: Diagram) -> bytes:
    """Graphviz's titles are node names; ours tell all that is known of a state or an arrow."""
    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(raw)  # noqa: S314 - what our own Graphviz wrote, every name escaped
    root.set("role", "img")
    root.set("aria-labelledby", "diagram-title diagram-description")
    words = {state_id(node.path): _spoken(node) for node in diagram.states()}
    words |= {edge_id(number): _told(edge) for number, edge in enumerate(diagram.edges)}
    for group in root.iter(f"{{{SVG}}}g"):
        _retitle(group, words.get(group.get("id", "")))
    for text in root.iter(f"{{{SVG}}}text"):
        text.set("font-family", FONT_FAMILY)
    root.insert(0, _element("title", "diagram-title", diagram.title))
    root.insert(1, _element("desc", "diagram-description", _summary(diagram)))
    svg: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return svg


def _retitle(group: ElementTree.Element, words: str | None) -> None:
    title = group.find(f"{{{SVG}}}title")
    if title is None:
        return
    if words is None:
        group.remove(title)
    else:
        title.text = words


def _element(tag: str, name: str, text: str) -> ElementTree.Element:
    element = ElementTree.Element(f"{{{SVG}}}{tag}", {"id": name})
    element.text = text
    return element


def _spoken(node: Node) -> str:
    headline = f"{visible(node.path)}: {node.description}" if node.description else visible(node.path)
    return "\n".join([headline, *(" ".join(label.parts(full=True)) for label in node.lines)])


def _told(edge: Edge) -> str:
    headline = f"{visible(edge.source) or 'any state'} → {visible(edge.target)}"
    return "\n".join([headline, *edge.label.parts(full=True)])


def _summary(diagram: Diagram) -> str:
    active = [node.path for node in diagram.states() if node.active and not node.children]
    now = f" Active: {', '.join(active)}." if active else ""
    sizes = f"{len(diagram.states())} states, {len(diagram.edges)} arrows."
    return f"{diagram.description} {sizes}{now}".strip()
