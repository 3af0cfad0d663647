"""What a commit writes of deliveries: made, attempted, finished. Pure: operations out, nothing done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from interlock.engine.delivery_log import Attempt, Delivery, DeliveryStatus
from interlock.engine.fencing import Operation
from interlock.engine.keys import PartitionKeys
from interlock.engine.webhook_statistics import Tally
from interlock.workers import lanes
from interlock.workers.lanes import Heads


@dataclass(frozen=True, slots=True)
class Outcome:
    """An attempt that was made, and the delivery after it. ``next_ms``: of the next attempt, if any."""

    partition: int
    token: int
    delivery: Delivery
    attempt: Attempt
    next_ms: int | None


def made(
    keys: PartitionKeys, deliveries: Sequence[Delivery], heads: Heads, now_ms: int, log_ms: int
) -> list[Operation]:
    """New deliveries. Those of longer ago than ``log_ms`` leave the delivery log, which goes with its last."""
    ops: list[Operation] = [("SET", keys.delivery(one.id), one.to_bytes()) for one in deliveries]
    for webhook, ones in _by_webhook(deliveries).items():
        log = keys.webhook_deliveries(webhook)
        ops.append(("ZADD", log, *(word for one in ones for word in (now_ms, one.id))))
        ops.append(("ZREMRANGEBYSCORE", log, "-inf", now_ms - log_ms))
        # When the last has left it: a webhook that is removed leaves nothing.
        ops.append(("PEXPIRE", log, log_ms))
        tally = Tally()
        for one in ones:
            tally.move(None, one.status)
        ops.extend(tally.ops(keys, webhook))
        free = [word for one in ones if not one.lane for word in (now_ms, one.id)]
        if free:
            ops.append(("ZADD", keys.webhook_due(webhook), *free))
        ops.extend(lanes.join(keys, [one for one in ones if one.lane], heads, now_ms))
        ops.append(("ZADD", keys.due, "LT", now_ms, webhook))
    return ops


def attempted(
    keys: PartitionKeys, outcomes: Sequence[Outcome], heads: Heads, now_ms: int, log_ms: int
) -> list[Operation]:
    """Attempts that were made, and what they make of their deliveries."""
    ops: list[Operation] = []
    tallies: dict[str, Tally] = {}
    for outcome in outcomes:
        delivery, attempt = outcome.delivery, outcome.attempt
        tally = tallies.setdefault(delivery.webhook, Tally())
        tally.attempt(attempt.at_ms, succeeded=attempt.succeeded)
        ops.append(("RPUSH", keys.attempts(delivery.id), orjson.dumps(attempt.shown())))
        if outcome.next_ms is None:
            tally.move(DeliveryStatus.PENDING, delivery.status)
            ops.extend(_finished(keys, delivery, heads, now_ms, log_ms))
        else:
            ops.append(("SET", keys.delivery(delivery.id), delivery.to_bytes()))
            ops.append(("ZADD", keys.webhook_due(delivery.webhook), outcome.next_ms, delivery.id))
            ops.append(("ZADD", keys.due, "LT", outcome.next_ms, delivery.webhook))
    for webhook, tally in tallies.items():
        ops.extend(tally.ops(keys, webhook))
    return ops


def cancelled(
    keys: PartitionKeys, deliveries: Sequence[Delivery], heads: Heads, now_ms: int, log_ms: int
) -> list[Operation]:
    """Deliveries of one webhook that are not to be sent; ``deliveries`` have that status already."""
    ops: list[Operation] = []
    tally = Tally()
    for one in deliveries:
        tally.move(DeliveryStatus.PENDING, one.status)
        ops.extend(_finished(keys, one, heads, now_ms, log_ms))
    return [*ops, *tally.ops(keys, deliveries[0].webhook)] if deliveries else ops


def _finished(
    keys: PartitionKeys, delivery: Delivery, heads: Heads, now_ms: int, log_ms: int
) -> list[Operation]:
    ops: list[Operation] = [
        ("ZREM", keys.webhook_due(delivery.webhook), delivery.id),
        ("SET", keys.delivery(delivery.id), delivery.to_bytes(), "PX", log_ms),
        ("PEXPIRE", keys.attempts(delivery.id), log_ms),
    ]
    if delivery.lane:
        ops.extend(lanes.leave(keys, delivery, heads, now_ms))
    return ops


def _by_webhook(deliveries: Iterable[Delivery]) -> dict[str, list[Delivery]]:
    found: dict[str, list[Delivery]] = {}
    for one in deliveries:
        found.setdefault(one.webhook, []).append(one)
    return found
