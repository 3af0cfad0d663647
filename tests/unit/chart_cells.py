"""Reads tests/cells/<chart>.yaml and plays what it says. The form of a table is told in tests/cells/README.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from interlock.engine.chart import StateDef, TransitionDef
from interlock.engine.decision import SYSTEM, decide, fire, scope_of, step_from
from interlock.engine.machine import Machine
from interlock.engine.messages import Command, format_time, parse_time
from interlock.engine.outcome import Decision, cause_of
from interlock.engine.snapshot import RAISE, Snapshot, Timer
from tests.desks import shipped

CELLS = Path(__file__).parents[1] / "cells"
CATALOG = shipped()
CHARTS = sorted(chart.id for chart in CATALOG.charts)
BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@dataclass
class Play:
    """One instance of a chart, played from its table. ``taken``: marks of the arrows that it took."""

    table: Table
    snapshot: Snapshot | None = None
    now: datetime = BEGIN
    sent: int = 0
    taken: set[str] = field(default_factory=set)
    key: str = "K-1"

    def send(self, name: str, data: Any = None, actor: Any = None) -> Decision:
        """Send a command with the table's data and actor, where none are given; keep what it leads to."""
        table = self.table
        self.sent += 1
        self.now += timedelta(seconds=1)
        given = table.data.get(name, {}) if data is None else data
        command = Command(
            machine=table.chart,
            key=self.key,
            name=name,
            data=_at(given, self.now),
            id=f"c{self.sent}",
            actor=table.actors[actor or table.by.get(name, "default")],
        )
        self._note_selected(command)
        decision = decide(table.machine, self.snapshot, command, self.now)
        self.taken |= {str(arrow.definition.mark) for arrow in decision.taken}
        self.snapshot = decision.snapshot or self.snapshot
        return decision

    def _note_selected(self, command: Command) -> None:
        """Keep which transitions the command selects, those too whose rows then refuse it."""
        machine, snapshot = self.table.machine, self.snapshot
        if snapshot is None or snapshot.done:
            return
        actor = command.actor.model_dump() if command.actor else SYSTEM
        scope = scope_of(snapshot, cause_of(command), actor, self.now)
        for arrow in step_from(machine, snapshot, scope, self.now).select(command.name):
            self.taken.add(str(arrow.definition.mark))

    def ring(self, delay: str) -> Decision:
        """Let what `running` finds come due; there is one."""
        assert self.snapshot is not None
        timers = self.running(delay)
        assert len(timers) == 1, f"timers that run: {[timer.event for timer in self.snapshot.timers]}"
        self.now = max(parse_time(timers[0].due), self.now)
        decision = fire(self.table.machine, self.snapshot, timers[0].id, self.now)
        assert decision is not None
        self.snapshot = decision.snapshot
        return decision

    def running(self, delay: str) -> list[Timer]:
        """The running timers with this delay, or the delayed raises of this event or, ``raise ID``, this id."""
        assert self.snapshot is not None
        start = f"{RAISE}{delay.removeprefix('raise ')}@"
        return [
            timer
            for timer in self.snapshot.timers
            if timer.event == delay
            or timer.event.startswith(f"after.{delay}.")
            or (delay.startswith("raise ") and timer.id.startswith(start))
        ]

    def go(self, steps: list[Any]) -> Play:
        """Take the steps of a path, each of which has to be applied."""
        for step in steps:
            if isinstance(step, str) and step.startswith("after "):
                decision = self.ring(step.removeprefix("after "))
            elif isinstance(step, str):
                decision = self.send(step)
            elif "pass_days" in step:
                self.now += timedelta(days=step["pass_days"])
                continue
            elif "times" in step:
                for number in range(step["times"]):
                    decision = self.send(step["send"], {step["field"]: f"x{number}"}, step.get("actor"))
            else:
                decision = self.send(step["send"], step.get("data"), step.get("actor"))
            assert decision.snapshot is not None, f"{step}: {decision.result.error}"
        return self


class Table:
    """The table of one chart."""

    def __init__(self, chart: str) -> None:
        text = yaml.load((CELLS / f"{chart}.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
        machine = CATALOG.machine(chart)
        assert machine is not None
        self.chart = chart
        self.machine: Machine = machine
        self.actors: dict[str, Any] = text["actors"]
        self.by: dict[str, str] = text.get("by", {})
        self.data: dict[str, Any] = text["data"]
        self.paths: dict[str, list[Any]] = text["paths"]
        self.cells: dict[str, dict[str, str]] = text["cells"]
        self.rows: list[dict[str, Any]] = text["rows"]
        self.timers: list[dict[str, Any]] = text["timers"]
        self.within: str = text.get("within", "")
        self.aside: tuple[str, ...] = tuple(f"{region}." for region in text.get("aside", ()))

    def at(self, place: Any, key: Any = "K-1") -> Play:
        """An instance in a state of ``paths``, or at the end of the given steps."""
        steps = self.paths[place] if isinstance(place, str) else place
        flat: list[Any] = []
        for step in steps:
            named = isinstance(step, str) and step.startswith("in ")
            flat += self.at_steps(step.removeprefix("in ")) if named else [step]
        return Play(self, key=_at(key, BEGIN)).go(flat)

    def at_steps(self, state: str) -> list[Any]:
        return [
            each
            for step in self.paths[state]
            for each in (
                self.at_steps(step.removeprefix("in "))
                if isinstance(step, str) and step.startswith("in ")
                else [step]
            )
        ]

    @property
    def resting_states(self) -> set[str]:
        """Atomic states that an instance can rest in: not those that something always leads out of."""
        return set(self.shown(self._resting()))

    @property
    def resting_aside(self) -> set[str]:
        """Those of the regions that the cells leave out."""
        return {path for path in self._resting() if path.startswith(self.aside)} if self.aside else set()

    def _resting(self) -> list[str]:
        return [
            state.path
            for state in self.machine.chart.states.values()
            if state.kind in ("atomic", "final") and not any(arrow.guard is None for arrow in state.always)
        ]

    def shown(self, states: list[str]) -> list[str]:
        """States as the table names them: without the regions aside, and without what they all lie within."""
        start = f"{self.within}." if self.within else ""
        return [
            state.removeprefix(start) for state in states if not (self.aside and state.startswith(self.aside))
        ]

    @property
    def transitions(self) -> list[TransitionDef]:
        """Every transition that a command takes."""
        states: list[StateDef] = list(self.machine.chart.root.walk())
        return [arrow for state in states for arrow in state.on if arrow.event in self.machine.chart.commands]


@cache
def table_of(chart: str) -> Table:
    """A chart's table, read once."""
    return Table(chart)


def outcome(table: Table, decision: Decision) -> str:
    """``applied <state>``, ``ignored``, or ``refused <class> <code>``."""
    result = decision.result
    if result.error:
        return f"refused {result.error.error_class} {result.error.code}"
    return (
        f"applied {' '.join(table.shown(result.state or []))}" if decision.snapshot else result.status.value
    )


def _at(given: Any, now: datetime) -> Any:
    """The data of a table: ``{in_seconds: 60}`` is the time so much later, ``{characters: 9}`` a string so long."""
    if isinstance(given, list):
        return [_at(each, now) for each in given]
    if not isinstance(given, dict):
        return given
    if given.keys() == {"in_seconds"}:
        return format_time(now + timedelta(seconds=given["in_seconds"]))
    if "characters" in given and given.keys() <= {"characters", "of"}:
        return str(given.get("of", "x")) * int(given["characters"])
    return {name: _at(value, now) for name, value in given.items()}
