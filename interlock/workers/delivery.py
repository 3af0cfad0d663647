"""The RQ job `deliver`: a shift of dispatching events and making attempts, over all partitions.

Redis is asked in turns, in a thread; attempts run beside them in an event loop and are recorded by the
next turn. An endpoint that hangs holds its own places only.
"""

from __future__ import annotations

import asyncio
import math
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import structlog
import uuid_utils

from interlock.engine.delivery_log import Attempt, DeliveryStatus
from interlock.engine.errors import InterlockError
from interlock.engine.messages import format_time
from interlock.engine.profiles import PROFILES, Profile, Verdict, profile_of
from interlock.engine.secrets import load_key
from interlock.engine.settings import Settings
from interlock.engine.signing import message_id
from interlock.engine.store import Store
from interlock.engine.subscriptions import Subscription
from interlock.workers.backlog import Backlog, DeliverySummary
from interlock.workers.deliveries import Due, Outcome
from interlock.workers.http_client import HttpClient
from interlock.workers.places import Places
from interlock.workers.schedule import next_delay, schedule_of

IDLE_SECONDS = 0.5
"""A shift with nothing to do ends after so long; the next event wakes another."""
_TURN_SECONDS = 0.005
_IDLE_TURN_SECONDS = 0.02

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


def test_endpoint(settings: Settings, subscription: Subscription) -> Attempt:
    """Make one attempt with an event of type ``interlock.webhook.tested``, outside schedule and log.

    Raises SecretKeyWrong, SecretKeyInvalid, ProfileUnknown.
    """
    now = datetime.now(UTC)
    event_id = uuid_utils.uuid7().hex
    body = orjson.dumps(
        {
            "specversion": "1.0",
            "id": event_id,
            "source": "/interlock/webhooks",
            "type": "interlock.webhook.tested",
            "subject": subscription.id,
            "time": format_time(now),
            "datacontenttype": "application/json",
            "data": {},
        }
    )
    secrets = subscription.signing_secrets(load_key(settings), now)
    message = message_id(event_id, subscription.id)

    async def attempt() -> Attempt:
        async with HttpClient(settings) as http:
            return (await _post(http, subscription, secrets, message, body))[0]

    return asyncio.run(attempt())


test_endpoint.__test__ = False  # type: ignore[attr-defined]  # pytest would collect it by its name


class _Shift:
    """One run of the job; everything here happens in the event loop's thread."""

    def __init__(
        self, backlog: Backlog, settings: Settings, shift_seconds: float, stop: threading.Event
    ) -> None:
        self._backlog = backlog
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
        if not self._backlog.owns(due) or not self._backlog.active(webhook):
            self._backlog.dropped.append(due)
            return
        task = asyncio.create_task(self._attempt(http, due))
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

    async def _attempt(self, http: HttpClient, due: Due) -> None:
        began_ms = int(time.time() * 1000)
        verdict = Verdict.RETRY
        try:
            subscription = self._backlog.subscriptions[due.delivery.webhook]
            secrets = self._backlog.secrets(subscription)
            attempt, verdict = await _post(http, subscription, secrets, due.delivery.id, due.body)
        except InterlockError as error:  # another key, or a profile that this version does not have
            attempt = Attempt(began_ms, None, 0, str(error))
        except Exception as error:  # a fault of ours must not stop the other endpoints
            _log.exception("attempt_broke", delivery=due.delivery.id, webhook=due.delivery.webhook)
            attempt = Attempt(began_ms, None, 0, f"a fault of Interlock's own ({type(error).__name__})")
        schedule = self._schedule(due.delivery.webhook)
        self._backlog.outcomes.append(_outcome(due, attempt, verdict, schedule))

    def _schedule(self, webhook: str) -> Sequence[float]:
        """The delays for a webhook: the setting's where nobody knows it or its profile any more."""
        subscription = self._backlog.subscriptions.get(webhook)
        profile = PROFILES.get(subscription.profile) if subscription else None
        return schedule_of(
            profile.schedule if profile else None,
            self._settings.webhook_retry_schedule,
            configured="webhook_retry_schedule" in self._settings.model_fields_set,
        )

    async def _pause(self) -> None:
        """Until an attempt ended, and a little longer, so that one turn records several."""
        self._ended.clear()
        if not self._backlog.outcomes:
            try:
                async with asyncio.timeout(_IDLE_TURN_SECONDS):
                    await self._ended.wait()
            except TimeoutError:
                return
        await asyncio.sleep(_TURN_SECONDS)


async def _post(
    http: HttpClient, subscription: Subscription, secrets: Sequence[bytes], message: str, event: bytes
) -> tuple[Attempt, Verdict]:
    """One attempt in the webhook's profile, and what its answer means. Raises ProfileUnknown."""
    profile = profile_of(subscription.profile)
    outgoing = profile.request(
        event, message=message, webhook_id=subscription.id, secrets=secrets, at=datetime.now(UTC)
    )
    attempt = await http.post(
        subscription.url, outgoing.headers, outgoing.body, timeout_seconds=profile.timeout_seconds
    )
    if attempt.status is None:
        return attempt, Verdict.RETRY
    verdict = profile.verdict(attempt.status, attempt.answer_headers)
    if verdict is Verdict.DELIVERED:
        return replace(attempt, error=None, retry_after_seconds=None), verdict
    return replace(attempt, error=_sentence(profile, attempt.status, verdict)), verdict


def _sentence(profile: Profile, status: int, verdict: Verdict) -> str:
    """Why an answer is a failure, for the log."""
    if verdict is Verdict.DISABLE:
        return f"the endpoint answered {status} (gone): the webhook is disabled"
    if 300 <= status < 400:
        return f"the endpoint answered {status}: redirects are not followed, give the final URL"
    if 200 <= status < 300:
        return f"the endpoint answered {status}, which is no success in the profile {profile.name}"
    if verdict is Verdict.DEAD:
        return f"the endpoint answered {status}: it is not tried again"
    return f"the endpoint answered {status}"


def _outcome(due: Due, attempt: Attempt, verdict: Verdict, schedule: Sequence[float]) -> Outcome:
    """What becomes of a delivery after an attempt."""
    made = due.delivery.attempts + 1
    status, next_ms = DeliveryStatus.DELIVERED, None
    if verdict is not Verdict.DELIVERED:
        delay = next_delay(
            schedule, made, retry_after_seconds=attempt.retry_after_seconds, dice=random.random()
        )
        dead = delay is None or verdict in (Verdict.DEAD, Verdict.DISABLE)
        status = DeliveryStatus.DEAD if dead else DeliveryStatus.PENDING
        if delay is not None and not dead:
            next_ms = math.ceil((time.time() + delay) * 1000)
        _log.info(
            "delivery_failed",
            delivery=due.delivery.id,
            webhook=due.delivery.webhook,
            attempt=made,
            status=attempt.status,
            error=attempt.error,
            dead=dead,
        )
    delivery = replace(due.delivery, status=status, attempts=made)
    return Outcome(due.partition, due.token, delivery, attempt, next_ms)
