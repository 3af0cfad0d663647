"""`interlock paths` on files and shipped charts: no server is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from interlock.cli.exits import Exit
from interlock.cli.main import run
from interlock.engine.loader import load_chart
from interlock.engine.machine import Machine
from tests.walking import walk

CLOCKS = ["open.first_response.off", "open.resolution.off"]
DOOR = """\
id: door
version: 3
commands:
  build: {creates: true}
  open: {data: {code: {type: string}}}
  lock: {require: [{check: "'keys' in actor.permissions", error: {class: forbidden, code: no_keys}}]}
  paint: {}
initial: closed
states:
  closed:
    on:
      open: {guard: "data.code == '1234'", target: opened}
      lock: locked
      paint: {guard: "key == 'no'", target: red}
  locked: {after: {90s: closed}}
  opened: {type: final}
  red: {}
  attic: {}
"""


@pytest.fixture
def door(tmp_path: Path) -> str:
    path = tmp_path / "door.yaml"
    path.write_text(DOOR)
    return str(path)


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: Exit = Exit.DONE) -> tuple[str, str]:
    capsys.readouterr()
    assert run(["paths", *arguments]) == code
    said = capsys.readouterr()
    return said.out, said.err


def as_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return orjson.loads(told(capsys, *arguments, "--json")[0])


def test_ways_are_told_in_words(door: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = told(capsys, door)
    lines = [line.strip() for line in out.splitlines()]
    assert 'opened  build > open {"code":"1234"}' in lines
    assert any(line.endswith("build > lock by agent one (keys) > wait 90s") for line in lines)
    assert "attic: no way in the chart leads to attic." in lines
    assert "closed:paint: guard key == 'no'" in lines
    assert "door version 3: 3 of 5 states and 3 of 4 transitions reached" in err


def test_json_has_every_state_and_transition(door: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = as_json(capsys, door)
    assert (report["chart"], report["version"], report["complete"]) == ("door", 3, True)
    states = {row["state"]: row for row in report["states"]}
    assert list(states) == ["closed", "locked", "opened", "red", "attic"]
    assert states["locked"]["events"][1] == {
        "type": "lock",
        "data": {},
        "actor": {"id": "one", "kind": "agent", "permissions": ["keys"]},
    }
    assert (states["attic"]["reached"], states["attic"]["structural"]) == (False, True)
    assert (states["red"]["reached"], states["red"]["structural"]) == (False, False)
    over = {row["transition"]: row for row in report["transitions"]}
    assert over["locked:after.90s"]["events"][-1] == {"advance": 90_000}
    assert {row["use"] for row in over.values()} == {"taken"}


def test_one_way_as_lines_for_simulate(door: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = told(capsys, door, "--over", "locked:after.90s", "--events")
    events = [orjson.loads(line) for line in out.splitlines()]
    assert [event.get("type", "advance") for event in events] == ["build", "lock", "advance"]
    assert events[-1].pop("expect") == {"state": ["closed"]}
    walked = walk(Machine(load_chart(Path(door))), events)
    assert walked.snapshot is not None and walked.snapshot.state == ["closed"]


def test_only_states_or_only_transitions(door: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "transitions" not in as_json(capsys, door, "--states")
    assert "states" not in as_json(capsys, door, "--transitions")
    assert as_json(capsys, door, "--to", "opened")["events"][-1]["data"] == {"code": "1234"}


def test_what_is_not_found_is_said_with_the_reason(door: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = told(capsys, door, "--to", "red", "--limit", "200", code=Exit.FAILED)
    assert out == "" and "guard key == 'no'" in err
    assert "not found" in err
    _, err = told(capsys, door, "--to", "attic", "--events", code=Exit.FAILED)
    assert "no way in the chart leads to attic" in err
    _, err = told(capsys, door, "--to", "opend", code=Exit.NOT_FOUND)
    assert "Did you mean 'opened'?" in err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--events"], Exit.USAGE),
        (["--to", "opened", "--over", "closed:open"], Exit.USAGE),
        (["--to", "opened", "--states"], Exit.USAGE),
        (["--limit", "0"], Exit.USAGE),
    ],
)
def test_what_is_asked_wrongly_is_said(
    door: str, capsys: pytest.CaptureFixture[str], arguments: list[str], code: Exit
) -> None:
    out, err = told(capsys, door, *arguments, code=code)
    assert out == "" and err


def test_a_chart_is_named_by_its_id_too(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = told(capsys, "ticket", "--to", "open.work.waiting.vendor")
    assert out == 'open > wait {"reason":"vendor"}\n'


def test_a_wrong_chart_ends_with_4_and_none_with_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERLOCK_REDIS_URL", "redis://127.0.0.1:1")
    (tmp_path / "wrong.yaml").write_text(DOOR.replace("target: opened", "target: opend"))
    told(capsys, str(tmp_path / "wrong.yaml"), code=Exit.INVALID)
    told(capsys, "no_such_chart", code=Exit.NOT_FOUND)


def check_way_as_a_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], chart: str, over: str, expected: dict[str, Any]
) -> None:
    out, _ = told(capsys, chart, "--over", over, "--events")
    assert orjson.loads(out.splitlines()[-1])["expect"] == expected
    file = tmp_path / "way.jsonl"
    file.write_text(out)
    assert run(["simulate", chart, "--events", str(file)]) == Exit.DONE
    file.write_text(out.replace('"state":["', '"state":["x'))
    assert run(["simulate", chart, "--events", str(file)]) == Exit.FAILED


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ("closed:open", {"state": ["opened"], "status": "applied"}),
        ("locked:lock", {"state": ["locked"], "status": "ignored"}),
        ("locked:open", {"state": ["locked"], "status": "refused", "code": "is_locked"}),
        ("locked:after.90s", {"state": ["closed"]}),
    ],
)
def test_simulate_takes_a_way_as_a_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], over: str, expected: dict[str, Any]
) -> None:
    refusal = 'require: [{check: "false", error: {class: forbidden, code: is_locked}}]'
    (tmp_path / "door.yaml").write_text(
        DOOR.replace(
            "{after: {90s: closed}}",
            f"{{after: {{90s: closed}}, on: {{lock: {{ignore: true}}, open: {{{refusal}}}}}}}",
        )
    )
    check_way_as_a_test(tmp_path, capsys, str(tmp_path / "door.yaml"), over, expected)


STORM = pytest.mark.storm


@pytest.mark.parametrize(
    ("chart", "over", "expected"),
    [
        ("leg", "in_workbin:park#1", {"state": ["in_workbin"], "status": "ignored"}),
        pytest.param(
            "ticket",
            "open.work.assigned:assign#1",
            {"state": [*CLOCKS, "open.work.assigned"], "status": "ignored"},
            marks=STORM,
        ),
        pytest.param(
            "ticket",
            "closed:note",
            {"state": ["closed"], "status": "refused", "code": "ticket_closed"},
            marks=STORM,
        ),
        pytest.param("ticket", "closed:after.7d", {"state": ["archived"]}, marks=STORM),
        pytest.param(
            "interaction", "parked:pull#2", {"state": ["handling"], "status": "applied"}, marks=STORM
        ),
        pytest.param("intervention", "open.deferred:after.30d", {"state": ["open.active"]}, marks=STORM),
    ],
)
def test_simulate_takes_a_way_through_a_shipped_chart_as_a_test(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], chart: str, over: str, expected: dict[str, Any]
) -> None:
    check_way_as_a_test(tmp_path, capsys, chart, over, expected)
