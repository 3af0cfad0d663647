"""Signatures, as the specification's own library sees them; it verifies, it never signs."""

from __future__ import annotations

import os
import time

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from interlock.engine.signing import SecretInvalid, format_secret, message_id, parse_secret, signed_headers

BODY = '{"id":"e-1","type":"ticket.assigned","data":{"name":"Zoë ☃"}}'.encode()
SECRET = bytes(range(32))


def headers_now(secrets: list[bytes], body: bytes = BODY) -> dict[str, str]:
    return signed_headers(secrets, "msg_1", int(time.time()), body)


def test_the_standards_own_library_verifies_what_we_sign() -> None:
    assert Webhook(format_secret(SECRET)).verify(BODY, headers_now([SECRET]))["id"] == "e-1"


def test_the_specifications_example_gives_its_signature() -> None:
    secret = parse_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed_headers([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("change", ["body", "id", "timestamp", "secret"])
def test_what_was_tampered_with_is_refused(change: str) -> None:
    headers, body, secret = headers_now([SECRET]), BODY, SECRET
    if change == "body":
        body = BODY.replace(b"assigned", b"closed")
    elif change == "id":
        headers["webhook-id"] = "msg_2"
    elif change == "timestamp":
        headers["webhook-timestamp"] = str(int(headers["webhook-timestamp"]) + 1)
    else:
        secret = os.urandom(32)
    with pytest.raises(WebhookVerificationError):
        Webhook(format_secret(secret)).verify(body, headers)


def test_an_old_timestamp_is_refused_so_each_attempt_needs_a_fresh_one() -> None:
    stale = signed_headers([SECRET], "msg_1", int(time.time()) - 600, BODY)
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(format_secret(SECRET)).verify(BODY, stale)


def test_during_a_rotation_receivers_with_the_old_and_with_the_new_secret_verify() -> None:
    old, new = os.urandom(32), os.urandom(32)
    headers = headers_now([new, old])
    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (old, new):
        Webhook(format_secret(secret)).verify(BODY, headers)


def test_the_webhook_id_is_one_for_each_event_and_endpoint() -> None:
    pairs = [(event, webhook) for event in ("e-1", "e-2") for webhook in ("wh_1", "wh_2")]
    ids = {message_id(*pair) for pair in pairs}
    assert len(ids) == 4
    assert message_id("e-1", "wh_1") == message_id("e-1", "wh_1")
    assert all("." not in one and one.startswith("msg_") for one in ids)


def test_a_secret_survives_its_text() -> None:
    assert parse_secret(format_secret(SECRET)) == SECRET


@pytest.mark.parametrize(
    "text", ["", "whsec_", "hunter2hunter2", "whsec_hunter2", "whsec_" + "A" * 200, "whsec_$$$"]
)
def test_a_bad_secret_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(SecretInvalid) as caught:
        parse_secret(text)
    assert "hunter2" not in str(caught.value)
    assert "AAAA" not in str(caught.value)
