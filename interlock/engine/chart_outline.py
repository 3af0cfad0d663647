"""Which states a chart has, and which of them a target means: known before anything else is built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from interlock.engine.chart import StateKind
from interlock.engine.errors import Finding, Mark
from interlock.engine.spelling import did_you_mean
from interlock.engine.yaml_source import Entries, Items, Node, Scalar


@dataclass(frozen=True, slots=True)
class StateNode:
    """A state as the file has it. ``entries`` is None for a state that says nothing."""

    path: str
    kind: StateKind
    entries: Entries | None
    mark: Mark
    children: tuple[str, ...]

    def word(self, name: str) -> Node | None:
        return self.entries.get(name) if self.entries else None


@dataclass(slots=True)
class Outline:
    """Every state by its path in document order (the root's path is ``""``), and the ids that targets use."""

    chart_id: str
    states: dict[str, StateNode] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)

    def resolve(self, source: str, target: str) -> str | None:
        """The path that a target of a state means, the root's for ``#<chart>``; None where there is no such state."""
        if target == f"#{self.chart_id}":
            return self.ids.get(self.chart_id, "")
        if target.startswith("#"):
            path = self._by_id(target[1:])
        elif target.startswith("."):
            path = join(source, target[1:])
        else:
            path = join(parent(source), target)
        return path if path and path in self.states else None

    def _by_id(self, text: str) -> str | None:
        if text in self.ids:
            return self.ids[text]
        first, _, rest = text.partition(".")
        if first in self.ids and join(self.ids[first], rest) in self.states:
            return join(self.ids[first], rest)
        if first == self.chart_id and rest in self.states:
            return rest
        return text

    def hint(self, source: str, target: str) -> str:
        """What may have been meant by a target that means nothing."""
        if target in ("#", "."):
            return f"The root itself is #{self.chart_id}."
        word = target.lstrip("#.")
        elsewhere = [path for path in self.states if path and (path == word or path.endswith(f".{word}"))]
        if elsewhere:
            return f"Did you mean '#{elsewhere[0]}'?"
        if target.startswith("#"):
            return did_you_mean(word, [*self.ids, *(path for path in self.states if path)])
        above = source if target.startswith(".") else parent(source)
        return did_you_mean(word, [name(child) for child in self.states[above].children])

    def clash(self, first: str, second: str) -> bool:
        """True where no configuration can hold both states: their regions are not those of a parallel state."""
        if (
            not first
            or not second
            or first == second
            or first.startswith(f"{second}.")
            or second.startswith(f"{first}.")
        ):
            return True
        common = first
        while common and not second.startswith(f"{common}."):
            common = parent(common)
        return self.states[common].kind != "parallel"


def join(above: str, below: str) -> str:
    """A state's path from two parts, either of which may be empty."""
    return f"{above}.{below}" if above and below else above or below


def parent(path: str) -> str:
    """The path of the state that holds this one; ``""`` for the root and what stands in it."""
    return path.rpartition(".")[0]


def name(path: str) -> str:
    """The last part of a path."""
    return path.rpartition(".")[2]


def outline(chart_id: str, root: Entries, findings: list[Finding]) -> Outline:
    """The outline of a chart whose shape is sound; appends what is wrong with the tree itself."""
    made = Outline(chart_id)
    for node in _walk("", root, root.mark):
        made.states[node.path] = node
        _check_kind(node, findings)
        _take_id(node, made, findings)
    return made


def _walk(path: str, node: Node, mark: Mark) -> Iterator[StateNode]:
    entries = node if isinstance(node, Entries) else None
    below = entries.get("states") if entries else None
    children = below if isinstance(below, Entries) else Entries({}, {}, mark)
    paths = tuple(join(path, child) for child in children.values)
    yield StateNode(path, _kind(entries, bool(paths)), entries, mark, paths)
    for key, child in children.values.items():
        yield from _walk(join(path, key), child, children.keys[key])


def _kind(entries: Entries | None, has_children: bool) -> StateKind:
    written = text(entries.get("type")) if entries else ""
    if written == "history":
        deep = entries is not None and text(entries.get("history")) == "deep"
        return "deep_history" if deep else "shallow_history"
    if written == "parallel":
        return "parallel"
    if written == "final":
        return "final"
    return "compound" if has_children else "atomic"


def text(node: Node | None) -> str:
    """The string of a scalar; empty for anything else."""
    return node.value if isinstance(node, Scalar) and isinstance(node.value, str) else ""


def texts(node: Node | None) -> list[tuple[str, Mark]]:
    """The strings of a scalar or of a list of scalars, each with its place."""
    rows = node.items if isinstance(node, Items) else [node] if node is not None else []
    return [(row.value, row.mark) for row in rows if isinstance(row, Scalar) and isinstance(row.value, str)]


_STANDS = "has no place in"
MISPLACED: Mapping[str, tuple[str, ...]] = {
    "final": ("states", "initial", "on", "onDone", "always", "after", "invoke", "history", "target"),
    "history": ("states", "initial", "on", "onDone", "always", "after", "invoke", "entry", "exit", "tags"),
    "atomic": ("initial", "onDone", "history", "target"),
    "compound": ("history", "target"),
    "parallel": ("initial", "history", "target"),
}
"""Words that have no place in a state of each kind."""


def _check_kind(node: StateNode, findings: list[Finding]) -> None:
    kind = "history" if node.kind.endswith("_history") else node.kind
    for word in MISPLACED[kind]:
        if node.entries and word in node.entries.keys:
            article = "an" if kind == "atomic" else "a"
            message = f"{word!r} {_STANDS} {article} {kind} state"
            findings.append(Finding(node.entries.keys[word], "misplaced_word", message))
    if (kind in ("compound", "parallel") and not node.children) or (not node.path and not node.children):
        findings.append(Finding(node.mark, "no_states", f"{_named(node)} needs states in it"))
    if kind == "compound" and not node.word("initial"):
        hint = f"Write initial: {name(node.children[0])}."
        findings.append(
            Finding(node.mark, "missing_initial", f"{_named(node)} has states but no 'initial'", hint)
        )


def _named(node: StateNode) -> str:
    return f"state {node.path!r}" if node.path else "the chart"


def _take_id(node: StateNode, made: Outline, findings: list[Finding]) -> None:
    written = node.word("id")
    if not node.path or not isinstance(written, Scalar):
        return
    if written.value in made.ids or written.value == made.chart_id:
        message = f"the id {written.value!r} is taken already"
        findings.append(Finding(written.mark, "duplicate_id", message, "Give each state its own id."))
    else:
        made.ids[written.value] = node.path
