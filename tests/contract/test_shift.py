"""A drain's shift over several partitions, on fakeredis and on a real server."""

from __future__ import annotations

import threading
from typing import Any

import orjson
import pytest
import redis

from interlock.engine import fencing
from interlock.workers.drain import DrainSummary
from interlock.workers.shift import Shift
from tests.contract.desk import Desk

LEASE_MS = 5000


@pytest.fixture
def desk(any_client: redis.Redis) -> Desk:
    return Desk(any_client)


def keys_in_each_partition(desk: Desk) -> dict[int, str]:
    """For each partition an instance key that belongs there."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < desk.keys.partitions:
        found.setdefault(desk.keys.partition_of("ticket", f"T-{number}"), f"T-{number}")
        number += 1
    return found


def shift(desk: Desk, told: Any = lambda summary: None, stop: threading.Event | None = None) -> Shift:
    return Shift(desk.store, desk.drainer, LEASE_MS, stop or threading.Event(), told)


def commands_of(desk: Desk, key: str) -> list[str]:
    return [entry["command"]["name"] for entry in desk.store.history("ticket", key)]


def opened(desk: Desk, keys: dict[int, str]) -> set[int]:
    """The partitions whose instance is there."""
    return {number for number, key in keys.items() if commands_of(desk, key)}


def leases(desk: Desk) -> list[bytes | None]:
    return [desk.client.get(keys.lease) for keys in desk.store.partitions()]


def test_one_job_serves_every_partition_that_has_something(desk: Desk) -> None:
    keys = keys_in_each_partition(desk)
    for key in keys.values():
        desk.publish(key, "open")
        desk.publish(key, "note")
    desk.pump.take_in()
    summaries: list[DrainSummary] = []
    turn = shift(desk, summaries.append)
    turn.run(2)
    assert [commands_of(desk, key) for key in keys.values()] == [["open", "note"]] * len(keys)
    assert sum(each.commands for each in summaries) == 2 * len(keys)
    assert leases(desk) == [None] * desk.keys.partitions
    assert turn.more == []


def test_what_comes_while_it_stays_needs_nobody_woken(desk: Desk) -> None:
    keys = keys_in_each_partition(desk)
    desk.publish(keys[0], "open")
    desk.pump.take_in()
    assert desk.woken == [0]
    coming = ["note", "note", "close"]

    def told(_summary: DrainSummary) -> None:
        if coming:
            desk.publish(keys[0], coming.pop(0), actor={"id": "s", "kind": "system"})
            desk.pump.take_in()

    shift(desk, told).run(0)
    assert commands_of(desk, keys[0]) == ["open", "note", "note", "close"]
    assert desk.woken == [0], "the partition had an owner"


def test_more_than_one_turn_reads_is_applied_in_order(desk: Desk) -> None:
    keys = keys_in_each_partition(desk)
    for key in (keys[0], keys[1]):
        desk.publish(key, "open")
    for number in range(40):
        desk.publish(keys[0], "note", id=f"n{number}")
    while desk.pump.take_in():
        pass
    shift(desk).run(1)
    assert [e["command"]["id"] for e in desk.store.history("ticket", keys[0])][1:] == [
        f"n{number}" for number in range(40)
    ]
    assert commands_of(desk, keys[1]) == ["open"]


def test_a_partition_that_another_owns_is_left_alone(desk: Desk) -> None:
    keys = keys_in_each_partition(desk)
    for key in keys.values():
        desk.publish(key, "open")
    desk.pump.take_in()
    theirs = desk.keys.partition(1)
    lease = fencing.acquire(desk.client, theirs.lease, theirs.meta, 60_000)
    assert lease is not None
    shift(desk).run(0)
    assert opened(desk, keys) == {0, 2, 3}
    assert desk.client.get(theirs.lease) == str(lease.token).encode()


def test_an_id_that_two_partitions_bring_at_once_counts_once(desk: Desk) -> None:
    keys = keys_in_each_partition(desk)
    replies = [desk.keys.reply(f"r{number}") for number in range(2)]
    for number in range(2):
        desk.publish(keys[number], "open", id="twice", reply_to=replies[number])
    desk.pump.take_in()
    shift(desk).run(0)
    answers = [orjson.loads(desk.client.lpop(reply)) for reply in replies]  # type: ignore[arg-type]
    assert sorted(answer["status"] for answer in answers) == ["applied", "refused"]
    assert [answer["error"]["code"] for answer in answers if answer["error"]] == ["id_reused"]


# Invariant 6. The lease is lost between the look and the commit: what was decided is written by nobody.
def test_what_was_decided_under_a_lost_lease_is_not_committed(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = keys_in_each_partition(desk)
    for number in (0, 1):
        desk.publish(keys[number], "open")
        desk.publish(keys[number], "note")
    desk.pump.take_in()
    apply_all = fencing.apply_all

    def overtaken(client: redis.Redis, commits: Any, ttl_ms: int) -> list[bool]:
        monkeypatch.setattr(fencing, "apply_all", apply_all)
        client.delete(desk.keys.partition(0).lease)  # it lapsed while we were paused
        desk.drainer.drain(0)
        return apply_all(client, commits, ttl_ms)

    monkeypatch.setattr(fencing, "apply_all", overtaken)
    shift(desk).run(0)
    assert [commands_of(desk, keys[number]) for number in (0, 1)] == [["open", "note"]] * 2
    assert "duplicate" not in desk.store.counters()


# Invariant 3. The last owner moves on between our look at the inbox and our lease.
def test_what_the_last_owner_has_done_meanwhile_is_not_done_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = keys_in_each_partition(desk)
    desk.publish(keys[0], "open")
    desk.publish(keys[1], "open")
    desk.pump.take_in()
    acquire_all = fencing.acquire_all

    def slowly(client: redis.Redis, partitions: Any, ttl_ms: int) -> Any:
        if desk.keys.partition(1) in partitions:
            monkeypatch.setattr(fencing, "acquire_all", acquire_all)
            desk.drainer.drain(1)
            desk.publish(keys[1], "note")
            desk.pump.take_in()
        return acquire_all(client, partitions, ttl_ms)

    monkeypatch.setattr(fencing, "acquire_all", slowly)
    shift(desk).run(0)
    assert [commands_of(desk, keys[number]) for number in (0, 1)] == [["open"], ["open", "note"]]
    assert "duplicate" not in desk.store.counters()


def test_a_stop_ends_it_and_says_where_there_is_more(desk: Desk) -> None:
    keys = keys_in_each_partition(desk)
    desk.publish(keys[3], "open")
    desk.pump.take_in()
    stop = threading.Event()

    def told(_summary: DrainSummary) -> None:
        desk.publish(keys[3], "note")
        desk.pump.take_in()
        stop.set()

    turn = shift(desk, told, stop)
    turn.run(3)
    assert commands_of(desk, keys[3]) == ["open"]
    assert turn.more == [3]
    assert leases(desk) == [None] * desk.keys.partitions


def test_somebody_elses_key_holds_up_its_own_partition_alone(redis_client: redis.Redis) -> None:
    desk = Desk(
        redis_client
    )  # the key is met by a blocking read, which fakeredis does not answer as servers do
    keys = keys_in_each_partition(desk)
    for key in keys.values():
        desk.publish(key, "open")
    desk.pump.take_in()
    redis_client.set(desk.keys.partition(2).inbox, "mine")
    shift(desk).run(0)
    assert opened(desk, keys) == {0, 1, 3}


def test_a_cursor_that_somebody_else_wrote_holds_up_nobody(desk: Desk) -> None:
    keys = keys_in_each_partition(desk)
    for key in keys.values():
        desk.publish(key, "open")
    desk.pump.take_in()
    desk.client.hset(desk.keys.partition(1).meta, "cursor", "somewhere")
    shift(desk).run(1)
    assert opened(desk, keys) == {0, 1, 2, 3}
