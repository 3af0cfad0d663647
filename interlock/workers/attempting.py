"""One attempt: what is posted, what its answer means, and what becomes of the delivery."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from interlock.engine.delivery_log import Attempt, Delivery, DeliveryStatus
from interlock.engine.masking import masked
from interlock.engine.profiles import Outgoing, Profile, Verdict, profile_of
from interlock.engine.shared_secrets import shared_text
from interlock.engine.subscription import Subscription
from interlock.engine.webhook_signatures import SignatureScheme, signature_header
from interlock.workers.http_client import HttpClient
from interlock.workers.schedule import next_delay

CONTROL_HEADER = "webhook-delivery"
"""Svix's word (https://docs.svix.com/receiving/delivery-control): with it the answer of a receiver ends the
retries of this event (``abort-message``) or all deliveries (``disable``)."""
_CONTROL = {"abort-message": Verdict.DEAD, "disable": Verdict.DISABLE}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an attempt shows, in plain. ``secrets``: the current one first; ``headers``: the operator's own."""

    secrets: Sequence[bytes] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    @property
    def texts(self) -> list[str]:
        """All of them as a request may carry them."""
        return [*map(shared_text, self.secrets), *self.headers.values()]


async def post(
    http: HttpClient, subscription: Subscription, credentials: Credentials, message: str, event: bytes
) -> tuple[Attempt, Verdict]:
    """One attempt in the webhook's profile, and what its answer means. Raises ProfileUnknown."""
    profile = profile_of(subscription.profile)
    outgoing = _request(profile, subscription, credentials, message, event)
    attempt = await http.post(
        subscription.url, outgoing.headers, outgoing.body, timeout_seconds=profile.timeout_seconds
    )
    if attempt.reply:
        attempt = replace(attempt, reply=masked(attempt.reply, credentials.texts))
    if attempt.status is None:
        return attempt, Verdict.RETRY
    verdict = _verdict(profile, attempt.status, attempt.answer_headers)
    if verdict is Verdict.DELIVERED:
        return replace(attempt, error=None, retry_after_seconds=None), verdict
    return replace(attempt, error=_sentence(profile, attempt.status, verdict)), verdict


def _request(
    profile: Profile, subscription: Subscription, credentials: Credentials, message: str, event: bytes
) -> Outgoing:
    at = datetime.now(UTC)
    outgoing = profile.request(
        event, message=message, webhook_id=subscription.id, secrets=credentials.secrets, at=at
    )
    headers = dict(outgoing.headers)
    if subscription.signature is SignatureScheme.ED25519:
        timestamp = int(headers["webhook-timestamp"])
        headers["webhook-signature"] = signature_header(
            credentials.secrets, message, timestamp, outgoing.body
        )
    own = {name.lower() for name in headers}
    extra = {name: value for name, value in credentials.headers.items() if name.lower() not in own}
    return Outgoing(outgoing.body, extra | headers)


def _verdict(profile: Profile, status: int, headers: Mapping[str, str]) -> Verdict:
    verdict = profile.verdict(status, headers)
    control = _CONTROL.get(headers.get(CONTROL_HEADER, "").strip().lower())
    if control is None or verdict is Verdict.DISABLE:
        return verdict
    return verdict if verdict is Verdict.DELIVERED and control is Verdict.DEAD else control


def _sentence(profile: Profile, status: int, verdict: Verdict) -> str:
    """Why an answer is a failure, for the log."""
    if verdict is Verdict.DISABLE:
        gone = "(gone)" if status == 410 else f"and {CONTROL_HEADER}: disable"
        return f"the endpoint answered {status} {gone}: the webhook is disabled"
    if 300 <= status < 400:
        return f"the endpoint answered {status}: redirects are not followed, give the final URL"
    if 200 <= status < 300:
        return f"the endpoint answered {status}, which is no success in the profile {profile.name}"
    if verdict is Verdict.DEAD:
        return f"the endpoint answered {status}: it is not tried again"
    return f"the endpoint answered {status}"


def after(
    delivery: Delivery,
    attempt: Attempt,
    verdict: Verdict,
    schedule: Sequence[float],
    *,
    now_seconds: float,
    dice: float,
) -> tuple[Delivery, int | None]:
    """The delivery after an attempt, and when its next one is (Unix milliseconds, None: it is finished). Pure.

    An attempt that an operator asked for comes on top of the schedule: where it fails, the schedule goes on
    from where it was, and what was finished is what it was before.
    """
    before = delivery.resent_from
    by_hand = delivery.by_hand + (before is not None and delivery.scheduled > 0)
    delivery = replace(delivery, attempts=delivery.attempts + 1, by_hand=by_hand, resent_from=None)
    if verdict is Verdict.DELIVERED:
        return replace(delivery, status=DeliveryStatus.DELIVERED), None
    if before is DeliveryStatus.DELIVERED:
        return replace(delivery, status=before), None
    delay = next_delay(
        schedule, delivery.scheduled, retry_after_seconds=attempt.retry_after_seconds, dice=dice
    )
    if delay is None or verdict is not Verdict.RETRY or before is DeliveryStatus.DEAD:
        return replace(delivery, status=DeliveryStatus.DEAD), None
    return replace(delivery, status=DeliveryStatus.PENDING), math.ceil((now_seconds + delay) * 1000)
