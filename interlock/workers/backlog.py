"""What a delivery process has before it: the endpoints' queues, filled and emptied in turns.

A turn is the blocking half of the work and runs in a thread: it records what was attempted, dispatches
events and reads what is due. The event loop takes from the queues and puts outcomes back meanwhile; the
two share only deques, which are safe to use from both sides.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import redis
import structlog

from interlock.engine import subscriptions
from interlock.engine.delivery_log import DeliveryStatus
from interlock.engine.keys import Keys
from interlock.engine.secrets import SecretKey, claim_key, load_key
from interlock.engine.settings import Settings
from interlock.engine.subscriptions import Subscription
from interlock.workers.deliveries import Deliveries, Due, Outcome
from interlock.workers.work import Faults, Work

READ_AHEAD = 128
"""Deliveries of one endpoint in memory: ready, running, or waiting to be recorded."""
_REFRESH_SECONDS = 0.25
_GONE = 410

_log = structlog.get_logger()


@dataclass(slots=True)
class DeliverySummary:
    """What a shift did: events dispatched, attempts recorded, and deliveries by what became of them."""

    events: int = 0
    attempts: int = 0
    delivered: int = 0
    retried: int = 0
    dead: int = 0
    cancelled: int = 0


class Backlog:
    """The work of all partitions that this process owns for now."""

    def __init__(self, client: redis.Redis, keys: Keys, settings: Settings) -> None:
        self._client, self._keys, self._settings = client, keys, settings
        self._deliveries = Deliveries(client, keys, settings)
        self._secret_key: SecretKey | None = None
        self._refreshed = float("-inf")
        self._faults = Faults()
        self._unreadable: frozenset[str] = frozenset()
        self._known: dict[str, str] = {}  # delivery id -> webhook id
        self.subscriptions: dict[str, Subscription] = {}
        self.ready: dict[str, deque[Due]] = {}
        self.outcomes: deque[Outcome] = deque()
        self.dropped: deque[Due] = deque()
        self.summary = DeliverySummary()

    def turn(self, *, take_more: bool) -> bool:
        """Record, renew, dispatch, read; whether there was anything to do.

        ``take_more``: whether to take partitions over and read more of what is due.
        """
        recorded = self._record()
        self._deliveries.renew()
        self._refresh()
        if not take_more:
            return recorded
        now_ms = int(time.time() * 1000)
        work = self._deliveries.look()
        for number, todo in work.items():
            if number not in self._deliveries.held and self._needs_owner(todo, now_ms):
                self._deliveries.take(number)
        dispatched = self._dispatch(work, now_ms)
        cancelled = self._cancel(work)
        return self._read(work, now_ms) or recorded or dispatched or cancelled

    def release(self) -> None:
        """Give all partitions back."""
        self._deliveries.release()

    def owns(self, due: Due) -> bool:
        """Whether the lease under which this was read is still ours, as far as we know."""
        return self._deliveries.owns(due.partition, due.token)

    def secrets(self, subscription: Subscription) -> list[bytes]:
        """What to sign with now. Raises SecretKeyWrong."""
        assert self._secret_key is not None, "subscriptions are read together with the key"
        return subscription.signing_secrets(self._secret_key, datetime.now(UTC))

    def active(self, webhook: str) -> bool:
        """Whether a webhook exists and is enabled, as far as we know."""
        subscription = self.subscriptions.get(webhook)
        return subscription is not None and subscription.enabled

    def _ended(self, webhook: str) -> bool:
        """Whether what waits for a webhook is to be cancelled. Where it is unreadable, it waits on."""
        return not self.active(webhook) and webhook not in self._unreadable

    def _needs_owner(self, todo: Work, now_ms: int) -> bool:
        return todo.behind or any(due <= now_ms or self._ended(webhook) for webhook, due in todo.due.items())

    def _record(self) -> bool:
        while self.dropped:
            self._known.pop(self.dropped.popleft().delivery.id, None)
        outcomes = [self.outcomes.popleft() for _ in range(len(self.outcomes))]
        if not outcomes:
            return False
        self._disable({one.delivery.webhook for one in outcomes if one.attempt.status == _GONE})
        self._deliveries.record(outcomes)
        for one in outcomes:
            self._known.pop(one.delivery.id, None)
        self._count(outcomes)
        return True

    def _disable(self, webhooks: set[str]) -> None:
        """Before the attempt is recorded: a crash in between repeats the attempt, and so the disabling."""
        for webhook in webhooks:
            reason = "the endpoint answered 410 (gone)"
            with contextlib.suppress(
                subscriptions.SubscriptionNotFound, subscriptions.SubscriptionUnreadable
            ):
                self.subscriptions[webhook] = subscriptions.disable(self._client, self._keys, webhook, reason)
                _log.warning("webhook_disabled", webhook=webhook, reason=reason)

    def _count(self, outcomes: Sequence[Outcome]) -> None:
        summary = self.summary
        summary.attempts += len(outcomes)
        for outcome in outcomes:
            match outcome.delivery.status:
                case DeliveryStatus.DELIVERED:
                    summary.delivered += 1
                case DeliveryStatus.DEAD:
                    summary.dead += 1
                case DeliveryStatus.CANCELLED:
                    summary.cancelled += 1
                case DeliveryStatus.PENDING:
                    summary.retried += 1

    def _refresh(self) -> None:
        if time.monotonic() - self._refreshed >= _REFRESH_SECONDS:
            self._reload()

    def _reload(self) -> list[Subscription]:
        self._refreshed = time.monotonic()
        sound, unreadable = subscriptions.read_all(self._client, self._keys)
        for webhook in unreadable:
            self._faults.report("webhook_unreadable", key=self._keys.webhooks, webhook=webhook)
        self._unreadable = frozenset(unreadable)
        current = {one.id: one for one in sound}
        if current and self._secret_key is None:
            key = load_key(self._settings)
            claim_key(self._client, self._keys, key)
            self._secret_key = key
        self.subscriptions = current
        return list(current.values())

    def _dispatch(self, work: dict[int, Work], now_ms: int) -> bool:
        events = 0
        for number in list(self._deliveries.held):
            if work[number].behind:
                events += self._deliveries.dispatch(number, self._reload, now_ms)
        self.summary.events += events
        return events > 0

    def _cancel(self, work: dict[int, Work]) -> bool:
        cancelled = 0
        for number in list(self._deliveries.held):
            for webhook in work[number].due:
                if self._ended(webhook) and number in self._deliveries.held:
                    cancelled += self._deliveries.cancel(number, webhook, self._known)
        self.summary.cancelled += cancelled
        return cancelled > 0

    def _read(self, work: dict[int, Work], now_ms: int) -> bool:
        """Bring the endpoints' queues up to `READ_AHEAD`, with equal parts from each partition."""
        known: dict[str, int] = {}
        for webhook in self._known.values():
            known[webhook] = known.get(webhook, 0) + 1
        places: dict[str, list[int]] = {}
        for number in self._deliveries.held:
            for webhook, due in work[number].due.items():
                if due <= now_ms and self.active(webhook) and known.get(webhook, 0) < READ_AHEAD:
                    places.setdefault(webhook, []).append(number)
        wanted = {
            (number, webhook): known.get(webhook, 0)
            + (READ_AHEAD - known.get(webhook, 0)) // len(numbers)
            + 1
            for webhook, numbers in places.items()
            for number in numbers
        }
        found = self._deliveries.due(wanted, self._known, now_ms)
        for one in found:
            self._known[one.delivery.id] = one.delivery.webhook
            self.ready.setdefault(one.delivery.webhook, deque()).append(one)
        return bool(found)
