"""The Redis half of delivery: what is due, and what came of it. Blocking; one thread at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import redis
import structlog

from interlock.engine.delivery_log import Attempt, Delivery, DeliveryStatus
from interlock.engine.fencing import Operation
from interlock.engine.keys import Keys, PartitionKeys
from interlock.engine.settings import Settings
from interlock.engine.subscription import Subscription
from interlock.engine.webhook_statistics import Tally
from interlock.workers import dispatch, lanes, recording, resends
from interlock.workers.holdings import Holdings
from interlock.workers.lanes import CANCEL_FROM_LANE, Heads
from interlock.workers.recording import Outcome
from interlock.workers.work import Place, parse, score_ms, text

DISPATCH_EVENTS = 200
CANCEL_BATCH = 500

_log = structlog.get_logger()
_failing_filters: set[str] = set()


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery whose time has come. ``token``: of the lease under which it was read; ``body``: the
    event's bytes as they stand in the outbox."""

    partition: int
    token: int
    delivery: Delivery
    body: bytes


class Deliveries(Holdings):
    """The deliveries of the partitions that this process owns."""

    def __init__(self, client: redis.Redis, keys: Keys, settings: Settings) -> None:
        super().__init__(client, keys, int(settings.lease_seconds * 1000))
        self._log_ms = int(settings.webhook_log_seconds * 1000)

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
        plan = dispatch.plan(entries, subscriptions(), now_ms=now_ms, report=_report_filter)
        heads = self._heads(held.keys, plan.deliveries)
        made = [self._without_foreign_lane(held.keys, one, heads) for one in plan.deliveries]
        ops = recording.made(held.keys, made, heads, now_ms, self._log_ms)
        if not self._apply(number, ops, cursor=("dispatched", held.dispatched, plan.cursor)):
            return 0
        held.dispatched = plan.cursor
        return plan.events

    def due(self, wanted: Mapping[tuple[int, str], int], known: Collection[str], now_ms: int) -> list[Due]:
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
                self.set_earliest(number, webhook, score_ms(head[0][1]) if head else None)
            ids.extend((number, webhook, one) for one in found if text(one) not in known)
        return self._read(ids)

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Write down attempts that were made, one commit a partition."""
        by_partition: dict[int, list[Outcome]] = {}
        for outcome in outcomes:
            if self.owns(outcome.partition, outcome.token):
                by_partition.setdefault(outcome.partition, []).append(outcome)
        now_ms = int(time.time() * 1000)
        for number, ones in by_partition.items():
            keys = self._keys.partition(number)
            heads = self._heads(keys, (one.delivery for one in ones if one.next_ms is None))
            self._apply(number, recording.attempted(keys, ones, heads, now_ms, self._log_ms))

    def resend(
        self,
        number: int,
        known: Collection[str],
        subscriptions: Callable[[], Iterable[Subscription]],
        now_ms: int,
    ) -> int:
        """Take up what operators want sent again; how many wishes were taken.

        ``subscriptions`` reads them as they are; it is called after the wishes were read, for a webhook may have
        been enabled just before somebody wished.
        """
        keys = self.held[number].keys
        try:
            wishes = resends.read(self._client, keys)
        except redis.ResponseError:
            self._foreign(keys.resends)
            return 0
        found = resends.wanted(wishes, known, {one.id: one for one in subscriptions()}, now_ms)
        heads = self._heads(keys, (one.delivery for one in found))
        ops = resends.fulfilled(keys, found, heads, known, now_ms)
        done = self._apply(number, [*ops, ("LTRIM", keys.resends, wishes.items, -1)])
        return wishes.items if done else 0

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
        first = [one for one in self._records(held.keys, webhook, ids) if one is not None]
        heads = self._heads(held.keys, first, CANCEL_FROM_LANE + 1)
        behind = [
            one.encode()
            for lane in heads.first.values()
            for one in lane[1:CANCEL_FROM_LANE]
            if one not in known
        ]
        others = [one for one in self._records(held.keys, webhook, behind) if one is not None]
        cancelled = [replace(one, status=DeliveryStatus.CANCELLED) for one in (*first, *others)]
        gone = {one.id for one in cancelled}
        # All of these leave at once, so the next of each lane is the first that stays.
        heads = Heads(
            {key: [one for one in lane if one not in gone] for key, lane in heads.first.items()},
            heads.foreign,
        )
        ops: list[Operation] = [("ZREM", due_key, member) for member in ids]
        ops += recording.cancelled(held.keys, cancelled, heads, int(time.time() * 1000), self._log_ms)
        if len(ids) == len(found) and not any(heads.first.values()):
            ops.append(("ZREM", held.keys.due, webhook))
        return len({*gone, *map(text, ids)}) if ops and self._apply(number, ops) else 0

    def set_earliest(self, number: int, webhook: str, due_ms: int | None) -> None:
        """Say in the partition's index when to look at a webhook again; None: there is nothing."""
        due_key = self._keys.partition(number).due
        op: Operation = ("ZREM", due_key, webhook) if due_ms is None else ("ZADD", due_key, due_ms, webhook)
        self._apply(number, [op])

    def _heads(self, keys: PartitionKeys, deliveries: Iterable[Delivery], count: int = 2) -> Heads:
        heads = lanes.read(self._client, [lanes.key_of(keys, one) for one in deliveries if one.lane], count)
        for key in heads.foreign:
            self._foreign(key)
        return heads

    def _without_foreign_lane(self, keys: PartitionKeys, one: Delivery, heads: Heads) -> Delivery:
        """A delivery whose lane is somebody else's key is sent out of order rather than never."""
        foreign = one.lane and lanes.key_of(keys, one) in heads.foreign
        return replace(one, lane="") if foreign else one

    def _records(self, keys: PartitionKeys, webhook: str, ids: Sequence[bytes]) -> list[Delivery | None]:
        raws = cast(Any, self._client.mget([keys.delivery(text(one)) for one in ids])) if ids else []
        return [parse(raw, webhook, member) for member, raw in zip(ids, raws, strict=True)]

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
        tally = Tally()
        tally.counts["pending"] -= member.startswith(b"msg_")  # else it was never counted
        self._apply(number, [("ZREM", keys.webhook_due(webhook), member), *tally.ops(keys, webhook)])

    def _bury(self, number: int, token: int, delivery: Delivery) -> None:
        """Nothing can be sent any more: the outbox was trimmed behind our back."""
        attempt = Attempt(int(time.time() * 1000), None, 0, "the event is no longer in the event log")
        dead = replace(delivery, status=DeliveryStatus.DEAD)
        _log.error("event_missing", delivery=delivery.id, webhook=delivery.webhook)
        self.record([Outcome(number, token, dead, attempt, None)])


def _report_filter(event: str, *, webhook: str, **facts: object) -> None:
    """Say that a filter fails; once for each webhook in the life of the process, for it stays so."""
    if webhook not in _failing_filters:
        _failing_filters.add(webhook)
        _log.error(event, webhook=webhook, **facts)
