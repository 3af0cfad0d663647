"""`simulate`: from a file, case by case, by hand."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from interlock.cli import simulate
from interlock.cli.exits import Exit
from interlock.cli.main import run


class Stdin(io.TextIOWrapper):
    def __init__(self, text: str) -> None:
        super().__init__(io.BytesIO(text.encode()))


def lines(*rows: Any) -> str:
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch):
    return lambda *rows: monkeypatch.setattr(sys, "stdin", Stdin(lines(*rows)))


CLOCKS = "open.first_response.off, open.resolution.off"
QUEUED = f"{CLOCKS}, open.work.queued"
OPEN = {"type": "open", "data": {"queue": "fr"}}
TAKE = {"type": "assign", "data": {"agent": "ann"}, "actor": {"id": "ann", "kind": "agent"}}
STEAL = {"type": "assign", "data": {"agent": "ann"}, "actor": {"id": "bob", "kind": "agent"}}


def test_events_are_applied_in_order_and_told(give, capsys: pytest.CaptureFixture[str]) -> None:
    give(OPEN, {"advance": "30m"}, TAKE)
    assert run(["simulate", "ticket", "--events", "-"]) == Exit.DONE
    told = capsys.readouterr().out
    assert "announced ticket.created" in told
    assert (
        f"2026-01-01T00:30:00.000Z  after.context.queue_due.open.work.queued  applied  v2  {QUEUED}" in told
    )
    assert f"assign  applied  v3  {CLOCKS}, open.work.assigned" in told
    assert "sent queue/fr enqueue" in told


def test_as_json_there_is_each_step_and_the_instance(give, capsys: pytest.CaptureFixture[str]) -> None:
    give(OPEN, STEAL)
    assert run(["simulate", "ticket", "--events", "-", "--key", "T-9", "--json"]) == Exit.REFUSED
    report = json.loads(capsys.readouterr().out)
    assert [step["told"][0]["status"] for step in report["steps"]] == ["applied", "refused"]
    assert report["steps"][1]["told"][0]["error"]["code"] == "not_a_dispatcher"
    assert report["instance"]["key"] == "T-9"
    assert report["instance"]["state"] == QUEUED.split(", ")


def test_what_is_expected_makes_a_file_a_test(give, capsys: pytest.CaptureFixture[str]) -> None:
    met = {"status": "refused", "code": "not_a_dispatcher", "state": QUEUED.split(", "), "events": []}
    give(OPEN | {"expect": {"context": {"queue": "fr"}}}, STEAL | {"expect": met})
    assert run(["simulate", "ticket", "--events", "-"]) == Exit.DONE
    give(OPEN | {"expect": {"state": ["closed"], "context": {"queue": "de"}, "colour": "red"}})
    assert run(["simulate", "ticket", "--events", "-"]) == Exit.FAILED
    told = capsys.readouterr().err
    assert (
        f'event 1: state is {json.dumps(QUEUED.split(", "), separators=(",", ":"))}, not ["closed"]' in told
    )
    assert "event 1: context.queue is fr, not de" in told
    assert "event 1: nothing can be expected of 'colour'" in told


def test_a_chart_in_a_file_is_simulated(tmp_path: Path, give, capsys: pytest.CaptureFixture[str]) -> None:
    chart = tmp_path / "door.yaml"
    chart.write_text(
        "id: door\nversion: 1\ncommands: {build: {creates: true}, open: }\ninitial: closed\n"
        "states: {closed: {on: {open: opened}}, opened: {type: final}}\n"
    )
    events = tmp_path / "events.jsonl"
    events.write_text(lines({"type": "build"}, {"type": "open"}))
    assert run(["simulate", str(chart), "--events", str(events)]) == Exit.DONE
    assert "open  applied  v2  opened" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{", "event 1 is not JSON"),
        ([], "event 1 is neither"),
        ({"type": "open", "advance": 1}, "event 1 is neither"),
        ({"type": "open", "date": {}}, "event 1 has no 'date'"),
        ({"type": 1}, "event 1: 'type' is a command's name"),
        ({"type": "open", "data": []}, "event 1: 'type' is a command's name"),
        ({"type": "open", "actor": {"id": "x", "kind": "cat"}}, "event 1: actor.kind"),
        ({"type": "open", "actor": 5}, "event 1: actor"),
        ({"advance": "soon"}, "event 1: 'soon' is no time"),
        ({"advance": -1}, "event 1: time passes by"),
    ],
)
def test_a_wrong_event_is_told_by_its_number(
    row: Any, told: str, give, capsys: pytest.CaptureFixture[str]
) -> None:
    give(row)
    assert run(["simulate", "ticket", "--events", "-"]) == Exit.INVALID
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], Exit.USAGE),
        (["ticket", "--cases", "-"], Exit.USAGE),
        (["--cases", "gone.jsonl"], Exit.NOT_FOUND),
        (["ticket", "--events", "gone.jsonl"], Exit.NOT_FOUND),
        (["tickets", "--events", "-"], Exit.NOT_FOUND),
        (["ticket", "--at", "noon"], Exit.USAGE),
        (["ticket", "--key", ""], Exit.USAGE),
    ],
)
def test_what_cannot_be_done_ends_with_its_code(arguments: list[str], code: Exit, give) -> None:
    give()
    assert run(["simulate", *arguments]) == code


CASE = {"chart": {"initial": "a", "states": {"a": {"on": {"e": "b"}}, "b": {}}}, "events": [{"type": "e"}]}


def test_each_case_has_an_answer_on_its_line(give, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    give(CASE, "", "nonsense", CASE)
    assert run(["simulate", "--cases", "-"]) == Exit.DONE
    answers = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    whole = {"configs": [["(machine).a"], ["(machine).b"]], "actions": [[], []], "status": "active"}
    assert [answers[0], answers[2]] == [whole, whole]
    assert answers[1]["error"].startswith("the line is not JSON")
    assert len(answers) == 3


def test_a_line_that_is_too_long_costs_no_other(
    give, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(simulate, "MAX_LINE", 200)
    give("x" * 1000, CASE)
    assert run(["simulate", "--cases", "-"]) == Exit.DONE
    first, second = (json.loads(line) for line in capfdbinary.readouterr().out.splitlines())
    assert first == {"error": "a line over 200 bytes"}
    assert "configs" in second


def test_by_hand_each_line_is_a_step(give, capsys: pytest.CaptureFixture[str]) -> None:
    give(
        "help", "can", 'open {"queue": "fr"}', "+30m", "as agent bob", 'assign {"agent": "ann"}', "as system",
        'assign {"agent": "ann"}', "show", "undo", "+soon", "assign {", "as cat", "undo", "undo", "undo", "undo",
        "quit", "open",
    )  # fmt: skip
    assert run(["simulate", "ticket"]) == Exit.DONE
    captured = capsys.readouterr()
    out, err = captured.out, captured.err
    assert "let time pass" in out
    assert "\nopen\n" in out
    assert "assign  refused  forbidden not_a_dispatcher" in out
    assert f"assign  applied  v3  {CLOCKS}, open.work.assigned" in out
    assert "    assignee: ann" in out
    assert "There is no instance yet." in out
    assert "'soon' is no time" in err
    assert "The data are not JSON" in err
    assert "actor.kind" in err
    assert "There is nothing to take back." in err
    assert out.count("open  applied") == 1


def test_by_hand_the_end_of_input_ends_it(give) -> None:
    give("open")
    assert run(["simulate", "ticket"]) == Exit.DONE
