"""Webhook subscriptions: who gets which events, kept in the hash ``<prefix>:webhooks``."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import orjson
import redis
import uuid_utils
from pydantic import TypeAdapter
from redis.client import Pipeline

from interlock.engine.addresses import check_url
from interlock.engine.errors import InterlockError
from interlock.engine.keys import Keys
from interlock.engine.messages import format_time, parse_time, time_to_ms
from interlock.engine.profiles import PROFILES
from interlock.engine.secrets import SecretKey, claim_key, load_key
from interlock.engine.settings import Settings
from interlock.engine.signing import SECRET_BYTES, format_secret, parse_secret

MAX_FILTERS = 100
_FILTER = re.compile(r"\A(?:\*|[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*(?:\.\*)?)\Z")


class SubscriptionNotFound(InterlockError):
    """No webhook has this id: `interlock webhook list` shows them."""

    def __init__(self, webhook_id: str) -> None:
        self.webhook_id = webhook_id
        super().__init__(f"no webhook has the id {webhook_id!r}: `interlock webhook list` shows them")


class SubscriptionUnreadable(InterlockError):
    """What is stored under this id is no subscription: somebody else wrote it. Remove it."""

    def __init__(self, webhook_id: str) -> None:
        self.webhook_id = webhook_id
        super().__init__(
            f"what is stored as webhook {webhook_id!r} is no subscription: `interlock webhook remove` takes it away"
        )


class WebhooksUnreadable(InterlockError):
    """The key of all subscriptions holds another type: somebody else wrote it. Rename or delete it."""

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key!r} holds a foreign type: rename or delete it")


class SubscriptionInvalid(InterlockError):
    """A subscription cannot be made from this. Correct what the message names."""


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A secret at rest. ``cipher``: see `SecretKey.encrypt`; ``expires_at``: RFC 3339, the end of its
    grace after a rotation, or None for the current one."""

    cipher: str = field(repr=False)
    expires_at: str | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """One endpoint and what it wants.

    ``id``: ``wh_`` and 32 hex digits that sort by creation; ``events``: filters, each ``*``, a type
    (``ticket.assigned``) or a prefix (``ticket.*``); ``ordered``: refused by `add` until it is built (a retry
    may overtake: receivers tell the order by ``sequence``); ``enabled_at``: no event from before it is
    sent; ``secrets``: the current one first. Both times are RFC 3339, by the server's clock.
    """

    id: str
    url: str
    description: str
    events: tuple[str, ...]
    enabled: bool
    disabled_reason: str | None
    ordered: bool
    profile: str
    created_at: str
    enabled_at: str
    secrets: tuple[StoredSecret, ...]

    @property
    def enabled_ms(self) -> int:
        """``enabled_at`` in Unix milliseconds."""
        return time_to_ms(parse_time(self.enabled_at))

    def wants(self, event_type: str) -> bool:
        """Whether a filter matches the type of an event."""
        return any(matches(pattern, event_type) for pattern in self.events)

    def signing_secrets(self, key: SecretKey, now: datetime) -> list[bytes]:
        """The secrets to sign with at ``now``, the current one first. Raises `SecretKeyWrong`."""
        moment = format_time(now)
        return [
            key.decrypt(secret.cipher, self.id)
            for secret in self.secrets
            if secret.expires_at is None or secret.expires_at > moment
        ]

    def shown(self) -> dict[str, Any]:
        """All that may be shown: everything but the secrets."""
        fields = asdict(self)
        del fields["secrets"]
        return fields

    def to_bytes(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def from_bytes(cls, raw: bytes, webhook_id: str) -> Subscription:
        """What is stored under ``webhook_id``. Raises SubscriptionUnreadable."""
        try:
            stored = _STORED.validate_json(raw, strict=True)
            _ = stored.enabled_ms
        except (ValueError, OverflowError):
            raise SubscriptionUnreadable(webhook_id) from None  # the cause would show what was read
        if stored.id != webhook_id:
            raise SubscriptionUnreadable(webhook_id)
        return stored


_STORED = TypeAdapter(Subscription)


def matches(pattern: str, event_type: str) -> bool:
    """Whether the filter ``pattern`` takes events of ``event_type``."""
    if pattern == "*":
        return True
    if pattern.endswith(".*"):
        return event_type.startswith(pattern[:-1])
    return pattern == event_type


def add(
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
    url: str,
    *,
    events: Sequence[str] = ("*",),
    description: str = "",
    secret: str | None = None,
    ordered: bool = False,
    profile: str = "standard",
) -> tuple[Subscription, str]:
    """Subscribe ``url``; returns the subscription and its ``whsec_`` secret, which is never shown again.

    ``secret``: one that the receiver has already; made where None.
    Raises SubscriptionInvalid, UrlRefused, SecretInvalid, SecretKeyInvalid, SecretKeyWrong.
    """
    check_url(url, settings.webhook_allow_cidrs, settings.webhook_allow_hosts)
    filters = _checked_filters(events)
    if ordered:
        raise SubscriptionInvalid("ordered deliveries are not built yet: leave it out, and go by `sequence`")
    if profile not in PROFILES:
        raise SubscriptionInvalid(f"there is no profile {profile!r}: use {', '.join(PROFILES)}")
    plain = parse_secret(secret) if secret is not None else os.urandom(SECRET_BYTES)
    key = load_key(settings)
    claim_key(client, keys, key)
    webhook_id = f"wh_{uuid_utils.uuid7().hex}"
    now = _server_time(client)
    subscription = Subscription(
        id=webhook_id,
        url=url,
        description=description,
        events=filters,
        enabled=True,
        disabled_reason=None,
        ordered=ordered,
        profile=profile,
        created_at=now,
        enabled_at=now,
        secrets=(StoredSecret(key.encrypt(plain, webhook_id)),),
    )
    client.hset(keys.webhooks, webhook_id, subscription.to_bytes())
    return subscription, format_secret(plain)


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
    raw = cast(bytes | None, client.hget(keys.webhooks, webhook_id))
    if raw is None:
        raise SubscriptionNotFound(webhook_id)
    return Subscription.from_bytes(raw, webhook_id)


def remove(client: redis.Redis, keys: Keys, webhook_id: str) -> None:
    """End a subscription; its pending deliveries become ``cancelled``. Raises SubscriptionNotFound."""
    if not client.hdel(keys.webhooks, webhook_id):
        raise SubscriptionNotFound(webhook_id)
    _call_delivery(client, keys, webhook_id)


def enable(client: redis.Redis, keys: Keys, webhook_id: str) -> Subscription:
    """Deliver to it again, events from now on. Raises SubscriptionNotFound, SubscriptionUnreadable."""
    now = _server_time(client)

    def switch_on(one: Subscription) -> Subscription:
        return one if one.enabled else replace(one, enabled=True, disabled_reason=None, enabled_at=now)

    return _change(client, keys, webhook_id, switch_on)


def disable(
    client: redis.Redis, keys: Keys, webhook_id: str, reason: str = "disabled by hand"
) -> Subscription:
    """Deliver nothing more; pending deliveries become ``cancelled``.

    Raises SubscriptionNotFound, SubscriptionUnreadable.
    """
    changed = _change(
        client, keys, webhook_id, lambda one: replace(one, enabled=False, disabled_reason=reason)
    )
    _call_delivery(client, keys, webhook_id)
    return changed


def _change(
    client: redis.Redis, keys: Keys, webhook_id: str, change: Callable[[Subscription], Subscription]
) -> Subscription:
    """Read, change and write back; again where another process wrote meanwhile."""

    def rewrite(pipe: Pipeline) -> Any:
        raw = cast(bytes | None, pipe.hget(keys.webhooks, webhook_id))
        if raw is None:
            raise SubscriptionNotFound(webhook_id)
        changed = change(Subscription.from_bytes(raw, webhook_id))
        pipe.multi()
        pipe.hset(keys.webhooks, webhook_id, changed.to_bytes())
        return changed

    return cast(Subscription, client.transaction(rewrite, keys.webhooks, value_from_callable=True))


def _call_delivery(client: redis.Redis, keys: Keys, webhook_id: str) -> None:
    """Make what waits for a webhook due, so that the next sweep wakes a delivery process to cancel it."""
    pipe = client.pipeline(transaction=False)
    for number in range(keys.partitions):
        pipe.zadd(keys.partition(number).due, {webhook_id: 0}, xx=True)
    pipe.execute(raise_on_error=False)  # a partition where somebody else wrote holds up no other


def _server_time(client: redis.Redis) -> str:
    """The time by the clock that dates the outbox."""
    seconds, microseconds = client.time()
    return format_time(datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds))


def _checked_filters(events: Sequence[str]) -> tuple[str, ...]:
    filters = tuple(dict.fromkeys(events)) or ("*",)
    if len(filters) > MAX_FILTERS:
        raise SubscriptionInvalid(f"{len(filters)} event filters: use at most {MAX_FILTERS}, or a wildcard")
    for pattern in filters:
        if not _FILTER.match(pattern):
            raise SubscriptionInvalid(
                f"{pattern!r} is no event filter: write *, a type such as ticket.assigned, or ticket.*"
            )
    return filters
