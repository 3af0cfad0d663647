"""Plain text: the tree of states with their transitions, for a terminal, a log, a screen reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from interlock.engine.diagrams.model import Diagram, Edge, Label, Node
from interlock.engine.diagrams.wording import visible

KIND_WORDS = {
    "parallel": "parallel",
    "final": "final",
    "shallow_history": "history",
    "deep_history": "deep history",
}


def plain_text(diagram: Diagram) -> str:
    """The tree; ``>`` before an active state, ``=>`` for a transition taken, ``->`` for the others."""
    lines = [diagram.title]
    if diagram.description:
        lines.append(diagram.description)
    lines.append("")
    for target in diagram.root.initial:
        lines.append(f"starts at {_shown(diagram, target)}" + _by(diagram.starts))
        lines += [f"       {part}" for part in diagram.root.start.parts(full=True)]
    if anywhere := list(_transitions(diagram.root, diagram, "   ")):
        lines += ["in any state", *anywhere]
    for number, child in enumerate(diagram.root.children, 1):
        lines += _branch(child, diagram, "", last=number == len(diagram.root.children))
    for command in diagram.commands:
        lines += ["", "refused in any state"] if command is diagram.commands[0] else []
        lines += _worded(command, "", "   ")
    return "\n".join([*lines, ""])


def _by(starts: tuple[str, ...]) -> str:
    return f", created by {', '.join(starts)}" if starts else ""


def _branch(node: Node, diagram: Diagram, margin: str, *, last: bool) -> Iterator[str]:
    yield margin + ("└─ " if last else "├─ ") + _headline(node, diagram)
    below = margin + ("   " if last else "│  ")
    rail = below + ("│  " if node.children else "   ")
    yield from _transitions(node, diagram, rail)
    for number, child in enumerate(node.children, 1):
        yield from _branch(child, diagram, below, last=number == len(node.children))


def _headline(node: Node, diagram: Diagram) -> str:
    words = [f"> {node.name}" if node.active else node.name]
    facts = [KIND_WORDS[node.kind]] if node.kind in KIND_WORDS else []
    if node.active:
        facts.append("active")
    if node.initial:
        facts.append(f"starts at {', '.join(_shown(diagram, path) for path in node.initial)}")
    if node.tags:
        facts.append(f"tags {', '.join(node.tags)}")
    if node.count is not None:
        facts.append(f"{node.count:,} instance" + ("" if node.count == 1 else "s"))
    if node.timer:
        facts.append(f"due {node.timer}")
    if facts:
        words.append(f"({'; '.join(facts)})")
    if node.description:
        words.append(f"- {node.description}")
    return " ".join(words)


def _transitions(node: Node, diagram: Diagram, margin: str) -> Iterator[str]:
    if node.path and node.start.actions:
        yield from _worded(replace(node.start, event="initial"), "", margin)
    for label in node.lines:
        yield from _worded(label, "", margin)
    for edge in diagram.edges:
        if edge.source == node.path:
            yield from _worded(edge.label, _arrow(edge, diagram), margin)


def _arrow(edge: Edge, diagram: Diagram) -> str:
    return (" => " if edge.taken else " -> ") + _shown(diagram, edge.target)


def _worded(label: Label, arrow: str, margin: str) -> Iterator[str]:
    """The event, its guard and where it goes on one line; refusals, actions and notes below it."""
    guard = f" [{label.guard}]" if label.guard else ""
    yield f"{margin}{label.event}{guard}{arrow}"
    shown = 1 + bool(label.guard)
    for part in label.parts(full=True)[shown:]:
        yield f"{margin}    {part}"


def _shown(diagram: Diagram, path: str) -> str:
    return visible(path) or diagram.root.name
