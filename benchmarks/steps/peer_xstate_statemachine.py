"""`xstate-statemachine`: its pure `get_next_snapshot` over a snapshot made by hand from state ids and context.

Faster than `SyncInterpreter.from_snapshot` + `send` + `get_snapshot`, its other documented way. The list of all
active states goes along, as in its persisted snapshots, since the library does not derive the ancestors.
"""

from __future__ import annotations

from typing import Any

from xstate_statemachine import MachineLogic, create_machine
from xstate_statemachine.actions import assign
from xstate_statemachine.helpers import PureSnapshot, get_initial_snapshot, get_next_snapshot

from benchmarks.steps.charts import START, Advance, Names


def arrow(target: str, field: str = "n") -> dict[str, Any]:
    add = assign({field: lambda args: args["context"][field] + 1})
    return {"go": {"target": target, "guard": f"may_{field}", "actions": [add]}}


def config_of(chart: str) -> dict[str, Any]:
    if chart == "flat":
        return {
            "initial": "a",
            "states": {"a": {"on": arrow("b")}, "b": {"on": arrow("c")}, "c": {"on": arrow("a")}},
        }
    if chart == "two_level":
        work = {
            "initial": "draft",
            "on": arrow("idle"),
            "states": {"draft": {"on": arrow("review")}, "review": {}},
        }
        return {"initial": "idle", "states": {"idle": {"on": arrow("work")}, "work": work}}
    regions = {
        r: {
            "initial": f"{r}a",
            "states": {f"{r}a": {"on": arrow(f"{r}b", r)}, f"{r}b": {"on": arrow(f"{r}a", r)}},
        }
        for r in "xyz"
    }
    return {"type": "parallel", "states": regions}


def guard(field: str) -> Any:
    return lambda context, _event: context[field] >= 0


def make(chart: str) -> tuple[Any, Advance, Names]:
    logic = MachineLogic(guards={f"may_{field}": guard(field) for field in "nxyz"})
    machine = create_machine({"id": "bench", "context": dict(START[chart]), **config_of(chart)}, logic=logic)

    def advance(state: list[str], context: dict[str, int]) -> tuple[list[str], dict[str, int]]:
        active = set(state)
        after = get_next_snapshot(machine, PureSnapshot(active, active, context), "go")
        return list(after.configuration), after.context

    def names(state: list[str]) -> list[str]:
        return [
            path.rpartition(".")[2]
            for path in state
            if path.rpartition(".")[2] not in ("bench", "work", *"xyz")
        ]

    return list(get_initial_snapshot(machine).configuration), advance, names
