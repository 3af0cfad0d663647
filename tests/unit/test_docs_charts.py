"""docs/charts.md names every word of the language, shows each in a chart, and its charts are sound."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from interlock.engine.calendar_files import CALENDAR_SUFFIX, parse_calendar
from interlock.engine.chart import Chart
from interlock.engine.chart_words import CHART, DEFINITIONS, Either, Named, Rows, Shape, Table, Words
from interlock.engine.checks import check_chart
from interlock.engine.expression_functions import FUNCTIONS
from interlock.engine.loader import load_chart
from interlock.engine.yaml_source import plain, read_yaml
from interlock.statecharts import functions

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "charts.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
CHARTS = [text for text in BLOCKS if text.startswith("id: ")]
PARTS = {text.split()[1]: text for text in BLOCKS if text not in CHARTS}
"""Included files by their names, which their first lines say."""
NAMED = set(re.findall(r"`([^`\n]+)`", PAGE))


def words(shape: Shape, seen: set[str]) -> Iterator[str]:
    """Every key of the language that may stand in a shape or below it."""
    match shape:
        case Words():
            for name, word in shape.words.items():
                yield name
                yield from words(word.shape, seen)
        case Table():
            yield from words(shape.value, seen)
        case Rows():
            yield from words(shape.item, seen)
        case Either():
            for each in shape.shapes:
                yield from words(each, seen)
        case Named() if shape.name not in seen:
            yield from words(DEFINITIONS[shape.name], seen | {shape.name})


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, below in value.items():
            yield key
            yield from keys(below)
    elif isinstance(value, list):
        for item in value:
            yield from keys(item)


LANGUAGE = sorted(set(words(CHART, set())))


def test_the_language_has_words_to_explain() -> None:
    assert len(LANGUAGE) > 70
    assert {"on", "require", "minLength", "onDone", "raise"} <= set(LANGUAGE)


@pytest.mark.parametrize("word", LANGUAGE)
def test_a_word_of_the_language_is_explained_and_shown_in_a_chart(word: str) -> None:
    assert word in NAMED
    assert word in {key for text in BLOCKS for key in keys(plain(read_yaml(text, "charts.md")))}


@pytest.mark.parametrize("text", CHARTS, ids=lambda text: text.split()[1])
def test_a_chart_of_the_page_is_sound(text: str, tmp_path: Path) -> None:
    for name, part in {**PARTS, "chart.yaml": text}.items():
        (tmp_path / name).write_text(part)
    assert [str(finding) for finding in check_chart(chart_at(tmp_path / "chart.yaml"))] == []


def chart_at(path: Path) -> Chart:
    return load_chart(path, functions=functions.FUNCTIONS)


def test_the_calendar_of_the_page_is_sound() -> None:
    [(name, text)] = [each for each in PARTS.items() if each[0].endswith(CALENDAR_SUFFIX)]
    made = parse_calendar(text, name)
    assert made.name == "desk" and len(made.exceptions) == 1 and len(made.yearly) == 1


def test_every_function_of_expressions_is_named() -> None:
    assert set(FUNCTIONS) <= NAMED


def test_every_warning_is_listed() -> None:
    codes = {
        node.args[1].value
        for path in (ROOT / "interlock" / "engine").glob("checks*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "warning"
        and isinstance(node.args[1], ast.Constant)
    }
    assert len(codes) > 25
    assert codes <= NAMED
