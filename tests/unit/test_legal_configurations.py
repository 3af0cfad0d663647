"""No chart that loads ever leaves the legal configurations, whatever happens to it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.engine.machine import Machine
from interlock.engine.snapshot import Snapshot
from interlock.engine.step import EndlessStep
from tests.charting import Bench, compile_chart
from tests.oracle.legality import why_illegal
from tests.oracle.random_charts import COMMANDS, random_chart
from tests.oracle.spelling import in_our_words

HAPPENINGS = st.one_of(
    st.tuples(st.sampled_from(COMMANDS), st.booleans()), st.sampled_from([10, 20, 50, 1000])
)


def is_legal(machine: Machine, mask: int) -> bool:
    """SCXML 3.11, on the states of a mask."""
    return why_illegal(machine.chart, {node.path for node in machine.nodes_in(mask)}) is None


def check(snapshot: Snapshot, machine: Machine) -> None:
    mask = machine.mask_of(snapshot.state)
    assert is_legal(machine, mask), why_illegal(machine.chart, {n.path for n in machine.nodes_in(mask)})
    # The atomic states say all: none is missing, none is a state that cannot be.
    assert machine.atomic_paths(mask) == snapshot.state
    running = {timer.state for timer in snapshot.timers}
    active = {node.path for node in machine.nodes_in(mask)}
    assert running <= active, "a timer runs in a state that was left"
    for history, paths in snapshot.recorded.items():
        around = machine.by_path[history].parent
        assert around is not None
        assert all(machine.by_path[path].bit & around.below for path in paths)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), happenings=st.lists(HAPPENINGS, min_size=5, max_size=25))
def test_a_chart_that_loads_never_leaves_the_legal_configurations(seed: int, happenings: list[Any]) -> None:
    machine = compile_chart(in_our_words(random_chart(seed)))
    bench = Bench(machine)
    for happening in happenings:
        if bench.snapshot is None:
            return  # It never comes to rest, so there is no instance.
        check(bench.snapshot, machine)
        try:
            if isinstance(happening, int):
                bench.pass_time(milliseconds=happening)
            else:
                bench.send(happening[0], flag=happening[1])
        except EndlessStep:
            return  # A timer that never comes to rest stays.
        check(bench.snapshot, machine)


@pytest.mark.parametrize(
    ("active", "problem"),
    [
        ({"", "p", "p.a", "p.b", "p.b.x"}, None),
        ({"p", "p.a", "p.b", "p.b.x"}, "the root is not active"),
        ({"", "p", "p.a"}, "1 of 2 regions of 'p' are active"),
        ({"", "p", "p.a", "p.b"}, "0 children of 'p.b' are active, not one"),
        ({"", "p", "p.a", "p.b", "p.b.x", "p.b.y"}, "2 children of 'p.b' are active, not one"),
        ({"", "q", "p.a"}, "'p.a' is active without its parent"),
        ({"", "p", "p.a", "p.b", "p.b.x", "p.b.hist"}, "'p.b.hist' is no state that can be active"),
    ],
)
def test_what_a_legal_configuration_is(active: set[str], problem: str | None) -> None:
    machine = compile_chart(
        """
id: t
version: 1
commands: {make: {creates: true}}
initial: p
states:
  p:
    type: parallel
    states: {a: {}, b: {initial: x, states: {x: {}, y: {}, hist: {type: history}}}}
  q: {}
"""
    )
    assert why_illegal(machine.chart, active) == problem
