"""`interlock cover` over the histories of real instances, on a real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from interlock.cli.exits import Exit
from interlock.cli.main import run
from interlock.engine.loader import parse_chart
from interlock.engine.migration_command import MIGRATE
from interlock.statecharts.catalog import Catalog
from interlock.workers.drain import Drainer
from tests.contract.desk import CHART, Desk

NEWER = CHART.replace("version: 1", "version: 2").replace("again: {ignore: true}", "again: closed")


@pytest.fixture
def desk(redis_client: redis.Redis, valkey_url: str, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("INTERLOCK_REDIS_URL", valkey_url)
    desk = Desk(redis_client)
    serve(desk, CHART)
    return desk


def serve(desk: Desk, *texts: str) -> None:
    """From now on a worker is at it that has these charts, and registers them."""
    charts = [parse_chart(text) for text in texts]
    for chart in charts:
        desk.store.register_chart(chart)
    desk.drainer = Drainer(desk.store, Catalog(charts, registered=desk.store.charts), desk.settings)


def send(desk: Desk, key: str, *names: str, **data: Any) -> None:
    for name in names:
        given = data if name == "assign" else {}
        assert desk.send(key, name, data=given)["status"] in ("applied", "ignored")


def report(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run(["cover", "ticket", "--json", *arguments]) == Exit.DONE
    answer: dict[str, Any] = orjson.loads(capsys.readouterr().out)
    return answer


def times(answer: dict[str, Any]) -> dict[str, int]:
    return {each["transition"]: each["times"] for each in answer["transitions"]["each"]}


def visited(answer: dict[str, Any]) -> dict[str, int]:
    return {each["state"]: each["instances"] for each in answer["states"]["each"]}


def three_lives(desk: Desk) -> None:
    send(desk, "a", "open", "note", "note", "again", "close")
    send(desk, "b", "open", "assign", "note", agent="ann")
    send(desk, "c", "open")


def test_transitions_are_counted_and_what_was_never_taken_is_told(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    three_lives(desk)
    answer = report(capsys)
    assert (answer["machine"], answer["version"], answer["instances"], answer["steps"]) == ("ticket", 1, 3, 8)
    assert times(answer) == {
        "open:note": 3,
        "open:break": 0,
        "open:close": 1,
        "open.queued:assign": 1,
        "open.queued:after.30m": 0,
    }
    assert visited(answer) == {"open": 3, "open.queued": 3, "open.assigned": 1, "closed": 1}
    assert {word: answer["transitions"][word] for word in ("reached", "total", "percent")} == {
        "reached": 3,
        "total": 5,
        "percent": 60.0,
    }
    assert answer["states"]["percent"] == 100.0
    assert answer["not_replayed"] == {"instances": 0, "named": []}


def test_a_timer_that_fired_is_a_transition_taken(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    timer_desk = Desk(desk.client)
    send(timer_desk, "t", "open")
    assert timer_desk.let_timers_run(minutes=31) == 1
    assert times(report(capsys))["open.queued:after.30m"] == 1


def test_a_history_that_does_not_replay_is_named_and_stops_nothing(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    three_lives(desk)
    history = {key: desk.keys.of_instance("ticket", key).history("ticket", key) for key in "abc"}
    entry = orjson.loads(desk.client.lindex(history["a"], 1))  # type: ignore[arg-type]
    entry["command"]["name"] = "open"
    desk.client.lset(history["a"], 1, orjson.dumps(entry).decode())
    desk.client.delete(history["c"])
    answer = report(capsys)
    assert answer["instances"] == 1 and times(answer)["open:note"] == 1
    named = {each["key"]: each["why"] for each in answer["not_replayed"]["named"]}
    assert answer["not_replayed"]["instances"] == 2
    assert "version 2" in named["a"] and "0 of its 1 versions" in named["c"]


@pytest.mark.parametrize("broken", [b'{"version": 1', b"[]", None, b"7"])
def test_entries_that_somebody_else_wrote_stop_nothing(
    desk: Desk, capsys: pytest.CaptureFixture[str], broken: bytes | None
) -> None:
    three_lives(desk)
    history = desk.keys.of_instance("ticket", "a").history("ticket", "a")
    entry = orjson.loads(desk.client.lindex(history, 0))  # type: ignore[arg-type]
    raw = orjson.dumps({**entry, "command": None}) if broken is None else broken
    desk.client.lset(history, 0, raw)  # type: ignore[arg-type]
    answer = report(capsys)
    assert (answer["instances"], answer["not_replayed"]["instances"]) == (2, 1)


def test_only_the_newest_version_counts_or_the_one_that_is_named(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    three_lives(desk)
    serve(desk, CHART, NEWER)
    send(desk, "d", "open", "again")
    assert desk.send("b", MIGRATE, data={"from": 1, "to": 2})["status"] == "applied"
    send(desk, "b", "again")
    newest = report(capsys)
    assert (newest["version"], newest["instances"]) == (2, 2)
    assert times(newest)["open:again"] == 2 and times(newest)["open:note"] == 0
    assert visited(newest)["open.assigned"] == 1
    older = report(capsys, "--version", "1")
    assert (older["version"], older["instances"], times(older)["open:note"]) == (1, 3, 3)
    assert "open:again" not in times(older)


def test_the_limit_reads_so_many_instances(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    three_lives(desk)
    assert report(capsys, "--limit", "2")["instances"] == 2


@pytest.mark.parametrize("name", ["c.svg", "c.mmd", "c.dot", "c.txt", "c.puml"])
def test_the_picture_tells_taken_from_never_taken(
    desk: Desk, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    three_lives(desk)
    assert run(["cover", "ticket", "-o", str(tmp_path / name)]) == Exit.DONE
    picture = (tmp_path / name).read_text("utf-8")
    assert "taken 1 time" in picture and "never taken" in picture
    if name in ("c.svg", "c.dot", "c.txt"):  # the others write no transition into a box that holds states
        assert "taken 3 times" in picture
    if name == "c.dot":
        lines = [line for line in picture.splitlines() if "edge-" in line]
        assert ["taken" if 'class="taken"' in line else "never" for line in lines] == [
            "never",
            "taken",
            "taken",
        ]
    out = capsys.readouterr().out
    assert "open:break" in out and "never" in out


def test_text_goes_to_stdout_and_the_summary_to_stderr(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    three_lives(desk)
    capsys.readouterr()
    assert run(["cover", "ticket", "--format", "mermaid", "--brief"]) == Exit.DONE
    told = capsys.readouterr()
    assert told.out.splitlines()[3] == "stateDiagram-v2" and "TRANSITION" not in told.out
    assert "never taken" in told.out
    assert "3 of 5 transitions (60.0 %)" in told.err and "4 of 4 states" in told.err


def test_what_is_asked_wrongly_is_said(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cover", "nowhere"]) == Exit.NOT_FOUND
    assert run(["cover", "ticket", "--json", "--format", "svg"]) == Exit.USAGE
    assert run(["cover", "ticket", "--limit", "0"]) == Exit.USAGE
    assert capsys.readouterr().out == ""
    assert run(["cover", "ticket", "--version", "9"]) == Exit.INVALID


def test_a_machine_without_instances_is_told_as_such(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    answer = report(capsys)
    assert (answer["instances"], answer["transitions"]["reached"], answer["states"]["reached"]) == (0, 0, 0)
