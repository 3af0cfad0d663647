"""From the outbox to deliveries, on fakeredis and on a real server."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from interlock.engine import fencing, subscriptions
from interlock.engine.delivery_log import Attempt, Delivery, DeliveryStatus, deliveries
from interlock.engine.keys import Keys
from interlock.engine.settings import Settings
from interlock.engine.signing import message_id
from interlock.workers import dispatch
from interlock.workers.backlog import Backlog
from interlock.workers.deliveries import Deliveries, Outcome

KEYS = Keys(partitions=2)
URL = "https://example.com/hook"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(secret_key_file=tmp_path / "secret.key", lease_seconds=5)


def announce(
    client: redis.Redis, event_id: str, event_type: str = "ticket.assigned", partition: int = 0
) -> str:
    event = {"specversion": "1.0", "id": event_id, "type": event_type, "data": {}}
    return client.xadd(KEYS.partition(partition).outbox, {"event": orjson.dumps(event)}).decode()


def subscribe(client: redis.Redis, settings: Settings, *events: str) -> subscriptions.Subscription:
    return subscriptions.add(client, KEYS, settings, URL, events=events)[0]


def owner(client: redis.Redis, settings: Settings, partition: int = 0) -> Deliveries:
    mine = Deliveries(client, KEYS, settings)
    assert mine.take(partition)
    return mine


def due_ids(client: redis.Redis, webhook: str, partition: int = 0) -> set[str]:
    return {one.decode() for one in client.zrange(KEYS.partition(partition).webhook_due(webhook), 0, -1)}


def test_each_event_becomes_one_delivery_for_each_subscription_that_wants_it(
    any_client: Any, settings: Settings
) -> None:
    everything = subscribe(any_client, settings, "*")
    closings = subscribe(any_client, settings, "ticket.closed")
    announce(any_client, "e-1", "ticket.assigned")
    announce(any_client, "e-2", "ticket.closed")
    made = owner(any_client, settings).dispatch(0, lambda: subscriptions.list_all(any_client, KEYS), 1000)
    assert made == 2
    assert due_ids(any_client, everything.id) == {message_id(e, everything.id) for e in ("e-1", "e-2")}
    assert due_ids(any_client, closings.id) == {message_id("e-2", closings.id)}
    assert any_client.zrange(KEYS.partition(0).due, 0, -1, withscores=True) == [
        (one.id.encode(), 1000.0) for one in (everything, closings)
    ]


def test_a_dispatch_that_is_repeated_makes_nothing_twice(any_client: Any, settings: Settings) -> None:
    webhook = subscribe(any_client, settings, "*")
    announce(any_client, "e-1")
    mine = owner(any_client, settings)
    assert mine.dispatch(0, lambda: [webhook], 1000) == 1
    assert mine.dispatch(0, lambda: [webhook], 2000) == 0
    mine.release()
    assert owner(any_client, settings).dispatch(0, lambda: [webhook], 3000) == 0, (
        "the cursor must outlive its owner"
    )
    assert len(due_ids(any_client, webhook.id)) == 1


def test_who_lost_the_lease_dispatches_nothing(any_client: Any, settings: Settings) -> None:
    webhook = subscribe(any_client, settings, "*")
    announce(any_client, "e-1")
    paused = owner(any_client, settings)
    any_client.delete(KEYS.partition(0).deliver_lease)
    heir = owner(any_client, settings)
    assert paused.dispatch(0, lambda: [webhook], 1000) == 0
    assert due_ids(any_client, webhook.id) == set()
    assert 0 not in paused.held
    assert heir.dispatch(0, lambda: [webhook], 1000) == 1


def test_a_cursor_that_was_moved_meanwhile_stops_the_dispatch(any_client: Any, settings: Settings) -> None:
    webhook = subscribe(any_client, settings, "*")
    announce(any_client, "e-1")
    mine = owner(any_client, settings)
    any_client.hset(KEYS.partition(0).meta, "dispatched", "9-9")
    assert mine.dispatch(0, lambda: [webhook], 1000) == 0
    assert due_ids(any_client, webhook.id) == set()


def test_events_from_before_the_subscription_are_not_sent(any_client: Any, settings: Settings) -> None:
    event = {"id": "old", "type": "ticket.assigned"}
    any_client.xadd(KEYS.partition(0).outbox, {"event": orjson.dumps(event)}, id="1000-0")
    webhook = subscribe(any_client, settings, "*")
    announce(any_client, "new")
    owner(any_client, settings).dispatch(0, lambda: [webhook], 1000)
    assert due_ids(any_client, webhook.id) == {message_id("new", webhook.id)}


def test_a_disabled_subscription_gets_nothing_and_the_cursor_moves_on(
    any_client: Any, settings: Settings
) -> None:
    webhook = replace(subscribe(any_client, settings, "*"), enabled=False)
    entry = announce(any_client, "e-1")
    assert owner(any_client, settings).dispatch(0, lambda: [webhook], 1000) == 1
    assert due_ids(any_client, webhook.id) == set()
    assert any_client.hget(KEYS.partition(0).meta, "dispatched").decode() == entry


def test_an_entry_that_is_no_event_holds_up_no_other(any_client: Any, settings: Settings) -> None:
    webhook = subscribe(any_client, settings, "*")
    for raw in (b"{", b"[]", b'"text"', b"null", b'{"id": "x"}'):
        any_client.xadd(KEYS.partition(0).outbox, {"event": raw})
    any_client.xadd(KEYS.partition(0).outbox, {"other": b"x"})
    announce(any_client, "e-1")
    assert owner(any_client, settings).dispatch(0, lambda: [webhook], 1000) == 7
    assert due_ids(any_client, webhook.id) == {message_id("e-1", webhook.id)}


def test_a_batch_stops_near_its_limit_and_goes_on_where_it_stopped(
    any_client: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "MAX_DELIVERIES", 3)
    webhook = subscribe(any_client, settings, "*")
    for number in range(5):
        announce(any_client, f"e-{number}")
    mine = owner(any_client, settings)
    assert [mine.dispatch(0, lambda: [webhook], 1000) for _ in range(3)] == [3, 2, 0]
    assert len(due_ids(any_client, webhook.id)) == 5


def test_only_what_is_due_is_read_with_the_bytes_of_the_outbox(any_client: Any, settings: Settings) -> None:
    webhook = subscribe(any_client, settings, "*")
    announce(any_client, "e-1")
    announce(any_client, "e-2")
    mine = owner(any_client, settings)
    mine.dispatch(0, lambda: [webhook], 1000)
    later = message_id("e-2", webhook.id)
    any_client.zadd(KEYS.partition(0).webhook_due(webhook.id), {later: 5000})
    found = mine.due({(0, webhook.id): 10}, {}, 1000)
    assert [one.delivery.id for one in found] == [message_id("e-1", webhook.id)]
    assert orjson.loads(found[0].body)["id"] == "e-1"
    assert mine.due({(0, webhook.id): 10}, {found[0].delivery.id: ""}, 1000) == []


def test_the_index_follows_the_earliest_pending_delivery(any_client: Any, settings: Settings) -> None:
    webhook = subscribe(any_client, settings, "*")
    announce(any_client, "e-1")
    mine = owner(any_client, settings)
    mine.dispatch(0, lambda: [webhook], 1000)
    keys = KEYS.partition(0)
    any_client.zadd(keys.webhook_due(webhook.id), {message_id("e-1", webhook.id): 7000})
    mine.due({(0, webhook.id): 10}, {}, 1000)
    assert any_client.zscore(keys.due, webhook.id) == 7000.0
    any_client.delete(keys.webhook_due(webhook.id))
    mine.due({(0, webhook.id): 10}, {}, 8000)
    assert any_client.zscore(keys.due, webhook.id) is None


def test_a_delivery_whose_event_is_gone_is_a_dead_letter_and_no_endless_loop(
    any_client: Any, settings: Settings
) -> None:
    webhook = subscribe(any_client, settings, "*")
    announce(any_client, "e-1")
    mine = owner(any_client, settings)
    mine.dispatch(0, lambda: [webhook], 1000)
    any_client.delete(KEYS.partition(0).outbox)
    assert mine.due({(0, webhook.id): 10}, {}, 1000) == []
    assert due_ids(any_client, webhook.id) == set()
    shown = deliveries(any_client, KEYS, webhook.id)["deliveries"]
    assert [one["status"] for one in shown] == ["dead"]
    assert "event log" in shown[0]["attempts"][0]["error"]


def test_who_lost_the_lease_records_no_attempt(any_client: Any, settings: Settings) -> None:
    webhook = subscribe(any_client, settings, "*")
    announce(any_client, "e-1")
    paused = owner(any_client, settings)
    paused.dispatch(0, lambda: [webhook], 1000)
    found = paused.due({(0, webhook.id): 10}, {}, 1000)[0]
    done = replace(found.delivery, status=DeliveryStatus.DELIVERED, attempts=1)
    outcome = Outcome(0, found.token, done, Attempt(1000, 200, 5, None), None)
    any_client.delete(KEYS.partition(0).deliver_lease)
    heir = owner(any_client, settings)
    paused.record([outcome])
    heir.record([outcome])  # under the token of the lost lease
    assert any_client.llen(KEYS.partition(0).attempts(found.delivery.id)) == 0
    assert due_ids(any_client, webhook.id) == {found.delivery.id}


@pytest.mark.parametrize("gone", ["disabled", "removed"])
def test_pending_deliveries_of_a_webhook_that_is_gone_are_cancelled(
    gone: str, any_client: Any, settings: Settings
) -> None:
    webhook, other = subscribe(any_client, settings, "*"), subscribe(any_client, settings, "*")
    announce(any_client, "e-1")
    mine = owner(any_client, settings)
    mine.dispatch(0, lambda: [webhook, other], 1000)
    mine.release()
    any_client.zadd(KEYS.partition(0).due, {webhook.id: 2**50, other.id: 2**50})
    for one in (webhook, other):
        any_client.zadd(KEYS.partition(0).webhook_due(one.id), {message_id("e-1", one.id): 2**50})
    act = subscriptions.disable if gone == "disabled" else subscriptions.remove
    act(any_client, KEYS, webhook.id)
    assert any_client.zscore(KEYS.partition(0).due, webhook.id) == 0, "the sweep must see that there is work"
    backlog = Backlog(any_client, KEYS, settings)
    backlog.turn(take_more=True)
    assert backlog.summary.cancelled == 1
    assert [one["status"] for one in deliveries(any_client, KEYS, webhook.id)["deliveries"]] == ["cancelled"]
    assert [one["status"] for one in deliveries(any_client, KEYS, other.id)["deliveries"]] == ["pending"]
    assert any_client.zrange(KEYS.partition(0).due, 0, -1) == [other.id.encode()]


def test_the_log_of_a_removed_webhook_goes_with_its_last_delivery(
    any_client: Any, settings: Settings
) -> None:
    webhook = subscribe(any_client, settings, "*")
    announce(any_client, "e-1")
    owner(any_client, settings).dispatch(0, lambda: [webhook], int(time.time() * 1000))
    subscriptions.remove(any_client, KEYS, webhook.id)
    left_ms = any_client.pttl(KEYS.partition(0).webhook_deliveries(webhook.id))
    log_ms = settings.webhook_log_seconds * 1000
    assert log_ms - 60_000 < left_ms <= log_ms


def test_where_the_index_is_somebody_elses_the_events_wait(any_client: Any, settings: Settings) -> None:
    webhook = subscribe(any_client, settings, "*")
    announce(any_client, "e-1")
    mine = owner(any_client, settings)
    any_client.set(KEYS.partition(0).due, "x")
    assert mine.dispatch(0, lambda: [webhook], 1000) == 0
    any_client.delete(KEYS.partition(0).due)
    assert mine.dispatch(0, lambda: [webhook], 1000) == 1
    assert due_ids(any_client, webhook.id) == {message_id("e-1", webhook.id)}


def test_an_attempt_is_recorded_as_far_as_keys_are_ours(any_client: Any, settings: Settings) -> None:
    webhook = subscribe(any_client, settings, "*")
    for number in range(3):
        announce(any_client, f"e-{number}")
    mine = owner(any_client, settings)
    mine.dispatch(0, lambda: [webhook], 1000)
    spoilt = KEYS.partition(0).attempts(message_id("e-1", webhook.id))
    any_client.set(spoilt, "x")
    found = mine.due({(0, webhook.id): 10}, {}, 1000)
    done = [replace(one.delivery, status=DeliveryStatus.DELIVERED, attempts=1) for one in found]
    mine.record([Outcome(0, found[0].token, one, Attempt(1000, 200, 5, None), None) for one in done])
    assert due_ids(any_client, webhook.id) == set()
    log = deliveries(any_client, KEYS, webhook.id)["deliveries"]
    assert [one["status"] for one in log] == ["delivered"] * 3
    assert sorted(len(one["attempts"]) for one in log) == [0, 1, 1]
    assert any_client.get(spoilt) == b"x"


def test_the_log_is_paged_newest_first_over_all_partitions(any_client: Any, settings: Settings) -> None:
    webhook = subscribe(any_client, settings, "*")
    expected = []
    for number in range(12):
        # several of one millisecond, in both partitions
        partition, created = KEYS.partition(number % 2), 1000 + number // 4
        one = Delivery(f"msg_{number:02d}", webhook.id, "1-1", created, DeliveryStatus.DELIVERED)
        any_client.set(partition.delivery(one.id), one.to_bytes())
        any_client.zadd(partition.webhook_deliveries(webhook.id), {one.id: created})
        expected.insert(0, one.id)
    for limit in (1, 3, 5, 12, 50):
        seen, cursor = [], None
        while True:
            page = deliveries(any_client, KEYS, webhook.id, limit, cursor)
            seen += [one["id"] for one in page["deliveries"]]
            cursor = page["next"]
            if cursor is None:
                break
        assert seen == expected, f"pages of {limit}"


def test_leases_are_given_back_and_taken_by_one_only(any_client: Any, settings: Settings) -> None:
    mine, other = owner(any_client, settings), Deliveries(any_client, KEYS, settings)
    assert not other.take(0)
    mine.release()
    assert other.take(0)
    keys = KEYS.partition(0)
    assert fencing.acquire(any_client, keys.deliver_lease, keys.meta, 1000) is None


# Guards backlog.py: `_dispatch` hands over `endpoints.reload`, not the list that it remembers.
def test_an_event_right_after_a_webhook_was_added_reaches_it(any_client: Any, settings: Settings) -> None:
    subscribe(any_client, settings, "nothing.matching")
    backlog = Backlog(any_client, KEYS, settings)
    announce(any_client, "e-1")
    backlog.turn(take_more=True)
    added = subscribe(any_client, settings, "*")
    announce(any_client, "e-2")
    backlog.turn(take_more=True)
    assert due_ids(any_client, added.id) == {message_id("e-2", added.id)}
    backlog.release()
