"""XState, run on what we export, is in the same states as we are after every event."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from interlock.engine.chart import Chart
from interlock.engine.diagrams import draw
from interlock.engine.machine import Machine
from tests.charting import Bench
from tests.roundtrip.charts import PLAIN, TALKING_TO_DATA, any_chart, events
from tests.roundtrip.node_programs import answers, with_xstate
from tests.unit.test_diagrams_charts import hostile

RUNS = 30
NEVER_AT_REST = {
    "nested": {"t.busy.end"},
    "talking": {"t.middle", "t.right"},
    "ending": {"t.open.end", "t.open.in.y"},
    "guarded": {"t.armed"},
    "beginning": {"t.outer.middle"},
}
"""What a step only passes through; every other state is seen in the runs."""


@pytest.fixture(scope="module")
def xstate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_xstate(tmp_path_factory.mktemp("xstate"))


def our_states(chart: Chart, given: list[dict[str, Any]]) -> list[list[str]]:
    """The active atomic states by XState's ids, at the start and after each event."""
    bench = Bench(Machine(chart))
    seen = [bench.state]
    for event in given:
        if "advance" in event:
            bench.pass_time(milliseconds=event["advance"])
        else:
            bench.send(event["type"], **{name: value for name, value in event.items() if name != "type"})
        seen.append(bench.state)
    return [sorted(f"{chart.id}.{path}" for path in state) for state in seen]


@pytest.mark.parametrize("name", [*PLAIN, *TALKING_TO_DATA])
def test_xstate_is_where_we_are(name: str, xstate: Path) -> None:
    chart = any_chart(name)
    config = json.loads(draw(chart, "xstate"))
    cases = [events(seed, waits=name == "waiting") for seed in range(RUNS)]
    lines = [{"config": config, "events": case, "tick": 500} for case in cases]
    ours = [our_states(chart, case) for case in cases]
    assert [each["states"] for each in answers(xstate, "exported.mjs", lines)] == ours
    visited = {state for run in ours for states in run for state in states}
    leaves = {path for path, state in chart.states.items() if state.kind in ("atomic", "final")}
    assert {f"t.{path}" for path in leaves} == visited | NEVER_AT_REST.get(name, set())


def test_xstate_loads_names_that_would_break_its_paths(xstate: Path) -> None:
    chart = hostile()
    config = json.loads(draw(chart, "xstate"))
    (answer,) = answers(xstate, "exported.mjs", [{"config": config, "events": [], "tick": 1}])
    assert answer["states"] == [["s_end"]]
