"""The RQ job `deliver`: a shift of dispatching events and making attempts, over all partitions.

Redis is asked in turns, in a thread; attempts run beside them in an event loop and are recorded by the
next turn. An endpoint that hangs holds its own places only.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
import uuid_utils

from interlock.engine.delivery_log import Attempt, DeliveryStatus
from interlock.engine.errors import InterlockError
from interlock.engine.profiles import Verdict
from interlock.engine.secrets import load_key
from interlock.engine.settings import Settings
from interlock.engine.signing import message_id
from interlock.engine.store import Store
from interlock.engine.subscription import Subscription
from interlock.engine.trial_event import trial_event
from interlock.workers.attempting import Credentials, after, post
from interlock.workers.backlog import Backlog, DeliverySummary
from interlock.workers.deliveries import Due
from interlock.workers.http_client import HttpClient
from interlock.workers.places import Places
from interlock.workers.recording import Outcome

IDLE_SECONDS = 0.5
"""A shift with nothing to do ends after so long; the next event wakes another."""
_TURN_SECONDS = 0.005
_IDLE_TURN_SECONDS = 0.02
_UNHEARD_TURN_SECONDS = 0.25
"""Between turns where no webhook is enabled: events only move into the log then, many at a time."""

_log = structlog.get_logger()


def deliver(
    store: Store,
    settings: Settings,
    *,
    shift_seconds: float = 10.0,
    stop: threading.Event | None = None,
) -> DeliverySummary:
    """Deliver what is due, and what becomes due within the shift; ends early where there is nothing.

    A running attempt is never cut, so a shift may last twice `webhook_timeout_seconds` over its time.
    ``stop``: no new attempts once it is set.
    Raises SecretKeyWrong, SecretKeyInvalid, redis.RedisError; what was not recorded is delivered again.
    """
    store.client.delete(store.keys.deliver_wake)
    backlog = Backlog(store.client, store.keys, settings)
    return asyncio.run(_Shift(backlog, settings, shift_seconds, stop or threading.Event()).run())


def test_endpoint(settings: Settings, subscription: Subscription, changes: Sequence[str] = ()) -> Attempt:
    """Make one attempt with an event of type ``interlock.webhook.tested``, outside schedule and log.

    ``changes``: what is to stand in the event, ``data.x=1`` each.
    Raises TrialInvalid, SecretKeyWrong, SecretKeyInvalid, ProfileUnknown.
    """
    now = datetime.now(UTC)
    event_id = uuid_utils.uuid7().hex
    body = trial_event(event_id, subscription.id, now, changes)
    key = load_key(settings)
    credentials = Credentials(subscription.signing_secrets(key, now), subscription.extra_headers(key))
    message = message_id(event_id, subscription.id)

    async def attempt() -> Attempt:
        async with HttpClient(settings) as http:
            return (await post(http, subscription, credentials, message, body))[0]

    return asyncio.run(attempt())


test_endpoint.__test__ = False  # type: ignore[attr-defined]  # pytest would collect it by its name


class _Shift:
    """One run of the job; everything here happens in the event loop's thread."""

    def __init__(
        self, backlog: Backlog, settings: Settings, shift_seconds: float, stop: threading.Event
    ) -> None:
        self._backlog = backlog
        self._endpoints = backlog.endpoints
        self._settings = settings
        self._ends = time.monotonic() + shift_seconds
        self._stop = stop
        self._running: set[asyncio.Task[None]] = set()
        self._places = Places()
        self._ended = asyncio.Event()

    async def run(self) -> DeliverySummary:
        async with HttpClient(self._settings) as http:
            try:
                await self._work(http)
            finally:
                for task in self._running:
                    task.cancel()
                await asyncio.gather(*self._running, return_exceptions=True)
        await asyncio.to_thread(self._backlog.release)
        return self._backlog.summary

    async def _work(self, http: HttpClient) -> None:
        idle_since = time.monotonic()
        while True:
            closing = self._closing()
            busy = await asyncio.to_thread(self._backlog.turn, take_more=not closing)
            self._start(http)
            now = time.monotonic()
            if busy or self._running:
                idle_since = now
            if (
                not self._running
                and not self._backlog.outcomes
                and (closing or now - idle_since > IDLE_SECONDS)
            ):
                return
            await self._pause()

    def _closing(self) -> bool:
        """Whether to start nothing more.

        A hanging attempt at the end of a shift puts this off, by one deadline at the most: others would
        have to wait for its end.
        """
        now = time.monotonic()
        if self._stop.is_set() or now >= self._ends + self._settings.webhook_timeout_seconds:
            return True
        return now >= self._ends and not self._places.hanging(now)

    def _start(self, http: HttpClient) -> None:
        """Begin what there is a place for. Past the end of the shift, endpoints that hang get none."""
        if self._closing():
            return
        now = time.monotonic()
        overtime, hanging = now >= self._ends, self._places.hanging(now)
        waiting = {webhook: queue for webhook, queue in list(self._backlog.ready.items()) if queue}
        for webhook in self._places.in_turn(waiting):
            if overtime and (webhook in hanging or self._places.was_slow(webhook)):
                continue
            queue = waiting[webhook]
            while queue and self._places.free(webhook, hanging):
                self._begin(http, queue.popleft())

    def _begin(self, http: HttpClient, due: Due) -> None:
        webhook = due.delivery.webhook
        # Now, not in the task: the turn beside us may read the webhooks again, without this one.
        subscription = self._endpoints.subscriptions.get(webhook)
        if subscription is None or not self._backlog.may_begin(due):
            self._backlog.dropped.append(due)
            return
        task = asyncio.create_task(self._attempt(http, due, subscription))
        self._running.add(task)
        self._places.take(task, webhook, time.monotonic())
        task.add_done_callback(lambda done: self._end(http, done))

    def _end(self, http: HttpClient, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._places.give_back(task, time.monotonic())
        if task.cancelled():
            return
        self._ended.set()
        self._start(http)

    async def _attempt(self, http: HttpClient, due: Due, subscription: Subscription) -> None:
        began_ms = int(time.time() * 1000)
        verdict = Verdict.RETRY
        try:
            credentials = self._endpoints.credentials(subscription)
            attempt, verdict = await post(http, subscription, credentials, due.delivery.id, due.body)
        except InterlockError as error:  # another key, or a profile that this version does not have
            attempt = Attempt(began_ms, None, 0, str(error))
        except Exception as error:  # a fault of ours must not stop the other endpoints
            _log.exception("attempt_broke", delivery=due.delivery.id, webhook=due.delivery.webhook)
            attempt = Attempt(began_ms, None, 0, f"a fault of Interlock's own ({type(error).__name__})")
        self._finish(due, attempt, verdict)

    def _finish(self, due: Due, attempt: Attempt, verdict: Verdict) -> None:
        schedule = self._endpoints.schedule(due.delivery.webhook)
        now_seconds, dice = time.time(), random.random()
        delivery, next_ms = after(
            due.delivery, attempt, verdict, schedule, now_seconds=now_seconds, dice=dice
        )
        if not attempt.succeeded:
            _log.info(
                "delivery_failed",
                delivery=delivery.id,
                webhook=delivery.webhook,
                attempt=delivery.attempts,
                status=attempt.status,
                error=attempt.error,
                dead=delivery.status is DeliveryStatus.DEAD,
            )
        self._backlog.finish(Outcome(due.partition, due.token, delivery, attempt, next_ms), verdict)

    async def _pause(self) -> None:
        """Until an attempt ended, and a little longer, so that one turn records several."""
        self._ended.clear()
        if not self._backlog.outcomes:
            heard = self._running or any(one.enabled for one in self._endpoints.subscriptions.values())
            try:
                async with asyncio.timeout(_IDLE_TURN_SECONDS if heard else _UNHEARD_TURN_SECONDS):
                    await self._ended.wait()
            except TimeoutError:
                return
        await asyncio.sleep(_TURN_SECONDS)
