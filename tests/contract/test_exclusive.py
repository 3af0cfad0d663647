"""An exclusive command keeps a second one out while it is under way, decided once and in order."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import redis

from interlock.engine.fencing import run_script
from tests.charting import compile_chart
from tests.contract.desk import CHART, Desk

EXCLUSIVE = CHART.replace("close: {by: [supervisor, system]}", "close: {exclusive: true}").replace(
    "note: {}", "note: {exclusive: true}"
)


@pytest.fixture
def desk(any_client: redis.Redis) -> Desk:
    desk = Desk(any_client)
    desk.catalog.only = compile_chart(EXCLUSIVE)
    desk.store.register_chart(desk.catalog.only.chart)
    desk.send("T-1", "open", id="a")
    return desk


def outcome(desk: Desk, command_id: str) -> tuple[str, ...]:
    answer = desk.store.result(command_id)
    assert answer is not None, command_id
    error = answer["error"]
    return (answer["status"], error["class"], error["code"]) if error else (answer["status"],)


def slots(desk: Desk) -> list[Any]:
    return [field for keys in desk.store.partitions() for field in desk.client.hkeys(keys.exclusive)]


def test_a_second_exclusive_command_is_refused_while_the_first_is_queued(desk: Desk) -> None:
    desk.publish("T-1", "close", id="first")
    desk.publish("T-1", "close", id="second")
    desk.work()
    assert outcome(desk, "first") == ("applied",)
    assert outcome(desk, "second") == ("refused", "in_flight", "close_in_flight")


def test_what_came_in_before_the_commit_is_refused_although_it_is_decided_after_it(desk: Desk) -> None:
    desk.publish("T-1", "note", id="first")
    desk.pump.take_in()
    desk.publish("T-1", "note", id="second")
    desk.work()
    assert outcome(desk, "second") == ("refused", "in_flight", "note_in_flight")
    assert desk.store.snapshot("ticket", "T-1").context["notes"] == 1  # type: ignore[union-attr]


def test_after_the_commit_the_next_one_is_let_in(desk: Desk) -> None:
    assert desk.send("T-1", "note", id="first")["status"] == "applied"
    assert slots(desk) == []
    assert desk.send("T-1", "note", id="second")["status"] == "applied"


def test_a_refused_one_gives_its_slot_back_too(desk: Desk) -> None:
    assert desk.send("T-1", "note", id="r", data={"colour": "red"})["status"] == "refused"
    assert desk.send("T-1", "note", id="m", data=7)["error"]["class"] == "malformed"
    assert slots(desk) == []


HIDDEN = EXCLUSIVE.replace(
    "note: {exclusive: true}",
    "note: {exclusive: true, require: [{check: \"actor.kind == 'system' or 'read' in actor.permissions\","
    " error: {class: not_found, code: nothing_here}}, {check: 'context.notes < 1', error: {class: guard_failed,"
    " code: noted}}]}",
)


def test_who_may_not_know_of_it_does_not_learn_that_it_is_under_way(any_client: redis.Redis) -> None:
    desk = Desk(any_client)
    desk.catalog.only = compile_chart(HIDDEN)
    desk.store.register_chart(desk.catalog.only.chart)
    desk.send("T-1", "open", id="a")
    for name, permissions in (("first", ["read"]), ("reader", ["read"]), ("stranger", [])):
        actor = {"id": name, "kind": "agent", "permissions": permissions}
        desk.publish("T-1", "note", id=name, actor=actor)
    desk.work()
    assert outcome(desk, "first") == ("applied",)
    assert outcome(desk, "reader") == ("refused", "in_flight", "note_in_flight"), (
        "not the guard of the settled"
    )
    assert outcome(desk, "stranger") == ("refused", "not_found", "nothing_here")
    assert slots(desk) == []


def test_the_same_id_again_is_a_duplicate_and_not_in_flight(desk: Desk) -> None:
    for _ in range(3):
        desk.publish("T-1", "note", id="first")
    desk.publish("T-1", "note", id="second")
    desk.publish("T-1", "note", id="second")
    desk.work()
    assert outcome(desk, "first") == ("applied",)
    assert outcome(desk, "second") == ("refused", "in_flight", "note_in_flight")
    counters = desk.store.counters()
    assert (counters["duplicate"], counters["refused:in_flight"]) == (3, 1)
    again = desk.send("T-1", "note", id="second")
    assert (again["error"]["class"], again["duplicate"]) == ("in_flight", True)
    assert slots(desk) == []


def test_other_commands_and_other_instances_are_not_kept_out(desk: Desk) -> None:
    desk.publish("T-2", "open", id="b")
    for number, (key, name) in enumerate([("T-1", "note"), ("T-2", "note"), ("T-1", "close")]):
        desk.publish(key, name, id=f"c{number}")
    desk.work()
    assert [outcome(desk, f"c{number}") for number in range(3)] == [("applied",)] * 3


def test_a_postponed_one_holds_no_slot_until_its_time(desk: Desk) -> None:
    desk.publish("T-1", "note", id="later", not_before="2999-01-01T00:00:00Z")
    desk.work()
    assert slots(desk) == []
    assert desk.send("T-1", "note", id="now")["status"] == "applied"


def test_a_pump_that_repeats_itself_decides_about_the_slot_once(desk: Desk) -> None:
    desk.publish("T-1", "note", id="first")
    [(entry_id, fields)] = desk.client.xrange(desk.keys.commands)
    desk.pump.take_in()
    keys = desk.keys.of_instance("ticket", "T-1")
    slot = orjson.dumps(["ticket", "T-1", "note"])
    names = [keys.inbox, keys.meta, keys.lease, keys.wake, keys.exclusive]
    desk.work()
    run_script(desk.client, "append", names, [1000, entry_id, "x", fields[b"command"], slot, "first"])
    assert (desk.client.xlen(keys.inbox), slots(desk)) == (0, [])


def test_a_chart_that_is_registered_meanwhile_counts_from_its_first_command_on(
    any_client: redis.Redis,
) -> None:
    desk = Desk(any_client)
    desk.publish_raw(orjson.dumps({"machine": "boat", "key": "B", "name": "sail"}))
    desk.work()
    desk.catalog.only = compile_chart(EXCLUSIVE)
    desk.store.register_chart(desk.catalog.only.chart)
    desk.publish("T-1", "open", id="a")
    desk.publish("T-1", "note", id="first")
    desk.publish("T-1", "note", id="second")
    desk.work()
    assert outcome(desk, "second") == ("refused", "in_flight", "note_in_flight")
