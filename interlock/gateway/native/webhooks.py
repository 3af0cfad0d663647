"""Who is told what happens: subscriptions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from interlock.engine import (
    subscription_changes,
    subscriptions,
    webhook_health,
    webhook_statistics,
)
from interlock.engine.audit import Action, origin_of
from interlock.engine.breaker import HEALTHY
from interlock.engine.subscription import Subscription
from interlock.engine.trial_event import TrialInvalid
from interlock.gateway.answers import answer, problems
from interlock.gateway.callers import Operator
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.native.auditing import write_down
from interlock.gateway.native.bodies import BODY_PROBLEMS, Body, taken, takes_model
from interlock.gateway.native.webhook_access import Texts, WebhookId, refusals_told, webhook_of
from interlock.gateway.native.webhook_shapes import (
    AttemptShown,
    WebhookHealth,
    WebhookKeys,
    WebhookList,
    WebhookShown,
)
from interlock.gateway.problems import Problem

router = APIRouter(prefix="/webhooks")

MAX_GRACE_SECONDS = 30 * 86_400


class NewWebhook(Body):
    """Where events are sent, and which."""

    url: str = Field(max_length=4096)
    events: Texts = Field(default=["*"], description="`ticket.assigned`, `ticket.*`, `*`.")
    machines: Texts = Field(default=[])
    states: Texts = Field(default=[], description="Only steps that enter one of these.")
    where: str | None = Field(default=None, max_length=2000, description="`context.priority <= 2`.")
    description: str = Field(default="", max_length=1000)
    ordered: bool = Field(default=False, description="One instance's events one after the other.")
    profile: str = Field(default="standard", description="standard, engage, sunshine, genesys or plain.")
    headers: Texts = Field(default=[], description="`Name: value` each; kept as secrets.")
    rate: str | None = Field(default=None, description="`10/second`.")
    signature: str = Field(default="hmac", description="hmac or ed25519.")
    secret: str | None = Field(default=None, max_length=1000, description="Made where there is none.")
    verify_token: str | None = Field(default=None, max_length=1000, description="Of Engage's challenge.")


class Changes(Body):
    """What is to be different; what is not named, or null, stays. An empty text or list takes away what was there."""

    url: str | None = Field(default=None, max_length=4096)
    description: str | None = Field(default=None, max_length=1000)
    events: Texts | None = None
    machines: Texts | None = None
    states: Texts | None = None
    where: str | None = Field(default=None, max_length=2000)
    headers: Texts | None = Field(default=None, description="Set one by one; `Name:` alone takes it away.")
    rate: str | None = Field(default=None, max_length=100)
    ordered: bool | None = None
    profile: str | None = Field(default=None, max_length=100)


class Rotation(Body):
    grace_seconds: float = Field(default=86_400, ge=0, le=MAX_GRACE_SECONDS)


class TrialEvent(Body):
    set: Texts = Field(default=[], description="`data.x=1` each: what is to stand in the event.")


@router.post(
    "",
    status_code=201,
    response_model=None,
    responses={201: {"model": WebhookKeys}, **BODY_PROBLEMS, **problems(502)},
    openapi_extra=takes_model(NewWebhook),
)
def add_webhook(
    deployment: Deployment, operator: Operator, wish: Annotated[NewWebhook, Depends(taken(NewWebhook))]
) -> Response:
    """Subscribe a URL. The secret is told this once."""
    options = wish.model_dump(exclude={"url", "secret", "verify_token"})
    with refusals_told():
        secret = _verified(deployment, wish)
        made, secret = subscriptions.add(
            deployment.store.client,
            deployment.store.keys,
            deployment.settings,
            wish.url,
            secret=secret,
            **options,
        )
    write_down(
        deployment, operator, Action.WEBHOOK_ADDED, made.id, origin=origin_of(made.url), profile=made.profile
    )
    return answer(_keys(made, secret), 201, {"Location": f"/interlock/v1/webhooks/{made.id}"})


def _verified(deployment: ServedDeployment, wish: NewWebhook) -> str | None:
    if wish.profile != "engage":
        if wish.verify_token is not None:
            raise Problem(422, "invalid_webhook", "verify_token goes with the profile engage. Leave it out.")
        return wish.secret
    # Imported where it is needed: its HTTP client would make every gateway start later.
    from interlock.workers.verification import VERIFY_TOKEN, EndpointUnverified, verify_endpoint

    token = VERIFY_TOKEN if wish.verify_token is None else wish.verify_token
    try:
        return verify_endpoint(deployment.settings, wish.url, token, wish.secret)
    except EndpointUnverified as error:
        raise Problem(502, "endpoint_unverified", f"{error}.") from None


@router.get("", response_model=None, responses={200: {"model": WebhookList}})
def list_webhooks(deployment: Deployment, _operator: Operator) -> Response:
    """All webhooks, oldest first."""
    with refusals_told():
        found = subscriptions.list_all(deployment.store.client, deployment.store.keys)
    return answer({"webhooks": [one.shown() for one in found]})


@router.get("/{webhook_id}", response_model=None, responses={200: {"model": WebhookHealth}, **problems(404)})
def read_webhook(deployment: Deployment, _operator: Operator, webhook_id: WebhookId) -> Response:
    """One webhook with its statistics and its breaker."""
    client, keys = deployment.store.client, deployment.store.keys
    shown = webhook_of(deployment, webhook_id).shown()
    health = webhook_health.read(client, keys, [webhook_id]).get(webhook_id, HEALTHY)
    counted = webhook_statistics.statistics(client, keys, webhook_id)
    breaker = health.shown(subscriptions.server_ms(client))
    return answer({**shown, "statistics": counted, "breaker": breaker})


@router.patch(
    "/{webhook_id}",
    response_model=None,
    responses={200: {"model": WebhookShown}, **BODY_PROBLEMS, **problems(404)},
    openapi_extra=takes_model(Changes),
)
def update_webhook(
    deployment: Deployment,
    operator: Operator,
    webhook_id: WebhookId,
    wish: Annotated[Changes, Depends(taken(Changes))],
) -> Response:
    """Change what is named; its id, its secrets and what waits for it stay."""
    update = subscription_changes.Update(**wish.model_dump())
    before = webhook_of(deployment, webhook_id)
    moves = wish.url is not None or wish.profile is not None
    if moves and "engage" in (before.profile, wish.profile):
        raise Problem(
            422,
            "needs_challenge",
            "Where an Engage webhook goes is asked there first: use `interlock webhook update`.",
        )
    client, keys = deployment.store.client, deployment.store.keys
    with refusals_told():
        changed = subscription_changes.update(client, keys, deployment.settings, webhook_id, update)
    write_down(deployment, operator, Action.WEBHOOK_UPDATED, webhook_id, changed=update.named)
    return answer(changed.shown())


@router.delete("/{webhook_id}", status_code=204, response_model=None, responses=problems(404))
def remove_webhook(deployment: Deployment, operator: Operator, webhook_id: WebhookId) -> Response:
    """End a subscription; what is still to be delivered is cancelled."""
    with refusals_told():
        subscriptions.remove(deployment.store.client, deployment.store.keys, webhook_id)
    write_down(deployment, operator, Action.WEBHOOK_REMOVED, webhook_id)
    return Response(status_code=204)


@router.post(
    "/{webhook_id}/enable", response_model=None, responses={200: {"model": WebhookShown}, **problems(404)}
)
def enable_webhook(deployment: Deployment, operator: Operator, webhook_id: WebhookId) -> Response:
    """Deliver to it again, events from now on."""
    with refusals_told():
        changed = subscriptions.enable(deployment.store.client, deployment.store.keys, webhook_id)
    write_down(deployment, operator, Action.WEBHOOK_ENABLED, webhook_id)
    return answer(changed.shown())


@router.post(
    "/{webhook_id}/disable", response_model=None, responses={200: {"model": WebhookShown}, **problems(404)}
)
def disable_webhook(deployment: Deployment, operator: Operator, webhook_id: WebhookId) -> Response:
    """Deliver nothing more to it; what is still to be delivered is cancelled."""
    with refusals_told():
        changed = subscriptions.disable(deployment.store.client, deployment.store.keys, webhook_id)
    write_down(deployment, operator, Action.WEBHOOK_DISABLED, webhook_id)
    return answer(changed.shown())


@router.post(
    "/{webhook_id}/rotate",
    response_model=None,
    responses={200: {"model": WebhookKeys}, **BODY_PROBLEMS, **problems(404)},
    openapi_extra=takes_model(Rotation),
)
def rotate_webhook(
    deployment: Deployment,
    operator: Operator,
    webhook_id: WebhookId,
    wish: Annotated[Rotation, Depends(taken(Rotation))],
) -> Response:
    """Sign with a new secret, told this once; the old one signs along for a while."""
    client, keys = deployment.store.client, deployment.store.keys
    with refusals_told():
        changed, secret = subscription_changes.rotate(
            client, keys, deployment.settings, webhook_id, wish.grace_seconds
        )
    write_down(deployment, operator, Action.WEBHOOK_ROTATED, webhook_id, grace_seconds=wish.grace_seconds)
    return answer(_keys(changed, secret))


@router.post(
    "/{webhook_id}/test",
    response_model=None,
    responses={200: {"model": AttemptShown}, **BODY_PROBLEMS, **problems(404)},
    openapi_extra=takes_model(TrialEvent),
)
def try_webhook(
    deployment: Deployment,
    operator: Operator,
    webhook_id: WebhookId,
    wish: Annotated[TrialEvent, Depends(taken(TrialEvent))],
) -> Response:
    """Make one attempt now with a test event; `error` says how it failed."""
    from interlock.workers.delivery import test_endpoint

    webhook = webhook_of(deployment, webhook_id)
    try:
        with refusals_told():
            attempt = test_endpoint(deployment.settings, webhook, wish.set).shown()
    except TrialInvalid as error:
        raise Problem(422, "invalid_trial", f"set: {error}.") from None
    write_down(deployment, operator, Action.WEBHOOK_TESTED, webhook_id)
    return answer(attempt)


def _keys(one: Subscription, secret: str) -> dict[str, Any]:
    facts: dict[str, Any] = {"id": one.id, "secret": secret or None}
    public = one.secrets[0].public_key
    return facts | {"public_key": public} if public is not None else facts
