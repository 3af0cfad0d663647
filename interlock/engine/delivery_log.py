"""Deliveries and their attempts: the records, and the log that an operator reads."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, cast

import orjson
import redis
from pydantic import Field, TypeAdapter

from interlock.engine.errors import InterlockError
from interlock.engine.keys import Keys, PartitionKeys
from interlock.engine.messages import format_time, time_from_ms

MAX_LIMIT = 1000
ENTRY_ID = r"^[0-9]{1,18}-[0-9]{1,18}$"
"""The id of an entry in an outbox."""
_ATTEMPT_FIELDS = {"at", "status", "duration_ms", "error"}


class DeliveryStatus(StrEnum):
    """How one event fares at one endpoint."""

    PENDING = "pending"
    """made -> pending: an attempt is due, running, or waits for its time."""
    DELIVERED = "delivered"
    """pending -> delivered: the endpoint answered 2xx."""
    DEAD = "dead"
    """pending -> dead: the schedule is used up, or nothing can be sent any more; the dead letter."""
    CANCELLED = "cancelled"
    """pending -> cancelled: the webhook was disabled or removed."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint.

    ``id``: also its ``webhook-id``; ``entry``: id of the event's entry in the outbox of its partition,
    which keeps the bytes; ``attempts``: how many were recorded; ``created_ms``: Unix milliseconds.
    ``lane``: the instance whose events are sent one after the other, empty where the order is free.
    ``by_hand``: how many attempts an operator asked for beyond the schedule; ``resent_from``: its status before
    the resend that is under way, None where the next attempt is the schedule's.
    """

    id: str
    webhook: str
    entry: Annotated[str, Field(pattern=ENTRY_ID)]
    created_ms: Annotated[int, Field(ge=0, le=2**53)]
    status: DeliveryStatus = DeliveryStatus.PENDING
    attempts: Annotated[int, Field(ge=0, le=2**31)] = 0
    lane: str = ""
    by_hand: Annotated[int, Field(ge=0, le=2**31)] = 0
    resent_from: DeliveryStatus | None = None

    @property
    def scheduled(self) -> int:
        """The attempts made that count against the schedule."""
        return self.attempts - self.by_hand

    def to_bytes(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Delivery:
        """Raises ValueError where it is no delivery; its text repeats what was read."""
        return _STORED.validate_json(raw, strict=True)


_STORED = TypeAdapter(Delivery)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try. ``at_ms``: Unix milliseconds of its beginning; ``status``: the HTTP status, None without an
    answer; ``error``: a sentence, None where it succeeded; ``retry_after_seconds``: the endpoint's wish;
    ``answer_headers``: names in lower case, for the profile that judges, never stored; ``reply``: how the answer's
    body begins, as text."""

    at_ms: int
    status: int | None
    duration_ms: int
    error: str | None
    retry_after_seconds: float | None = None
    answer_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    reply: str = ""

    @property
    def succeeded(self) -> bool:
        return self.error is None

    def shown(self) -> dict[str, Any]:
        """``{"at", "status", "duration_ms", "error"}``, and ``reply`` where the answer had a body."""
        fields = {
            "at": format_time(time_from_ms(self.at_ms)),
            "status": self.status,
            "duration_ms": self.duration_ms,
            "error": self.error,
        }
        return fields | {"reply": self.reply} if self.reply else fields


class CursorInvalid(InterlockError):
    """This cursor is none of ours: begin again without one."""


def deliveries(
    client: redis.Redis,
    keys: Keys,
    webhook_id: str,
    limit: int = 50,
    cursor: str | None = None,
    status: DeliveryStatus | None = None,
) -> dict[str, Any]:
    """A page of a webhook's delivery log, newest first, over all partitions.

    ``{"deliveries": [{"id", "event_id", "status", "attempts": [{"at", "status", "duration_ms", "error"}]}],
    "next"}``; ``event_id`` is the ``webhook-id``; an attempt has ``reply`` where the answer had a body; ``next``
    is None on the last page. ``status``: only deliveries that have it. Raises CursorInvalid.
    """
    limit = max(1, min(limit, MAX_LIMIT))
    before = _parse_cursor(cursor) if cursor is not None else None
    shown: list[dict[str, Any]] = []
    while True:
        found = _newest(client, keys, webhook_id, limit + 1, before)
        for place, one in zip(found, _read(client, found[:limit]), strict=False):
            if len(shown) == limit:
                return {"deliveries": shown, "next": _format_cursor(before)}
            before = place[:2]
            if one is not None and (status is None or one["status"] == status.value):
                shown.append(one)
        more = len(found) > limit
        if not more or status is None:
            return {"deliveries": shown, "next": _format_cursor(before) if more else None}


def all_ids(
    client: redis.Redis, partition: PartitionKeys, webhook_id: str, count: int
) -> Iterator[list[str]]:
    """The ids in a partition's part of a webhook's log, by creation, so many at a time."""
    start = 0
    while True:
        try:
            ids = cast(
                "list[bytes]",
                client.zrange(partition.webhook_deliveries(webhook_id), start, start + count - 1),
            )
        except redis.ResponseError:
            return  # somebody else's key under our name
        if ids:
            yield [one.decode(errors="replace") for one in ids]
        if len(ids) < count:
            return
        start += count


def _read(client: redis.Redis, page: Sequence[_Place]) -> list[dict[str, Any] | None]:
    pipe = client.pipeline(transaction=False)
    for _, delivery_id, partition in page:
        pipe.get(partition.delivery(delivery_id))
        pipe.lrange(partition.attempts(delivery_id), 0, -1)
    replies = pipe.execute(raise_on_error=False) if page else []
    return [_shown(record, attempts) for record, attempts in zip(replies[::2], replies[1::2], strict=True)]


_Place = tuple[int, str, PartitionKeys]


def _newest(
    client: redis.Redis, keys: Keys, webhook_id: str, count: int, before: tuple[int, str] | None
) -> list[_Place]:
    """The ``count`` newest deliveries behind the cursor, ordered by time and id, both descending."""
    partitions = [keys.partition(number) for number in range(keys.partitions)]
    highest: float | str = "+inf" if before is None else before[0]
    ties = [0] * len(partitions)
    if before is not None:
        pipe = client.pipeline(transaction=False)
        for partition in partitions:
            pipe.zcount(partition.webhook_deliveries(webhook_id), before[0], before[0])
        ties = [tied if isinstance(tied, int) else 0 for tied in pipe.execute(raise_on_error=False)]
    pipe = client.pipeline(transaction=False)
    for partition, tied in zip(partitions, ties, strict=True):
        pipe.zrevrangebyscore(
            partition.webhook_deliveries(webhook_id),
            highest,
            "-inf",
            start=0,
            num=count + tied,
            withscores=True,
        )
    found: list[_Place] = [
        (int(score), member.decode(errors="replace"), partition)
        for partition, rows in zip(partitions, pipe.execute(raise_on_error=False), strict=True)
        if not isinstance(rows, redis.ResponseError)  # somebody else's key under our name
        for member, score in rows
        if math.isfinite(score)
    ]
    if before is not None:
        found = [place for place in found if place[:2] < before]
    found.sort(key=lambda place: place[:2], reverse=True)
    return found[:count]


def _shown(raw: Any, attempts: Any) -> dict[str, Any] | None:
    """A delivery as the log shows it, or None where its record is gone or none of ours."""
    try:
        delivery = Delivery.from_bytes(raw)
    except ValueError:
        return None
    return {
        "id": delivery.id,
        "event_id": delivery.id,
        "status": delivery.status.value,
        "attempts": [one for one in map(_attempt, attempts) if one] if isinstance(attempts, list) else [],
    }


def _attempt(raw: bytes) -> dict[str, Any] | None:
    try:
        fields = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) and fields.keys() >= _ATTEMPT_FIELDS else None


def _format_cursor(place: tuple[int, str] | None) -> str | None:
    if place is None:
        return None
    return base64.urlsafe_b64encode(f"{place[0]}:{place[1]}".encode()).decode().rstrip("=")


def _parse_cursor(text: str) -> tuple[int, str]:
    try:
        created, _, delivery_id = (
            base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().partition(":")
        )
        return int(created), delivery_id
    except (binascii.Error, ValueError):
        raise CursorInvalid(f"{text!r} is no cursor of the delivery log: begin again without one") from None
