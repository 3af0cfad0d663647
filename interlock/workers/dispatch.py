"""From the event log to deliveries: each event, once for each subscription that wants it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from interlock.engine.delivery_log import Delivery
from interlock.engine.signing import message_id
from interlock.engine.subscription import Subscription
from interlock.workers.work import Report

MAX_DELIVERIES = 1000
"""Deliveries in one commit, but for the last event's: the server runs nothing else meanwhile."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Dispatch:
    """What becomes of a batch of events. ``cursor``: id of the last outbox entry that it covers."""

    cursor: str
    events: int
    deliveries: tuple[Delivery, ...]


def plan(
    entries: Sequence[tuple[bytes, dict[bytes, bytes]]],
    subscriptions: Sequence[Subscription],
    *,
    now_ms: int,
    report: Report,
) -> Dispatch:
    """The deliveries of outbox ``entries`` (at least one).

    A repetition after a crash makes the same deliveries, because their ids derive from event and webhook.
    ``report``: is told, once for each, of filters that fail.
    """
    made: list[Delivery] = []
    taken = 0
    cursor = entries[0][0]
    enabled = [one for one in subscriptions if one.enabled]
    for cursor, fields in entries:
        taken += 1
        if enabled:
            made.extend(_of_event(cursor.decode(), fields.get(b"event", b""), enabled, now_ms, report))
        if len(made) >= MAX_DELIVERIES:
            break
    return Dispatch(cursor.decode(), taken, tuple(made))


def read_event(raw: bytes) -> dict[str, Any] | None:
    """The CloudEvent of an outbox entry, with the ``id`` and ``type`` that it needs; None where it is none."""
    try:
        event = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return event if isinstance(event, dict) and "id" in event and "type" in event else None


def delivery_of(event: Mapping[str, Any], entry: str, subscription: Subscription, now_ms: int) -> Delivery:
    """The delivery of an event to an endpoint; always the same one but for ``now_ms``."""
    return Delivery(
        message_id(str(event["id"]), subscription.id),
        subscription.id,
        entry,
        now_ms,
        lane=_lane(event) if subscription.ordered else "",
    )


def _of_event(
    entry: str, raw: bytes, subscriptions: Sequence[Subscription], now_ms: int, report: Report
) -> list[Delivery]:
    event = read_event(raw)
    if event is None:
        _log.error("event_unreadable", entry=entry)
        return []
    announced_ms = int(entry.partition("-")[0])
    return [
        delivery_of(event, entry, one, now_ms)
        for one in subscriptions
        if one.enabled_ms <= announced_ms and one.takes(event, report)
    ]


def _lane(event: Mapping[str, Any]) -> str:
    """``<machine>/<key>`` of the instance that an event is about."""
    return f"{event.get('source', '')}/{event.get('subject', '')}".removeprefix("/interlock/")
