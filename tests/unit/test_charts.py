"""Every state x command cell, every refusal, every transition and every timer of the shipped charts, from tables."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from interlock.engine.messages import parse_time
from interlock.engine.outcome import Decision

from .chart_cells import CHARTS, outcome, table_of

CELLS = [
    (chart, state, command, expected)
    for chart in CHARTS
    for state, row in table_of(chart).cells.items()
    for command, expected in row.items()
]
ROWS = [(chart, row) for chart in CHARTS for row in table_of(chart).rows]
TIMERS = [(chart, row) for chart in CHARTS for row in table_of(chart).timers]


@pytest.mark.parametrize("chart", CHARTS)
def test_the_table_has_every_state_and_every_command(chart: str) -> None:
    table = table_of(chart)
    wanted = {(state, command) for state in table.resting_states for command in table.machine.chart.commands}
    there = {(state, command) for state, row in table.cells.items() for command in row}
    assert there == wanted


@pytest.mark.parametrize("chart", CHARTS)
def test_every_path_leads_to_its_state(chart: str) -> None:
    table = table_of(chart)
    reached = {state: table.shown(table.at(state).snapshot.state) for state in table.paths}
    assert reached == {state: [state] for state in table.paths}


@pytest.mark.parametrize(("chart", "state", "command", "expected"), CELLS)
def test_a_cell_answers_as_its_table_says(chart: str, state: str, command: str, expected: str) -> None:
    assert outcome(table_of(chart), table_of(chart).at(state).send(command)) == expected


def _row_id(value: Any) -> str | None:
    return value if isinstance(value, str) else value["name"]


@pytest.mark.parametrize(("chart", "row"), ROWS, ids=_row_id)
def test_a_row_does_as_its_name_says(chart: str, row: dict[str, Any]) -> None:
    play = table_of(chart).at(row["given"], row.get("key", "K-1"))
    decision = play.send(row["send"], row.get("data"), row.get("actor"))
    assert outcome(table_of(chart), decision) == row["expect"]
    _compare(row, decision)


@pytest.mark.parametrize(("chart", "row"), TIMERS, ids=_row_id)
def test_a_timer_does_as_its_name_says(chart: str, row: dict[str, Any]) -> None:
    play = table_of(chart).at(row["given"])
    if row["expect"] == "not running":
        assert play.running(row["after"]) == []
        return
    decision = play.ring(row["after"])
    if "at" in row:
        assert play.now == parse_time(row["at"])
    assert outcome(table_of(chart), decision) == row["expect"]
    _compare(row, decision)


def _compare(row: dict[str, Any], decision: Decision) -> None:
    if "events" in row:
        assert list(decision.result.events) == row["events"]
    for name, value in row.get("context", {}).items():
        assert decision.snapshot is not None
        assert decision.snapshot.context[name] == value, name
    if "sends" in row:
        sent = [(each["machine"], each["key"], each["name"]) for each in map(orjson.loads, decision.sends)]
        assert [f"{machine}/{key} {name}" for machine, key, name in sent] == row["sends"]
    for state in row.get("aside", ()):
        assert decision.snapshot is not None
        assert state in decision.snapshot.state


@pytest.mark.parametrize("chart", CHARTS)
def test_every_require_row_refuses_somewhere(chart: str) -> None:
    table = table_of(chart)
    wanted = {
        (name, row.error_class, row.code)
        for name, command in table.machine.chart.commands.items()
        for row in command.require
    } | {(arrow.event, row.error_class, row.code) for arrow in table.transitions for row in arrow.require}
    hit = {
        (row["send"], *row["expect"].split()[1:]) for row in table.rows if row["expect"].startswith("refused")
    }
    hit |= {
        (command, *expected.split()[1:])
        for cells in table.cells.values()
        for command, expected in cells.items()
        if expected.startswith("refused")
    }
    assert wanted - hit == set()


@pytest.mark.parametrize("chart", CHARTS)
def test_every_transition_of_a_command_is_taken_somewhere(chart: str) -> None:
    table = table_of(chart)
    taken: set[str] = set()
    for state, cells in table.cells.items():
        for command in cells:
            play = table.at(state)
            play.send(command)
            taken |= play.taken
    for row in table.rows:
        play = table.at(row["given"], row.get("key", "K-1"))
        play.send(row["send"], row.get("data"), row.get("actor"))
        taken |= play.taken
    missing = [f"{arrow.mark} {arrow.event}" for arrow in table.transitions if str(arrow.mark) not in taken]
    assert missing == []


@pytest.mark.parametrize("chart", CHARTS)
def test_every_state_of_the_regions_aside_is_reached_somewhere(chart: str) -> None:
    table = table_of(chart)
    named = {state for row in (*table.rows, *table.timers) for state in row.get("aside", ())}
    assert table.resting_aside - named == set()


@pytest.mark.parametrize("chart", CHARTS)
def test_every_timer_stands_in_the_table(chart: str) -> None:
    table = table_of(chart)
    wanted = {
        (state.path, arrow.delay_text)
        for state in table.machine.chart.states.values()
        for arrow in state.after
    }
    there = set()
    for row in table.timers:
        snapshot = table.at(row["given"]).snapshot
        assert snapshot is not None
        there |= {
            (t.state, row["after"]) for t in snapshot.timers if t.event.startswith(f"after.{row['after']}.")
        }
    assert there == wanted


def test_a_second_close_or_cancel_under_way_is_kept_out() -> None:
    commands = table_of("intervention").machine.chart.commands
    assert {name for name, command in commands.items() if command.exclusive} == {"close", "cancel"}


def test_a_tickets_tokens_stay_inside() -> None:
    tokens = {"agentJwt": "jwt-secret", "roomSubscriptionToken": "room-secret"}
    table = table_of("ticket")
    play = table.at([])
    decision = play.send("open", {"metadata": {"ccr": "wrong address", "unknown": "?", **tokens}})
    assert decision.snapshot is not None
    shown = decision.snapshot.shown(table.machine.chart)
    assert shown["context"]["shown_metadata"] == {"ccr": "wrong address"}
    assert b"secret" not in orjson.dumps(shown) + b"".join(decision.events)
