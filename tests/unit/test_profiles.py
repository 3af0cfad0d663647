"""How deliveries look in each profile, and what a receiver's answers mean."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import orjson
import pytest
from standardwebhooks.webhooks import Webhook

from interlock.engine.profiles import PROFILES, ProfileUnknown, Verdict, profile_of

SECRETS = (b"n" * 32, b"o" * 32)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def printed(secret: bytes) -> str:
    """The text that the subscriber was given."""
    return "whsec_" + base64.b64encode(secret).decode()


def test_an_unknown_profile_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(ProfileUnknown, match="standard"):
        profile_of("svix")
    assert all(profile_of(name).name == name for name in PROFILES)


@pytest.mark.parametrize("secret", SECRETS)
def test_standard_posts_the_event_as_it_is_signed_with_each_secret(secret: bytes) -> None:
    event = orjson.dumps({"id": "e-1", "type": "ticket.assigned", "data": {"text": "Zoë"}})
    made = profile_of("standard").request(
        event, message="msg_1", webhook_id="wh_1", secrets=SECRETS, at=datetime.now(UTC)
    )
    assert made.body == event
    Webhook(printed(secret)).verify(made.body, dict(made.headers))
    assert made.headers["Content-Type"] == "application/cloudevents+json"
    assert "traceparent" not in made.headers


@pytest.mark.parametrize(
    ("trace", "sent"), [(TRACE, True), ("00-1\r\nX-Injected: yes", False), ("", False), (7, False)]
)
def test_standard_carries_a_traceparent_only_where_it_may_stand_in_a_header(
    trace: object, sent: bool
) -> None:
    event = orjson.dumps({"id": "e-1", "type": "t.a", "traceparent": trace})
    made = profile_of("standard").request(
        event, message="msg_1", webhook_id="wh_1", secrets=SECRETS, at=datetime.now(UTC)
    )
    assert made.headers.get("traceparent") == (trace if sent else None)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.DELIVERED),
        (204, Verdict.DELIVERED),
        (299, Verdict.DELIVERED),
        (None, Verdict.RETRY),
        (199, Verdict.RETRY),
        (302, Verdict.RETRY),
        (404, Verdict.RETRY),
        (429, Verdict.RETRY),
        (500, Verdict.RETRY),
        (410, Verdict.DISABLE),
    ],
)
def test_in_standard_any_2xx_counts_and_410_ends_the_webhook(status: int | None, verdict: Verdict) -> None:
    assert profile_of("standard").verdict(status, {}) is verdict
