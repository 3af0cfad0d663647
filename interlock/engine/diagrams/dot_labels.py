"""Graphviz's HTML labels: the words in a state's box and beside an arrow, wrapped, coloured and escaped."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable
from html import escape

from interlock.engine.diagrams import palette
from interlock.engine.diagrams.model import HISTORY_SIGNS, Diagram, Label, Node

EDGE_COLUMNS = 34
NODE_COLUMNS = 42
MARKED_COLORS = {"!": palette.REFUSAL, "/": palette.ACTION, "[": palette.GUARD, "(": palette.MUTED}


def title_label(diagram: Diagram) -> str:
    """The heading over the picture."""
    rows = [cell(diagram.title, 17, palette.INK, "b")]
    rows += [cell(line, 11, palette.MUTED) for line in textwrap.wrap(diagram.description, 100)]
    return table([*rows, cell(" ", 6, palette.MUTED)])


def node_rows(node: Node) -> list[str]:
    """Name, count, timer and lines of a state, for its box or its cluster's heading."""
    if node.kind in HISTORY_SIGNS:
        return [cell(HISTORY_SIGNS[node.kind], 11, palette.INK, "b", align="center")]
    name = f"● {node.name}" if node.active else node.name
    align = "left" if node.lines or node.children else "center"
    rows = [cell(line, 13, palette.INK, "b", align=align) for line in _wrapped(name, NODE_COLUMNS)]
    if node.count is not None:
        color = palette.INK if node.count else palette.MUTED
        rows.append(cell(_instances(node.count), 11, color, align=align))
    if node.timer:
        rows.append(cell(f"due {node.timer}", 10, palette.ACTIVE_LINE, align=align))
    if node.path:
        rows += line_rows(node.lines)
    return rows


def _instances(count: int) -> str:
    return f"{count:,} instance" + ("" if count == 1 else "s")


def line_rows(labels: Iterable[Label]) -> list[str]:
    """Transitions without a target, entry and exit: one or more rows each, in the state's box."""
    rows: list[str] = []
    for label in labels:
        first, *others = label.parts()
        rows += _marked_rows(first, NODE_COLUMNS, "")
        for part in others:
            rows += _marked_rows(part, NODE_COLUMNS, "   ")
    return rows


def edge_label(label: Label, *, bold: bool) -> str:
    """Each line starts with a space: Graphviz sets labels hard against their arrow."""
    first, *others = label.parts()
    style = "b" if bold else ""
    rows = [cell(f" {line}", 11, palette.INK, style) for line in _wrapped(first, EDGE_COLUMNS)]
    for part in others:
        rows += _marked_rows(part, EDGE_COLUMNS, " ")
    return table(rows)


def _marked_rows(part: str, columns: int, indent: str) -> list[str]:
    color = MARKED_COLORS.get(part[0], palette.INK)
    return [cell(indent + line, 10, color) for line in _wrapped(part, columns)]


def _wrapped(text: str, columns: int) -> list[str]:
    return textwrap.wrap(text, columns, subsequent_indent="  ") or ([text] if text else [])


def cell(text: str, size: int, color: str, style: str = "", *, align: str = "left") -> str:
    """One row with one text; ``size`` in points, ``style`` ``b`` or ``i``."""
    written = escape(text).replace("\\", "&#92;")  # Graphviz reads \N as the node's name, in HTML too
    words = f'<font point-size="{size}" color="{color}">{written}</font>'
    if style:
        words = f"<{style}>{words}</{style}>"
    width = "" if text.isascii() else f' width="{_width(text, size)}"'
    return f'<tr><td align="{align}"{width}>{words}</td></tr>'


def _width(text: str, size: int) -> int:
    """Points that ``text`` takes at least: Graphviz measures what is not ASCII as a space."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return round(size * (wide * 1.3 + (len(text) - wide) * 0.56))


def table(rows: list[str]) -> str:
    """Rows as one label, to stand between ``<`` and ``>``."""
    return '<table border="0" cellborder="0" cellspacing="0" cellpadding="1">' + "".join(rows) + "</table>"
