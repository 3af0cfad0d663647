"""Machines of both kinds in `pairs/`, each beside its chart and its notes.

`python -m tests.imports.test_pairs` writes what stands beside them anew; read the difference before it is kept.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.engine.checks import check_chart
from interlock.engine.interchange.chart_yaml import Imported
from interlock.engine.interchange.reading import import_chart
from interlock.engine.loader import parse_chart

PAIRS = Path(__file__).parent / "pairs"
FILES = sorted(file for file in PAIRS.iterdir() if ".xstate." in file.name or ".transitions." in file.name)
HARMLESS = {
    "dead_end",
    "no_final_state",
    "no_way_to_final",
    "unused_field",
    "unreachable_state",
    "idle_timer",
    "not_past_tense",
}
"""Warnings on what the machine itself says, or on what waits for a person."""


def made_of(file: Path) -> Imported:
    return import_chart(file.read_text("utf-8"))


def expected(file: Path) -> tuple[Path, Path]:
    """Where the chart and the notes of an input stand."""
    name = file.name.split(".")[0] + ("-t" if ".transitions." in file.name else "-x")
    return PAIRS / f"{name}.chart.yaml", PAIRS / f"{name}.notes.txt"


def notes_of(made: Imported) -> str:
    return "".join(f"{note}\n" for note in made.notes)


def test_there_are_enough_of_both() -> None:
    assert len([file for file in FILES if ".xstate." in file.name]) >= 10
    assert len([file for file in FILES if ".transitions." in file.name]) >= 10


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_machine_becomes_the_chart_beside_it(file: Path) -> None:
    made = made_of(file)
    chart, notes = expected(file)
    assert made.text == chart.read_text("utf-8")
    assert notes_of(made) == notes.read_text("utf-8")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_chart_loads_and_is_hardly_doubtful(file: Path) -> None:
    made = made_of(file)
    assert made.findings == ()
    doubts = {finding.code for finding in check_chart(parse_chart(made.text))}
    assert doubts <= HARMLESS | KNOWN_DOUBTS.get(file.name.split(".")[0], set())


KNOWN_DOUBTS = {
    "actions": {"unhandled_command", "history_without_default"},
    "odd_finals": {"unhandled_command", "history_without_default", "resets_regions", "final_region"},
    "parallel": {"never_done", "resets_regions"},
    "scopes": {"two_unguarded", "overridden_transition"},
}
"""What the machines themselves say that is doubtful."""


def write() -> None:
    for file in FILES:
        made = made_of(file)
        chart, notes = expected(file)
        chart.write_text(made.text, "utf-8")
        notes.write_text(notes_of(made), "utf-8")


if __name__ == "__main__":
    write()
