"""What a delivery process knows of the endpoints: subscriptions, keys, health. Blocking but for its look-ups."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import redis

from interlock.engine import breaker, subscriptions, webhook_health
from interlock.engine.breaker import HEALTHY, BreakerState, Health
from interlock.engine.keys import Keys
from interlock.engine.profiles import PROFILES
from interlock.engine.secrets import SecretKey, claim_key, load_key
from interlock.engine.settings import Settings
from interlock.engine.subscription import Subscription
from interlock.workers.attempting import Credentials
from interlock.workers.recording import Outcome
from interlock.workers.schedule import schedule_of
from interlock.workers.work import Report

_REFRESH_SECONDS = 0.25
_CREDENTIALS_SECONDS = 1.0
_PROBE_SPARE_MS = 1_000
"""How much longer than its deadline a probe may last before another begins."""


class Endpoints:
    """``subscriptions``: by id, read again every now and then."""

    def __init__(self, client: redis.Redis, keys: Keys, settings: Settings, report: Report) -> None:
        self._client, self._keys, self._settings, self._report = client, keys, settings, report
        self._secret_key: SecretKey | None = None
        self._refreshed = float("-inf")
        self._unreadable: frozenset[str] = frozenset()
        self._credentials: dict[str, tuple[Subscription, float, Credentials]] = {}
        self._health: Mapping[str, Health] = {}
        self.subscriptions: dict[str, Subscription] = {}

    def refresh(self) -> None:
        """Read what is stored, where that is long enough ago."""
        if time.monotonic() - self._refreshed >= _REFRESH_SECONDS:
            self.reload()
            self._health = webhook_health.read(self._client, self._keys, list(self.subscriptions))

    def reload(self) -> list[Subscription]:
        """The subscriptions as they are now. Raises SecretKeyWrong, SecretKeyInvalid."""
        self._refreshed = time.monotonic()
        sound, unreadable = subscriptions.read_all(self._client, self._keys)
        for webhook in unreadable:
            self._report("webhook_unreadable", key=self._keys.webhooks, webhook=webhook)
        self._unreadable = frozenset(unreadable)
        current = {one.id: one for one in sound}
        if current and self._secret_key is None:
            key = load_key(self._settings)
            claim_key(self._client, self._keys, key)
            self._secret_key = key
        self.subscriptions = current
        return list(current.values())

    def credentials(self, subscription: Subscription) -> Credentials:
        """What to sign with and to show now. Raises SecretKeyWrong."""
        known, until, credentials = self._credentials.get(subscription.id, (None, 0.0, None))
        if credentials is not None and known == subscription and time.monotonic() < until:
            return credentials
        assert self._secret_key is not None, "subscriptions are read together with the key"
        credentials = Credentials(
            subscription.signing_secrets(self._secret_key, datetime.now(UTC)),
            subscription.extra_headers(self._secret_key),
        )
        # A second later a secret's grace may be over.
        until = time.monotonic() + _CREDENTIALS_SECONDS
        self._credentials[subscription.id] = (subscription, until, credentials)
        return credentials

    def schedule(self, webhook: str) -> Sequence[float]:
        """The delays for a webhook: the setting's where nobody knows it or its profile any more."""
        subscription = self.subscriptions.get(webhook)
        profile = PROFILES.get(subscription.profile) if subscription else None
        return schedule_of(
            profile.schedule if profile else None,
            self._settings.webhook_retry_schedule,
            configured="webhook_retry_schedule" in self._settings.model_fields_set,
        )

    def active(self, webhook: str) -> bool:
        """Whether a webhook exists and is enabled, as far as we know."""
        subscription = self.subscriptions.get(webhook)
        return subscription is not None and subscription.enabled

    def ended(self, webhook: str) -> bool:
        """Whether what waits for a webhook is to be cancelled. Where it is unreadable, it waits on."""
        return not self.active(webhook) and webhook not in self._unreadable

    def breaker(self, webhook: str, now_ms: int) -> BreakerState:
        """What an endpoint may get now, as far as we know."""
        return self._health.get(webhook, HEALTHY).state(now_ms)

    def held_until(self, webhook: str) -> int:
        """When its breaker lets a probe through, Unix milliseconds; 0 where it is closed."""
        return self._health.get(webhook, HEALTHY).until_ms

    def begin_probe(self, webhook: str, now_ms: int) -> bool:
        """Whether a probe may begin: one at a time over all processes. It counts as begun."""
        profile = PROFILES.get(self.subscriptions[webhook].profile)
        own = profile.timeout_seconds if profile else None
        deadline_ms = int((own or self._settings.webhook_timeout_seconds) * 1000) + _PROBE_SPARE_MS
        return self._change(webhook, lambda health: breaker.probing(health, now_ms, deadline_ms)) is not None

    def end_probe(self, webhook: str, now_ms: int) -> None:
        """A probe that began found nothing to send: the next may begin at once."""
        self._change(webhook, lambda health: replace(health, until_ms=now_ms, probing=False))

    def note(self, outcomes: Sequence[Outcome], now_ms: int) -> None:
        """Keep the health of the endpoints after attempts; disable those that have failed for too long."""
        attempts: dict[str, list[tuple[int, bool]]] = {}
        for one in outcomes:
            attempts.setdefault(one.delivery.webhook, []).append((one.attempt.at_ms, one.attempt.succeeded))
        for webhook, results in attempts.items():
            if all(succeeded for _, succeeded in results) and self._health.get(webhook, HEALTHY) == HEALTHY:
                continue
            step = partial(breaker.after, attempts=results, schedule=self.schedule(webhook), now_ms=now_ms)
            health = self._change(webhook, step)
            limit = self._settings.webhook_disable_after_seconds
            if health is not None and breaker.gives_up(health, now_ms, limit) and self.active(webhook):
                days = (now_ms - health.since_ms) / 86_400_000
                self.give_up(webhook, f"every attempt failed for {days:.1f} days")

    def give_up(self, webhook: str, reason: str) -> None:
        """Disable a webhook by itself."""
        with contextlib.suppress(subscriptions.SubscriptionNotFound, subscriptions.SubscriptionUnreadable):
            self.subscriptions[webhook] = subscriptions.give_up(self._client, self._keys, webhook, reason)

    def _change(self, webhook: str, step: Callable[[Health], Health | None]) -> Health | None:
        health = webhook_health.change(self._client, self._keys, webhook, step)
        if health is not None:
            self._health = {**self._health, webhook: health}
        return health
