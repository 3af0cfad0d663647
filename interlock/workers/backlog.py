"""What a delivery process has before it: the endpoints' queues, filled and emptied in turns.

A turn is the blocking half of the work and runs in a thread: it records what was attempted, dispatches
events and reads what is due. The event loop takes from the queues and puts outcomes back meanwhile; the
two share only deques, which are safe to use from both sides.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass

import redis

from interlock.engine.breaker import BreakerState
from interlock.engine.delivery_log import DeliveryStatus
from interlock.engine.keys import Keys
from interlock.engine.profiles import Verdict
from interlock.engine.settings import Settings
from interlock.workers import rates
from interlock.workers.deliveries import Deliveries, Due
from interlock.workers.endpoints import Endpoints
from interlock.workers.recording import Outcome
from interlock.workers.work import Faults, Work

READ_AHEAD = 128
"""Deliveries of one endpoint in memory: ready, running, or waiting to be recorded."""


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
        self._client, self._keys = client, keys
        self._deliveries = Deliveries(client, keys, settings)
        self._known: dict[str, str] = {}  # delivery id -> webhook id
        self._probes: dict[str, str] = {}  # likewise, of attempts that may begin though a breaker is open
        self.endpoints = Endpoints(client, keys, settings, Faults().report)
        self.ready: dict[str, deque[Due]] = {}
        self.outcomes: deque[Outcome] = deque()
        self.gone: deque[tuple[str, str]] = deque()
        """Webhooks whose endpoint wants nothing more, each with the reason."""
        self.dropped: deque[Due] = deque()
        self.summary = DeliverySummary()

    def turn(self, *, take_more: bool) -> bool:
        """Record, renew, dispatch, read; whether there was anything to do.

        ``take_more``: whether to take partitions over and read more of what is due.
        """
        recorded = self._record()
        self._deliveries.renew()
        self.endpoints.refresh()
        if not take_more:
            return recorded
        now_ms = int(time.time() * 1000)
        work = self._deliveries.look()
        for number, todo in work.items():
            if number not in self._deliveries.held and self._needs_owner(todo, now_ms):
                self._deliveries.take(number)
        dispatched = self._dispatch(work, now_ms)
        resent = self._resend(work, now_ms)
        cancelled = self._cancel(work)
        return self._read(work, now_ms) or recorded or dispatched or resent or cancelled

    def release(self) -> None:
        """Give all partitions back."""
        self._deliveries.release()

    def may_begin(self, due: Due) -> bool:
        """Whether what was read is still to be attempted by us, as far as we know."""
        webhook = due.delivery.webhook
        if not self._deliveries.owns(due.partition, due.token) or not self.endpoints.active(webhook):
            return False
        state = self.endpoints.breaker(webhook, int(time.time() * 1000))
        return state is BreakerState.CLOSED or due.delivery.id in self._probes

    def finish(self, outcome: Outcome, verdict: Verdict) -> None:
        """Have an attempt recorded by the next turn."""
        if verdict is Verdict.DISABLE:
            reason = (outcome.attempt.error or "").partition(":")[0]
            self.gone.append((outcome.delivery.webhook, reason))
        self.outcomes.append(outcome)

    def _needs_owner(self, todo: Work, now_ms: int) -> bool:
        return (
            todo.behind
            or todo.resends
            or any(due <= now_ms or self.endpoints.ended(webhook) for webhook, due in todo.due.items())
        )

    def _record(self) -> bool:
        while self.dropped:
            self._forget(self.dropped.popleft().delivery.id)
        outcomes = [self.outcomes.popleft() for _ in range(len(self.outcomes))]
        # Before the attempt is recorded: a crash in between repeats the attempt, and so the disabling.
        while self.gone:
            self.endpoints.give_up(*self.gone.popleft())
        if not outcomes:
            return False
        self._deliveries.record(outcomes)
        for one in outcomes:
            self._forget(one.delivery.id)
        self.endpoints.note(outcomes, int(time.time() * 1000))
        self._count(outcomes)
        return True

    def _forget(self, delivery_id: str) -> None:
        self._known.pop(delivery_id, None)
        self._probes.pop(delivery_id, None)

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

    def _dispatch(self, work: dict[int, Work], now_ms: int) -> bool:
        events = 0
        for number in list(self._deliveries.held):
            if work[number].behind:
                events += self._deliveries.dispatch(number, self.endpoints.reload, now_ms)
        self.summary.events += events
        return events > 0

    def _resend(self, work: dict[int, Work], now_ms: int) -> bool:
        taken = 0
        for number in list(self._deliveries.held):
            if work[number].resends:
                taken += self._deliveries.resend(number, self._known, self.endpoints.reload, now_ms)
        return taken > 0

    def _cancel(self, work: dict[int, Work]) -> bool:
        cancelled = 0
        for number in list(self._deliveries.held):
            for webhook in work[number].due:
                if self.endpoints.ended(webhook) and number in self._deliveries.held:
                    cancelled += self._deliveries.cancel(number, webhook, self._known)
        self.summary.cancelled += cancelled
        return cancelled > 0

    def _read(self, work: dict[int, Work], now_ms: int) -> bool:
        """Bring the endpoints' queues up to what they may get, with equal parts from each partition."""
        places: dict[str, list[int]] = {}
        for number in self._deliveries.held:
            for webhook, due in work[number].due.items():
                if due <= now_ms and self.endpoints.active(webhook):
                    places.setdefault(webhook, []).append(number)
        known = Counter(self._known.values())
        shares = {
            webhook: self._share(webhook, places[webhook], known[webhook], now_ms) for webhook in places
        }
        wanted = {
            (number, webhook): known[webhook] + -(-share // len(places[webhook]))
            for webhook, share in shares.items()
            if share > 0
            for number in places[webhook]
        }
        found = self._deliveries.due(wanted, self._known, now_ms) if wanted else []
        return self._take(found, shares, now_ms) or self._waits_for_its_rate(places)

    def _share(self, webhook: str, numbers: Sequence[int], known: int, now_ms: int) -> int:
        """How many more deliveries an endpoint may get into its queue now."""
        state = self.endpoints.breaker(webhook, now_ms)
        if state is BreakerState.OPEN:
            for number in numbers:  # so that nobody comes for them before
                self._deliveries.set_earliest(number, webhook, self.endpoints.held_until(webhook))
            return 0
        if state is BreakerState.HALF_OPEN:
            return 1 if not known and self.endpoints.begin_probe(webhook, now_ms) else 0
        share = READ_AHEAD - known
        rate = self.endpoints.subscriptions[webhook].rate
        if rate is None or share <= 0:
            return share
        if self.ready.get(webhook):
            return 0
        return rates.take(self._client, self._keys, webhook, rate, min(share, rates.burst(rate)))

    def _take(self, found: Sequence[Due], shares: dict[str, int], now_ms: int) -> bool:
        """Put what was read into the queues, no more than each endpoint's share; what is over is read again."""
        left = dict(shares)
        for one in found:
            webhook = one.delivery.webhook
            probe = self.endpoints.breaker(webhook, now_ms) is not BreakerState.CLOSED
            rated = self.endpoints.subscriptions[webhook].rate is not None
            if left[webhook] <= 0 and (probe or rated):
                continue
            left[webhook] -= 1
            self._known[one.delivery.id] = webhook
            if probe:
                self._probes[one.delivery.id] = webhook
            self.ready.setdefault(webhook, deque()).append(one)
        for webhook, unused in left.items():
            if unused > 0:
                self._give_back(webhook, unused, now_ms)
        return bool(found)

    def _give_back(self, webhook: str, unused: int, now_ms: int) -> None:
        """What an endpoint might have got and there was nothing for."""
        rate = self.endpoints.subscriptions[webhook].rate
        if self.endpoints.breaker(webhook, now_ms) is not BreakerState.CLOSED:
            self.endpoints.end_probe(webhook, now_ms)
        elif rate is not None:
            rates.give_back(self._client, self._keys, webhook, rate, unused)

    def _waits_for_its_rate(self, places: dict[str, list[int]]) -> bool:
        """Whether something is due and only its rate lets it wait: the shift stays for it."""
        return any(self.endpoints.subscriptions[webhook].rate is not None for webhook in places)
