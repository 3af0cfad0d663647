"""PlantUML state diagrams: for those whose documentation is drawn by PlantUML.

Names are texts behind ids of our own. Whatever PlantUML's preprocessor (``!``, ``%``, ``$``) or its Creole
markup could read is written as ``<U+0021>``, so that no name can be syntax.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from interlock.engine.diagrams import palette
from interlock.engine.diagrams.identifiers import plain_ids
from interlock.engine.diagrams.model import HISTORY_SIGNS, Diagram, Edge, Label, Node
from interlock.engine.diagrams.overlay import ancestors, contains

_SAFE = frozenset(" _.,()?=+-*/:;")
_MARKUP = re.compile(r"([-_*/=.:;])(?=\1)")


def plantuml_source(diagram: Diagram) -> str:
    """The picture as a PlantUML state diagram."""
    return "\n".join([*_Writer(diagram).statements(), ""])


class _Writer:
    def __init__(self, diagram: Diagram) -> None:
        self.diagram = diagram
        self.nodes = {node.path: node for node in diagram.root.walk()}
        self.ids = plain_ids(self.nodes)

    def statements(self) -> Iterator[str]:
        yield "@startuml"
        yield "hide empty description"
        yield f"title {_escaped(self.diagram.title)}"
        if self.diagram.description:
            yield f"caption {_escaped(self.diagram.description)}"
        root = self.diagram.root
        yield from self.block(root) if root.kind == "parallel" else self.contents(root)
        for edge in self.diagram.edges:
            yield self.arrow(edge)
        for command in self.diagram.commands:
            yield f"legend bottom\n{_lines(command.parts())}\nend legend"
        yield "@enduml"

    def contents(self, node: Node) -> Iterator[str]:
        for target in node.initial if node.has_initial_marker() else ():
            yield f"[*] --> {self.ids[self.reachable(target, node.path)]}" + _words(
                self.diagram.start_label(node)
            )
        if node.any_state:
            lines = ["in any state", *(" ".join(label.parts()) for label in node.lines if not node.path)]
            yield f'state "{_lines(lines)}" as {_any(self.ids[node.path])}'
        for number, child in enumerate(node.children):
            if number and node.kind == "parallel":
                yield "--"
            yield from self.block(child)

    def block(self, node: Node) -> Iterator[str]:
        head = f'state "{_state_text(node)}" as {self.ids[node.path]}{_stereotype(node)}{_colour(node)}'
        if not node.children:
            yield head
            return
        yield head + " {"
        yield from (f"  {line}" for line in self.contents(node))
        yield "}"

    def arrow(self, edge: Edge) -> str:
        source = self.reachable(edge.source, edge.target)
        target = self.reachable(edge.target, edge.source)
        tail = _any(self.ids[edge.source]) if edge.inside and target == edge.target else self.ids[source]
        shaft = f"-[{palette.ACTIVE_LINE},bold]->" if edge.taken else "-->"
        if edge.never:
            shaft = f"-[{palette.REFUSAL},dashed]->"
        meant = [f"(from {edge.source})"] if source != edge.source else []
        meant += [f"(to {edge.target})"] if target != edge.target else []
        return f"{tail} {shaft} {self.ids[target]}" + _words(edge.label, *meant)

    def reachable(self, end: str, other: str) -> str:
        """The state to which an arrow between the two can be drawn: PlantUML draws none out of a region."""
        for path in reversed(ancestors(end)[1:]):
            region = next(
                (child.path for child in self.nodes[path].children if contains(child.path, end)), ""
            )
            if self.nodes[path].kind == "parallel" and not contains(region, other):
                return path
        return end


def _any(state: str) -> str:
    return f"any_{state}"


def _state_text(node: Node) -> str:
    name = HISTORY_SIGNS.get(node.kind, node.name)
    lines = [f"● {name}" if node.active else name]
    if node.kind == "final":
        lines[0] = f"◉ {lines[0]}"
    if node.count is not None:
        lines.append(f"{node.count:,} instance" + ("" if node.count == 1 else "s"))
    if node.timer:
        lines.append(f"due {node.timer}")
    if not node.children:
        lines += [" ".join(label.parts()) for label in node.lines]
    return _lines(lines)


def _stereotype(node: Node) -> str:
    words = [node.kind if node.kind in ("final", "parallel") else "", "active" if node.active else ""]
    return "".join(f" <<{word}State>>" for word in words if word)


def _colour(node: Node) -> str:
    if node.children:
        return ""
    fill = palette.state_fill(node.kind, node.active, node.count, node.heat)
    return "" if fill == palette.STATE_FILL else f" {fill}"


def _words(label: Label, *more: str) -> str:
    parts = (*label.parts(), *more)
    return f" : {_lines(parts)}" if parts else ""


def _lines(lines: list[str] | tuple[str, ...]) -> str:
    return "\\n".join(_escaped(line) for line in lines)


def _escaped(text: str) -> str:
    """Letters, digits and single marks stand as they are; what begins a line or is doubled is no markup."""
    first = text[:1] if text[:1].isalnum() or ord(text[:1] or "a") > 0x7F else _code(text[:1])
    rest = _MARKUP.sub(lambda match: f"\0{match[1]}", text[1:])
    written, escaping = [first], False
    for character in rest:
        if character == "\0":
            escaping = True
            continue
        safe = character in _SAFE or character.isalnum() or ord(character) > 0x7F
        written.append(character if safe and not escaping else _code(character))
        escaping = False
    return "".join(written)


def _code(character: str) -> str:
    return f"<U+{ord(character):04X}>" if character else ""
