"""Graphviz finds as many states and arrows in our DOT as we drew."""

from __future__ import annotations

import json
import subprocess

import pytest

from interlock.engine.diagrams import draw, render
from interlock.engine.diagrams.dot import state_id
from interlock.engine.diagrams.model import build_diagram
from tests.roundtrip.charts import PLAIN, TALKING_TO_DATA, any_chart


@pytest.mark.parametrize("name", [*PLAIN, *TALKING_TO_DATA])
def test_graphviz_reads_every_state_and_every_arrow(name: str) -> None:
    chart = any_chart(name)
    diagram = build_diagram(chart)
    program = [render.find_graphviz(), "-Tjson"]
    done = subprocess.run(program, input=draw(chart, "dot"), capture_output=True, check=True, timeout=60)
    graph = json.loads(done.stdout)
    objects = [each["name"].removeprefix("cluster-") for each in graph["objects"]]
    states = sorted(each for each in objects if each.startswith("state-"))
    assert states == sorted(state_id(node.path) for node in diagram.states())
    starts = sum(len(node.initial) for node in diagram.root.walk() if node.has_initial_marker())
    assert len(graph["edges"]) == len(diagram.edges) + starts
