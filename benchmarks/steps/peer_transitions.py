"""`transitions`: `Machine` for the flat chart, `HierarchicalMachine` for the others.

One machine and one model serve all steps. The model carries state and context, and restoring is two attributes
set, which is what the library's own `set_state` does after a look-up. Left out: making machine and model.
"""

from __future__ import annotations

from typing import Any

from transitions import Machine
from transitions.extensions import HierarchicalMachine

from benchmarks.steps.charts import Advance, Names


class Model:
    """Guards and assignments are its methods, as the library's manual has them."""

    state: Any
    context: dict[str, int]

    def may_n(self) -> bool:
        return self.context["n"] >= 0

    def may_x(self) -> bool:
        return self.context["x"] >= 0

    def may_y(self) -> bool:
        return self.context["y"] >= 0

    def may_z(self) -> bool:
        return self.context["z"] >= 0

    def add_n(self) -> None:
        self.context["n"] += 1

    def add_x(self) -> None:
        self.context["x"] += 1

    def add_y(self) -> None:
        self.context["y"] += 1

    def add_z(self) -> None:
        self.context["z"] += 1


def arrow(source: str, dest: str, field: str = "n") -> dict[str, Any]:
    return {
        "trigger": "go",
        "source": source,
        "dest": dest,
        "conditions": f"may_{field}",
        "before": f"add_{field}",
    }


def machine_of(chart: str, model: Model) -> Any:
    shared: dict[str, Any] = {"model": model, "auto_transitions": False}
    if chart == "flat":
        arrows = [arrow("a", "b"), arrow("b", "c"), arrow("c", "a")]
        return Machine(states=["a", "b", "c"], initial="a", transitions=arrows, **shared)
    if chart == "two_level":
        work = {"name": "work", "initial": "draft", "children": ["draft", "review"]}
        arrows = [
            arrow("idle", "work"),
            arrow("work_draft", "work_review"),
            arrow("work", "idle"),
        ]
        return HierarchicalMachine(states=["idle", work], initial="idle", transitions=arrows, **shared)
    regions = [
        {
            "name": r,
            "initial": f"{r}a",
            "children": [f"{r}a", f"{r}b"],
            "transitions": [
                {**arrow(f"{r}a", f"{r}b", r)},
                {**arrow(f"{r}b", f"{r}a", r)},
            ],
        }
        for r in "xyz"
    ]
    return HierarchicalMachine(states=[{"name": "p", "parallel": regions}], initial="p", **shared)


def make(chart: str) -> tuple[Any, Advance, Names]:
    model = Model()
    machine_of(chart, model)
    go = model.go  # type: ignore[attr-defined]

    def advance(state: Any, context: dict[str, int]) -> tuple[Any, dict[str, int]]:
        model.state = state
        model.context = dict(context)
        go()
        return model.state, model.context

    def names(state: Any) -> list[str]:
        paths = state if isinstance(state, list) else [state]
        return [path.rpartition("_")[2] for path in paths]

    return model.state, advance, names
