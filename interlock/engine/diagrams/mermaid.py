"""Mermaid ``stateDiagram-v2``: what GitHub and most documentation sites draw by themselves.

Every word is written with Mermaid's entity codes (``#quot;``, ``#35;``), so that no name can be syntax;
the ids are our own. Mermaid cannot draw an arrow from a composite state into itself, and it moves a state
to the block in which an arrow names it: so arrows between siblings stand in their block, all others last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from interlock.engine.diagrams import palette
from interlock.engine.diagrams.identifiers import plain_ids
from interlock.engine.diagrams.model import HISTORY_SIGNS, Diagram, Edge, Label, Node

SAFE = frozenset(" _.,/()!?=+*'[]|-")


def mermaid_source(diagram: Diagram) -> str:
    """The picture as a Mermaid state diagram."""
    return "\n".join([*_Writer(diagram).statements(), ""])


class _Writer:
    def __init__(self, diagram: Diagram) -> None:
        self.diagram = diagram
        self.nodes = {node.path: node for node in diagram.root.walk()}
        self.ids = plain_ids(self.nodes)

    def statements(self) -> Iterator[str]:
        yield "---"
        yield f"title: {json.dumps(self.diagram.title, ensure_ascii=False)}"
        yield "---"
        yield "stateDiagram-v2"
        yield f"  accTitle: {_escaped(self.diagram.title)}"
        if self.diagram.description:
            yield f"  accDescr: {_escaped(self.diagram.description)}"
        yield from _indented(self.contents(self.diagram.root))
        for edge in self.diagram.edges:
            if not self.is_local(edge):
                yield f"  {self.arrow(edge)}"
        yield from _indented(self.classes())

    def contents(self, node: Node) -> Iterator[str]:
        if not node.path and not node.children:
            yield self.state(node)
        for target in node.initial if node.has_initial_marker() else ():
            yield f"[*] --> {self.ids[_child_on_the_way(node, target)]}" + _words(
                self.diagram.start_label(node)
            )
        if node.any_state:
            yield f'state "{_any_text(node)}" as {_any(self.ids[node.path])}'
        for number, child in enumerate(node.children):
            if number and node.kind == "parallel":
                yield "--"
            yield from self.block(child) if child.children else (self.state(child),)
        for edge in self.diagram.edges:
            if self.is_local(edge) and _parent(edge.source) == node.path:
                yield self.arrow(edge)

    def block(self, node: Node) -> Iterator[str]:
        yield self.state(node) + " {"
        yield from _indented(self.contents(node))
        yield "}"

    def state(self, node: Node) -> str:
        return f'state "{_state_text(node)}" as {self.ids[node.path]}'

    def arrow(self, edge: Edge) -> str:
        tail = _any(self.ids[edge.source]) if edge.inside else self.ids[edge.source]
        return f"{tail} --> {self.ids[edge.target]}" + _words(edge.label, taken=edge.taken)

    def is_local(self, edge: Edge) -> bool:
        """Whether both ends are children of one state, so that the arrow can stand in its block."""
        return bool(
            edge.source and edge.target and not edge.inside and _parent(edge.source) == _parent(edge.target)
        )

    def classes(self) -> Iterator[str]:
        active = palette.ACTIVE_LINE
        yield f"classDef final stroke:{palette.MUTED},stroke-width:3px,fill:{palette.FINAL_FILL}"
        yield f"classDef active stroke:{active},stroke-width:3px,fill:{palette.ACTIVE_FILL},font-weight:bold"
        for number, node in enumerate(self.nodes.values()):
            if node.children:
                continue
            if node.count:
                fill = palette.heat_fill(node.heat)
                yield f"classDef heat{number} fill:{fill},color:{palette.INK}"
            names = [
                *(["final"] if node.kind == "final" else []),
                *(["active"] if node.active else []),
                *([f"heat{number}"] if node.count else []),
            ]
            yield from (f"class {self.ids[node.path]} {name}" for name in names)


def _any(state: str) -> str:
    return f"any_{state}"


def _any_text(node: Node) -> str:
    lines = [_escaped(" ".join(label.parts())) for label in node.lines] if not node.path else []
    return "<br/>".join(["in any state", *lines])


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _child_on_the_way(node: Node, target: str) -> str:
    """``target`` itself, or the child of ``node`` that holds it: a block can only start at its children."""
    rest = target[len(node.path) + 1 :] if node.path else target
    first = rest.partition(".")[0]
    return f"{node.path}.{first}" if node.path else first


def _state_text(node: Node) -> str:
    name = HISTORY_SIGNS.get(node.kind, node.name)
    lines = [f"● {name}" if node.active else name]
    if node.count is not None:
        lines.append(f"{node.count:,} instance" + ("" if node.count == 1 else "s"))
    if node.timer:
        lines.append(f"due {node.timer}")
    if not node.children:
        lines += [" ".join(label.parts()) for label in node.lines]
    return "<br/>".join(_escaped(line) for line in lines)


def _words(label: Label, *, taken: bool = False) -> str:
    parts = [_escaped(part) for part in label.parts()]
    if not parts:
        return ""
    return " : " + ("● " if taken else "") + "<br/>".join(parts)


def _escaped(text: str) -> str:
    encoded = "".join(
        character
        if character in SAFE or character.isalnum() or ord(character) > 0xFF
        else f"#{ord(character)};"
        for character in text
    )
    return encoded.replace("--", "#45;#45;")


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)
