"""Timers that are due in the same millisecond fire in the order in which they were armed, as in XState."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from interlock.engine.decision import replay
from tests.charting import compile_chart
from tests.contract.desk import Desk

CHART = """
id: ticket
version: 1
context: {trace: {type: array, default: []}, broken: {type: integer, default: 0}}
commands: {open: {creates: true}, mend: {}}
type: parallel
on: {mend: {actions: {assign: {broken: 1}}}}
states:
  zebra:
    initial: waiting
    states:
      waiting: {after: {10s: {target: gone, actions: FIRST}}}
      gone: {}
  mule: {after: {10s: {actions: {assign: {trace: "append(context.trace, 'mule')"}}}}}
  ant: {after: {10s: {actions: {assign: {trace: "append(context.trace, 'ant')"}}}}}
"""
SAY = """{assign: {trace: "append(context.trace, 'zebra')"}}"""


def desk_with(client: redis.Redis, first: str = SAY) -> Desk:
    desk = Desk(client)
    desk.catalog.only = compile_chart(CHART.replace("FIRST", first))
    desk.send("T-1", "open", id="open")
    return desk


def trace(desk: Desk) -> list[Any]:
    snapshot = desk.store.snapshot("ticket", "T-1")
    history = desk.store.history("ticket", "T-1")
    assert snapshot is not None
    assert replay(desk.catalog.only, "T-1", history).to_bytes() == snapshot.to_bytes()
    assert [entry["version"] for entry in history] == list(range(1, snapshot.version + 1))
    found: list[Any] = snapshot.context["trace"]
    return found


def timers(desk: Desk) -> list[bytes]:
    return [member for keys in desk.store.partitions() for member in desk.client.zrange(keys.timers, 0, -1)]


def test_timers_of_one_millisecond_fire_in_the_order_of_arming(any_client: redis.Redis) -> None:
    desk = desk_with(any_client)
    assert b"ant" in timers(desk)[0]  # the rows themselves are in the order of the ids
    assert desk.let_timers_run(seconds=11) == 3
    assert trace(desk) == ["zebra", "mule", "ant"]
    assert timers(desk) == []


def test_they_do_so_where_the_inbox_lets_them_in_one_at_a_time(
    any_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interlock.workers.pump.DUE", 1)
    desk = desk_with(any_client)
    for _ in range(3):
        desk.let_timers_run(seconds=11)
    assert trace(desk) == ["zebra", "mule", "ant"]
    assert timers(desk) == []


def test_a_timer_whose_state_the_one_before_it_has_left_does_not_fire(any_client: redis.Redis) -> None:
    desk = Desk(any_client)
    chart = CHART.replace("FIRST", SAY).replace(
        "mule: {after", "mule: {initial: x, states: {x: , y: }, after"
    )
    leaving = chart.replace("target: gone", 'target: ["#ticket.zebra.gone", "#ticket.mule.y"]')
    desk.catalog.only = compile_chart(leaving)
    desk.send("T-1", "open", id="open")
    desk.let_timers_run(seconds=11)
    # Leading to both regions leaves all three and enters them again, so their timers begin anew.
    assert trace(desk) == ["zebra"]
    assert len(timers(desk)) == 2
    desk.let_timers_run(seconds=11)
    assert trace(desk) == ["zebra", "mule", "ant"]


def test_one_that_fails_holds_up_none_of_the_others_and_is_tried_again(any_client: redis.Redis) -> None:
    failing = """{assign: {trace: "append(context.trace, 1 // context.broken)"}}"""
    desk = desk_with(any_client, failing)
    desk.let_timers_run(seconds=11)
    assert trace(desk) == ["mule", "ant"]
    assert sum(desk.client.xlen(keys.dead) for keys in desk.store.partitions()) == 1
    desk.send("T-1", "mend", id="mend")
    desk.let_timers_run(minutes=2)
    assert trace(desk) == ["mule", "ant", 1]
    assert timers(desk) == []
