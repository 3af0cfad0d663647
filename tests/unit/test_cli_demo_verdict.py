"""The demo's verdict finds what is wrong: each test spoils one thing in a play that went well."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from interlock.cli.demo.desk import DeskCommand
from interlock.cli.demo.play import Played
from interlock.cli.demo.verdict import Verdict, judge
from interlock.engine.decision import decide
from interlock.engine.machine import Machine
from interlock.engine.messages import Command
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from tests.desks import Desk, shipped

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "INC1"


def _machine() -> Machine:
    machine = shipped().machine("ticket")
    assert machine is not None
    return machine


MACHINE = _machine()


class Play:
    """Three commands that were played: opened, closed, and a note that was refused."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.played = Played()
        self.events: list[list[Any]] = []
        self.counts = {"deliveries": 2, "verified": 2, "duplicates": 0, "failed": 0}
        self.final_states = {KEY: "closed"}
        refused = "refused:guard_failed:ticket_closed"
        self.commands = [self._command("open"), self._command("close"), self._command("note", refused)]
        self._run()

    def _command(self, name: str, expected: str = "applied") -> DeskCommand:
        return DeskCommand(id=name, key=KEY, name=name, data={}, actor={}, at=NOW, expected=expected)

    def _run(self) -> None:
        keys, snapshot = self.store.keys.of_instance("ticket", KEY), None
        for wish in self.commands:
            command = Command(machine="ticket", key=KEY, name=wish.name, id=wish.id)
            decision = decide(MACHINE, snapshot, command, NOW)
            result = decision.result.as_dict()
            self.played.results[wish.id] = result
            self.events += [[KEY, result["version"], event] for event in result["events"]]
            if decision.snapshot is not None and decision.entry is not None:
                snapshot = decision.snapshot
                self.store.client.set(keys.instance("ticket", KEY), snapshot.to_bytes())
                self.store.client.rpush(keys.history("ticket", KEY), decision.entry)

    def ask(self, path: str) -> dict[str, Any]:
        assert path == "/events"
        return {"events": self.events}

    def judge(self) -> Verdict:
        stage: Any = self
        return judge(stage, MACHINE.chart, self.played, self.commands, self.final_states, self.counts)


@pytest.fixture
def play(fake_client: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    monkeypatch.chdir(tmp_path)
    return Play(Store.open(fake_client, Settings()))


def test_a_play_that_went_well_has_no_mismatch(play: Play) -> None:
    verdict = play.judge()
    assert verdict.mismatches == []
    assert (verdict.announced, verdict.verified, verdict.replayed) == (2, 2, 1)
    assert verdict.states == {"closed": 1}


def test_an_incident_in_another_state_is_named(play: Play) -> None:
    play.final_states[KEY] = "resolved"
    assert play.judge().mismatches == ["INC1: is closed, its last row says resolved"]


def test_a_ticket_left_in_a_queue_and_one_that_an_agent_still_holds_are_named(play: Play) -> None:
    desk = Desk()
    for name in ("INC2", "INC3"):
        desk.send(f"ticket/{name}", "open", {"queue": "desk"})
    desk.send("ticket/INC3", "assign", {"agent": "ann"})
    for machine, key in (("queue", "desk"), ("agent", "ann")):
        keys = play.store.keys.of_instance(machine, key)
        play.store.client.set(keys.instance(machine, key), desk.snapshot(f"{machine}/{key}").to_bytes())
        play.store.client.zadd(keys.index(machine), {key: 0})
    verdict = play.judge()
    assert verdict.mismatches == [
        "queue desk: 1 tickets were left in it",
        "agent ann: still holds ticket/INC3",
    ]
    assert (verdict.queues, verdict.agents) == (1, 1)


def test_an_incident_that_is_not_there_is_named(play: Play) -> None:
    play.final_states["INC2"] = "closed"
    assert play.judge().mismatches == ["INC2: not there"]


def test_a_refusal_that_nobody_expected_is_named(play: Play) -> None:
    play.commands[2] = replace(play.commands[2], expected="applied")
    assert play.judge().mismatches == [
        "command note (note): expected applied, got refused:guard_failed:ticket_closed"
    ]


def test_a_refusal_that_did_not_come_is_named(play: Play) -> None:
    play.commands[1] = replace(play.commands[1], expected="refused:forbidden:not_your_ticket")
    assert play.judge().mismatches == [
        "command close (close): expected refused:forbidden:not_your_ticket, got applied"
    ]


def test_a_snapshot_that_its_history_does_not_give_is_named(play: Play) -> None:
    name = play.store.keys.of_instance("ticket", KEY).instance("ticket", KEY)
    stored: Any = play.store.client.get(name)
    play.store.client.set(name, stored.replace(b"2026-01-01", b"2025-01-01", 1))
    verdict = play.judge()
    assert verdict.mismatches == ["INC1: its history does not replay to its snapshot, byte for byte"]
    assert verdict.replayed == 0


def test_a_history_with_an_entry_more_is_named(play: Play) -> None:
    name = play.store.keys.of_instance("ticket", KEY).history("ticket", KEY)
    first: Any = play.store.client.lindex(name, 0)
    extra = orjson.loads(first) | {"version": 3}
    extra["command"] = {"id": "x", "name": "reopen", "data": {}}
    play.store.client.rpush(name, orjson.dumps(extra))
    assert len(play.judge().mismatches) == 1


def test_an_event_that_did_not_arrive_is_named(play: Play) -> None:
    lost = play.events.pop()
    assert play.judge().mismatches == [f"INC1 version 2: {lost[2]} was announced and did not arrive (1)"]


def test_an_event_that_nobody_announced_is_named(play: Play) -> None:
    play.events.append([KEY, 3, "ticket.invented"])
    assert play.judge().mismatches == ["INC1 version 3: ticket.invented arrived and was not announced (1)"]


def test_a_signature_that_did_not_verify_is_named(play: Play) -> None:
    play.counts["failed"] = 1
    assert play.judge().mismatches == ["1 deliveries did not verify"]
