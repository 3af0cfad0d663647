"""Subscriptions: what is kept, what is shown, what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest
import redis

from interlock.engine import subscriptions
from interlock.engine.addresses import UrlRefused
from interlock.engine.keys import Keys
from interlock.engine.messages import format_time
from interlock.engine.secrets import SecretKeyWrong, load_key
from interlock.engine.settings import Settings
from interlock.engine.signing import parse_secret
from interlock.engine.subscriptions import (
    StoredSecret,
    Subscription,
    SubscriptionInvalid,
    SubscriptionNotFound,
)

URL = "https://example.com/hook"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(secret_key_file=tmp_path / "secret.key")


@pytest.fixture
def keys() -> Keys:
    return Keys(partitions=2)


def test_a_new_subscription_is_found_again(fake_client: redis.Redis, keys: Keys, settings: Settings) -> None:
    made, secret = subscriptions.add(
        fake_client, keys, settings, URL, events=["ticket.*"], description="the desk"
    )
    assert subscriptions.get(fake_client, keys, made.id) == made
    assert subscriptions.list_all(fake_client, keys) == [made]
    assert made.id.startswith("wh_")
    assert made.enabled
    assert made.signing_secrets(load_key(settings), datetime.now(UTC)) == [parse_secret(secret)]
    assert len(parse_secret(secret)) == 32


def test_a_secret_of_the_receivers_own_is_taken(
    fake_client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    _, secret = subscriptions.add(fake_client, keys, settings, URL, secret=own)
    assert secret == own


def test_the_secret_stands_nowhere_in_the_database_or_in_what_is_shown(
    fake_client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    made, secret = subscriptions.add(fake_client, keys, settings, URL)
    raw = fake_client.hget(keys.webhooks, made.id)
    bare = secret.removeprefix("whsec_")
    for text in (raw.decode(), repr(made), repr(made.secrets), orjson.dumps(made.shown()).decode()):
        assert bare not in text
        assert made.secrets[0].cipher not in text or text == raw.decode()
    assert parse_secret(secret) not in raw


def test_a_process_with_another_key_is_told_at_once(
    fake_client: redis.Redis, keys: Keys, settings: Settings, tmp_path: Path
) -> None:
    subscriptions.add(fake_client, keys, settings, URL)
    with pytest.raises(SecretKeyWrong, match="INTERLOCK_SECRET_KEY"):
        subscriptions.add(fake_client, keys, Settings(secret_key_file=tmp_path / "other.key"), URL)
    assert len(subscriptions.list_all(fake_client, keys)) == 1


def test_during_a_rotation_the_old_secret_signs_until_its_grace_ends(settings: Settings) -> None:
    key, now = load_key(settings), datetime.now(UTC)

    def stored(plain: bytes, expires: datetime | None) -> StoredSecret:
        return StoredSecret(key.encrypt(plain, "wh_1"), format_time(expires) if expires else None)

    secrets = (
        stored(b"n" * 32, None),
        stored(b"o" * 32, now + timedelta(hours=1)),
        stored(b"x" * 32, now - timedelta(hours=1)),
    )
    moment = format_time(now)
    made = Subscription("wh_1", URL, "", ("*",), True, None, False, "standard", moment, moment, secrets)
    assert made.signing_secrets(key, now) == [b"n" * 32, b"o" * 32]
    assert Subscription.from_bytes(made.to_bytes(), made.id) == made


def test_disabling_says_why_and_enabling_begins_anew(
    fake_client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    made, _ = subscriptions.add(fake_client, keys, settings, URL)
    off = subscriptions.disable(fake_client, keys, made.id, "too many errors")
    assert (off.enabled, off.disabled_reason) == (False, "too many errors")
    on = subscriptions.enable(fake_client, keys, made.id)
    assert (on.enabled, on.disabled_reason) == (True, None)
    assert on.enabled_at >= made.enabled_at
    assert subscriptions.enable(fake_client, keys, made.id) == on, "enabling twice must not skip events"
    assert on.secrets == made.secrets


def test_a_removed_one_is_not_found(fake_client: redis.Redis, keys: Keys, settings: Settings) -> None:
    made, _ = subscriptions.add(fake_client, keys, settings, URL)
    subscriptions.remove(fake_client, keys, made.id)
    for call in (subscriptions.get, subscriptions.remove, subscriptions.enable, subscriptions.disable):
        with pytest.raises(SubscriptionNotFound, match=made.id):
            call(fake_client, keys, made.id)


@pytest.mark.parametrize(
    ("pattern", "event_type", "wanted"),
    [
        ("*", "ticket.assigned", True),
        ("ticket.*", "ticket.assigned", True),
        ("ticket.*", "ticket.reply.sent", True),
        ("ticket.*", "tickets.assigned", False),
        ("ticket.*", "ticket", False),
        ("ticket.assigned", "ticket.assigned", True),
        ("ticket.assigned", "ticket.assigned_again", False),
        ("ticket.assigned", "xticket.assigned", False),
    ],
)
def test_a_filter_takes_what_it_says(pattern: str, event_type: str, wanted: bool) -> None:
    assert subscriptions.matches(pattern, event_type) is wanted


@pytest.mark.parametrize(
    "pattern", ["", "**", "*.assigned", "ticket.", "ticket*", "tick et", "ticket.*.x", "ticket\n"]
)
def test_a_filter_that_means_nothing_is_refused(
    pattern: str, fake_client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    with pytest.raises(SubscriptionInvalid, match="event filter"):
        subscriptions.add(fake_client, keys, settings, URL, events=[pattern])


def test_a_profile_that_does_not_exist_yet_is_refused(
    fake_client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    with pytest.raises(SubscriptionInvalid, match="use standard, engage, sunshine, genesys, plain"):
        subscriptions.add(fake_client, keys, settings, URL, profile="svix")


def test_nothing_is_kept_of_a_subscription_that_is_refused(
    fake_client: redis.Redis, keys: Keys, settings: Settings
) -> None:
    with pytest.raises(UrlRefused):
        subscriptions.add(fake_client, keys, settings, "https://127.0.0.1/")
    assert fake_client.keys("*") == []
    assert not settings.secret_key_file.exists()
