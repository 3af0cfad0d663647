"""An SCXML engine that is not ours, run on what we export, is in the same states as we are."""

from __future__ import annotations

from typing import Any

import pytest
from statemachine import io

from interlock.engine.chart import Chart
from interlock.engine.diagrams import draw
from interlock.engine.machine import Machine
from tests.charting import Bench
from tests.roundtrip.charts import PLAIN, events, plain


def both(chart: Chart, given: list[dict[str, Any]]) -> tuple[list[list[str]], list[list[str]]]:
    """Our states and theirs, at the start and after each event."""
    leaves = {path for path, state in chart.states.items() if state.kind in ("atomic", "final")}
    theirs = io.load(draw(chart, "scxml").decode(), format="scxml")()
    bench = Bench(Machine(chart))
    seen = [(bench.state, sorted(leaves & set(theirs.configuration_values)))]
    for event in given:
        bench.send(event["type"])
        if not theirs.is_terminated:
            theirs.send(event["type"])
        seen.append((bench.state, sorted(leaves & set(theirs.configuration_values))))
    return [ours for ours, _ in seen], [states for _, states in seen]


@pytest.mark.parametrize("name", PLAIN)
def test_python_statemachine_is_where_we_are(name: str) -> None:
    chart = plain(name)
    for seed in range(20):
        ours, theirs = both(chart, events(seed, waits=False))
        assert theirs == ours


def test_a_chart_without_expressions_needs_no_datamodel() -> None:
    assert all('datamodel="null"' in draw(plain(name), "scxml").decode() for name in PLAIN)
