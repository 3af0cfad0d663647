"""Moving instances between chart versions by way of the inbox and the commit. On both servers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
import redis

from interlock.engine.loader import parse_chart
from interlock.engine.migration_command import MIGRATE, first_chart_version, replay_versions
from interlock.engine.snapshot import Snapshot
from interlock.statecharts import moves
from interlock.statecharts.catalog import Catalog
from interlock.statecharts.moves import apply_moves, survey, survey_undo
from interlock.statecharts.registered import RegisteredCharts
from interlock.workers.drain import Drainer
from tests.contract.desk import Desk

V1 = """
id: ticket
version: 1
index: [queue]
context:
  queue: {type: string, default: general}
commands: {open: {creates: true, data: {queue: {type: string}}}, take: {}, close: {}}
initial: queued
states:
  queued: {on: {take: taken}, after: {30m: escalated}}
  taken: {on: {close: closed}}
  escalated: {}
  closed: {type: final}
"""
V2 = (
    V1.replace("version: 1", "version: 2").replace("index: [queue]", "index: [team]").replace("taken", "held")
)
V2 = V2.replace("queue: {type: string, default: general}", "team: {type: string, default: none}").replace(
    "{queue: {type: string}}", "{team: {type: string}}"
)
MAP = {"states": {"taken": "held"}, "context": {"team": "context.queue"}}


@pytest.fixture
def desk(any_client: redis.Redis) -> Desk:
    """A desk with one queued, one taken and one closed ticket of version 1, and both versions from now on."""
    desk = Desk(any_client)
    charts = [parse_chart(V1)]
    desk.drainer = Drainer(desk.store, Catalog(charts), desk.settings)
    for key in ("queued", "taken", "closed"):
        desk.send(key, "open", id=f"open {key}", data={"queue": "billing"})
    for key, name in (("taken", "take"), ("closed", "take"), ("closed", "close")):
        desk.send(key, name, id=f"{name} {key}")
    charts.append(parse_chart(V2))
    for chart in charts:
        desk.store.register_chart(chart)
    desk.drainer = Drainer(desk.store, Catalog(charts), desk.settings)
    return desk


@contextmanager
def working(desk: Desk) -> Iterator[None]:
    """A worker in a thread, as long as the block lasts."""
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            desk.work()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def move(desk: Desk, key: str, **data: Any) -> dict[str, Any]:
    return desk.send(key, MIGRATE, id=f"m{desk.store.counters()}", data={"from": 1, "to": 2, **data})


def snapshot_of(desk: Desk, key: str) -> Snapshot:
    """The instance; its history has to lead to it, and its events to tell each version once."""
    snapshot = desk.store.snapshot("ticket", key)
    assert snapshot is not None
    catalog = Catalog([parse_chart(V1), parse_chart(V2)])
    history = desk.store.history("ticket", key)
    again = replay_versions(
        lambda version: catalog.machine("ticket", version),
        key,
        history,
        first_chart_version(history, snapshot.chart_version),
    )
    assert again.to_bytes() == snapshot.to_bytes()
    versions = [event["sequence"] for event in desk.events() if event["subject"] == key]
    assert versions == [entry["version"] for entry in history] == list(range(1, snapshot.version + 1))
    return snapshot


def test_a_move_is_committed_recorded_announced_and_listed_anew(desk: Desk) -> None:
    answer = move(desk, "taken", **MAP)
    assert (answer["status"], answer["version"], answer["state"]) == ("applied", 3, ["held"])
    assert answer["events"] == ["ticket.migrated"]
    moved = snapshot_of(desk, "taken")
    assert (moved.chart_version, moved.context) == (2, {"team": "billing"})
    keys = desk.keys.of_instance("ticket", "taken")
    assert desk.client.zscore(keys.state_index("ticket", "taken"), "taken") is None
    assert desk.client.zscore(keys.state_index("ticket", "held"), "taken") == 0
    assert desk.client.zscore(keys.order_index("ticket", "queue"), "4billing\0taken") is None
    assert desk.client.zscore(keys.order_index("ticket", "team"), "4billing\0taken") == 0
    assert desk.send("taken", "close", id="c")["state"] == ["closed"]


def test_a_move_that_is_sent_again_is_applied_once(desk: Desk) -> None:
    data = {"from": 1, "to": 2, **MAP}
    first = desk.send("queued", MIGRATE, id="m", data=data)
    assert desk.send("queued", MIGRATE, id="m", data=data) == {**first, "duplicate": True}
    assert desk.send("queued", MIGRATE, id="n", data=data)["status"] == "ignored"
    assert snapshot_of(desk, "queued").version == 2


def test_a_move_stands_in_the_order_of_the_stream_also_within_one_batch(desk: Desk) -> None:
    desk.publish("queued", "take", id="t")
    desk.publish("queued", MIGRATE, id="m", data={"from": 1, "to": 2, **MAP})
    desk.publish("queued", "close", id="c")
    desk.work()
    assert [entry["to"] for entry in desk.store.history("ticket", "queued")] == [
        ["queued"],
        ["taken"],
        ["held"],
        ["closed"],
    ]
    assert snapshot_of(desk, "queued").done


def test_a_timer_runs_on_and_fires_by_the_new_chart(desk: Desk) -> None:
    charts = [parse_chart(text.replace("30m: escalated", "20ms: escalated")) for text in (V1, V2)]
    desk.drainer = Drainer(desk.store, Catalog(charts[:1]), desk.settings)
    desk.send("quick", "open", id="q")
    desk.drainer = Drainer(desk.store, Catalog(charts), desk.settings)
    timers = desk.keys.of_instance("ticket", "quick").timers
    before = desk.client.zrange(timers, 0, -1, withscores=True)
    move(desk, "quick", **MAP)
    assert desk.client.zrange(timers, 0, -1, withscores=True) == before
    soon = time.monotonic() + 5
    while not desk.pump.let_in_due():
        assert time.monotonic() < soon
    desk.work()
    moved = desk.store.snapshot("ticket", "quick")
    assert moved is not None
    assert (moved.chart_version, moved.state) == (2, ["escalated"])


def test_a_refused_move_changes_nothing(desk: Desk) -> None:
    before = desk.client.dump(desk.keys.of_instance("ticket", "taken").instance("ticket", "taken"))
    assert move(desk, "taken")["error"]["code"] == "no_mapping"
    actor = {"id": "ann", "kind": "admin"}
    refused = desk.send("taken", MIGRATE, id="a", data={"from": 1, "to": 2, **MAP}, actor=actor)
    assert refused["error"]["class"] == "forbidden"
    assert desk.send("nobody", MIGRATE, id="b", data={"from": 1, "to": 2})["error"]["class"] == "not_found"
    assert move(desk, "taken", to=3)["error"]["code"] == "unknown_chart_version"
    after = desk.client.dump(desk.keys.of_instance("ticket", "taken").instance("ticket", "taken"))
    assert after == before
    assert desk.store.dead_letters() == []


def test_an_undo_brings_back_what_was_as_long_as_nothing_came_after(desk: Desk) -> None:
    before = snapshot_of(desk, "taken")
    move(desk, "taken", **MAP)
    back = {"from": 2, "to": 1, "undo": True}
    assert desk.send("taken", MIGRATE, id="u", data=back)["state"] == ["taken"]
    after = snapshot_of(desk, "taken")
    assert (after.version, after.chart_version, after.context) == (4, 1, before.context)
    move(desk, "queued", **MAP)
    desk.publish("queued", "take", id="t")
    desk.publish("queued", MIGRATE, id="v", data=back)
    desk.work()
    answer = desk.store.result("v")
    assert answer is not None
    assert answer["error"]["code"] == "moved_on"
    assert snapshot_of(desk, "queued").state == ["held"]


def test_a_move_and_its_undo_in_one_batch_are_two_versions(desk: Desk) -> None:
    desk.publish("taken", MIGRATE, id="m", data={"from": 1, "to": 2, **MAP})
    desk.publish("taken", MIGRATE, id="u", data={"from": 2, "to": 1, "undo": True})
    desk.work()
    assert (snapshot_of(desk, "taken").version, snapshot_of(desk, "taken").chart_version) == (4, 1)


# All instances of a machine


def test_a_survey_counts_what_lacks_a_mapping_and_touches_nothing(desk: Desk) -> None:
    before = desk.dump()
    found = survey(desk.store, "ticket", 2, {})
    assert {(what, name): number for (what, name, _), number in found.problems.items()} == {
        ("context", "queue"): 2,
        ("state", "taken"): 1,
    }
    assert (found.instances, found.ended, found.already) == (2, 1, 0)
    assert not survey(desk.store, "ticket", 2, MAP).problems
    assert survey(desk.store, "ticket", 2, MAP, only_from=5).instances == 0
    assert desk.dump() == before


def test_all_live_instances_move_and_a_second_run_finds_them_moved(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moves, "AT_ONCE", 1)
    with working(desk):
        outcome = apply_moves(desk.store, "ticket", survey(desk.store, "ticket", 2, MAP).moves, 10)
    assert (outcome.moved, outcome.unanswered, dict(outcome.refused)) == (2, 0, {})
    again = survey(desk.store, "ticket", 2, MAP)
    assert (again.instances, again.already, again.ended) == (0, 2, 1)
    assert [snapshot_of(desk, key).chart_version for key in ("queued", "taken", "closed")] == [2, 2, 1]
    runs = {desk.store.history("ticket", key)[-1]["correlation_id"] for key in ("queued", "taken")}
    assert len(runs) == 1


def test_all_that_have_not_moved_on_are_brought_back(desk: Desk) -> None:
    with working(desk):
        apply_moves(desk.store, "ticket", survey(desk.store, "ticket", 2, MAP).moves, 10)
    desk.send("taken", "close", id="c")
    found = survey_undo(desk.store, "ticket", 2)
    assert ([key for key, _ in found.moves], found.stay) == (["queued"], 1)
    with working(desk):
        assert apply_moves(desk.store, "ticket", found.moves, 10).moved == 1
    assert snapshot_of(desk, "queued").chart_version == 1
    assert survey_undo(desk.store, "ticket", 2).moves == []
    assert survey_undo(desk.store, "ticket", 1).moves == []


def test_an_instance_that_goes_on_between_look_and_move_is_refused_by_itself(desk: Desk) -> None:
    found = survey(desk.store, "ticket", 2, {"context": MAP["context"]}, only_from=1)
    found.moves = [one for one in found.moves if one[0] == "queued"]
    desk.send("queued", "take", id="t")
    with working(desk):
        outcome = apply_moves(desk.store, "ticket", found.moves, 10)
    assert [(what, name) for what, name, _ in outcome.refused] == [("state", "taken")]
    assert snapshot_of(desk, "queued").chart_version == 1


def test_without_a_worker_the_rest_is_not_sent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moves, "AT_ONCE", 1)
    outcome = apply_moves(desk.store, "ticket", survey(desk.store, "ticket", 2, MAP).moves, 0.05)
    assert (outcome.moved, outcome.unanswered) == (0, 2)
    assert desk.client.xlen(desk.keys.commands) == 1
    desk.work()
    assert sorted(snapshot_of(desk, key).chart_version for key in ("queued", "taken")) == [1, 2]


def test_a_history_that_somebody_broke_stops_an_undo_and_nothing_else(desk: Desk) -> None:
    move(desk, "taken", **MAP)
    name = desk.keys.of_instance("ticket", "taken").history("ticket", "taken")
    desk.client.delete(name)
    desk.client.set(name, orjson.dumps({}))
    answer = desk.send("taken", MIGRATE, id="u", data={"from": 2, "to": 1, "undo": True})
    assert answer["error"]["code"] == "moved_on"
    assert desk.send("queued", "take", id="t")["status"] == "applied"


def test_an_entry_shows_no_data_that_was_private_when_it_was_written(desk: Desk) -> None:
    secret = V1.replace("{queue: {type: string}}}, take", "{queue: {type: string, public: false}}}, take")
    assert secret != V1
    desk.client.hset(desk.keys.charts, "ticket@1", secret)
    data = {"from": 1, "to": 2, "states": {"taken": "held"}, "context": {"team": "'hush'"}, "drop": ["queue"]}
    assert desk.send("taken", MIGRATE, id="m", data=data)["status"] == "applied"
    moved = snapshot_of(desk, "taken")
    charts = RegisteredCharts(desk.store)
    shown = [charts.shown_entry(moved, entry) for entry in desk.store.history("ticket", "taken")]
    assert [entry["command"]["data"] for entry in shown] == [
        {},
        {},
        {"from": 1, "to": 2, "states": {"taken": "held"}, "drop": ["queue"]},
    ]
    assert "before" not in shown[-1]
