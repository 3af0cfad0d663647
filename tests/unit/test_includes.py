"""States in files of their own: put in their places, with mistakes named where they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.engine.errors import ChartError
from interlock.engine.loader import load_chart, parse_chart
from interlock.statecharts.catalog import Catalog

CHART = """\
id: door
version: 1
context: {count: {type: integer, default: 0}}
commands: {make: {creates: true}, open: {}, ring: {}}
initial: closed
states:
  closed:
    include: parts/closed.part.yaml
    description: Nobody comes in.
  opened: {type: final}
"""
CLOSED = """\
initial: quiet
on: {open: opened}
states:
  quiet: {on: {ring: ringing}}
  ringing: {include: ringing.part.yaml}
"""
RINGING = """\
entry: {assign: {count: context.count + 1}}
after: {5s: quiet}
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write(tmp_path / "door.yaml", CHART)
    write(tmp_path / "parts" / "closed.part.yaml", CLOSED)
    write(tmp_path / "parts" / "ringing.part.yaml", RINGING)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def refusal(home: Path) -> str:
    with pytest.raises(ChartError) as caught:
        load_chart(home / "door.yaml")
    return str(caught.value).replace(f"{home}/", "")


def test_what_is_included_stands_where_it_was_named(home: Path) -> None:
    chart = load_chart(home / "door.yaml")
    assert list(chart.states) == ["", "closed", "closed.quiet", "closed.ringing", "opened"]
    closed, ringing = chart.states["closed"], chart.states["closed.ringing"]
    assert (closed.initial, closed.description) == (("closed.quiet",), "Nobody comes in.")
    assert [each.targets for each in ringing.after] == [("closed.quiet",)]
    assert str(ringing.after[0].mark).endswith("parts/ringing.part.yaml:2:13")


def test_its_text_is_whole_and_gives_the_same_chart_without_the_files(home: Path) -> None:
    chart = load_chart(home / "door.yaml")
    again = parse_chart(chart.source)
    assert (again.source, again.digest) == (chart.source, chart.digest)
    assert list(again.states) == list(chart.states)
    assert "include" not in chart.source


def test_a_change_of_a_part_is_a_change_of_the_chart(home: Path) -> None:
    before = load_chart(home / "door.yaml").digest
    write(home / "parts" / "ringing.part.yaml", RINGING.replace("5s", "6s"))
    assert load_chart(home / "door.yaml").digest != before


def test_a_chart_that_includes_nothing_keeps_its_text(home: Path) -> None:
    text = CHART.replace("    include: parts/closed.part.yaml\n", "")
    write(home / "door.yaml", text)
    assert load_chart(home / "door.yaml").source == text


def test_a_mistake_in_a_part_is_named_there(home: Path) -> None:
    write(home / "parts" / "ringing.part.yaml", RINGING.replace("5s: quiet", "5s: quite"))
    assert refusal(home).startswith("parts/ringing.part.yaml:2:13: unknown_target")
    write(home / "parts" / "ringing.part.yaml", "entry: ]")
    assert refusal(home).startswith("parts/ringing.part.yaml:1:8: yaml_syntax")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("parts/closed.part.yaml", "closed.part.yaml", "door.yaml:8:14: bad_include: it cannot be read"),
        ("parts/closed.part.yaml", "parts/closed.yaml", "door.yaml:8:14: bad_include: a file is included by"),
        ("parts/closed.part.yaml", "[a]", "door.yaml:8:14: bad_include: a file is included by"),
        (
            "parts/closed.part.yaml",
            "../x.part.yaml",
            "door.yaml:8:14: bad_include: only files beside or below",
        ),
        ("parts/closed.part.yaml", "/x.part.yaml", "door.yaml:8:14: bad_include: only files beside or below"),
        (
            "description: Nobody comes in.",
            "initial: quiet",
            "door.yaml:9:5: included_twice: 'initial' stands in",
        ),
        (
            "version: 1",
            "include: parts/closed.part.yaml",
            "door.yaml:1:1: missing_word: a chart needs 'version'",
        ),
    ],
)
def test_what_cannot_be_included_is_refused(home: Path, old: str, new: str, expected: str) -> None:
    write(home / "door.yaml", CHART.replace(old, new))
    assert refusal(home).startswith(expected)


def test_no_file_includes_itself(home: Path) -> None:
    write(home / "parts" / "ringing.part.yaml", "states: {a: {include: closed.part.yaml}}\ninitial: a")
    assert refusal(home).startswith("parts/ringing.part.yaml:1:23: endless_include")


def test_a_chart_cannot_include_without_end(home: Path) -> None:
    states = ", ".join(f"s{number}: {{include: parts/ringing.part.yaml}}" for number in range(101))
    write(
        home / "door.yaml",
        CHART.replace("  opened: {type: final}", f"  opened: {{initial: s0, states: {{{states}}}}}"),
    )
    assert "endless_include: a chart includes at most 100 files" in refusal(home)


def test_a_link_leads_nowhere_else(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "x.part.yaml"
    elsewhere.write_text(RINGING)
    (home / "parts" / "ringing.part.yaml").unlink()
    (home / "parts" / "ringing.part.yaml").symlink_to(elsewhere)
    assert "only files beside or below" in refusal(home)


def test_a_text_without_a_file_includes_none() -> None:
    with pytest.raises(ChartError, match="a chart that stands in no file includes none"):
        parse_chart(CHART)


def test_parts_are_no_charts_of_a_directory(home: Path) -> None:
    write(home / "lone.part.yaml", RINGING)
    assert Catalog.load([home]).machine("door") is not None
