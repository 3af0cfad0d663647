"""What a chart's structure alone says: names for its transitions, what could be reached if guards said yes. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from interlock.engine.checks_reading import always_holds, never_holds
from interlock.engine.machine import Arrow, Machine, Node

Use = Literal["taken", "ignored", "refused"]
"""What a transition is for: to be taken, to call a command a duplicate, or only to refuse it in words."""


def transition_ids(machine: Machine) -> dict[Arrow, str]:
    """Each transition's name: ``open.queued:assign``; with ``#2`` where the state has several for this event;
    ``queued:after.30m``, ``new:always``; ``.:note`` for one of the root. In document order."""
    named: dict[str, list[Arrow]] = {}
    for arrow in machine.arrows:
        made = arrow.definition
        event = f"after.{made.delay.text}" if made.delay else made.event or "always"
        named.setdefault(f"{arrow.node.path or '.'}:{event}", []).append(arrow)
    found = {
        arrow: name if len(arrows) == 1 else f"{name}#{number}"
        for name, arrows in named.items()
        for number, arrow in enumerate(arrows, 1)
    }
    return {arrow: found[arrow] for arrow in machine.arrows}


def use_of(arrow: Arrow) -> Use | None:
    """What it is for; None for one that is there to take nothing: ``on: {cmd: null}``."""
    if arrow.forbidden:
        return None
    if any(never_holds(row.check) for row in arrow.require):
        return "refused"
    return "ignored" if arrow.ignore else "taken"


class Structure:
    """The ways through a chart if every guard and requirement that could hold did."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._leads: dict[Node, Arrow | None] = {}
        """State -> the transition that leads to it first; None: it is entered at the start."""
        self._walk()

    def has(self, node: Node) -> bool:
        """Whether any way leads to the state."""
        return node in self._leads

    def way_to(self, node: Node) -> list[Arrow]:
        """The transitions of a shortest way to it, in order; empty where it is entered at the start or never."""
        way: list[Arrow] = []
        arrow = self._leads.get(node)
        while arrow is not None:
            way.append(arrow)
            arrow = self._leads.get(arrow.node)
        return way[::-1]

    def _walk(self) -> None:
        waiting: deque[Node] = deque()
        self._add(self._entered(self.machine.root), None, waiting)
        leaving: dict[Node, list[Arrow]] = {}
        for arrow in self.machine.arrows:
            leaving.setdefault(arrow.node, []).append(arrow)
        while waiting:
            for arrow in leaving.get(waiting.popleft(), ()):
                if use_of(arrow) == "taken" and not never_holds(arrow.guard):
                    for target in arrow.targets:
                        self._add(self._entered(target), arrow, waiting)

    def _add(self, nodes: Iterable[Node], arrow: Arrow | None, waiting: deque[Node]) -> None:
        for node in nodes:
            for each in (node, *node.ancestors):
                if each not in self._leads:
                    self._leads[each] = arrow
                    waiting.append(each)

    def _entered(self, node: Node) -> Iterator[Node]:
        """The state with what is entered in it by default, and all around it with the other regions there."""
        waiting, seen = [node], {node}
        while waiting:
            each = waiting.pop()
            if not each.is_history:
                yield each
            for other in (*self._below(each), *self._around(each)):
                if other not in seen:
                    seen.add(other)
                    waiting.append(other)

    def _below(self, node: Node) -> Sequence[Node]:
        if node.kind == "parallel":
            return [child for child in node.children if not child.is_history]
        return node.initial

    def _around(self, node: Node) -> Iterator[Node]:
        """The parallel states around it, whose other regions are entered with it."""
        for above in node.ancestors:
            if above.kind == "parallel":
                yield above


def conditions_in_words(machine: Machine, ids: Mapping[Arrow, str], arrows: Sequence[Arrow]) -> list[str]:
    """Guards and requirements on these transitions, each once: ``queued:assign: [data.agent != null]``."""
    told: dict[str, None] = {}
    for arrow in arrows:
        if not always_holds(arrow.guard) and arrow.guard:
            told[f"{ids[arrow]}: guard {one_line(arrow.guard.source)}"] = None
        for other in _before(arrow):
            if other.guard is not None:
                told[f"{ids[arrow]}: not, as {ids[other]} says, {one_line(other.guard.source)}"] = None
        command = machine.chart.commands.get(arrow.definition.event)
        for row in (*(command.require if command else ()), *arrow.require):
            told[f"{ids[arrow]}: requires {one_line(row.check.source)}"] = None
    return list(told)


def _before(arrow: Arrow) -> list[Arrow]:
    """The candidates for the same event in the same state that are asked before it."""
    same = arrow.node.candidates(arrow.definition.event) if arrow.definition.event else arrow.node.always
    return list(same[: same.index(arrow)]) if arrow in same else []


def one_line(text: str) -> str:
    return " ".join(text.split())
