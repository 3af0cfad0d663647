"""A secret that a vendor's receiver was configured with before it met us."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis
from standardwebhooks.webhooks import Webhook

from interlock.engine import subscriptions
from interlock.engine.errors import InterlockError
from interlock.engine.keys import Keys
from interlock.engine.profiles import PROFILES, profile_of
from interlock.engine.secrets import load_key
from interlock.engine.settings import Settings
from interlock.engine.shared_secrets import parse_shared, shared_text
from interlock.engine.signing import SecretInvalid

OWN = "dimelo-since-2019!"
EVENT = b'{"id":"e-1","type":"ticket.assigned","data":{}}'


@pytest.mark.parametrize(
    "text", [OWN, "12345678", "~" * 255, "whsec_" + base64.b64encode(b"n" * 32).decode()]
)
def test_a_secret_comes_back_as_it_was_given(text: str) -> None:
    assert shared_text(parse_shared(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "1234567", "x" * 256, "two words", "line\r\nX-Injected: 1", "caf\u00e9-caf\u00e9", "whsec_short"],
)
def test_what_cannot_be_a_header_is_refused_and_never_repeated(text: str) -> None:
    with pytest.raises(InterlockError) as refused:
        parse_shared(text)
    assert not text or text not in str(refused.value)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(secret_key_file=tmp_path / "secret.key")


@pytest.mark.parametrize("profile", sorted(PROFILES.keys() - {"standard"}))
def test_in_a_vendors_profile_requests_carry_the_receivers_own_secret(
    profile: str, fake_client: redis.Redis, settings: Settings
) -> None:
    keys = Keys("interlock", 2)
    added, told = subscriptions.add(
        fake_client, keys, settings, "https://example.com/", profile=profile, secret=OWN
    )
    assert told == OWN
    secrets = added.signing_secrets(load_key(settings), datetime.now(UTC))
    made = profile_of(profile).request(
        EVENT, message="msg_1", webhook_id=added.id, secrets=secrets, at=datetime.now(UTC)
    )
    hub = "sha1=" + hmac.new(OWN.encode(), made.body, hashlib.sha1).hexdigest()
    proofs = {"engage": ("X-Dimelo-Secret", OWN), "sunshine": ("X-API-Key", OWN)}
    name, value = proofs.get(profile, ("X-Hub-Signature", hub))
    assert made.headers[name] == value
    Webhook(base64.b64encode(OWN.encode()).decode()).verify(made.body, dict(made.headers))
    assert OWN not in str(fake_client.hgetall(keys.webhooks))


def test_in_standard_a_secret_is_ours_alone(fake_client: redis.Redis, settings: Settings) -> None:
    with pytest.raises(SecretInvalid):
        subscriptions.add(fake_client, Keys("interlock", 2), settings, "https://example.com/", secret=OWN)
