"""How much of a chart has been lived: transitions taken and states entered, counted over histories. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from interlock.engine.chart import TransitionDef
from interlock.engine.exploration_structure import transition_ids, use_of
from interlock.engine.machine import Machine
from interlock.engine.outcome import Decision


class Coverage:
    """What instances did under one version of a chart.

    ``instances``: those that lived by this version; ``steps``: theirs under it; ``times``: by a transition's id,
    how often it was taken; ``visited``: by a state's path, how many instances were ever in it. Only transitions that
    can be taken count: what ignores or only refuses a command leaves no trace in a history.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.instances = 0
        self.steps = 0
        self.ids = {
            arrow: name for arrow, name in transition_ids(machine).items() if use_of(arrow) == "taken"
        }
        self.times: Counter[str] = Counter(dict.fromkeys(self.ids.values(), 0))
        paths = (node.path for node in machine.nodes if node.path and not node.is_history)
        self.visited: Counter[str] = Counter(dict.fromkeys(paths, 0))
        self._by_place = {_place(arrow.definition): name for arrow, name in self.ids.items()}

    def add(self, decisions: Iterable[Decision]) -> None:
        """The whole life of one instance, from its first step on; counted only if all of it can be read.

        Raises what ``decisions`` raises; nothing is counted then.
        """
        steps, mask = 0, 0
        taken: Counter[str] = Counter()
        for decision in decisions:
            snapshot = decision.snapshot
            if snapshot is None or snapshot.chart_version != self.machine.version:
                continue
            steps += 1
            mask |= decision.visited | self.machine.mask_of(snapshot.state)
            # By their places: the version may have been compiled more than once.
            taken.update(
                name for arrow in decision.taken if (name := self._by_place.get(_place(arrow.definition)))
            )
        self.instances += steps > 0
        self.steps += steps
        self.times.update(taken)
        self.visited.update(node.path for node in self.machine.nodes_in(mask) if node.path)

    @property
    def crossings(self) -> list[tuple[TransitionDef, int]]:
        """Each transition that can be taken, with how often it was."""
        return [(arrow.definition, self.times[name]) for arrow, name in self.ids.items()]


def _place(transition: TransitionDef) -> tuple[str, str, int, int]:
    mark = transition.mark
    return transition.source, transition.event, mark.line, mark.column


def share(counts: Counter[str]) -> tuple[int, int]:
    """How many of these are not 0, of how many."""
    return sum(1 for number in counts.values() if number), len(counts)
