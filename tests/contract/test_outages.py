"""Timers over an outage: noted by the pump that comes back, told apart by the policy of each."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import pytest
import redis

from interlock.engine.decision import replay
from interlock.engine.messages import parse_time, time_to_ms
from interlock.workers import pump as pump_module
from tests.charting import compile_chart
from tests.contract.desk import Desk

CHART = """
id: ticket
version: 1
commands: {open: {creates: true}}
initial: waiting
states:
  waiting: {after: {1h: {target: gone, outage: POLICY}}}
  gone: {}
"""
HOUR = 3_600_000


class Outage:
    """A ticket whose timer of an hour was armed `ago_ms` ago, in a deployment with outages."""

    def __init__(self, client: redis.Redis, policy: str) -> None:
        self.desk = Desk(client)
        self.desk.catalog.only = compile_chart(CHART.replace("POLICY", policy))
        self.desk.send("T-1", "open", id="open")

    def armed(self) -> int:
        return time_to_ms(parse_time(self.due())) - HOUR

    def due(self) -> str:
        snapshot = self.desk.store.snapshot("ticket", "T-1")
        assert snapshot is not None
        return snapshot.timers[0].due

    def note(self, begun: int, ended: int) -> None:
        """An outage, in milliseconds from the arming."""
        times = [self.armed() + begun, self.armed() + ended]
        self.desk.client.rpush(self.desk.keys.outages, orjson.dumps(times))

    def state(self) -> list[str]:
        snapshot = self.desk.store.snapshot("ticket", "T-1")
        assert snapshot is not None
        again = replay(self.desk.catalog.only, "T-1", self.desk.store.history("ticket", "T-1"))
        assert again.to_bytes() == snapshot.to_bytes()
        return snapshot.state


@pytest.mark.parametrize(("policy", "waits_minutes"), [("deadline", 0), ("remaining", 30), ("restart", 50)])
def test_an_outage_of_half_an_hour(any_client: redis.Redis, policy: str, waits_minutes: int) -> None:
    outage = Outage(any_client, policy)
    outage.note(20 * 60_000, 50 * 60_000)
    before = outage.desk.client.get(outage.desk.keys.of_instance("ticket", "T-1").instance("ticket", "T-1"))
    outage.desk.let_timers_run(minutes=61)
    if waits_minutes:
        assert outage.state() == ["waiting"]
        stored = outage.desk.client.get(
            outage.desk.keys.of_instance("ticket", "T-1").instance("ticket", "T-1")
        )
        assert stored == before
        [(_, due)] = any_client.zrange(
            outage.desk.keys.of_instance("ticket", "T-1").timers, 0, -1, withscores=True
        )
        assert due == time_to_ms(parse_time(outage.due())) + waits_minutes * 60_000
        outage.desk.let_timers_run(minutes=61 + waits_minutes)
    assert outage.state() == ["gone"]


def test_the_pump_that_comes_back_notes_how_long_none_led(
    any_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(any_client)
    now = [1_000_000]
    monkeypatch.setattr(desk.pump, "_now_ms", lambda: now[0])
    desk.pump._watch_time()
    now[0] += pump_module.OUTAGE_MS
    desk.pump._watch_time()
    assert desk.store.outages() == []
    now[0] += pump_module.OUTAGE_MS + 1
    desk.pump._watch_time()
    assert desk.store.outages() == [(1_010_000, 1_020_001)]


def test_a_pump_that_takes_the_lead_watches_the_time_before_all_else(any_client: redis.Redis) -> None:
    desk = Desk(any_client)
    desk.client.set(desk.keys.alive, 5)
    assert desk.pump._lead()
    [(begun, ended)] = desk.store.outages()
    assert begun == 5
    assert abs(ended - datetime.now(UTC).timestamp() * 1000) < 60_000


@pytest.mark.parametrize("foreign", [b"soon", b"-5", b""])
def test_what_somebody_else_wrote_there_is_no_outage(any_client: redis.Redis, foreign: bytes) -> None:
    desk = Desk(any_client)
    desk.client.set(desk.keys.alive, foreign)
    desk.client.rpush(desk.keys.outages, b"x", b"[1]", b"{}", b'["a", 2]', b"[1, 2]")
    desk.pump._watch_time()
    assert desk.store.outages() == [(1, 2)]
    desk.client.set(desk.keys.outages, "foreign")
    assert desk.store.outages() == []
    desk.client.set(desk.keys.alive, 5)
    desk.pump._watch_time()
