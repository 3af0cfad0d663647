"""Walk a way that `exploration` has found, by the engine's own steps alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from interlock.engine.decision import decide, fire
from interlock.engine.exploration import KEY, START
from interlock.engine.machine import Machine
from interlock.engine.messages import Actor, Command, Status, parse_time
from interlock.engine.outcome import Decision
from interlock.engine.snapshot import Snapshot


@dataclass
class Walk:
    """One instance on its way. ``last``: the decisions of the latest event."""

    machine: Machine
    snapshot: Snapshot | None = None
    now: datetime = START
    last: list[Decision] = field(default_factory=list)

    def go(self, event: dict[str, Any]) -> Walk:
        """Take one event of a way."""
        if "advance" in event:
            self._wait(event["advance"])
            return self
        running = self.snapshot.running if self.snapshot else []
        run = next((one.id for one in running if event["type"].endswith(f".invoke.{one.name}")), "walked")
        actor = Actor(**event["actor"]) if "actor" in event else None
        command = Command(
            machine=self.machine.id, key=KEY, name=event["type"], data=event["data"], id=run, actor=actor
        )
        self.last = [decide(self.machine, self.snapshot, command, self.now)]
        self.snapshot = self.last[0].snapshot or self.snapshot
        return self

    def _wait(self, milliseconds: int) -> None:
        self.last = []
        end = self.now + timedelta(milliseconds=milliseconds)
        while self.snapshot and self.snapshot.timers:
            timer = min(self.snapshot.timers, key=lambda each: each.due)
            if parse_time(timer.due) > end:
                break
            self.now = max(self.now, parse_time(timer.due))
            decision = fire(self.machine, self.snapshot, timer.id, self.now)
            assert decision is not None
            self.snapshot = decision.snapshot
            self.last.append(decision)
        self.now = end

    @property
    def states(self) -> set[str]:
        """Paths of what the latest event entered, and of what is active."""
        mask = self.machine.mask_of(self.snapshot.state) if self.snapshot else 0
        for decision in self.last:
            mask |= decision.visited
        return {node.path for node in self.machine.nodes_in(mask)}

    @property
    def status(self) -> Status:
        """What became of the latest command."""
        return self.last[-1].result.status


def walk(machine: Machine, events: Sequence[dict[str, Any]]) -> Walk:
    """The whole way; every event before the last has to be applied."""
    walked = Walk(machine)
    for number, event in enumerate(events, 1):
        walked.go(event)
        if "type" in event and number < len(events):
            assert walked.status is Status.APPLIED, (event, walked.last)
    return walked
