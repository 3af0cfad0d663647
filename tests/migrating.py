"""An instance on the bench that changes its chart; after every change its history has to replay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.engine.chart import StateDef
from interlock.engine.machine import Machine
from interlock.engine.messages import Actor, Command
from interlock.engine.migration_command import MIGRATE, first_chart_version, migrate, replay_versions
from interlock.engine.outcome import Decision
from tests.charting import Bench


class Moving(Bench):
    """``machines``: by chart version; the instance begins with version 1."""

    def __init__(self, machines: Mapping[int, Machine]) -> None:
        self.machines = machines
        super().__init__(machines[1])

    def migrate(self, to: int = 2, actor: Actor | None = None, **data: Any) -> Decision:
        """Try it. ``data``: the mapping, or ``undo``."""
        assert self.snapshot
        before = self.snapshot.to_bytes()
        given = {"from": self.snapshot.chart_version, "to": to, **data}
        command = Command(
            machine=self.machine.id,
            key="k",
            name=MIGRATE,
            data=given,
            id=f"m{len(self.history)}",
            actor=actor,
        )
        decision = migrate(self.machines.get, self.snapshot, command, self.now, self.history[-1])
        self._keep(decision)
        if decision.snapshot:
            self.machine = self.machines[to]
            assert is_legal(self.machine.chart.root, set(decision.snapshot.state))
        else:
            assert self.snapshot.to_bytes() == before
        self.replays()
        return decision

    def replays(self) -> None:
        """Assert that the history leads to the snapshot, byte for byte."""
        assert self.snapshot
        first = first_chart_version(self.history, self.snapshot.chart_version)
        again = replay_versions(self.machines.get, "k", self.history, first)
        assert again.to_bytes() == self.snapshot.to_bytes()


def is_legal(state: StateDef, active: set[str]) -> bool:
    """Whether ``active`` are the atomic states of a legal configuration of this state (SCXML 3.11)."""
    if state.kind in ("atomic", "final"):
        return active == {state.path}
    children = [child for child in state.children if not child.kind.endswith("_history")]
    parts = [
        (child, {path for path in active if f"{path}.".startswith(f"{child.path}.")}) for child in children
    ]
    if active != set().union(*(part for _, part in parts)):
        return False
    occupied = [(child, part) for child, part in parts if part]
    wanted = len(children) if state.kind == "parallel" else 1
    return len(occupied) == wanted and all(is_legal(child, part) for child, part in occupied)
