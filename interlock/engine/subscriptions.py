"""Webhook subscriptions: who gets which events, kept in the hash ``<prefix>:webhooks``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import orjson
import redis
import structlog
import uuid_utils
from redis.client import Pipeline

from interlock.engine import webhook_health, webhook_statistics
from interlock.engine.addresses import check_url
from interlock.engine.errors import InterlockError
from interlock.engine.event_filters import matches
from interlock.engine.keys import Keys
from interlock.engine.messages import format_time
from interlock.engine.secrets import claim_key, load_key
from interlock.engine.settings import Settings
from interlock.engine.signing import SECRET_BYTES
from interlock.engine.subscription import (
    StoredHeader,
    StoredSecret,
    Subscription,
    SubscriptionUnreadable,
)
from interlock.engine.subscription_options import (
    Options,
    SubscriptionInvalid,
    checked,
    parse_key,
    scheme_of,
    sealed,
    told,
)
from interlock.engine.webhook_headers import bound_to

__all__ = [
    "Options",
    "StoredSecret",
    "Subscription",
    "SubscriptionInvalid",
    "SubscriptionNotFound",
    "SubscriptionUnreadable",
    "WebhooksUnreadable",
    "matches",
]

DISABLED_EVENT = "interlock.webhook.disabled"
"""Type of the event that tells of a webhook which was disabled by itself."""

_log = structlog.get_logger()


class SubscriptionNotFound(InterlockError):
    """No webhook has this id: `interlock webhook list` shows them."""

    def __init__(self, webhook_id: str) -> None:
        self.webhook_id = webhook_id
        super().__init__(f"no webhook has the id {webhook_id!r}: `interlock webhook list` shows them")


class WebhooksUnreadable(InterlockError):
    """The key of all subscriptions holds another type: somebody else wrote it. Rename or delete it."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key!r} holds a foreign type: rename or delete it")


def add(
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
    url: str,
    *,
    secret: str | None = None,
    **options: Any,
) -> tuple[Subscription, str]:
    """Subscribe ``url``; returns the subscription and its ``whsec_`` secret, which is never shown again.

    ``options``: the fields of `Options`. ``secret``: one that the receiver has already (``whsk_`` for ed25519; in
    a vendor's profile any text); made where None. With ed25519 the text is empty: the receiver needs
    ``public_key`` only.
    Raises SubscriptionInvalid, UrlRefused, SecretInvalid, SharedSecretInvalid, SecretKeyInvalid, SecretKeyWrong.
    """
    wish = Options(**options)
    check_url(url, settings.webhook_allow_cidrs, settings.webhook_allow_hosts)
    wanted, headers = checked(wish)
    scheme = scheme_of(wish)
    plain = parse_key(secret, wish.profile, scheme) if secret is not None else os.urandom(SECRET_BYTES)
    key = load_key(settings)
    claim_key(client, keys, key)
    webhook_id = f"wh_{uuid_utils.uuid7().hex}"
    now = server_time(client)
    subscription = Subscription(
        id=webhook_id,
        url=url,
        description=wish.description,
        events=wanted.events,
        enabled=True,
        disabled_reason=None,
        ordered=wish.ordered,
        profile=wish.profile,
        created_at=now,
        enabled_at=now,
        secrets=(sealed(key, webhook_id, plain, scheme),),
        machines=wanted.machines,
        states=wanted.states,
        where=wanted.where,
        headers=tuple(
            StoredHeader(name, key.encrypt(value.encode(), bound_to(webhook_id, name)))
            for name, value in headers.items()
        ),
        rate=wish.rate,
        signature=scheme,
    )
    client.hset(keys.webhooks, webhook_id, subscription.to_bytes())
    if secret is not None and wish.profile != "standard":
        return subscription, secret
    return subscription, told(plain, scheme)


def list_all(client: redis.Redis, keys: Keys) -> list[Subscription]:
    """Every subscription, oldest first; what is none is left out. Raises WebhooksUnreadable."""
    return read_all(client, keys)[0]


def read_all(client: redis.Redis, keys: Keys) -> tuple[list[Subscription], list[str]]:
    """Every subscription, oldest first, and the ids under which something else is stored.

    Raises WebhooksUnreadable.
    """
    try:
        stored = cast(Mapping[bytes, bytes], client.hgetall(keys.webhooks))
    except redis.ResponseError as error:
        if str(error).startswith("WRONGTYPE"):
            raise WebhooksUnreadable(keys.webhooks) from None
        raise
    sound: list[Subscription] = []
    unreadable: list[str] = []
    for webhook_id, raw in stored.items():
        try:
            sound.append(Subscription.from_bytes(raw, webhook_id.decode(errors="replace")))
        except SubscriptionUnreadable as error:
            unreadable.append(error.webhook_id)
    return sorted(sound, key=lambda one: one.id), sorted(unreadable)


def get(client: redis.Redis, keys: Keys, webhook_id: str) -> Subscription:
    """One subscription. Raises SubscriptionNotFound, SubscriptionUnreadable."""
    raw = cast(bytes | None, client.hget(keys.webhooks, webhook_id)) if webhook_id.isascii() else None
    if raw is None:
        raise SubscriptionNotFound(webhook_id)
    return Subscription.from_bytes(raw, webhook_id)


def remove(client: redis.Redis, keys: Keys, webhook_id: str) -> None:
    """End a subscription; its pending deliveries become ``cancelled``. Raises SubscriptionNotFound."""
    if not webhook_id.isascii() or not client.hdel(keys.webhooks, webhook_id):
        raise SubscriptionNotFound(webhook_id)
    webhook_health.forget(client, keys, webhook_id)
    webhook_statistics.forget(client, keys, webhook_id)
    _call_delivery(client, keys, webhook_id)


def enable(client: redis.Redis, keys: Keys, webhook_id: str) -> Subscription:
    """Deliver to it again, events from now on. Raises SubscriptionNotFound, SubscriptionUnreadable."""
    now = server_time(client)

    def switch_on(one: Subscription) -> Subscription:
        return one if one.enabled else replace(one, enabled=True, disabled_reason=None, enabled_at=now)

    changed = change(client, keys, webhook_id, switch_on)
    webhook_health.forget(client, keys, webhook_id)
    return changed


def disable(
    client: redis.Redis, keys: Keys, webhook_id: str, reason: str = "disabled by hand"
) -> Subscription:
    """Deliver nothing more; pending deliveries become ``cancelled``.

    Raises SubscriptionNotFound, SubscriptionUnreadable.
    """
    changed = change(client, keys, webhook_id, lambda one: _switched_off(one, reason))
    _call_delivery(client, keys, webhook_id)
    return changed


def give_up(client: redis.Redis, keys: Keys, webhook_id: str, reason: str) -> Subscription:
    """`disable` by itself: in the same transaction it is announced as an event of type `DISABLED_EVENT`.

    Raises SubscriptionNotFound, SubscriptionUnreadable.
    """
    now = server_time(client)
    outbox = keys.of_instance("webhooks", webhook_id).outbox
    ours = client.type(outbox) in (b"stream", b"none")
    if not ours:
        _log.error("foreign_data", key=outbox)

    def announce(pipe: Pipeline, before: Subscription, after: Subscription) -> None:
        if before.enabled and ours:
            pipe.xadd(outbox, {"event": _disabled_event(after, now)})

    changed = change(client, keys, webhook_id, lambda one: _switched_off(one, reason), announce)
    _log.warning("webhook_disabled", webhook=webhook_id, reason=reason)
    _call_delivery(client, keys, webhook_id)
    return changed


def _switched_off(one: Subscription, reason: str) -> Subscription:
    return replace(one, enabled=False, disabled_reason=reason) if one.enabled else one


def _disabled_event(one: Subscription, now: str) -> bytes:
    """The CloudEvent; without the URL, which may hold a token of the receiver's."""
    digest = hashlib.sha256(f"{one.id}\n{DISABLED_EVENT}\n{now}".encode()).hexdigest()
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": digest[:32],
            "source": "/interlock/webhooks",
            "type": DISABLED_EVENT,
            "subject": one.id,
            "time": now,
            "datacontenttype": "application/json",
            "data": {"webhook": one.id, "description": one.description, "reason": one.disabled_reason},
        }
    )


_Also = Callable[[Pipeline, Subscription, Subscription], None]


def change(
    client: redis.Redis,
    keys: Keys,
    webhook_id: str,
    step: Callable[[Subscription], Subscription],
    also: _Also = lambda *_: None,
) -> Subscription:
    """Read, change by ``step`` and write back; again where another process wrote meanwhile. ``also``: what the same
    transaction does besides. Raises SubscriptionNotFound, SubscriptionUnreadable, and what ``step`` raises."""

    def rewrite(pipe: Pipeline) -> Any:
        raw = cast(bytes | None, pipe.hget(keys.webhooks, webhook_id)) if webhook_id.isascii() else None
        if raw is None:
            raise SubscriptionNotFound(webhook_id)
        before = Subscription.from_bytes(raw, webhook_id)
        changed = step(before)
        pipe.multi()
        pipe.hset(keys.webhooks, webhook_id, changed.to_bytes())
        also(pipe, before, changed)
        return changed

    return cast(Subscription, client.transaction(rewrite, keys.webhooks, value_from_callable=True))


def _call_delivery(client: redis.Redis, keys: Keys, webhook_id: str) -> None:
    """Make what waits for a webhook due, so that the next sweep wakes a delivery process to cancel it."""
    pipe = client.pipeline(transaction=False)
    for number in range(keys.partitions):
        pipe.zadd(keys.partition(number).due, {webhook_id: 0}, xx=True)
    pipe.execute(raise_on_error=False)  # a partition where somebody else wrote holds up no other


def server_ms(client: redis.Redis) -> int:
    """The time by the clock that dates the outbox, Unix milliseconds."""
    seconds, microseconds = client.time()
    return seconds * 1000 + microseconds // 1000


def server_time(client: redis.Redis) -> str:
    """The time by the same clock, RFC 3339."""
    seconds, microseconds = client.time()
    return format_time(datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds))
