"""The charts of the benchmark of commands measure what they should: one command one transition, and sealing."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from benchmarks.commands import commands
from interlock.engine.checks import check_chart
from interlock.engine.loader import load_chart
from interlock.engine.private_fields import has_private

CHARTS = Path(__file__).parents[2] / "benchmarks" / "charts"


@pytest.mark.parametrize("name", ["request", "sealed_request"])
def test_a_chart_of_the_benchmark_is_sound_and_sends_nothing(name: str) -> None:
    path = CHARTS / f"{name}.yaml"
    assert not list(check_chart(load_chart(path)))
    assert "send:" not in path.read_text() and "invoke:" not in path.read_text()


def test_the_sealed_chart_differs_by_its_private_note_only() -> None:
    plain, sealed = ((CHARTS / f"{name}.yaml").read_text() for name in ("request", "sealed_request"))
    assert not has_private(load_chart(CHARTS / "request.yaml"))
    assert has_private(load_chart(CHARTS / "sealed_request.yaml"))
    bare = sealed.replace("sealed_request", "request").replace(", public: false", "")
    assert _without_description(bare) == _without_description(plain)


def test_the_workload_opens_notes_and_assigns() -> None:
    names = [orjson.loads(one)["name"] for one in commands(600, "request")]
    assert [names[0], names[200], names[400]] == ["open", "transfer", "note"]


def _without_description(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.startswith("description:")]
