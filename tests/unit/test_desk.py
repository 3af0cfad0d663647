"""The support desk's log, played in memory: every incident ends where its last row says."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from interlock.cli.demo.desk import DeskCommand, Row, final_states, merged, play, read_rows, work_state
from interlock.engine.decision import decide, replay
from interlock.engine.messages import Command
from interlock.engine.snapshot import Snapshot
from tests.desks import shipped

LOG = Path(__file__).parents[2] / "examples" / "support-desk" / "incidents.csv"
MACHINE = shipped().machine("ticket")


@dataclass
class Desk:
    """What has become of the whole log."""

    rows: list[Row]
    commands: list[DeskCommand]
    outcomes: dict[str, str] = field(default_factory=dict)
    states: dict[str, list[str]] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    history: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    events: Counter[str] = field(default_factory=Counter)


@cache
def desk() -> Desk:
    assert MACHINE is not None
    rows = read_rows(LOG)
    played = Desk(rows, list(play(rows)))
    for wish in played.commands:
        command = Command.model_validate(wish.as_dict())
        decision = decide(MACHINE, played.snapshots.get(wish.key), command, wish.at)
        result = decision.result
        refused = f"refused:{result.error.error_class}:{result.error.code}" if result.error else ""
        played.outcomes[wish.id] = refused or result.status.value
        if decision.snapshot:
            assert decision.entry is not None
            played.snapshots[wish.key] = decision.snapshot
            played.history[wish.key].append(orjson.loads(decision.entry))
            played.events.update(result.events)
        played.states[wish.id.rpartition("-")[0]] = played.snapshots[wish.key].state
    return played


def test_the_whole_log_is_read() -> None:
    assert len(desk().rows) == 5998
    assert len({row.number for row in desk().rows}) == 890


def test_every_incident_keeps_its_own_order() -> None:
    lines: dict[str, list[int]] = defaultdict(list)
    for row in merged(desk().rows):
        lines[row.number].append(row.line)
    assert all(each == list(range(1, len(each) + 1)) for each in lines.values())


def test_a_row_whose_time_goes_back_waits_for_its_turn() -> None:
    def row(number: str, line: int, minute: int) -> Row:
        at = datetime(2016, 3, 1, 9, minute, tzinfo=UTC)
        return Row(number, line, at, "New", "desk", None, 3, "u", "c", "phone", "x", "?")

    rows = [row("A", 1, 5), row("A", 2, 1), row("B", 1, 2), row("B", 2, 9)]
    assert [(each.number, each.line) for each in merged(rows)] == [("B", 1), ("A", 1), ("A", 2), ("B", 2)]


def test_every_row_says_something() -> None:
    told = {command.id.rpartition("-")[0] for command in desk().commands}
    assert told == {f"desk-{row.number}-{row.line}" for row in desk().rows}


def test_every_command_has_an_id_of_its_own_that_is_the_same_again() -> None:
    ids = [command.id for command in desk().commands]
    assert len(set(ids)) == len(ids)
    assert ids == [command.id for command in play(desk().rows)]


def test_every_command_is_answered_as_expected() -> None:
    wrong = {c.id: desk().outcomes[c.id] for c in desk().commands if desk().outcomes[c.id] != c.expected}
    assert wrong == {}


def test_the_seven_updates_after_the_close_are_refused_and_explained() -> None:
    refused = [command for command in desk().commands if command.expected != "applied"]
    assert len(refused) == 7
    assert {command.expected for command in refused} == {"refused:guard_failed:ticket_closed"}
    assert all(command.key in command.why and command.why.endswith(".") for command in refused)


def test_after_every_row_the_ticket_is_where_the_row_says() -> None:
    wrong = [
        (row.number, row.line)
        for row in desk().rows
        if work_state(desk().states[f"desk-{row.number}-{row.line}"]) != row.ticket_state
    ]
    assert wrong == []


def test_every_incident_ends_where_its_last_row_says() -> None:
    ended = {number: work_state(snapshot.state) for number, snapshot in desk().snapshots.items()}
    assert ended == final_states(desk().rows)


def test_the_agent_the_queue_and_the_priority_are_those_of_the_last_row() -> None:
    last = {row.number: row for row in desk().rows}
    wrong = [
        number
        for number, row in last.items()
        if (row.queue, row.agent, row.priority)
        != tuple(desk().snapshots[number].context[name] for name in ("queue", "assignee", "priority"))
    ]
    assert wrong == []


def test_what_the_log_counts_is_counted() -> None:
    """What the description of the data says: 11 go back from Resolved, every incident is closed once."""
    events = desk().events
    assert (events["ticket.created"], events["ticket.closed"], events["ticket.reopened"]) == (890, 890, 11)
    straight = [
        entry
        for history in desk().history.values()
        for entry in history
        if (work_state(entry["from"]), work_state(entry["to"]))
        == ("open.work.waiting.user", "open.work.resolved")
    ]
    assert len(straight) == 246


def test_every_history_replays_to_its_snapshot() -> None:
    assert MACHINE is not None
    wrong = [
        number
        for number, history in desk().history.items()
        if replay(MACHINE, number, history).to_bytes() != desk().snapshots[number].to_bytes()
    ]
    assert len(desk().history) == 890
    assert wrong == []
