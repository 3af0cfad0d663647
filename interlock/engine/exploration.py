"""The shortest ways through a chart, found by running it: tests out of charts. Pure.

`explore` searches breadth first over what an instance can be, with the engine's own `decide` and `fire`: so
each way that is listed is one that runs. In each situation every command is tried with a few data and actors
(`exploration_trials`), time goes by to the next timer, and invoked functions come back either way. Situations
are one where nothing tells them apart that could decide anything: active states, recorded histories, running
timers and functions, and the context fields that some condition depends on.

Half of the tries go breadth first, so that what is found is the shortest of all that is tried. Where charts
have too many situations for that, the other half begins anew, along the simplest ways first and to where few
ways have led: deeper, by ways that may not be the shortest. The first half of it tries only what differs from
the simplest in one place, for commands with many fields would use up all tries near the start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count
from typing import Any

import orjson

from interlock.engine.chart import INVOKE_DONE, INVOKE_ERROR
from interlock.engine.decision import decide
from interlock.engine.exploration_findings import (
    KEY,
    START,
    Event,
    Exploration,
    Findings,
    Found,
    Missing,
    Situation,
)
from interlock.engine.exploration_plan import Plan
from interlock.engine.exploration_trials import MAX_TRIALS, Trial
from interlock.engine.machine import Machine
from interlock.engine.messages import Command, Status, format_time, parse_time
from interlock.engine.snapshot import Snapshot
from interlock.engine.virtual_time import AdvanceError, advance

__all__ = ["DEFAULT_LIMIT", "KEY", "START", "Event", "Exploration", "Found", "Missing", "explore"]

DEFAULT_LIMIT = 100_000
"""Trials: commands decided and timers fired."""


def explore(
    machine: Machine, limit: int = DEFAULT_LIMIT, *, state: str | None = None, transition: str | None = None
) -> Exploration:
    """The shortest ways to every state and over every transition. ``limit``: how much is tried at most.

    ``state``, ``transition`` (its id): end when this one is found; what else is found by then is told too.
    """
    return _Search(machine, limit, Findings(machine, state, transition)).run()


class _Search:
    def __init__(self, machine: Machine, limit: int, found: Findings) -> None:
        self.machine = machine
        self.limit = limit
        self.plan = Plan(machine)
        self.found = found
        self.tries = 0
        self.situations = 0
        self.seen: set[bytes] = set()
        self.visits: Counter[tuple[str, ...]] = Counter()
        self.most_changes = MAX_TRIALS
        self.searched = 0
        """All ways of so many events have been tried."""

    def run(self) -> Exploration:
        nothing_left = self._search(self.limit // 2, lambda place: place.depth)
        if not nothing_left and not self.found.complete:
            self.found.sure_to = self.searched + 1
            self._search(self.limit * 3 // 4, self._by_novelty, most_changes=1)
            nothing_left = self._search(self.limit, self._by_novelty)
        return self.found.report(self.tries, self.situations, nothing_left)

    def _search(self, limit: int, cost: Callable[[Situation], int], most_changes: int = MAX_TRIALS) -> bool:
        """From the start on, the least cost first; whether nothing is left to try.

        ``most_changes``: by trials that differ from the simplest one in no more places.
        """
        self.seen = set()
        self.visits.clear()
        self.most_changes = most_changes
        numbers = count()
        waiting = [(0, next(numbers), Situation(None, START))]
        while waiting:
            _, _, place = heappop(waiting)
            if self.found.sure_to is None:
                self.searched = place.depth
            for reached in self._from(place):
                key = self._key(reached)
                if key not in self.seen:
                    self.seen.add(key)
                    self.situations = max(self.situations, len(self.seen))
                    heappush(waiting, (cost(reached), next(numbers), reached))
                if self.tries >= limit:
                    return False
            if self.tries >= limit or self.found.complete:
                return not waiting
        return True

    def _by_novelty(self, place: Situation) -> int:
        """Simple ways first, and rather to where few have been: each doubling of a configuration's visits counts."""
        assert place.snapshot is not None
        states = tuple(place.snapshot.state)
        self.visits[states] += 1
        return place.depth + place.changes + 2 * self.visits[states].bit_length()

    # Situations

    def _from(self, place: Situation) -> Iterator[Situation]:
        """All situations that one event leads to."""
        snapshot = place.snapshot
        context = self.machine.defaults if snapshot is None else snapshot.context
        for name, trials in self.plan.commands.items():
            command = self.machine.chart.commands[name]
            possible = command.creates if snapshot is None else command.if_missing or not command.creates
            if possible and self._may_take(snapshot, name):
                for trial in trials.at(context, place.now):
                    if trial.changes <= self.most_changes:
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
            if self.found.refusing:
                self.found.note_refusal(place, command, decision, reached)
            return
        self.found.note(decision, reached)
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
            self.found.note(decision, reached)
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


def _from_now(value: Any, at: str, now: datetime) -> Any:
    """A time as milliseconds from now, so that situations that are alike at other times are one."""
    if not isinstance(value, str) or len(value) != len(at) or value[-1] != "Z" or value[10] != "T":
        return value
    try:
        return {"from_now": round((parse_time(value) - now) / timedelta(milliseconds=1))}
    except ValueError:
        return value
