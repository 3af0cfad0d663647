"""`interlock import` as it is called: what stands on stdout, on stderr, and the exit code."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from interlock.cli.main import run
from interlock.engine.diagrams.xstate import xstate_source
from interlock.engine.interchange.chart_yaml import chart_yaml
from interlock.engine.interchange.xstate_json import read_xstate
from interlock.engine.loader import load_chart, parse_chart
from interlock.statecharts.catalog import SHIPPED, is_chart
from interlock.statecharts.functions import FUNCTIONS
from tests.imports.running import from_xstate
from tests.imports.test_pairs import PAIRS

LIGHT = {"id": "light", "initial": "off", "states": {"off": {"on": {"GO": "on"}}, "on": {"entry": "glow"}}}
FLAT = {"states": ["A", "B"], "initial": "A", "transitions": [["go", "A", "B"]]}


@pytest.fixture
def light(tmp_path: Path) -> Path:
    file = tmp_path / "light.json"
    file.write_text(json.dumps(LIGHT))
    return file


def test_the_chart_is_on_stdout_and_the_notes_on_stderr(
    light: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["import", str(light)]) == 0
    shown = capsys.readouterr()
    assert parse_chart(shown.out).id == "light"
    assert "states.on.entry: named_action: the action 'glow' is code there" in shown.err


def test_json_holds_chart_and_notes(light: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["import", str(light), "--json", "--id", "lamp"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer.keys() == {"chart", "notes"}
    assert parse_chart(answer["chart"]).id == "lamp"
    assert answer["notes"][0].keys() == {"place", "code", "message", "suggestion"}
    assert [(note["place"], note["code"]) for note in answer["notes"]] == [
        ("", "no_data"),
        ("states.on.entry", "named_action"),
    ]


def test_it_is_written_where_asked_and_read_from_stdin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(FLAT).encode())))
    assert run(["import", "-", "-o", str(tmp_path / "made.yaml")]) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "auto_transitions" in shown.err
    assert load_chart(tmp_path / "made.yaml").id == "machine"


def test_whose_machine_it_is_can_be_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "machine.json"
    file.write_text(json.dumps({"id": "m"}))
    assert run(["import", str(file)]) == 4
    assert "--from" in capsys.readouterr().err
    assert run(["import", str(file), "--from", "xstate"]) == 0
    assert list(parse_chart(capsys.readouterr().out).states) == ["", "active"]
    assert run(["import", str(file), "--from", "transitions"]) == 4
    assert f"{file}: id: unknown word" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["import", "nowhere.json"], 3, "does not exist"),
        (["import", "."], 1, "Name a file that can be read"),
        (["import"], 2, "Missing argument"),
        (["import", "-", "--id", "A B"], 2, "is no chart's id"),
        (["import", "-", "--from", "sismic"], 2, "sismic"),
        (["import", "-"], 4, "-: transitions[0].dest: no state 'C' is there. Known: A, B."),
    ],
)
def test_what_cannot_be_done_has_its_exit_code(
    arguments: list[str],
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong = FLAT | {"transitions": [["go", "A", "C"]]}
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(wrong).encode())))
    assert run(arguments) == code
    assert told in capsys.readouterr().err


def test_bytes_that_are_no_text(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\x80\xff" * 10)))
    assert run(["import", "-"]) == 4
    assert "byte 1 is not UTF-8" in capsys.readouterr().err


def test_a_chart_that_does_not_load_yet_is_shown_all_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Deeper than a chart may be: every state is two levels of the YAML."""
    state: Any = {}
    for _ in range(40):
        state = {"initial": "s", "states": {"s": state}}
    file = tmp_path / "deep.json"
    file.write_text(json.dumps(state))
    assert run(["import", str(file)]) == 4
    shown = capsys.readouterr()
    assert shown.out.count("initial: s") == 40
    assert "too_deep" in shown.err
    assert run(["import", str(file), "--json"]) == 4
    assert json.loads(capsys.readouterr().out)["notes"][-1]["severity"] == "error"


@pytest.mark.parametrize("file", sorted(filter(is_chart, SHIPPED.iterdir())), ids=lambda file: file.name)
def test_our_own_charts_come_back_from_their_export(file: Path) -> None:
    chart = load_chart(file, functions=FUNCTIONS)
    export = json.loads(xstate_source(chart))
    made = chart_yaml(read_xstate(export), origin="XState", functions=FUNCTIONS)
    assert not made.notes
    assert not made.findings
    again = parse_chart(made.text, functions=FUNCTIONS)
    assert json.loads(xstate_source(again)) == export
    assert {name: (field.schema, field.default, field.public) for name, field in again.context.items()} == {
        name: (field.schema, field.default, field.public) for name, field in chart.context.items()
    }
    assert [(c.name, c.private, c.exclusive) for c in again.commands.values()] == [
        (c.name, c.private, c.exclusive) for c in chart.commands.values()
    ]


def test_what_xstate_has_no_word_for_comes_back_too() -> None:
    text = (PAIRS / "ours-x.chart.yaml").read_text() + (
        '  idle: {on: {add: null, stop: {}, "*": {ignore: true}}, after: {1h: {target: "off", outage: restart}}}\n'
    )
    chart = parse_chart(
        text.replace("stop:\n", "stop: {exclusive: true, data: {why: {type: string, public: false}}}\n")
    )
    again = parse_chart(from_xstate(json.loads(xstate_source(chart))).text)
    assert xstate_source(again) == xstate_source(chart)
    idle = again.states["idle"]
    assert [(each.event, each.forbidden, each.ignore) for each in idle.on] == [
        ("add", True, False),
        ("stop", False, False),
        ("*", False, True),
    ]
    assert idle.after[0].outage == "restart"
    assert (again.commands["stop"].exclusive, again.commands["stop"].private) == (True, {"why"})
