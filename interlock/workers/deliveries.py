"""The Redis half of delivery: what is due, and what came of it. Blocking; one thread at a time.

All writes go through `fencing.apply`, so that a process that lost its lease records nothing: the new owner
makes the attempt again, under the same ``webhook-id``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import orjson
import redis
import structlog

from interlock.engine import fencing
from interlock.engine.delivery_log import Attempt, Delivery, DeliveryStatus
from interlock.engine.errors import LeaseLost
from interlock.engine.fencing import Lease, Operation
from interlock.engine.keys import Keys, PartitionKeys
from interlock.engine.settings import Settings
from interlock.engine.subscriptions import Subscription
from interlock.workers import dispatch
from interlock.workers.work import Faults, Place, Work, look, parse, read_cursor, score_ms, text

DISPATCH_EVENTS = 200
CANCEL_BATCH = 500

_log = structlog.get_logger()


@dataclass(slots=True)
class Held:
    """A partition whose deliveries are ours for now. ``dispatched``: its cursor in the outbox, empty where
    there is none yet, None where it is unreadable."""

    keys: PartitionKeys
    lease: Lease
    dispatched: str | None


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery whose time has come. ``token``: of the lease under which it was read; ``body``: the
    event's bytes as they stand in the outbox."""

    partition: int
    token: int
    delivery: Delivery
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """An attempt that was made, and the delivery after it. ``next_ms``: of the next attempt, if any."""

    partition: int
    token: int
    delivery: Delivery
    attempt: Attempt
    next_ms: int | None


class Deliveries:
    """The deliveries of the partitions that this process owns."""

    def __init__(self, client: redis.Redis, keys: Keys, settings: Settings) -> None:
        self._client = client
        self._keys = keys
        self._lease_ms = int(settings.lease_seconds * 1000)
        self._log_ms = int(settings.webhook_log_seconds * 1000)
        self._renewed = time.monotonic()
        self._faults = Faults()
        self._aside: set[int] = set()
        self.held: dict[int, Held] = {}

    def look(self) -> dict[int, Work]:
        """What there is to do in every partition, ours or not. One round trip."""
        return look(self._client, self._keys, self._faults.report)

    def take(self, number: int) -> bool:
        """Own the deliveries of a partition, if nobody else does."""
        keys = self._keys.partition(number)
        if number in self._aside:
            return False
        with self._apart(number):
            lease = fencing.acquire(self._client, keys.deliver_lease, keys.meta, self._lease_ms)
            if lease is None:
                return False
            # Read again under the lease: the former owner may have moved the cursor since `look`.
            cursor = cast(bytes | None, self._client.hget(keys.meta, "dispatched"))
            self.held[number] = Held(keys, lease, read_cursor(cursor))
        return number in self.held

    def owns(self, number: int, token: int) -> bool:
        """Whether the lease with this token is still ours, as far as we know."""
        held = self.held.get(number)
        return held is not None and held.lease.token == token

    def renew(self) -> None:
        """Hold the leases on; due every third of their lifetime."""
        if (time.monotonic() - self._renewed) * 3000 < self._lease_ms:
            return
        self._renewed = time.monotonic()
        for number, held in list(self.held.items()):
            with self._apart(number):
                if not fencing.renew(self._client, held.lease, self._lease_ms):
                    self._lose(number)

    def release(self) -> None:
        """Give every partition back."""
        for number, held in list(self.held.items()):
            with self._apart(number):
                fencing.release(self._client, held.lease)
        self.held.clear()

    def dispatch(self, number: int, subscriptions: Callable[[], Sequence[Subscription]], now_ms: int) -> int:
        """Make deliveries of the next events of the outbox; how many events.

        ``subscriptions`` is asked after the events are read, so that it knows every webhook that was added
        before one of them: an older list would pass them by for good.
        """
        held = self.held[number]
        if held.dispatched is None:
            return 0
        start = f"({held.dispatched}" if held.dispatched else "-"
        entries: list[tuple[bytes, dict[bytes, bytes]]] = []
        with self._apart(number):
            entries = cast(Any, self._client.xrange(held.keys.outbox, min=start, count=DISPATCH_EVENTS))
        if not entries:
            return 0
        made = dispatch.plan(held.keys, entries, subscriptions(), now_ms=now_ms, log_ms=self._log_ms)
        if not self._apply(number, made.ops, cursor=("dispatched", held.dispatched, made.cursor)):
            return 0
        held.dispatched = made.cursor
        return made.events

    def due(self, wanted: dict[tuple[int, str], int], known: Collection[str], now_ms: int) -> list[Due]:
        """Deliveries whose time has come: for each ``(partition, webhook)`` so many, less the ``known``."""
        places = [(number, webhook) for number, webhook in wanted if number in self.held]
        pipe = self._client.pipeline(transaction=False)
        for number, webhook in places:
            key = self.held[number].keys.webhook_due(webhook)
            pipe.zrangebyscore(key, "-inf", now_ms, start=0, num=wanted[number, webhook])
            pipe.zrange(key, 0, 0, withscores=True)
        replies = pipe.execute(raise_on_error=False) if places else []
        ids: list[Place] = []
        for (number, webhook), found, head in zip(places, replies[::2], replies[1::2], strict=True):
            if isinstance(found, Exception) or isinstance(head, Exception):
                self._foreign(self._keys.partition(number).webhook_due(webhook))
                found = head = []
            if not found:
                self._set_earliest(number, webhook, score_ms(head[0][1]) if head else None)
            ids.extend((number, webhook, one) for one in found if text(one) not in known)
        return self._read(ids)

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Write down attempts that were made, one commit a partition."""
        by_partition: dict[int, list[Operation]] = {}
        for outcome in outcomes:
            if self.owns(outcome.partition, outcome.token):
                by_partition.setdefault(outcome.partition, []).extend(self._recorded(outcome))
        for number, ops in by_partition.items():
            self._apply(number, ops)

    def cancel(self, number: int, webhook: str, known: Collection[str]) -> int:
        """Cancel what is pending for a webhook that is gone, but for the ``known``; how many."""
        held = self.held[number]
        due_key = held.keys.webhook_due(webhook)
        found: list[bytes] = []
        try:
            found = cast(Any, self._client.zrange(due_key, 0, CANCEL_BATCH + len(known)))
        except redis.ResponseError:
            self._foreign(due_key)
        ids = [one for one in found if text(one) not in known][:CANCEL_BATCH]
        raws = cast(Any, self._client.mget([held.keys.delivery(text(one)) for one in ids])) if ids else []
        ops: list[Operation] = []
        for member, raw in zip(ids, raws, strict=True):
            ops.append(("ZREM", due_key, member))
            delivery = parse(raw, webhook, member)
            if delivery is not None:
                ops.extend(self._finished(held.keys, replace(delivery, status=DeliveryStatus.CANCELLED)))
        if len(ids) == len(found):
            ops.append(("ZREM", held.keys.due, webhook))
        return len(ids) if ops and self._apply(number, ops) else 0

    def _recorded(self, outcome: Outcome) -> list[Operation]:
        keys, delivery = self.held[outcome.partition].keys, outcome.delivery
        due_key = keys.webhook_due(delivery.webhook)
        ops: list[Operation] = [("RPUSH", keys.attempts(delivery.id), orjson.dumps(outcome.attempt.shown()))]
        if outcome.next_ms is None:
            return [*ops, ("ZREM", due_key, delivery.id), *self._finished(keys, delivery)]
        return [
            *ops,
            ("SET", keys.delivery(delivery.id), delivery.to_bytes()),
            ("ZADD", due_key, outcome.next_ms, delivery.id),
            ("ZADD", keys.due, "LT", outcome.next_ms, delivery.webhook),
        ]

    def _finished(self, keys: PartitionKeys, delivery: Delivery) -> list[Operation]:
        return [
            ("SET", keys.delivery(delivery.id), delivery.to_bytes(), "PX", self._log_ms),
            ("PEXPIRE", keys.attempts(delivery.id), self._log_ms),
        ]

    def _read(self, ids: Sequence[Place]) -> list[Due]:
        """The records and the events of deliveries. Two round trips."""
        records = self._fetch(
            lambda pipe, place: pipe.get(self._keys.partition(place[0]).delivery(text(place[2]))), ids
        )
        sound: list[tuple[int, Delivery]] = []
        for (number, webhook, member), raw in zip(ids, records, strict=True):
            delivery = parse(raw, webhook, member)
            if delivery is None:
                self._drop(number, webhook, member, missing=raw is None)
            else:
                sound.append((number, delivery))
        events = self._fetch(
            lambda pipe, one: pipe.xrange(self._keys.partition(one[0]).outbox, one[1].entry, one[1].entry),
            sound,
        )
        due: list[Due] = []
        for (number, delivery), entry in zip(sound, events, strict=True):
            held = self.held.get(number)
            if held is None:
                continue
            if isinstance(entry, Exception):
                self._foreign(held.keys.outbox)
            elif entry and b"event" in entry[0][1]:
                due.append(Due(number, held.lease.token, delivery, entry[0][1][b"event"]))
            else:
                self._bury(number, held.lease.token, delivery)
        return due

    def _fetch(self, ask: Callable[[Any, Any], Any], places: Sequence[Any]) -> list[Any]:
        """A reply for each place; an exception where the key holds another type."""
        if not places:
            return []
        pipe = self._client.pipeline(transaction=False)
        for place in places:
            ask(pipe, place)
        return pipe.execute(raise_on_error=False)

    def _drop(self, number: int, webhook: str, member: bytes, *, missing: bool) -> None:
        """Try no more what is no delivery."""
        keys = self._keys.partition(number)
        event = "delivery_missing" if missing else "delivery_unreadable"
        _log.error(event, key=keys.delivery(text(member)), delivery=text(member), webhook=webhook)
        self._apply(number, [("ZREM", keys.webhook_due(webhook), member)])

    def _bury(self, number: int, token: int, delivery: Delivery) -> None:
        """Nothing can be sent any more: the outbox was trimmed behind our back."""
        attempt = Attempt(int(time.time() * 1000), None, 0, "the event is no longer in the event log")
        dead = replace(delivery, status=DeliveryStatus.DEAD)
        _log.error("event_missing", delivery=delivery.id, webhook=delivery.webhook)
        self.record([Outcome(number, token, dead, attempt, None)])

    def _set_earliest(self, number: int, webhook: str, due_ms: int | None) -> None:
        """Correct the partition's index after a webhook's earliest delivery was dealt with."""
        due_key = self._keys.partition(number).due
        op: Operation = ("ZREM", due_key, webhook) if due_ms is None else ("ZADD", due_key, due_ms, webhook)
        self._apply(number, [op])

    def _apply(
        self, number: int, ops: Sequence[Operation], cursor: tuple[str, str, str] | None = None
    ) -> bool:
        """Commit, without what concerns keys of a foreign type. Whether it was committed."""
        held = self.held.get(number)
        if held is None:
            return False
        with self._apart(number):
            try:
                while (foreign := self._commit(held, ops, cursor)) is not None:
                    self._foreign(foreign)
                    if cursor is not None and foreign == held.keys.due:
                        return False  # it would be forgotten what is due: the events wait
                    ops = [op for op in ops if op[1] != foreign]
            except LeaseLost:
                self._lose(number)
        return number in self.held

    def _commit(
        self, held: Held, ops: Sequence[Operation], cursor: tuple[str, str, str] | None
    ) -> str | None:
        """None, or a key that holds a foreign type: nothing is written then."""
        try:
            fencing.apply(
                self._client, held.lease, self._lease_ms, meta_key=held.keys.meta, cursor=cursor, ops=ops
            )
        except fencing.ForeignData as error:
            if all(op[1] != error.key for op in ops):
                raise
            return error.key
        return None

    def _foreign(self, key: str) -> None:
        self._faults.report("foreign_data", key=key)

    @contextmanager
    def _apart(self, number: int) -> Iterator[None]:
        """What is wrong with the partition's own keys sets it aside for this shift, and no other."""
        try:
            yield
        except (redis.ResponseError, fencing.ForeignData) as error:
            self._faults.report("partition_set_aside", partition=number, error=str(error))
            self._aside.add(number)
            self.held.pop(number, None)

    def _lose(self, number: int) -> None:
        _log.warning("delivery_lease_lost", partition=number)
        self.held.pop(number, None)
