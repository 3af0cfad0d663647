"""Sending again: which deliveries an operator means, and the wish that is left for the delivery processes.

Only the process that owns a partition writes its deliveries, so here is read only, and a wish put into the
partition's list; it is fulfilled within a second or two.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, cast

import orjson
import redis
from pydantic import Field, TypeAdapter

from interlock.engine import webhook_health
from interlock.engine.delivery_log import ENTRY_ID, Delivery, DeliveryStatus, all_ids
from interlock.engine.errors import InterlockError
from interlock.engine.event_filters import matches
from interlock.engine.expressions import EvaluationError, ExpressionError
from interlock.engine.keys import Keys, PartitionKeys
from interlock.engine.messages import time_to_ms
from interlock.engine.settings import Settings
from interlock.engine.signing import message_id
from interlock.engine.subscription import Subscription

MISSED = (DeliveryStatus.DEAD, DeliveryStatus.CANCELLED)
_READ = 500


class RedeliveryRefused(InterlockError):
    """This cannot be sent again. The message says what to do."""


class DeliveryNotFound(InterlockError):
    """No delivery of this webhook has the id: `interlock webhook deliveries` shows them."""

    def __init__(self, webhook_id: str, delivery_id: str) -> None:
        super().__init__(
            f"webhook {webhook_id} has no delivery {delivery_id!r}: `interlock webhook deliveries` shows them"
        )


@dataclass(frozen=True, slots=True)
class Wish:
    """One delivery to be sent again. ``entry``: of its event in the outbox; ``only_missed``: not where it is
    pending or delivered by then."""

    webhook: str
    delivery: str
    entry: Annotated[str, Field(pattern=ENTRY_ID)]
    only_missed: bool = False

    def to_bytes(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Wish | None:
        """None where it is none."""
        try:
            return _STORED.validate_json(raw, strict=True)
        except ValueError:
            return None


_STORED = TypeAdapter(Wish)


def resend_one(client: redis.Redis, keys: Keys, webhook: Subscription, delivery_id: str) -> int:
    """Attempt one delivery now, whatever its status; a pending attempt of its own is not made any more.

    Returns 1. Raises RedeliveryRefused, DeliveryNotFound.
    """
    _check_enabled(webhook)
    if not delivery_id.isascii():  # not even a key can be made of some
        raise DeliveryNotFound(webhook.id, delivery_id)
    pipe = client.pipeline(transaction=False)
    for number in range(keys.partitions):
        pipe.get(keys.partition(number).delivery(delivery_id))
    for number, raw in enumerate(pipe.execute(raise_on_error=False)):
        delivery = _parse(raw, webhook.id)
        if delivery is not None:
            _leave(client, keys, webhook.id, {number: [Wish(webhook.id, delivery.id, delivery.entry)]})
            return 1
    raise DeliveryNotFound(webhook.id, delivery_id)


def resend_by_status(
    client: redis.Redis,
    keys: Keys,
    webhook: Subscription,
    statuses: Collection[DeliveryStatus] = MISSED,
    types: Sequence[str] = (),
) -> int:
    """Attempt all deliveries in the log that have one of the statuses and, where ``types`` are given, whose
    event's type one of them takes; returns how many. Raises RedeliveryRefused."""
    _check_enabled(webhook)
    wishes: dict[int, list[Wish]] = {}
    for number in range(keys.partitions):
        partition = keys.partition(number)
        found = [
            one
            for one in _logged(client, partition, webhook.id)
            if one.status in statuses and _of_type(client, partition, one, types)
        ]
        found.sort(key=lambda one: _order(one.entry))
        wishes[number] = [Wish(webhook.id, one.id, one.entry) for one in found]
    return _leave(client, keys, webhook.id, wishes)


def resend_missed(
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
    webhook: Subscription,
    since: datetime,
    until: datetime | None = None,
    types: Sequence[str] = (),
) -> int:
    """Deliver what the webhook missed of the events announced from ``since`` until before ``until``: those whose
    delivery is dead or cancelled, and those for which none was made because it was disabled. Returns how many.

    Raises RedeliveryRefused where the window reaches behind the delivery log: what was delivered then is not
    known any more.
    """
    _check_enabled(webhook)
    since_ms = _window_start(client, settings, webhook, since)
    end = f"({time_to_ms(until)}-0" if until is not None else "+"
    wishes: dict[int, list[Wish]] = {}
    for number in range(keys.partitions):
        partition = keys.partition(number)
        dispatched = cast("bytes | None", client.hget(partition.meta, "dispatched"))
        if dispatched:
            last = dispatched.decode(errors="replace")
            wishes[number] = list(_missed(client, partition, webhook, f"{since_ms}-0", end, last, types))
    return _leave(client, keys, webhook.id, wishes)


def _window_start(client: redis.Redis, settings: Settings, webhook: Subscription, since: datetime) -> int:
    """Unix milliseconds. Nothing from before the subscription counts as missed."""
    since_ms = max(time_to_ms(since), webhook.created_ms)
    seconds, _ = client.time()
    oldest_ms = int((seconds - settings.webhook_log_seconds) * 1000)
    if since_ms < oldest_ms:
        days = settings.webhook_log_seconds / 86_400
        raise RedeliveryRefused(
            f"the delivery log goes back {days:g} days, so what arrived before is not known any more: "
            "begin the window later"
        )
    return since_ms


def _missed(
    client: redis.Redis,
    partition: PartitionKeys,
    webhook: Subscription,
    start: str,
    end: str,
    dispatched: str,
    types: Sequence[str],
) -> Iterator[Wish]:
    while True:
        entries = cast(Any, client.xrange(partition.outbox, min=start, max=end, count=_READ))
        wished: list[Wish] = []
        for entry, fields in entries:
            name = entry.decode()
            event_id = _wanted(fields.get(b"event", b""), webhook, types)
            if event_id is not None and _order(name) <= _order(dispatched):
                wished.append(Wish(webhook.id, message_id(event_id, webhook.id), name, only_missed=True))
        raws = client.mget([partition.delivery(one.delivery) for one in wished]) if wished else []
        for wish, raw in zip(wished, cast("list[bytes | None]", raws), strict=True):
            stored = _parse(raw, webhook.id)
            if raw is None or (stored is not None and stored.status in MISSED):
                yield wish
        if len(entries) < _READ:
            return
        start = f"({entries[-1][0].decode()}"


def _wanted(raw: bytes, webhook: Subscription, types: Sequence[str]) -> str | None:
    """The id of an event that the webhook wants; None of any other."""
    try:
        event = orjson.loads(raw)
        wanted = webhook.filter.wants(event) and _any(types, str(event["type"]))
        return str(event["id"]) if wanted else None
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError, EvaluationError, ExpressionError):
        return None


def _any(types: Sequence[str], event_type: str) -> bool:
    return not types or any(matches(one, event_type) for one in types)


def _logged(client: redis.Redis, partition: PartitionKeys, webhook_id: str) -> Iterator[Delivery]:
    for ids in all_ids(client, partition, webhook_id, _READ):
        raws = cast("list[bytes | None]", client.mget([partition.delivery(one) for one in ids]))
        yield from (one for raw in raws if (one := _parse(raw, webhook_id)) is not None)


def _of_type(client: redis.Redis, partition: PartitionKeys, one: Delivery, types: Sequence[str]) -> bool:
    if not types:
        return True
    entries = cast(Any, client.xrange(partition.outbox, one.entry, one.entry))
    try:
        return _any(types, str(orjson.loads(entries[0][1][b"event"])["type"]))
    except (IndexError, KeyError, TypeError, orjson.JSONDecodeError):
        return False


def _parse(raw: object, webhook_id: str) -> Delivery | None:
    if not isinstance(raw, bytes):
        return None
    try:
        delivery = Delivery.from_bytes(raw)
    except ValueError:
        return None
    return delivery if delivery.webhook == webhook_id else None


def _order(entry: str) -> tuple[int, int]:
    """Where an outbox entry stands; before all where it is none."""
    milliseconds, _, number = entry.partition("-")
    return (int(milliseconds), int(number)) if milliseconds.isdigit() and number.isdigit() else (-1, -1)


def _check_enabled(webhook: Subscription) -> None:
    if not webhook.enabled:
        raise RedeliveryRefused(
            f"webhook {webhook.id} is disabled ({webhook.disabled_reason}): "
            f"`interlock webhook enable {webhook.id}` first"
        )


def _leave(client: redis.Redis, keys: Keys, webhook_id: str, wishes: dict[int, list[Wish]]) -> int:
    """Put the wishes where the owners of the partitions find them, and have these woken."""
    # The breaker is tried at once: whoever sends again believes that the endpoint works.
    webhook_health.forget(client, keys, webhook_id)
    count = 0
    for number, ones in wishes.items():
        partition = keys.partition(number)
        for start in range(0, len(ones), _READ):
            part = ones[start : start + _READ]
            pipe = client.pipeline(transaction=True)
            pipe.rpush(partition.resends, *(one.to_bytes() for one in part))
            pipe.zadd(partition.due, {webhook_id: 0})
            pipe.execute()
            count += len(part)
    return count
