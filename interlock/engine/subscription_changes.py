"""A webhook that goes on as another: what it wants, where it is, how it signs. Each change is on its record."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any

import redis

from interlock.engine import webhook_health
from interlock.engine.addresses import check_url
from interlock.engine.keys import Keys
from interlock.engine.messages import format_time, parse_time
from interlock.engine.secrets import SecretKey, claim_key, load_key
from interlock.engine.settings import Settings
from interlock.engine.shared_secrets import is_own_text
from interlock.engine.signing import SECRET_BYTES
from interlock.engine.subscription import StoredHeader, Subscription
from interlock.engine.subscription_options import (
    Options,
    SubscriptionInvalid,
    checked,
    parse_key,
    scheme_of,
    sealed,
    told,
)
from interlock.engine.subscriptions import change, get, server_time
from interlock.engine.webhook_headers import MAX_HEADERS, bound_to

MAX_SECRETS = 5
"""Signatures of one request at most: the current secret's and those of the last rotations."""


@dataclass(frozen=True, slots=True)
class Update:
    """What is to be different; None leaves as it is. See `Options`.

    An empty text or sequence takes away what was there. ``headers``: set one by one, others stay; ``Name:`` alone
    takes that one away.
    """

    url: str | None = None
    description: str | None = None
    events: Sequence[str] | None = None
    machines: Sequence[str] | None = None
    states: Sequence[str] | None = None
    where: str | None = None
    headers: Sequence[str] | None = field(default=None, repr=False)
    rate: str | None = None
    ordered: bool | None = None
    profile: str | None = None

    @property
    def named(self) -> list[str]:
        """The fields that are to be different."""
        return [one.name for one in fields(self) if getattr(self, one.name) is not None]


def update(
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
    webhook_id: str,
    wish: Update,
    *,
    seen: Subscription | None = None,
) -> Subscription:
    """Change a webhook; its id, its secrets and what waits for it stay. What waits goes to the new URL.

    ``seen``: the webhook as its endpoint was asked about it; changed meanwhile, it is refused.
    Raises SubscriptionNotFound, SubscriptionUnreadable, SubscriptionInvalid, UrlRefused, SecretKeyInvalid,
    SecretKeyWrong.
    """
    if wish.url is not None:
        check_url(wish.url, settings.webhook_allow_cidrs, settings.webhook_allow_hosts)
    key = load_key(settings)
    claim_key(client, keys, key)
    now = server_time(client)

    def renew(one: Subscription) -> Subscription:
        _check_unchanged(one, seen)
        return _updated(one, wish, key, now)

    changed = change(client, keys, webhook_id, renew)
    if wish.url is not None or wish.profile is not None:
        webhook_health.forget(
            client, keys, webhook_id
        )  # how the old endpoint failed says nothing of the new one
    return changed


def rotate(
    client: redis.Redis,
    keys: Keys,
    settings: Settings,
    webhook_id: str,
    grace_seconds: float,
    *,
    secret: str | None = None,
    seen: Subscription | None = None,
) -> tuple[Subscription, str]:
    """Sign with a new secret; the ones before sign along for ``grace_seconds``, or for less if they had less.

    ``secret``: as in `subscriptions.add`, made where None; ``seen``: as in `update`. Returns what `add` returns.
    Raises SubscriptionNotFound, SubscriptionUnreadable, SubscriptionInvalid, SecretInvalid, SharedSecretInvalid,
    SecretKeyInvalid, SecretKeyWrong.
    """
    key = load_key(settings)
    claim_key(client, keys, key)
    before = seen or get(client, keys, webhook_id)
    made = os.urandom(SECRET_BYTES)
    plain = parse_key(secret, before.profile, before.signature) if secret is not None else made
    now = server_time(client)
    end = format_time(parse_time(now) + timedelta(seconds=grace_seconds))

    def renew(one: Subscription) -> Subscription:
        _check_unchanged(one, seen)
        if one.profile != before.profile:
            raise _changed_meanwhile(one)
        old = (replace(each, expires_at=min(each.expires_at or end, end)) for each in one.secrets)
        kept = [each for each in old if each.expires_at is not None and each.expires_at > now]
        current = sealed(key, webhook_id, plain, one.signature)
        renewed = replace(one, secrets=(current, *kept[: MAX_SECRETS - 1]))
        return renewed.noted(now, ["secret"])

    changed = change(client, keys, webhook_id, renew)
    if secret is not None and changed.profile != "standard":
        return changed, secret
    return changed, told(plain, changed.signature)


def _check_unchanged(one: Subscription, seen: Subscription | None) -> None:
    """An endpoint that answered a challenge did so for this URL, profile and secret."""
    if seen is not None and (one.url, one.profile, one.secrets) != (seen.url, seen.profile, seen.secrets):
        raise _changed_meanwhile(one)


def _changed_meanwhile(one: Subscription) -> SubscriptionInvalid:
    return SubscriptionInvalid(
        f"webhook {one.id} was changed by somebody else just now: look, and run it again"
    )


def _updated(one: Subscription, wish: Update, key: SecretKey, now: str) -> Subscription:
    removed, given = _headers(wish.headers or ())
    options = Options(
        events=one.events if wish.events is None else _filled(wish.events) or ("*",),
        machines=one.machines if wish.machines is None else _filled(wish.machines),
        states=one.states if wish.states is None else _filled(wish.states),
        where=one.where if wish.where is None else wish.where or None,
        description=one.description if wish.description is None else wish.description,
        ordered=one.ordered if wish.ordered is None else wish.ordered,
        profile=one.profile if wish.profile is None else wish.profile,
        headers=given,
        rate=one.rate if wish.rate is None else wish.rate or None,
        signature=one.signature,
    )
    wanted, headers = checked(options)
    scheme_of(options)
    _check_secrets(one, options.profile, key)
    changed: dict[str, Any] = {
        "url": one.url if wish.url is None else wish.url,
        "description": options.description,
        "events": wanted.events,
        "machines": wanted.machines,
        "states": wanted.states,
        "where": wanted.where,
        "headers": _merged(one, removed, headers, key),
        "rate": options.rate,
        "ordered": options.ordered,
        "profile": options.profile,
    }
    return replace(one, **changed).noted(now, wish.named)


def _filled(texts: Sequence[str]) -> tuple[str, ...]:
    """Without the empty text that stands for none."""
    return tuple(text for text in texts if text)


def _headers(texts: Sequence[str]) -> tuple[set[str], list[str]]:
    """Names in small letters that are taken away, and the texts of those that are set. One empty text: all go."""
    removed: set[str] = set()
    given: list[str] = []
    for text in texts:
        name, colon, value = text.partition(":")
        if not text.strip() or (colon and not value.strip()):
            removed.add(name.strip().lower() or "*")
        else:
            given.append(text)
    return removed, given


def _merged(
    one: Subscription, removed: set[str], given: dict[str, str], key: SecretKey
) -> tuple[StoredHeader, ...]:
    gone = removed | {name.lower() for name in given}
    kept = [each for each in one.headers if each.name.lower() not in gone and "*" not in removed]
    new = [
        StoredHeader(name, key.encrypt(value.encode(), bound_to(one.id, name)))
        for name, value in given.items()
    ]
    if len(kept) + len(new) > MAX_HEADERS:
        raise SubscriptionInvalid(f"{len(kept) + len(new)} headers: use at most {MAX_HEADERS}")
    return (*kept, *new)


def _check_secrets(one: Subscription, profile: str, key: SecretKey) -> None:
    """A text of a receiver's own is no key of Standard Webhooks."""
    if profile != "standard" or one.profile == "standard":
        return
    if any(is_own_text(key.decrypt(each.cipher, one.id)) for each in one.secrets):
        raise SubscriptionInvalid(
            "its secret is a text of the receiver's own, which the profile standard cannot sign with: rotate it "
            "with --grace 0s first, or add another webhook"
        )
