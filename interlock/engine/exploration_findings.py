"""What a search through a chart finds: ways, and why there is none. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from interlock.engine.decision import SYSTEM, scope_of, step_from
from interlock.engine.errors import InterlockError
from interlock.engine.exploration_plan import selects
from interlock.engine.exploration_structure import Structure, Use, conditions_in_words, transition_ids, use_of
from interlock.engine.machine import Arrow, Machine, Node
from interlock.engine.messages import Command
from interlock.engine.outcome import Decision, cause_of
from interlock.engine.snapshot import Snapshot

START = datetime(2026, 1, 1, tzinfo=UTC)
"""The virtual clock's first reading."""
KEY = "1"
"""The instance's key."""

Event = dict[str, Any]
"""``{"type": command, "data": {}, "actor": {"id", "kind", "permissions"}}`` (no actor: the system), or
``{"advance": milliseconds}``; an invoked function comes back as ``{"type": "done.invoke.<id>", "data": {...}}``."""


@dataclass(frozen=True, slots=True)
class Found:
    """A way: ``events`` from the creating command on; what the last one comes to is ``use``.

    ``expect``: ``state`` after it, and of a command ``status`` and ``code``, as `interlock simulate` compares them.
    ``shortest``: of all that is tried, none is shorter; false: that was not searched to the end.
    """

    events: tuple[Event, ...]
    use: Use = "taken"
    shortest: bool = True
    expect: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Missing:
    """Why nothing was found. ``structural``: no way leads there, whatever guards say; ``conditions``: on a way."""

    structural: bool
    why: str
    conditions: tuple[str, ...] = ()


@dataclass(slots=True)
class Exploration:
    """What was found, in document order: of each state by its path, of each transition by its id.

    ``tries``: commands decided and timers fired; ``situations``: different ones that were seen; ``complete``:
    whether nothing was left to try, or to find.
    """

    states: dict[str, Found | Missing] = field(default_factory=dict)
    transitions: dict[str, Found | Missing] = field(default_factory=dict)
    uses: dict[str, Use] = field(default_factory=dict)
    """What each transition is for."""
    tries: int = 0
    situations: int = 0
    complete: bool = False


@dataclass(frozen=True, slots=True)
class Situation:
    """An instance somewhere on its way. ``before``, ``event``: how it came there; ``depth``: by how many events;
    ``changes``: in how many places their data and actors are not the simplest."""

    snapshot: Snapshot | None
    now: datetime
    before: Situation | None = None
    event: Event | None = None
    depth: int = 0
    changes: int = 0

    def next(
        self, snapshot: Snapshot | None, event: Event, *, after_ms: int = 0, changes: int = 0
    ) -> Situation:
        """Where an event leads to."""
        now = self.now + timedelta(milliseconds=after_ms)
        return Situation(snapshot, now, self, event, self.depth + 1, self.changes + changes)

    def way(self) -> tuple[Event, ...]:
        """All events from the first on."""
        events: list[Event] = []
        place: Situation | None = self
        while place is not None and place.event is not None:
            events.append(place.event)
            place = place.before
        return tuple(reversed(events))


class Findings:
    """Keeps the first way to each state and over each transition.

    ``left``, ``wanted``: the transitions, and the mask of the states, that structure has ways to and none is found.
    ``sure_to``: a way of at most so many events is the shortest; None: each that is found is.
    """

    def __init__(self, machine: Machine, state: str | None = None, transition: str | None = None) -> None:
        self.machine = machine
        self.structure = Structure(machine)
        self.ids = transition_ids(machine)
        self.uses = {arrow: use for arrow in machine.arrows if (use := use_of(arrow)) is not None}
        self.states: dict[Node, Found] = {}
        self.arrows: dict[Arrow, Found] = {}
        self.wanted = sum(node.bit for node in self._asked() if self.structure.has(node))
        self.left = {arrow for arrow in self.uses if self.structure.has(arrow.node)}
        self.refusing = {arrow for arrow in self.left if self.uses[arrow] == "refused"}
        self.sure_to: int | None = None
        self._only = None if state is None and transition is None else (state, transition)

    @property
    def complete(self) -> bool:
        """Whether nothing is left that was asked for and could be found."""
        if self._only is None:
            return not (self.left or self.wanted)
        state, transition = self._only
        node = self.machine.by_path.get(state) if state else None
        if node is not None and node.bit & self.wanted:
            return False
        return all(self.ids[arrow] != transition for arrow in self.left)

    def _asked(self) -> list[Node]:
        return [node for node in self.machine.nodes if node.path and not node.is_history]

    def note(self, decision: Decision, reached: Situation) -> None:
        """Keep the way where it is the first to a state or over a transition."""
        new_states = self.wanted & decision.visited
        new_arrows = [arrow for arrow in decision.taken if arrow in self.left]
        if not (new_states or new_arrows):
            return
        found = self._found(reached, "taken", decision)
        for node in self.machine.nodes_in(new_states):
            self.states[node] = found
        self.wanted &= ~new_states
        ignored = decision.snapshot is None
        for arrow in new_arrows:
            if ignored and not arrow.ignore:
                continue
            self.arrows[arrow] = self._found(reached, "ignored", decision) if ignored else found
            self.left.discard(arrow)

    def _found(self, reached: Situation, use: Use, decision: Decision) -> Found:
        snapshot = reached.snapshot or (reached.before.snapshot if reached.before else None)
        expect: dict[str, Any] = {"state": snapshot.state if snapshot else None}
        if reached.event and "type" in reached.event:
            expect["status"] = decision.result.status.value
            if decision.result.error:
                expect["code"] = decision.result.error.code
        return Found(reached.way(), use, self.sure_to is None or reached.depth <= self.sure_to, expect)

    def note_refusal(
        self, place: Situation, command: Command, decision: Decision, reached: Situation
    ) -> None:
        """Where a transition that only refuses was selected, and it is its code, that is its way."""
        error = decision.result.error
        if error is None or place.snapshot is None or not self._refuses(command.name, error.code):
            return
        given = command.actor
        actor = {"id": given.id, "kind": given.kind, "permissions": given.permissions} if given else SYSTEM
        scope = scope_of(place.snapshot, cause_of(command), actor, place.now)
        step = step_from(self.machine, place.snapshot, scope, place.now)
        try:
            step.look()
            rows = self.machine.chart.commands[command.name].require
            if not all(row.check.evaluate(scope) for row in rows):
                return
            for arrow in step.select(command.name):
                row = next((each for each in arrow.require if not each.check.evaluate(scope)), None)
                if row is not None:
                    if row.code == error.code and arrow in self.refusing:
                        self.arrows[arrow] = self._found(reached, "refused", decision)
                        self.refusing.discard(arrow)
                        self.left.discard(arrow)
                    return
        except InterlockError:
            return

    def _refuses(self, name: str, code: str) -> bool:
        return any(
            any(row.code == code for row in arrow.require)
            for arrow in self.refusing
            if selects(arrow.definition.event, name)
        )

    def report(self, tries: int, situations: int, nothing_left: bool) -> Exploration:
        """All that was found, and of the rest why not. ``nothing_left``: to try."""
        complete = nothing_left or self.complete
        report = Exploration(tries=tries, situations=situations, complete=complete)
        effort = f"not found, and nothing is left to try after {tries} tries"
        if not complete:
            effort = f"not found within {tries} tries"
        for node in self._asked():
            report.states[node.path] = self.states.get(node) or self._missing(node, effort)
        for arrow, use in self.uses.items():
            name = self.ids[arrow]
            report.uses[name] = use
            report.transitions[name] = self.arrows.get(arrow) or self._missing(arrow.node, effort, arrow)
        return report

    def _missing(self, node: Node, effort: str, *more: Arrow) -> Missing:
        if not self.structure.has(node):
            return Missing(True, f"no way in the chart leads to {node.path}")
        closed = [arrow for arrow in self.structure.way_to(node) if arrow in self.left]
        return Missing(False, effort, tuple(conditions_in_words(self.machine, self.ids, [*closed, *more])))
