"""What a transition leads to, read from the chart: which events it announces and which commands it sends. Pure.

Certain is what every step over a transition does: its own actions, the exits of what it surely leaves and the entries
of what it enters. Possible is what depends on the state or the context: transitions on events that it raises, those
that `always` stand in what it enters, and the exits of states that may be active below.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from interlock.engine.chart import Action, Emit, Raise, Send
from interlock.engine.entry_set import EntrySet
from interlock.engine.machine import Arrow, Machine, Node


@dataclass
class Consequences:
    """``events``: types announced; ``sends``: ``machine command``, where the list of keys is not empty; what is
    possible may follow within the same step."""

    events: list[str] = field(default_factory=list)
    sends: list[str] = field(default_factory=list)
    possible_events: list[str] = field(default_factory=list)
    possible_sends: list[str] = field(default_factory=list)

    def add(self, actions: Iterable[Action], *, certain: bool) -> None:
        """Take in what actions announce and send, each once."""
        events = self.events if certain else self.possible_events
        sends = self.sends if certain else self.possible_sends
        for action in actions:
            if isinstance(action, Emit) and action.type not in (*self.events, *events):
                events.append(action.type)
            elif isinstance(action, Send):
                name = f"{action.machine} {action.command}"
                if name not in (*self.sends, *sends):
                    sends.append(name)


def of_arrow(machine: Machine, arrow: Arrow) -> Consequences:
    """What a step over this transition leads to."""
    found = Consequences()
    actions, entered = _done_by(machine, arrow)
    found.add(actions, certain=True)
    below = [node for node in machine.nodes_in(arrow.node.below) if node.bit & (arrow.exits or 0)]
    unsure = [action for node in below for action in node.exit_actions]
    found.add(unsure, certain=False)
    _follow(machine, found, [*actions, *unsure], entered)
    return found


def of_beginning(machine: Machine) -> Consequences:
    """What the creation of an instance leads to."""
    found = Consequences()
    entered = machine.nodes_in(EntrySet(machine, {}).descendants(machine.root, 0))
    actions = _on_entry(entered)
    found.add(actions, certain=True)
    _follow(machine, found, actions, entered)
    return found


def _follow(
    machine: Machine, found: Consequences, actions: Iterable[Action], entered: Iterable[Node]
) -> None:
    """Add what may come after: all that the same step may take besides."""
    waiting = _next(machine, actions, entered)
    seen: set[int] = set()
    while waiting:
        arrow = waiting.pop(0)
        if id(arrow) not in seen:
            seen.add(id(arrow))
            done, inside = _done_by(machine, arrow)
            found.add(done, certain=False)
            waiting += _next(machine, done, inside)


def _next(machine: Machine, actions: Iterable[Action], entered: Iterable[Node]) -> list[Arrow]:
    """What stands `always` in the states entered, and what takes the events that are raised at once."""
    raised = [action.event for action in actions if isinstance(action, Raise) and action.delay is None]
    return [
        *(arrow for node in entered for arrow in node.always),
        *(arrow for event in raised for node in machine.nodes for arrow in node.candidates(event)),
    ]


def _done_by(machine: Machine, arrow: Arrow) -> tuple[list[Action], list[Node]]:
    """The actions that a transition surely runs, in order, and the states that it enters."""
    if not arrow.targets:
        return list(arrow.actions), []
    entered = machine.nodes_in(EntrySet(machine, {}).of([arrow], machine.all))
    left = [node for node in (arrow.node, *arrow.node.ancestors) if node.bit & (arrow.exits or 0)]
    exits = [action for node in left for action in node.exit_actions]
    return [*exits, *arrow.actions, *_on_entry(entered)], entered


def _on_entry(nodes: Iterable[Node]) -> list[Action]:
    return [action for node in nodes for action in (*node.entry_actions, *node.initial_actions)]
