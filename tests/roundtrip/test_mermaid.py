"""Mermaid's own parser finds as many states and arrows as we drew, and every name as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from interlock.engine.chart import Chart
from interlock.engine.diagrams import draw
from interlock.engine.diagrams.model import HISTORY_SIGNS, build_diagram
from interlock.engine.diagrams.wording import visible
from interlock.statecharts.catalog import Catalog
from tests.roundtrip.charts import PLAIN, TALKING_TO_DATA, any_chart
from tests.roundtrip.node_programs import answers, with_mermaid
from tests.unit.test_diagrams_charts import HOSTILE_NAMES, hostile, player, ticket


@pytest.fixture(scope="module")
def mermaid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_mermaid(tmp_path_factory.mktemp("mermaid"))


def drawn() -> list[Chart]:
    return [
        *Catalog.load([]).charts,
        *(any_chart(name) for name in {**PLAIN, **TALKING_TO_DATA}),
        *(player(), ticket(), hostile()),
    ]


def plain_text(description: str) -> str:
    """A description as Mermaid shows it: it keeps entities in letters of its own until it draws."""
    return re.sub("ﬂ°°(\\d+)¶ß", lambda match: chr(int(match[1])), description)


def test_mermaid_reads_every_state_and_every_arrow(mermaid: Path) -> None:
    charts = drawn()
    read = answers(mermaid, "mermaid_reader.mjs", [draw(chart, "mermaid").decode() for chart in charts])
    for chart, found in zip(charts, read, strict=True):
        diagram = build_diagram(chart)
        markers = sum(node.any_state for node in diagram.root.walk())
        starts = sum(len(node.initial) for node in diagram.root.walk() if node.has_initial_marker())
        assert len(found["states"]) == len(diagram.states()) + markers
        assert found["arrows"] == len(diagram.edges) + starts
        shown = sorted(plain_text(text).partition("<br/>")[0].strip() for text in found["states"].values())
        names = [HISTORY_SIGNS.get(node.kind, node.name).strip() for node in diagram.states()]
        assert shown == sorted([*names, *["in any state"] * markers])


def test_mermaid_reads_hostile_names_as_names(mermaid: Path) -> None:
    (found,) = answers(mermaid, "mermaid_reader.mjs", [draw(hostile(), "mermaid").decode()])
    assert {plain_text(text).partition("<br/>")[0] for text in found["states"].values()} >= {
        visible(name) for name in HOSTILE_NAMES if name.strip()
    }


def test_the_parser_would_notice_a_name_that_is_not_escaped(mermaid: Path) -> None:
    broken = draw(player(), "mermaid").decode().replace('"loud"', '"lo"ud"')
    with pytest.raises(AssertionError, match=r"Parse error|Lexical error"):
        answers(mermaid, "mermaid_reader.mjs", [broken])
