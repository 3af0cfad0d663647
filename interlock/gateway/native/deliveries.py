"""What went to a webhook and how, and sending it again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import ConfigDict, Field
from pydantic.config import JsonDict, JsonValue

from interlock.engine import delivery_log, redelivery
from interlock.engine.audit import Action
from interlock.engine.delivery_log import DeliveryStatus
from interlock.gateway.answers import answer, problems
from interlock.gateway.callers import Operator
from interlock.gateway.deployment import Deployment
from interlock.gateway.native.auditing import write_down
from interlock.gateway.native.bodies import BODY_PROBLEMS, Body, Moment, taken, takes_model
from interlock.gateway.native.webhook_access import Texts, WebhookId, webhook_of
from interlock.gateway.native.webhook_shapes import DeliveryPage, Requested
from interlock.gateway.problems import Problem

router = APIRouter(prefix="/webhooks")


def _without(*names: str) -> JsonDict:
    """The schema of a body in which none of these is said."""
    return {"properties": {name: {"type": "null"} for name in names}}


_CHOICES: list[JsonValue] = [
    _without("status", "since", "until"),
    _without("delivery", "since", "until"),
    {
        "properties": {"delivery": {"type": "null"}, "status": {"type": "null"}, "since": {"type": "string"}},
        "required": ["since"],
    },
]
"""Of what is to be sent again; `until` goes with `since`."""


class Again(Body):
    """One delivery, those of a status, or what was missed since: at most one of these."""

    model_config = ConfigDict(json_schema_extra={"anyOf": _CHOICES})

    delivery: str | None = Field(default=None, max_length=256)
    status: list[Annotated[DeliveryStatus, Field(strict=False)]] | None = Field(
        default=None, min_length=1, max_length=4
    )
    since: Moment | None = None
    until: Moment | None = None
    events: Texts = Field(default=[])


@router.get(
    "/{webhook_id}/deliveries",
    response_model=None,
    responses={200: {"model": DeliveryPage}, **problems(400, 404)},
)
def list_deliveries(
    deployment: Deployment,
    _operator: Operator,
    webhook_id: WebhookId,
    status: DeliveryStatus | None = None,
    limit: Annotated[int, Query(ge=1, le=delivery_log.MAX_LIMIT)] = 50,
    cursor: Annotated[str | None, Query(description="`next` of the page before.", max_length=1000)] = None,
) -> Response:
    """The deliveries of a webhook, newest first, with each attempt."""
    webhook_of(deployment, webhook_id)
    try:
        page = delivery_log.deliveries(
            deployment.store.client, deployment.store.keys, webhook_id, limit, cursor, status
        )
    except delivery_log.CursorInvalid as error:
        raise Problem(400, "invalid_cursor", f"{error}.") from None
    return answer(page)


@router.post(
    "/{webhook_id}/redeliver",
    response_model=None,
    responses={200: {"model": Requested}, **BODY_PROBLEMS, **problems(404, 409)},
    openapi_extra=takes_model(Again),
)
def redeliver(
    deployment: Deployment,
    operator: Operator,
    webhook_id: WebhookId,
    wish: Annotated[Again, Depends(taken(Again))],
) -> Response:
    """Send again: one delivery, those of a status, what was missed since, or else all that is dead or cancelled."""
    if sum(one is not None for one in (wish.delivery, wish.status, wish.since)) > 1:
        raise Problem(400, "contradiction", "Name a delivery, or a status, or since: not two of them.")
    if wish.until is not None and wish.since is None:
        raise Problem(400, "contradiction", "until goes with since.")
    client, keys = deployment.store.client, deployment.store.keys
    webhook = webhook_of(deployment, webhook_id)
    try:
        if wish.delivery is not None:
            count = redelivery.resend_one(client, keys, webhook, wish.delivery)
        elif wish.since is not None:
            until = wish.until.astimezone(UTC) if wish.until else None
            since: datetime = wish.since.astimezone(UTC)
            count = redelivery.resend_missed(
                client, keys, deployment.settings, webhook, since, until, wish.events
            )
        else:
            statuses = wish.status or redelivery.MISSED
            count = redelivery.resend_by_status(client, keys, webhook, statuses, wish.events)
    except redelivery.DeliveryNotFound as error:
        raise Problem(404, "not_found", f"{error}.") from None
    except redelivery.RedeliveryRefused as error:
        raise Problem(409, "refused", f"{error}.") from None
    except OverflowError:
        raise Problem(422, "invalid_time", "The time lies too far away. Name another.") from None
    write_down(deployment, operator, Action.WEBHOOK_REDELIVERED, webhook_id, requested=count)
    return answer({"id": webhook_id, "requested": count})
