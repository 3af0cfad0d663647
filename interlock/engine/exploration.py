"""The shortest ways through a chart, found by running it: tests out of charts. Pure.

`explore` searches breadth first over what an instance can be, with the engine's own `decide` and `fire`: so
each way that is listed is one that runs. In each situation every command is tried with a few data and actors
(`exploration_trials`), time goes by to the next timer, and invoked functions come back either way. Situations
are one where nothing tells them apart that could decide anything: active states, recorded histories, running
timers and functions, and the context fields that some condition depends on.

Half of the tries go breadth first, so that what is found is the shortest of all that is tried. Where charts
have too many situations for that, the other half begins anew and goes on from the simplest ways first: deeper,
by ways that may not be the shortest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any

import orjson

from interlock.engine.chart import INVOKE_DONE, INVOKE_ERROR
from interlock.engine.decision import SYSTEM, decide, scope_of, step_from
from interlock.engine.errors import InterlockError
from interlock.engine.exploration_plan import Plan, selects
from interlock.engine.exploration_structure import Structure, Use, conditions_in_words, transition_ids, use_of
from interlock.engine.exploration_trials import Trial
from interlock.engine.machine import Arrow, Machine, Node
from interlock.engine.messages import Command, Status, format_time, parse_time
from interlock.engine.outcome import Decision, cause_of
from interlock.engine.snapshot import Snapshot
from interlock.engine.virtual_time import AdvanceError, advance

START = datetime(2026, 1, 1, tzinfo=UTC)
"""The virtual clock's first reading."""
KEY = "1"
"""The instance's key."""
DEFAULT_LIMIT = 100_000
"""Trials: commands decided and timers fired."""

Event = dict[str, Any]
"""``{"type": command, "data": {}, "actor": {"id", "kind", "permissions"}}`` (no actor: the system), or
``{"advance": milliseconds}``; an invoked function comes back as ``{"type": "done.invoke.<id>", "data": {...}}``."""


@dataclass(frozen=True, slots=True)
class Found:
    """A way: ``events`` from the creating command on; what the last one comes to is ``use``.

    ``shortest``: of all that is tried, none is shorter; false: that was not searched to the end.
    """

    events: tuple[Event, ...]
    use: Use = "taken"
    shortest: bool = True


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


def explore(machine: Machine, limit: int = DEFAULT_LIMIT) -> Exploration:
    """The shortest ways to every state and over every transition. ``limit``: how much is tried at most."""
    return _Search(machine, limit).run()


class _Search:
    def __init__(self, machine: Machine, limit: int) -> None:
        self.machine = machine
        self.limit = limit
        self.ids = transition_ids(machine)
        self.uses = {arrow: use for arrow in machine.arrows if (use := use_of(arrow)) is not None}
        self.states: dict[Node, Found] = {}
        self.arrows: dict[Arrow, Found] = {}
        self.wanted = {node for node in machine.nodes if not node.is_history and node.path}
        self.left = set(self.uses)
        self.refusing = {arrow for arrow, use in self.uses.items() if use == "refused"}
        self.tries = 0
        self.situations = 0
        self.seen: set[bytes] = set()
        self.breadth_first = True
        self.searched = 0
        """All ways of so many events have been tried."""
        self.plan = Plan(machine)

    def run(self) -> Exploration:
        complete = self._search(self.limit // 2, lambda place: place.depth)
        if not complete:
            self.breadth_first = False
            complete = self._search(self.limit, lambda place: place.depth + place.changes)
        return self._report(complete)

    def _search(self, limit: int, cost: Callable[[Situation], int]) -> bool:
        """From the start on, the least cost first; whether nothing is left to try or to find."""
        self.seen = set()
        numbers = count()
        waiting = [(0, next(numbers), Situation(None, START))]
        while waiting and self._goes_on(limit):
            _, _, place = heappop(waiting)
            if self.breadth_first:
                self.searched = place.depth
            for reached in self._from(place):
                key = self._key(reached)
                if key not in self.seen:
                    self.seen.add(key)
                    heappush(waiting, (cost(reached), next(numbers), reached))
                if not self._goes_on(limit):
                    break
        self.situations = max(self.situations, len(self.seen))
        return not waiting or not (self.left or self.wanted)

    def _goes_on(self, limit: int) -> bool:
        return self.tries < limit and bool(self.left or self.wanted)

    # Situations

    def _from(self, place: Situation) -> Iterator[Situation]:
        """All situations that one event leads to."""
        snapshot = place.snapshot
        context = self.machine.defaults if snapshot is None else snapshot.context
        for name, trials in self.plan.commands.items():
            creates = self.machine.chart.commands[name].creates
            if creates is (snapshot is None) and self._may_take(snapshot, name):
                for trial in trials.at(context, place.now):
                    yield from self._command(place, name, trial)
        if snapshot is not None and not snapshot.done:
            for run in snapshot.running:
                for event in (f"{INVOKE_DONE}{run.name}", f"{INVOKE_ERROR}{run.name}"):
                    for trial in self.plan.outcomes[event].at(context, place.now):
                        yield from self._command(place, event, trial, run.id)
            for milliseconds in self._times(snapshot, place.now):
                yield from self._advance(place, milliseconds)

    def _command(self, place: Situation, name: str, trial: Trial, run: str = "tried") -> Iterator[Situation]:
        self.tries += 1
        data, actor = trial.data, trial.actor
        command = Command(machine=self.machine.id, key=KEY, name=name, data=data, id=run, actor=actor)
        decision = decide(self.machine, place.snapshot, command, place.now)
        event: Event = {"type": name, "data": data}
        if actor is not None:
            event["actor"] = actor.model_dump()
        reached = place.next(decision.snapshot, event, changes=trial.changes)
        if decision.result.status is Status.REFUSED:
            if self.refusing:
                self._note_refusal(place, command, decision, reached)
            return
        self._note(decision, reached)
        if decision.snapshot is not None:
            yield reached

    def _advance(self, place: Situation, milliseconds: int) -> Iterator[Situation]:
        assert place.snapshot is not None
        event = {"advance": milliseconds}
        self.tries += 1
        try:
            decisions = list(advance(self.machine, place.snapshot, place.now, milliseconds))
        except AdvanceError:
            return
        self.tries += len(decisions)
        last = (decisions[-1].snapshot if decisions else None) or place.snapshot
        reached = place.next(last, event, after_ms=milliseconds)
        for decision in decisions:
            self._note(decision, reached)
        yield reached

    def _may_take(self, snapshot: Snapshot | None, name: str) -> bool:
        if snapshot is None:
            return True
        active = self.machine.nodes_in(self.machine.mask_of(snapshot.state))
        return not snapshot.done and any(node.candidates(name) for node in active)

    def _times(self, snapshot: Snapshot, now: datetime) -> Iterator[int]:
        """Milliseconds to let go by: to the next timer, then those that conditions reckon with."""
        next_due = min((timer.due for timer in snapshot.timers), default=None)
        until = None
        if next_due is not None:
            until = max(int((parse_time(next_due) - now) / timedelta(milliseconds=1)), 0)
            yield until
        yield from (wait for wait in self.plan.waits if wait != until)

    def _key(self, place: Situation) -> bytes:
        """What tells situations apart: all that can decide what comes next, times as from now."""
        snapshot, now = place.snapshot, place.now
        assert snapshot is not None
        at = format_time(now)
        told = [
            snapshot.state,
            snapshot.entered,
            snapshot.recorded,
            snapshot.done,
            snapshot.version if self.plan.counts_steps else None,
            {name: _from_now(snapshot.context.get(name), at, now) for name in sorted(self.plan.deciding)},
            [
                [timer.id.rpartition("@")[0] or timer.id, timer.event, _from_now(timer.due, at, now)]
                for timer in snapshot.timers
            ],
            sorted([run.name, run.state] for run in snapshot.running),
        ]
        return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)

    # What is found

    def _note(self, decision: Decision, reached: Situation) -> None:
        """Keep the way where it is the first to a state or over a transition."""
        new_states = [n for n in self.wanted if n.bit & decision.visited] if decision.visited else []
        new_arrows = [arrow for arrow in decision.taken if arrow in self.left]
        if not (new_states or new_arrows):
            return
        found = self._found(reached, "taken")
        for node in new_states:
            self.states[node] = found
            self.wanted.discard(node)
        ignored = decision.snapshot is None
        for arrow in new_arrows:
            if ignored and not arrow.ignore:
                continue
            self.arrows[arrow] = self._found(reached, "ignored") if ignored else found
            self.left.discard(arrow)

    def _found(self, reached: Situation, use: Use) -> Found:
        return Found(reached.way(), use, self.breadth_first or reached.depth <= self.searched + 1)

    def _note_refusal(
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
                        self.arrows[arrow] = self._found(reached, "refused")
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

    def _report(self, complete: bool) -> Exploration:
        structure = Structure(self.machine)
        report = Exploration(tries=self.tries, situations=self.situations, complete=complete)
        effort = (
            f"not found, and nothing is left to try after {self.tries} tries"
            if complete
            else f"not found within {self.tries} tries"
        )
        for node in self.machine.nodes:
            if node.path and not node.is_history:
                report.states[node.path] = self.states.get(node) or self._missing(
                    structure, node, effort, [arrow for arrow in structure.way_to(node) if arrow in self.left]
                )
        for arrow, use in self.uses.items():
            name = self.ids[arrow]
            report.uses[name] = use
            report.transitions[name] = self.arrows.get(arrow) or self._missing(
                structure,
                arrow.node,
                effort,
                [a for a in structure.way_to(arrow.node) if a in self.left] + [arrow],
            )
        return report

    def _missing(self, structure: Structure, node: Node, effort: str, on_the_way: Sequence[Arrow]) -> Missing:
        if not structure.has(node):
            return Missing(True, f"no way in the chart leads to {node.path}")
        return Missing(False, effort, tuple(conditions_in_words(self.machine, on_the_way)))


def _from_now(value: Any, at: str, now: datetime) -> Any:
    """A time as milliseconds from now, so that situations that are alike at other times are one."""
    if not isinstance(value, str) or len(value) != len(at) or value[-1] != "Z" or value[10] != "T":
        return value
    try:
        return {"from_now": round((parse_time(value) - now) / timedelta(milliseconds=1))}
    except ValueError:
        return value
