"""Headers, rates, key pairs and rotation: what is kept, what is shown, what is refused."""

from __future__ import annotations

from base64 import b64decode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from interlock.engine import subscription_changes, subscriptions, webhook_signatures
from interlock.engine.keys import Keys
from interlock.engine.secrets import SecretKeyWrong, load_key
from interlock.engine.settings import Settings
from interlock.engine.signing import SecretInvalid, parse_secret
from interlock.engine.subscription_changes import MAX_SECRETS
from interlock.engine.subscriptions import SubscriptionInvalid
from interlock.engine.webhook_headers import HeaderInvalid, bound_to, parse_headers
from interlock.engine.webhook_rates import RateInvalid, interval_us
from interlock.workers import rates

URL = "https://example.com/hook"
KEYS = Keys(partitions=2)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(secret_key_file=tmp_path / "secret.key")


def test_headers_are_kept_as_secrets(fake_client: redis.Redis, settings: Settings) -> None:
    made, _ = subscriptions.add(
        fake_client, KEYS, settings, URL, headers=["Authorization: Bearer canary-1", "X-Team:  desk "]
    )
    key = load_key(settings)
    assert made.extra_headers(key) == {"Authorization": "Bearer canary-1", "X-Team": "desk"}
    raw = fake_client.hget(KEYS.webhooks, made.id).decode()
    for text in (raw, repr(made), orjson.dumps(made.shown()).decode()):
        assert "canary-1" not in text
    assert made.shown()["headers"] == ["Authorization", "X-Team"]


def test_a_secret_cannot_be_moved_into_a_header(fake_client: redis.Redis, settings: Settings) -> None:
    made, _ = subscriptions.add(fake_client, KEYS, settings, URL)
    with pytest.raises(SecretKeyWrong):
        load_key(settings).decrypt(made.secrets[0].cipher, bound_to(made.id, "X-Leak"))


@pytest.mark.parametrize(
    "text",
    [
        "no colon canary",
        "Host: canary",
        "connection: canary",
        "Transfer-Encoding: canary",
        "Content-Length: canary",
        "webhook-signature: canary",
        "Webhook-Id: canary",
        "Content-Type: canary",
        "Bad Name: canary",
        "X-A: canary\r\nX-B: 1",
        "X-A: canary\x00",
        "X-A:",
        "X-A: " + "canary" * 1000,
        "X-A: canarÿ",
    ],
)
def test_a_header_that_cannot_be_sent_is_refused_without_its_value(text: str) -> None:
    with pytest.raises(HeaderInvalid) as caught:
        parse_headers([text])
    assert "canar" not in str(caught.value)


def test_a_header_given_twice_is_refused() -> None:
    with pytest.raises(HeaderInvalid, match="twice"):
        parse_headers(["X-A: 1", "x-a: 2"])


@pytest.mark.parametrize(
    ("rate", "microseconds"), [("10/second", 100_000), ("30/minute", 2_000_000), ("100/hour", 36_000_000)]
)
def test_a_rate_is_a_time_between_attempts(rate: str, microseconds: int) -> None:
    assert interval_us(rate) == microseconds


@pytest.mark.parametrize(
    "rate", ["", "0/second", "10", "10/day", "-1/second", "1.5/second", "9999999/second"]
)
def test_what_is_no_rate_is_refused(rate: str, fake_client: redis.Redis, settings: Settings) -> None:
    with pytest.raises(RateInvalid):
        interval_us(rate)
    with pytest.raises(SubscriptionInvalid, match="rate"):
        subscriptions.add(fake_client, KEYS, settings, URL, rate=rate)


def test_over_any_time_a_rate_is_kept(any_client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(rates.time, "time", lambda: now)
    taken = []
    for _ in range(100):  # 5 seconds, asked every 50 ms by two processes
        taken.append(sum(rates.take(any_client, KEYS, "wh_1", "20/second", 50) for _ in range(2)))
        now += 0.05
    assert taken[0] == rates.burst("20/second") == 2
    assert 98 <= sum(taken) <= 102
    assert rates.take(any_client, KEYS, "wh_2", "1/second", 5) == 1
    assert rates.take(any_client, KEYS, "wh_2", "1/second", 5) == 0
    rates.give_back(any_client, KEYS, "wh_2", "1/second", 1)
    assert rates.take(any_client, KEYS, "wh_2", "1/second", 5) == 1
    assert any_client.pttl(KEYS.webhook_rate("wh_1")) > 0


def test_where_the_rates_key_is_somebody_elses_the_rate_is_kept_from_now_on(any_client: Any) -> None:
    any_client.set(KEYS.webhook_rate("wh_1"), "garbage")
    assert rates.take(any_client, KEYS, "wh_1", "1/second", 5) == 1
    any_client.delete(KEYS.webhook_rate("wh_1"))
    any_client.rpush(KEYS.webhook_rate("wh_1"), "x")
    assert rates.take(any_client, KEYS, "wh_1", "1/second", 5) == 1


def test_after_a_rotation_old_new_and_both_verify(fake_client: redis.Redis, settings: Settings) -> None:
    made, old = subscriptions.add(fake_client, KEYS, settings, URL)
    changed, new = subscription_changes.rotate(fake_client, KEYS, settings, made.id, 3600)
    now = datetime.now(UTC)
    key = load_key(settings)
    assert changed.signing_secrets(key, now) == [parse_secret(new), parse_secret(old)]
    assert changed.signing_secrets(key, now + timedelta(hours=2)) == [parse_secret(new)]
    assert subscriptions.get(fake_client, KEYS, made.id) == changed
    assert old != new


def test_without_grace_the_old_secret_ends_at_once(fake_client: redis.Redis, settings: Settings) -> None:
    made, _ = subscriptions.add(fake_client, KEYS, settings, URL)
    changed, new = subscription_changes.rotate(fake_client, KEYS, settings, made.id, 0)
    assert changed.signing_secrets(load_key(settings), datetime.now(UTC)) == [parse_secret(new)]


def test_a_second_rotation_prolongs_no_secret_and_keeps_a_few(
    fake_client: redis.Redis, settings: Settings
) -> None:
    made, _ = subscriptions.add(fake_client, KEYS, settings, URL)
    first, _ = subscription_changes.rotate(fake_client, KEYS, settings, made.id, 60)
    second, _ = subscription_changes.rotate(fake_client, KEYS, settings, made.id, 3600)
    assert second.secrets[2].expires_at == first.secrets[1].expires_at
    for _ in range(10):
        last, _ = subscription_changes.rotate(fake_client, KEYS, settings, made.id, 3600)
    assert len(last.secrets) == MAX_SECRETS


def verify(public_text: str, signature: str, signed: bytes) -> None:
    public = Ed25519PublicKey.from_public_bytes(b64decode(public_text.removeprefix("whpk_")))
    public.verify(b64decode(signature.removeprefix("v1a,")), signed)


def test_a_key_pair_shows_its_public_half_only(fake_client: redis.Redis, settings: Settings) -> None:
    made, secret = subscriptions.add(fake_client, KEYS, settings, URL, signature="ed25519")
    assert secret == ""
    public = made.shown()["signing"][0]["public_key"]
    [seed] = made.signing_secrets(load_key(settings), datetime.now(UTC))
    header = webhook_signatures.signature_header([seed], "msg_1", 5, b"{}")
    verify(public, header, b"msg_1.5.{}")
    with pytest.raises(InvalidSignature):
        verify(public, header, b"msg_1.6.{}")


def test_a_private_key_of_the_operators_own_is_taken(fake_client: redis.Redis, settings: Settings) -> None:
    # The pair of the example in Svix's server documentation: seed and public key in one text.
    whsk = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
    made, _ = subscriptions.add(fake_client, KEYS, settings, URL, signature="ed25519", secret=whsk)
    assert made.secrets[0].public_key == "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
    for wrong in (whsk[:-8] + "AAAAAA==", "whsk_", "whsk_?", "whsec_" + "A" * 43 + "=", "whsk_AAAA"):
        with pytest.raises(SecretInvalid) as caught:
            webhook_signatures.parse_private_key(wrong)
        assert "AAAA" not in str(caught.value)


def test_a_signature_that_does_not_exist_is_refused(fake_client: redis.Redis, settings: Settings) -> None:
    with pytest.raises(SubscriptionInvalid, match="ed25519"):
        subscriptions.add(fake_client, KEYS, settings, URL, signature="rsa")


def test_a_subscription_of_an_older_version_is_still_read(
    fake_client: redis.Redis, settings: Settings
) -> None:
    made, _ = subscriptions.add(fake_client, KEYS, settings, URL)
    fields = orjson.loads(made.to_bytes())
    for new in ("machines", "states", "where", "headers", "rate", "signature"):
        del fields[new]
    del fields["secrets"][0]["public_key"]
    fake_client.hset(KEYS.webhooks, made.id, orjson.dumps(fields))
    assert subscriptions.get(fake_client, KEYS, made.id) == made


def test_a_stored_rate_that_is_none_makes_no_subscription(
    fake_client: redis.Redis, settings: Settings
) -> None:
    made, _ = subscriptions.add(fake_client, KEYS, settings, URL, rate="5/second")
    fields = orjson.loads(made.to_bytes()) | {"rate": "fast"}
    fake_client.hset(KEYS.webhooks, made.id, orjson.dumps(fields))
    with pytest.raises(subscriptions.SubscriptionUnreadable):
        subscriptions.get(fake_client, KEYS, made.id)
    assert subscriptions.read_all(fake_client, KEYS) == ([], [made.id])
