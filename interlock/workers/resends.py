"""What an operator wants sent again, taken up by the process that owns the partition. Pure but for `read`.

Only the owner writes deliveries; the operator's command leaves a wish in the partition (`engine.redelivery`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import redis

from interlock.engine.delivery_log import Delivery, DeliveryStatus
from interlock.engine.fencing import Operation
from interlock.engine.keys import PartitionKeys
from interlock.engine.redelivery import Wish
from interlock.engine.subscription import Subscription
from interlock.engine.webhook_statistics import Tally
from interlock.workers import lanes
from interlock.workers.dispatch import delivery_of, read_event
from interlock.workers.lanes import Heads
from interlock.workers.work import parse

TAKEN = 100
"""Wishes that are fulfilled in one commit."""


@dataclass(frozen=True, slots=True)
class Resend:
    """A delivery that is to be attempted now. ``before``: its status until now, None where it is new."""

    delivery: Delivery
    before: DeliveryStatus | None


@dataclass(frozen=True, slots=True)
class Wishes:
    """The next wishes of a partition: how many list items they take, and what is stored of each."""

    items: int
    found: Sequence[tuple[Wish, Delivery | None, bytes | None]]


def read(client: redis.Redis, keys: PartitionKeys) -> Wishes:
    """The next wishes, with the record and the event of each. Two round trips."""
    raws = cast("list[bytes]", client.lrange(keys.resends, 0, TAKEN - 1))
    wishes = [wish for wish in map(Wish.from_bytes, raws) if wish is not None]
    pipe = client.pipeline(transaction=False)
    for wish in wishes:
        pipe.get(keys.delivery(wish.delivery))
        pipe.xrange(keys.outbox, wish.entry, wish.entry)
    replies = pipe.execute(raise_on_error=False) if wishes else []
    found = []
    for wish, record, entries in zip(wishes, replies[::2], replies[1::2], strict=True):
        stored = parse(record, wish.webhook, wish.delivery.encode()) if isinstance(record, bytes) else None
        event = entries[0][1].get(b"event") if isinstance(entries, list) and entries else None
        if stored is not None or record is None:
            found.append((wish, stored, event))
    return Wishes(len(raws), found)


def wanted(
    wishes: Wishes, known: Collection[str], subscriptions: Mapping[str, Subscription], now_ms: int
) -> list[Resend]:
    """What is to be sent of the wishes. ``known``: deliveries that are being attempted anyway."""
    made: dict[str, Resend] = {}
    for wish, stored, event in wishes.found:
        subscription = subscriptions.get(wish.webhook)
        if subscription is None or not subscription.enabled or event is None or wish.delivery in known:
            continue
        resend = _new(wish, event, subscription, now_ms) if stored is None else _again(stored, wish)
        if resend is not None:
            made.setdefault(wish.delivery, resend)
    return list(made.values())


def _new(wish: Wish, raw: bytes, subscription: Subscription, now_ms: int) -> Resend | None:
    event: dict[str, Any] | None = read_event(raw)
    if event is None:
        return None
    delivery = delivery_of(event, wish.entry, subscription, now_ms)
    return Resend(delivery, None) if delivery.id == wish.delivery else None


def _again(stored: Delivery, wish: Wish) -> Resend | None:
    if wish.only_missed and stored.status in (DeliveryStatus.PENDING, DeliveryStatus.DELIVERED):
        return None
    # Where none of the schedule's attempts was made yet, this is its first: there is nothing to keep.
    free = stored.status is DeliveryStatus.PENDING and not stored.scheduled
    before = stored.resent_from or (None if free else stored.status)
    now = replace(stored, status=DeliveryStatus.PENDING, resent_from=before)
    return Resend(now, stored.status)


def fulfilled(
    keys: PartitionKeys,
    resends: Sequence[Resend],
    heads: Heads,
    known: Collection[str],
    now_ms: int,
) -> list[Operation]:
    """The writes. In a lane, what is finished already goes before all that waits, in the order of the wishes;
    what waits behind another goes on waiting."""
    ops: list[Operation] = []
    tallies: dict[str, Tally] = {}
    ahead: dict[str, list[Delivery]] = {}
    for resend in resends:
        one = resend.delivery
        tallies.setdefault(one.webhook, Tally()).move(resend.before, one.status)
        ops.append(("SET", keys.delivery(one.id), one.to_bytes()))
        ops.append(("?PERSIST", keys.attempts(one.id)))
        if resend.before is None:
            ops.append(("?ZADD", keys.webhook_deliveries(one.webhook), now_ms, one.id))
        if not one.lane or _first(keys, one, heads):
            ops.append(("ZADD", keys.webhook_due(one.webhook), now_ms, one.id))
            ops.append(("ZADD", keys.due, "LT", now_ms, one.webhook))
        elif resend.before is not DeliveryStatus.PENDING:
            ahead.setdefault(lanes.key_of(keys, one), []).append(one)
    for key, ones in ahead.items():
        ops.extend(lanes.go_ahead(keys, key, ones, heads, known, now_ms))
    for webhook, tally in tallies.items():
        ops.extend(tally.ops(keys, webhook))
    return ops


def _first(keys: PartitionKeys, one: Delivery, heads: Heads) -> bool:
    """Whether a delivery is the first of its lane."""
    return heads.first.get(lanes.key_of(keys, one), [])[:1] == [one.id]
