"""A webhook as it is stored: one endpoint, what it wants and how it wants it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
from pydantic import TypeAdapter

from interlock.engine.errors import InterlockError
from interlock.engine.event_filters import EventFilter
from interlock.engine.expressions import EvaluationError, ExpressionError
from interlock.engine.messages import format_time, parse_time, time_to_ms
from interlock.engine.secrets import SecretKey
from interlock.engine.webhook_headers import bound_to
from interlock.engine.webhook_rates import RateInvalid, interval_us
from interlock.engine.webhook_signatures import SignatureScheme

MAX_CHANGES = 20
"""Changes that a webhook remembers."""


class SubscriptionUnreadable(InterlockError):
    """What is stored under this id is no subscription: somebody else wrote it. Remove it."""

    def __init__(self, webhook_id: str) -> None:
        self.webhook_id = webhook_id
        super().__init__(
            f"what is stored as webhook {webhook_id!r} is no subscription: `interlock webhook remove` takes it away"
        )


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A secret at rest. ``cipher``: see `SecretKey.encrypt`; ``expires_at``: RFC 3339, the end of its
    grace after a rotation, or None for the current one; ``public_key``: ``whpk_...``, of ed25519 only."""

    cipher: str = field(repr=False)
    expires_at: str | None = None
    public_key: str | None = None


@dataclass(frozen=True, slots=True)
class StoredHeader:
    """A header that every request carries; its value is a secret and encrypted like one."""

    name: str
    cipher: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """What an operator changed: when (RFC 3339), and which fields; never a value, some are secrets."""

    at: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Subscription:
    """One endpoint and what it wants.

    ``id``: ``wh_`` and 32 hex digits that sort by creation; ``events``, ``machines``, ``states``, ``where``: see
    `EventFilter`; ``ordered``: events of one instance are sent one after the other; ``enabled_at``: no event from
    before it is sent; ``secrets``: the current one first; ``rate``: attempts at most, ``10/second``, None for no
    limit; ``changes``: the last ones, oldest first. All times are RFC 3339, by the server's clock.
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
    machines: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    where: str | None = None
    headers: tuple[StoredHeader, ...] = ()
    rate: str | None = None
    signature: SignatureScheme = SignatureScheme.HMAC
    changes: tuple[Change, ...] = ()

    def noted(self, at: str, fields: Iterable[str]) -> Subscription:
        """With one more change on record; without the oldest where there are too many."""
        return replace(self, changes=(*self.changes, Change(at, tuple(fields)))[-MAX_CHANGES:])

    @property
    def updated_at(self) -> str | None:
        """When it was changed last; None where it is as it was made."""
        return self.changes[-1].at if self.changes else None

    @property
    def enabled_ms(self) -> int:
        """``enabled_at`` in Unix milliseconds."""
        return time_to_ms(parse_time(self.enabled_at))

    @property
    def created_ms(self) -> int:
        """``created_at`` in Unix milliseconds."""
        return time_to_ms(parse_time(self.created_at))

    @property
    def filter(self) -> EventFilter:
        """Which events it wants."""
        return EventFilter(self.events, self.machines, self.states, self.where)

    def takes(self, event: Mapping[str, Any], report: Callable[..., None]) -> bool:
        """Whether it wants a CloudEvent. A ``where`` that fails is a no, and told to ``report``."""
        try:
            return self.filter.wants(event)
        except (EvaluationError, ExpressionError) as error:
            report("webhook_filter_failed", webhook=self.id, error=str(error))
            return False

    def signing_secrets(self, key: SecretKey, now: datetime) -> list[bytes]:
        """The secrets to sign with at ``now``, the current one first. Raises `SecretKeyWrong`."""
        moment = format_time(now)
        return [
            key.decrypt(secret.cipher, self.id)
            for secret in self.secrets
            if secret.expires_at is None or secret.expires_at > moment
        ]

    def extra_headers(self, key: SecretKey) -> dict[str, str]:
        """The headers that every request carries besides its own. Raises `SecretKeyWrong`."""
        return {
            one.name: key.decrypt(one.cipher, bound_to(self.id, one.name)).decode() for one in self.headers
        }

    def shown(self) -> dict[str, Any]:
        """All that may be shown: everything but the secrets and what the headers carry."""
        fields = asdict(self)
        del fields["secrets"]
        fields["updated_at"] = self.updated_at
        fields["headers"] = [one.name for one in self.headers]
        fields["signing"] = [
            {"public_key": one.public_key, "expires_at": one.expires_at} for one in self.secrets
        ]
        return fields

    def to_bytes(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def from_bytes(cls, raw: bytes, webhook_id: str) -> Subscription:
        """What is stored under ``webhook_id``. Raises SubscriptionUnreadable."""
        try:
            stored = _parse(raw)
        except (ValueError, OverflowError, RateInvalid):
            raise SubscriptionUnreadable(webhook_id) from None  # the cause would show what was read
        if stored.id != webhook_id:
            raise SubscriptionUnreadable(webhook_id)
        return stored


_STORED = TypeAdapter(Subscription)


@lru_cache(maxsize=1024)
def _parse(raw: bytes) -> Subscription:
    """Kept, because delivery processes read all of them again and again.

    Raises ValueError, OverflowError, RateInvalid.
    """
    stored = _STORED.validate_json(raw, strict=True)
    _ = stored.enabled_ms, stored.created_ms
    if stored.rate is not None:
        interval_us(stored.rate)
    return stored
