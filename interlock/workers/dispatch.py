"""From the event log to deliveries: each event, once for each subscription that wants it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
import structlog

from interlock.engine.delivery_log import Delivery
from interlock.engine.fencing import Operation
from interlock.engine.keys import PartitionKeys
from interlock.engine.signing import message_id
from interlock.engine.subscriptions import Subscription

MAX_DELIVERIES = 1000
"""Deliveries in one commit, but for the last event's: the server runs nothing else meanwhile."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What becomes of a batch of events. ``cursor``: id of the last outbox entry that it covers."""

    cursor: str
    events: int
    deliveries: tuple[Delivery, ...]
    ops: tuple[Operation, ...]


def plan(
    partition: PartitionKeys,
    entries: Sequence[tuple[bytes, dict[bytes, bytes]]],
    subscriptions: Sequence[Subscription],
    *,
    now_ms: int,
    log_ms: int,
) -> Dispatch:
    """The deliveries of outbox ``entries`` (at least one), and the writes that make them. Pure.

    A repetition after a crash makes the same deliveries, because their ids derive from event and webhook.
    ``log_ms``: deliveries made longer ago than this leave the delivery log, which goes with its last.
    """
    made: list[Delivery] = []
    taken = 0
    cursor = entries[0][0]
    enabled = [one for one in subscriptions if one.enabled]
    for cursor, fields in entries:
        taken += 1
        if enabled:
            made.extend(_of_event(cursor.decode(), fields.get(b"event", b""), enabled, now_ms))
        if len(made) >= MAX_DELIVERIES:
            break
    ops: list[Operation] = [("SET", partition.delivery(one.id), one.to_bytes()) for one in made]
    by_webhook: dict[str, list[str]] = {}
    for one in made:
        by_webhook.setdefault(one.webhook, []).append(one.id)
    for webhook_id, ids in by_webhook.items():
        scored = [word for one in ids for word in (now_ms, one)]
        log = partition.webhook_deliveries(webhook_id)
        ops.append(("ZADD", partition.webhook_due(webhook_id), *scored))
        ops.append(("ZADD", log, *scored))
        ops.append(("ZREMRANGEBYSCORE", log, "-inf", now_ms - log_ms))
        ops.append(
            ("PEXPIRE", log, log_ms)
        )  # when the last has left it: a webhook that is removed leaves nothing
        ops.append(("ZADD", partition.due, "LT", now_ms, webhook_id))
    return Dispatch(cursor.decode(), taken, tuple(made), tuple(ops))


def _of_event(entry: str, raw: bytes, subscriptions: Sequence[Subscription], now_ms: int) -> list[Delivery]:
    try:
        event = orjson.loads(raw)
        event_id, event_type = str(event["id"]), str(event["type"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        _log.error("event_unreadable", entry=entry)
        return []
    announced_ms = int(entry.partition("-")[0])
    return [
        Delivery(message_id(event_id, one.id), one.id, entry, now_ms)
        for one in subscriptions
        if one.enabled_ms <= announced_ms and one.wants(event_type)
    ]
