"""What somebody else writes under our names concerns what it stands for, and no other webhook or partition."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from delivery_desk import Desk
from hostile_receiver import Receiver, answer

from interlock.engine import subscriptions
from interlock.engine.keys import PartitionKeys
from interlock.engine.signing import message_id
from interlock.engine.subscriptions import Subscription
from interlock.workers import delivery

EVENTS = 8
ELSEWHERE = 6
"""Of so many events, in four partitions, those that are not in the first."""


@pytest.fixture
def desk(redis_client: redis.Redis, valkey_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(delivery, "IDLE_SECONDS", 0.1)
    return Desk.open(redis_client, valkey_url, tmp_path)


def replace_by_text(client: redis.Redis, key: str) -> None:
    client.set(key, "somebody else's")


Spoil = Callable[[redis.Redis, PartitionKeys, Subscription], object]


def spoil_record(record: bytes) -> Spoil:
    def spoil(client: redis.Redis, keys: PartitionKeys, webhook: Subscription) -> None:
        client.set(keys.delivery("x"), record)
        client.zadd(keys.webhook_due(webhook.id), {"x": 0})
        client.zadd(keys.due, {webhook.id: 0})

    return spoil


def spoil_record_type(client: redis.Redis, keys: PartitionKeys, webhook: Subscription) -> None:
    client.zadd(keys.webhook_due(webhook.id), {"x": 0, b"\xff": 0})
    client.rpush(keys.delivery("x"), "a list")
    client.zadd(keys.due, {webhook.id: 0})


# How the data of the first partition is spoiled, and how many of the eight events arrive even so.
SPOILT: dict[str, tuple[Spoil, int]] = {
    "a record that is not JSON": (spoil_record(b"garbage"), EVENTS),
    "a record that is no delivery": (spoil_record(b'{"id": "x"}'), EVENTS),
    "a record of another webhook": (
        spoil_record(
            b'{"id":"x","webhook":"wh_1","entry":"1-1","created_ms":1,"status":"pending","attempts":0}'
        ),
        EVENTS,
    ),
    "a record that is a list, a member that is no text": (spoil_record_type, EVENTS),
    "a cursor that is no id": (lambda c, k, _: c.hset(k.meta, "dispatched", "garbage"), ELSEWHERE),
    "a cursor that is no text": (lambda c, k, _: c.hset(k.meta, "dispatched", b"\xff"), ELSEWHERE),
    "a fencing token that is no number": (lambda c, k, _: c.hset(k.meta, "token", "garbage"), ELSEWHERE),
    "meta of another type": (lambda c, k, _: replace_by_text(c, k.meta), ELSEWHERE),
    "an outbox of another type": (lambda c, k, _: replace_by_text(c, k.outbox), ELSEWHERE),
    "an index that is of another type": (lambda c, k, _: replace_by_text(c, k.due), ELSEWHERE),
    "an index with a member that is no text": (lambda c, k, _: c.zadd(k.due, {b"\xff": 0}), EVENTS),
    "pending deliveries of another type": (
        lambda c, k, webhook: replace_by_text(c, k.webhook_due(webhook.id)),
        ELSEWHERE,
    ),
    "a delivery log of another type": (
        lambda c, k, webhook: replace_by_text(c, k.webhook_deliveries(webhook.id)),
        EVENTS,
    ),
    "attempts of another type": (
        lambda c, k, webhook: replace_by_text(c, k.attempts(message_id("e-0", webhook.id))),
        EVENTS,
    ),
}


@pytest.mark.parametrize("spoilt", SPOILT)
def test_spoilt_data_stops_no_other_webhook_or_partition(
    spoilt: str, desk: Desk, receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    spoil, arrive = SPOILT[spoilt]
    webhook, _ = desk.subscribe(receiver.url("/hook"))
    other, _ = desk.subscribe(receiver.url("/other"))
    desk.announce(EVENTS)
    spoil(desk.client, desk.keys.partition(0), webhook)
    for _ in range(3):
        desk.deliver()
    assert len(receiver.at("/hook")) == arrive, "each once, in three shifts"
    assert len(receiver.at("/other")) in (arrive, EVENTS)
    written = "".join(capfd.readouterr())
    assert any(word in written for word in ("foreign_data", "delivery_", "set_aside"))
    delivered = [one["status"] for one in desk.log(other)].count("delivered")
    assert delivered == len(receiver.at("/other"))
    assert len(desk.log(webhook)) >= ELSEWHERE, "the log is shown as far as it can be read"


def test_endless_times_in_an_index_stop_nothing(desk: Desk, receiver: Receiver) -> None:
    desk.subscribe(receiver.url("/hook"))
    desk.announce(EVENTS)
    desk.client.zadd(desk.keys.partition(0).due, {"wh_a": "-inf", "wh_b": "+inf"})
    desk.deliver()
    assert len(receiver.requests) == EVENTS
    assert desk.client.zcard(desk.keys.partition(0).due) == 0


def test_what_was_sent_is_recorded_though_one_record_cannot_be(desk: Desk, receiver: Receiver) -> None:
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(500), answer(200)))
    desk.announce(20)
    for number in range(20):
        if number % 7 == 0:
            replace_by_text(
                desk.client,
                desk.keys.partition(number % 4).attempts(message_id(f"e-{number}", webhook.id)),
            )
    desk.deliver_until(desk.settled(webhook, 20))
    desk.deliver()
    assert len(receiver.requests) == 21
    assert {one["status"] for one in desk.log(webhook)} == {"delivered"}


WEBHOOKS = {
    "no JSON": b"hello",
    "no object": b"[]",
    "too little": b'{"id": "note"}',
    "no text": b"\xff",
}


@pytest.mark.parametrize("stored", WEBHOOKS.values(), ids=WEBHOOKS)
def test_what_is_no_subscription_stops_no_webhook(
    stored: bytes, desk: Desk, receiver: Receiver, capfd: pytest.CaptureFixture[str]
) -> None:
    webhook, _ = desk.subscribe(receiver.url("/hook"))
    desk.client.hset(desk.keys.webhooks, mapping={"note": stored, b"\xff": stored})
    desk.announce(EVENTS)
    desk.deliver()
    assert len(receiver.requests) == EVENTS
    assert subscriptions.list_all(desk.client, desk.keys) == [webhook]
    assert "".join(capfd.readouterr()).count("webhook_unreadable") == 2, "each is said once"
    with pytest.raises(subscriptions.SubscriptionUnreadable, match="note"):
        subscriptions.get(desk.client, desk.keys, "note")
    subscriptions.remove(desk.client, desk.keys, "note")


def test_what_waits_for_a_webhook_that_became_unreadable_waits_on(
    redis_client: redis.Redis, valkey_url: str, tmp_path: Path, receiver: Receiver
) -> None:
    desk = Desk.open(redis_client, valkey_url, tmp_path, webhook_retry_schedule="1")
    webhook, _ = desk.subscribe(receiver.url("/hook", answer(500), answer(200)))
    desk.announce(1)
    desk.deliver(shift_seconds=0.2)
    sound = desk.client.hget(desk.keys.webhooks, webhook.id)
    desk.client.hset(desk.keys.webhooks, webhook.id, "spoilt")
    desk.deliver(shift_seconds=1.5)
    assert [one["status"] for one in desk.log(webhook)] == ["pending"]
    desk.client.hset(desk.keys.webhooks, webhook.id, sound)
    desk.deliver_until(desk.settled(webhook))
    assert [one["status"] for one in desk.log(webhook)] == ["delivered"]
    assert len(receiver.requests) == 2


def test_a_key_of_all_webhooks_that_is_none_is_named(desk: Desk) -> None:
    replace_by_text(desk.client, desk.keys.webhooks)
    desk.announce(1)
    with pytest.raises(subscriptions.WebhooksUnreadable, match=desk.keys.webhooks):
        desk.deliver()
