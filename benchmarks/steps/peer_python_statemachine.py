"""`python-statemachine`: one chart object over one model; restoring is the model's state field and counters set.

The library reads and writes the configuration through the model, so that this is its documented way to keep it
elsewhere ("domain models"), and faster than making the chart object anew with `start_value`. Left out: making
both, once.
"""

from __future__ import annotations

from typing import Any

from statemachine import State, StateChart, StateMachine
from statemachine.orderedset import OrderedSet

from benchmarks.steps.charts import Advance, Names


class Model:
    state: Any = None
    n = x = y = z = 0

    def may_n(self) -> bool:
        return self.n >= 0

    def may_x(self) -> bool:
        return self.x >= 0

    def may_y(self) -> bool:
        return self.y >= 0

    def may_z(self) -> bool:
        return self.z >= 0

    def add_n(self) -> None:
        self.n += 1

    def add_x(self) -> None:
        self.x += 1

    def add_y(self) -> None:
        self.y += 1

    def add_z(self) -> None:
        self.z += 1


class Flat(StateMachine):
    a = State(initial=True)
    b = State()
    c = State()
    go = (
        a.to(b, cond="may_n", on="add_n")
        | b.to(c, cond="may_n", on="add_n")
        | c.to(a, cond="may_n", on="add_n")
    )


class TwoLevel(StateChart):
    catch_errors_as_events = False

    idle = State(initial=True)

    class work(State.Compound):
        draft = State(initial=True)
        review = State()
        go = draft.to(review, cond="may_n", on="add_n")

    go = idle.to(work, cond="may_n", on="add_n") | work.to(idle, cond="may_n", on="add_n")


class ThreeRegions(StateChart):
    catch_errors_as_events = False

    class p(State.Parallel):
        class x(State.Compound):
            xa = State(initial=True)
            xb = State()
            go = xa.to(xb, cond="may_x", on="add_x") | xb.to(xa, cond="may_x", on="add_x")

        class y(State.Compound):
            ya = State(initial=True)
            yb = State()
            go = ya.to(yb, cond="may_y", on="add_y") | yb.to(ya, cond="may_y", on="add_y")

        class z(State.Compound):
            za = State(initial=True)
            zb = State()
            go = za.to(zb, cond="may_z", on="add_z") | zb.to(za, cond="may_z", on="add_z")


KINDS = {"flat": Flat, "two_level": TwoLevel, "three_regions": ThreeRegions}


def make(chart: str) -> tuple[Any, Advance, Names]:
    model = Model()
    go = KINDS[chart](model).go
    fields = "xyz" if chart == "three_regions" else "n"

    def advance(state: Any, context: dict[str, int]) -> tuple[Any, dict[str, int]]:
        model.state = OrderedSet(state) if type(state) is list else state
        for name in fields:
            setattr(model, name, context[name])
        go()
        after = model.state
        return list(after) if type(after) is OrderedSet else after, {
            name: getattr(model, name) for name in fields
        }

    def names(state: Any) -> list[str]:
        active = state if isinstance(state, list) else [state]
        return [name for name in active if name not in ("work", "p", "x", "y", "z")]

    first = model.state
    return list(first) if isinstance(first, OrderedSet) else first, advance, names
