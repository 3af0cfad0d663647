"""What the native API shows of webhooks and their deliveries, for its OpenAPI document."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from interlock.gateway.shown import Count, Shown, Time


class WebhookKeys(Shown):
    id: str
    secret: str | None = Field(description="Told this once; null with ed25519.")
    public_key: str | None = None


class SigningKey(Shown):
    public_key: str | None = Field(description="Of ed25519; null: the secret is shared.")
    expires_at: Time | None = Field(description="Null: it is the current one.")


class WebhookChange(Shown):
    at: Time
    fields: list[str]


class WebhookShown(Shown):
    id: str
    url: str
    description: str
    events: list[str]
    machines: list[str]
    states: list[str]
    where: str | None
    enabled: bool
    disabled_reason: str | None
    ordered: bool
    profile: str
    headers: list[str] = Field(description="Names alone.")
    rate: str | None
    signature: Literal["hmac", "ed25519"]
    signing: list[SigningKey] = Field(description="The current one first.")
    created_at: Time
    enabled_at: Time
    updated_at: Time | None
    changes: list[WebhookChange] = Field(description="The last ones, oldest first.")


class WebhookStatistics(Shown):
    pending: Count
    delivered: Count
    dead: Count
    cancelled: Count
    attempts: Count
    failed_attempts: Count
    last_success: Time | None
    last_failure: Time | None


class WebhookBreaker(Shown):
    state: Literal["closed", "open", "half_open"]
    failures: Count
    failing_since: Time | None
    next_probe: Time | None


class WebhookHealth(WebhookShown):
    statistics: WebhookStatistics
    breaker: WebhookBreaker


class WebhookList(Shown):
    webhooks: list[WebhookShown]


class AttemptShown(Shown):
    at: Time
    status: int | None = Field(description="The HTTP status; null without an answer.")
    duration_ms: Count
    error: str | None
    reply: str | None = None


class DeliveryShown(Shown):
    id: str
    event_id: str = Field(description="The header `webhook-id`.")
    status: Literal["pending", "delivered", "dead", "cancelled"]
    attempts: list[AttemptShown]


class DeliveryPage(Shown):
    deliveries: list[DeliveryShown]
    next: str | None


class Requested(Shown):
    id: str
    requested: Count
