"""The conformance door: a case in, what the machine did out. Pure.

A case is ``{"chart", "events", "guards"}``; its answer ``{"configs": [[ids of the active atomic and final states,
sorted], ...], "actions": [[names of custom actions, in order], ...], "status": "active" | "done"}``, the first entry
being the start, or ``{"error"}``. An event is ``{"type", "data"?, "guards"?}`` or ``{"advance": milliseconds}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from interlock.engine.durations import MAX_DELAY_MS
from interlock.engine.errors import InterlockError
from interlock.engine.expressions import Scope
from interlock.engine.interchange.model import NotReadable
from interlock.engine.interchange.runnable import ACTION, Runnable
from interlock.engine.interchange.xstate_json import read_xstate
from interlock.engine.messages import format_time, parse_time
from interlock.engine.snapshot import Timer
from interlock.engine.step import Step

START = datetime(2026, 1, 1, tzinfo=UTC)
MAX_FIRED = 10_000
"""Timers that may fire within one ``advance``: what never stops to fire is told, not waited for."""
MAX_TIMERS = 2_000
"""Timers that may run at once."""
MAX_EVENTS = 100_000

_ACTOR: Mapping[str, Any] = {"id": None, "kind": "system", "permissions": []}


def run_case(case: Any, *, functions: Mapping[str, Callable[..., Any]] | None = None) -> dict[str, Any]:
    """What a case does; ``{"error": why}`` where it cannot be run. Never raises for what a case says."""
    try:
        return _run(case, functions)
    except InterlockError as error:
        return {"error": str(error)}
    except RecursionError:
        return {"error": "the case is nested too deep"}


def _run(case: Any, functions: Mapping[str, Callable[..., Any]] | None) -> dict[str, Any]:
    if not isinstance(case, dict):
        raise NotReadable('a case is an object: {"chart", "events", "guards"}')
    unknown = sorted(case.keys() - {"chart", "events", "guards", "name", "id"})
    if unknown:
        raise NotReadable(f"a case has no {unknown[0][:64]!r}: it has chart, events and guards")
    events = case.get("events", [])
    if not isinstance(events, list) or len(events) > MAX_EVENTS:
        raise NotReadable(f"a list of at most {MAX_EVENTS} events is expected", "events")
    verdicts = _verdicts(case.get("guards"), "guards")
    names = {
        name
        for number, event in enumerate(events)
        for name in _verdicts(_event(event, number).get("guards"), f"events[{number}].guards")
    }
    runnable = Runnable(
        read_xstate(case.get("chart")), verdicts, functions=functions, verdict_names=frozenset(names)
    )
    walk = Walk(runnable)
    walk.start()
    for number, event in enumerate(events):
        verdicts.update(_verdicts(event.get("guards"), ""))
        walk.apply(event, f"events[{number}]")
    return {"configs": walk.configs, "actions": walk.actions, "status": "done" if walk.done else "active"}


def _event(event: Any, number: int) -> Mapping[str, Any]:
    if not isinstance(event, dict):
        raise NotReadable('an event is {"type", "data"} or {"advance": milliseconds}', f"events[{number}]")
    return event


def _verdicts(written: Any, place: str) -> dict[str, bool]:
    if written is None:
        return {}
    if not isinstance(written, dict) or not all(isinstance(each, bool) for each in written.values()):
        raise NotReadable("verdicts are true or false by the guard's name", place)
    return dict(written)


class Walk:
    """One life of a machine under a virtual clock. ``configs``, ``actions``: what is told of each event."""

    def __init__(self, runnable: Runnable) -> None:
        self._runnable = runnable
        self._machine = runnable.machine
        self._now = START
        self._version = 0
        self._active = 0
        self._context: dict[str, Any] = _initial_context(runnable)
        self._recorded: dict[str, list[str]] = {}
        self._timers: list[Timer] = []
        self._entered: list[str] = []
        self._said: list[str] = []
        self.done = False
        self.configs: list[list[str]] = []
        self.actions: list[list[str]] = []

    def start(self) -> None:
        """Enter the initial states. Raises EndlessStep, EvaluationError."""
        step = self._step("", {})
        step.start()
        self._keep(step)
        self._tell()

    def apply(self, event: Mapping[str, Any], place: str) -> None:
        """Take an event, or let time pass. Raises NotReadable, EndlessStep, EvaluationError."""
        passed = event.get("advance")
        if passed is not None:
            if isinstance(passed, bool) or not isinstance(passed, (int, float)):
                raise NotReadable("milliseconds are a number", f"{place}.advance")
            if not 0 <= passed <= MAX_DELAY_MS:
                raise NotReadable("time passes by 0 milliseconds to ten years", f"{place}.advance")
            self._advance(self._now + timedelta(milliseconds=passed), place)
        else:
            name, data = event.get("type"), event.get("data", {})
            if not isinstance(name, str) or not name or not isinstance(data, dict):
                raise NotReadable('an event is {"type", "data"} or {"advance": milliseconds}', place)
            self._take(self._runnable.event(name), data)
        self._tell()

    def _advance(self, end: datetime, place: str) -> None:
        for _ in range(MAX_FIRED):
            timer = min(self._timers, key=lambda each: each.due, default=None)
            if timer is None or self.done or parse_time(timer.due) > end:
                self._now = end
                return
            self._now = parse_time(timer.due)
            self._timers = [each for each in self._timers if each is not timer]
            self._take(timer.event, {})
            if len(self._timers) > MAX_TIMERS:
                raise NotReadable(f"over {MAX_TIMERS} timers run at once: they multiply", place)
        raise NotReadable(f"{MAX_FIRED} timers have fired and more are due: they never rest", place)

    def _take(self, event: str, data: dict[str, Any]) -> None:
        if self.done:
            return
        self._version += 1
        step = self._step(event, data)
        arrows = step.select(event)
        if not all(row.check.evaluate(step.scope) for arrow in arrows for row in arrow.require):
            return  # refused: nothing changes
        # Also where nothing is selected: eventless transitions are looked for again, as the verdicts may be others.
        step.take(arrows)
        self._keep(step)

    def _step(self, event: str, data: dict[str, Any]) -> Step:
        scope = Scope(
            context=self._context,
            data=data,
            actor=_ACTOR,
            now=format_time(self._now),
            key="",
            version=self._version,
            command=event,
            states=frozenset(),
        )
        return Step(
            self._machine,
            active=self._active,
            context=self._context,
            recorded=self._recorded,
            timers=self._timers,
            scope=scope,
            now=self._now,
            version=self._version,
            entered=self._entered,
        )

    def _keep(self, step: Step) -> None:
        self._active, self._context, self._recorded = step.active, step.context, step.recorded
        self._timers, self._entered, self.done = step.timers, step.entered(), step.done
        self._said += [text.removeprefix(ACTION) for text in step.emitted if text.startswith(ACTION)]

    def _tell(self) -> None:
        ids = self._runnable.ids
        active = self._machine.nodes_in(self._active & self._machine.atomic)
        self.configs.append(sorted(ids[node.path] for node in active))
        self.actions.append(self._said)
        self._said = []


def _initial_context(runnable: Runnable) -> dict[str, Any]:
    given = runnable.config.context
    if not runnable.config.is_ours:
        return dict(given)
    return {name: each.get("default") if isinstance(each, dict) else each for name, each in given.items()}
