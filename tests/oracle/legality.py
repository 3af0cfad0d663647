"""What SCXML calls a legal configuration (section 3.11), of a chart's states by path."""

from __future__ import annotations

from collections.abc import Collection

from interlock.engine.chart import Chart, StateDef


def why_illegal(chart: Chart, active: Collection[str]) -> str | None:
    """The first rule that the set of active states breaks; None where it is legal.

    One: the root is active. Two: at least one atomic state is. Three: with an atomic state, all its ancestors
    are, and no state without its parent. Four: of an active compound state exactly one child is active; of an
    active parallel state all are. History states are never active.
    """
    if "" not in active:
        return "the root is not active"
    for path in sorted(active):
        state = chart.states.get(path)
        if state is None or state.kind.endswith("_history"):
            return f"{path!r} is no state that can be active"
        if path and path.rpartition(".")[0] not in active:
            return f"{path!r} is active without its parent"
        if (problem := _children(state, active)) is not None:
            return problem
    return None


def _children(state: StateDef, active: Collection[str]) -> str | None:
    inside = [child.path for child in state.children if not child.kind.endswith("_history")]
    count = sum(path in active for path in inside)
    if state.kind == "compound" and count != 1:
        return f"{count} children of {state.path!r} are active, not one"
    if state.kind == "parallel" and count != len(inside):
        return f"{count} of {len(inside)} regions of {state.path!r} are active"
    return None
