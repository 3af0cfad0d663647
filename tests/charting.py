"""Run a chart in memory, as tests need it: one instance, a clock of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from interlock.engine.decision import decide, fire
from interlock.engine.loader import parse_chart
from interlock.engine.machine import Machine
from interlock.engine.messages import Actor, Command, Result, parse_time
from interlock.engine.outcome import Decision
from interlock.engine.snapshot import Snapshot

START = datetime(2026, 1, 1, 9, 0, tzinfo=UTC)

HEADER = """
id: t
version: 1
commands:
  make: {creates: true}
"""


def compile_chart(text: str) -> Machine:
    """The machine of a chart's text."""
    return Machine(parse_chart(text))


class Bench:
    """One instance on the bench. `send` answers the result; `decision` is the last one."""

    def __init__(self, machine: Machine | str, **data: Any) -> None:
        self.machine = compile_chart(machine) if isinstance(machine, str) else machine
        self.snapshot: Snapshot | None = None
        self.history: list[dict[str, Any]] = []
        self.now = START
        self.decision: Decision | None = None
        creating = next(c.name for c in self.machine.chart.commands.values() if c.creates)
        self.created = self.send(creating, **data)

    def send(self, name: str, actor: Actor | None = None, **data: Any) -> Result:
        command = Command(
            machine=self.machine.id, key="k", name=name, data=data, id=f"c{len(self.history)}", actor=actor
        )
        return self._keep(decide(self.machine, self.snapshot, command, self.now))

    def pass_time(self, **duration: float) -> list[str]:
        """Let time go by; fire what falls due in between, in order. Returns the events of the timers fired."""
        end = self.now + timedelta(**duration)
        fired = []
        while self.snapshot and self.snapshot.timers:
            timer = min(self.snapshot.timers, key=lambda t: t.due)
            if parse_time(timer.due) > end:
                break
            self.now = max(self.now, parse_time(timer.due))
            decision = fire(self.machine, self.snapshot, timer.id, self.now)
            assert decision is not None
            self._keep(decision)
            fired.append(timer.event)
        self.now = end
        return fired

    def _keep(self, decision: Decision) -> Result:
        self.decision = decision
        if decision.snapshot:
            assert decision.entry
            self.snapshot = decision.snapshot
            self.history.append(orjson.loads(decision.entry))
        return decision.result

    @property
    def state(self) -> list[str]:
        assert self.snapshot
        return self.snapshot.state

    @property
    def context(self) -> dict[str, Any]:
        assert self.snapshot
        return self.snapshot.context
