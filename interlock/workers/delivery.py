"""The RQ job `deliver`: a shift of dispatching events and making attempts, over all partitions.

Redis is asked in turns, in a thread; attempts run beside them in an event loop and are recorded by the
next turn. An endpoint that hangs holds its own places only.
"""

from __future__ import annotations

import asyncio
import math
import random
import re
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import structlog
import uuid_utils

from interlock.engine.delivery_log import Attempt, DeliveryStatus
from interlock.engine.messages import format_time
from interlock.engine.secrets import SecretKeyWrong, load_key
from interlock.engine.settings import Settings
from interlock.engine.signing import message_id, signed_headers
from interlock.engine.store import Store
from interlock.engine.subscriptions import Subscription
from interlock.workers.backlog import Backlog, DeliverySummary
from interlock.workers.deliveries import Due, Outcome
from interlock.workers.http_client import HttpClient
from interlock.workers.places import Places
from interlock.workers.schedule import next_delay

IDLE_SECONDS = 0.5
"""A shift with nothing to do ends after so long; the next event wakes another."""
_TURN_SECONDS = 0.005
_IDLE_TURN_SECONDS = 0.02
_GONE = 410
_CONTENT_TYPE = "application/cloudevents+json"
_TRACEPARENT = re.compile(r"\A[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")

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

    Raises SecretKeyWrong, SecretKeyInvalid.
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
    headers = _headers(secrets, message_id(event_id, subscription.id), body)

    async def attempt() -> Attempt:
        async with HttpClient(settings) as http:
            return await http.post(subscription.url, headers, body)

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
        try:
            subscription = self._backlog.subscriptions[due.delivery.webhook]
            headers = _headers(self._backlog.secrets(subscription), due.delivery.id, due.body)
            attempt = await http.post(subscription.url, headers, due.body)
        except SecretKeyWrong as error:
            attempt = Attempt(began_ms, None, 0, str(error))
        except Exception as error:  # a fault of ours must not stop the other endpoints
            _log.exception("attempt_broke", delivery=due.delivery.id, webhook=due.delivery.webhook)
            attempt = Attempt(began_ms, None, 0, f"a fault of Interlock's own ({type(error).__name__})")
        self._backlog.outcomes.append(_judge(due, attempt, self._settings))

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


def _headers(secrets: list[bytes], message: str, body: bytes) -> dict[str, str]:
    headers = signed_headers(secrets, message, int(time.time()), body)
    headers["Content-Type"] = _CONTENT_TYPE
    trace = orjson.loads(body).get("traceparent")
    if isinstance(trace, str) and _TRACEPARENT.match(trace):
        headers["traceparent"] = trace
    return headers


def _judge(due: Due, attempt: Attempt, settings: Settings) -> Outcome:
    """What becomes of a delivery after an attempt."""
    made = due.delivery.attempts + 1
    status, next_ms = DeliveryStatus.DELIVERED, None
    if not attempt.succeeded:
        delay = next_delay(
            settings.webhook_retry_schedule,
            made,
            retry_after_seconds=attempt.retry_after_seconds,
            dice=random.random(),
        )
        dead = delay is None or attempt.status == _GONE
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
