"""Engage's interventions: list, get, create or reopen, close, cancel, categorise, reassign, put off, custom fields."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import unquote

from fastapi import APIRouter, Path, Response
from pydantic import BeforeValidator
from starlette.background import BackgroundTask

from interlock.engine.messages import format_time, parse_time
from interlock.gateway.dialects.engage.answering import answer
from interlock.gateway.dialects.engage.calls import Call, Called
from interlock.gateway.dialects.engage.errors import not_found, unprocessable
from interlock.gateway.dialects.engage.finding import readable, readable_content, readable_intervention
from interlock.gateway.dialects.engage.opening import opened
from interlock.gateway.dialects.engage.paging import PAGING, filter_words, filters, page
from interlock.gateway.dialects.engage.shapes import LISTED, STATUSES, intervention
from interlock.gateway.dialects.engage.under_way import Arrival, Arrived
from interlock.gateway.dialects.engage.words import (
    FIELDS,
    ID,
    IDS,
    EngageIntervention,
    EngageInterventions,
    errors,
    one_of,
    takes,
)
from interlock.gateway.repeats import Result

_SORTS = ("created_at", "updated_at")
_FILTERS = ("thread_id", "user_id", "identity_group_id", "identity_id")

router = APIRouter(prefix="/interventions")

Id = Annotated[str, Path(alias="interventionId", min_length=1), BeforeValidator(unquote)]
_ONE = {"model": EngageIntervention, "description": "The intervention."}


@router.get(
    "",
    response_model=None,
    responses={200: {"model": EngageInterventions}},
    openapi_extra=takes(
        optional={
            **filter_words(_FILTERS),
            "status": one_of(*STATUSES),
            "sort": one_of(*_SORTS),
            **PAGING,
        },
        has_body=False,
    ),
)
async def list_interventions(call: Called) -> Response:
    """Interventions on sources that the token's user reads, the newest first."""
    sort = call.text("sort") or _SORTS[0]
    if sort not in _SORTS:
        raise unprocessable(f"sort is one of {', '.join(_SORTS)}. Correct it.")
    status = call.text("status")
    if status is not None and status not in STATUSES:
        raise unprocessable(f"status is one of {', '.join(STATUSES)}. Correct it.")
    labels = LISTED if status is None else STATUSES[status]
    where = {"status": [*labels], **filters(call, _FILTERS)}
    return await page(call, "intervention", intervention, where=where, sort=[f"-{sort}"])


@router.post(
    "",
    response_model=None,
    responses={200: _ONE, **errors(404)},
    openapi_extra=takes({"content_id": ID}),
)
async def create_intervention(call: Called) -> Response:
    """Create the intervention of a content's thread, or reopen it, as the token's user; 422 where it is open."""
    content = await readable_content(call.deployment, call.principal, call.id("content_id"))
    found = await call.instance(await opened(call, content), 422)
    if found["context"]["content_id"] != content["key"] and call.is_named:
        raise unprocessable("Another call was sent under this Idempotency-Key. Send a new one.")
    return answer(intervention(found))


@router.get(
    "/{interventionId}",
    response_model=None,
    responses={200: _ONE, **errors(404)},
    openapi_extra=takes(has_body=False),
)
async def get_intervention(call: Called, key: Id) -> Response:
    """One intervention."""
    return answer(intervention(await readable_intervention(call.deployment, call.principal, key)))


@router.put(
    "/{interventionId}",
    response_model=None,
    responses={200: _ONE, **errors(404)},
    openapi_extra=takes(optional={"custom_field_values": FIELDS}),
)
async def update_intervention(call: Called, key: Id) -> Response:
    """Set custom fields; those that are not named stay."""
    found = await readable_intervention(call.deployment, call.principal, key)
    values = call.parameters.get("custom_field_values", call.parameters.get("custom_fields"))
    if values is None:
        return answer(intervention(found))
    if not isinstance(values, dict):
        raise unprocessable("custom_field_values is no object of values by their keys. Correct it.")
    result = await call.send("intervention", key, "set_fields", {"custom_field_values": values})
    return await _answered(call, result, 422)


@router.put(
    "/{interventionId}/update_categories",
    response_model=None,
    responses={200: _ONE, **errors(404)},
    openapi_extra=takes({"category_ids": IDS}),
)
async def categorize_intervention(call: Called, key: Id) -> Response:
    """Replace the categories."""
    await readable_intervention(call.deployment, call.principal, key)
    categories = call.texts("category_ids")
    if categories is None:
        raise unprocessable("category_ids is missing. Send the list, an empty one to have none.")
    result = await call.send("intervention", key, "categorize", {"category_ids": categories})
    return await _answered(call, result, 422)


@router.put(
    "/{interventionId}/close",
    response_model=None,
    responses={200: _ONE, **errors(404, 409)},
    openapi_extra=takes(),
)
async def close_intervention(arrival: Arrived, call: Called, key: Id) -> Response:
    """Close it. 409 while it is being closed; 403 where it is closed, has no answer, is another's or not readable."""
    return await _once(arrival, call, key, "close", await call.send("intervention", key, "close"))


@router.delete(
    "/{interventionId}/cancel",
    response_model=None,
    responses={200: {**_ONE, "description": "Its last image."}, **errors(404, 409)},
    openapi_extra=takes(),
)
async def cancel_intervention(arrival: Arrived, call: Called, key: Id) -> Response:
    """Destroy it. 404 where it is not readable; 409 while it is being cancelled; 403 where it is closed or answered."""
    result = await call.answered()
    if result is None:
        if await readable(call.deployment, call.principal, "intervention", key) is None:
            raise not_found("intervention", key)
        result = await call.send("intervention", key, "cancel")
    return await _once(arrival, call, key, "cancel", result)


@router.put(
    "/{interventionId}/reassign",
    response_model=None,
    responses={200: _ONE, **errors(404)},
    openapi_extra=takes({"user_id": ID}),
)
async def reassign_intervention(call: Called, key: Id) -> Response:
    """Put another user in charge; 403 for who may not update interventions."""
    result = await call.send("intervention", key, "reassign", {"user_id": call.id("user_id")})
    return await _answered(call, result, 422)


@router.put(
    "/{interventionId}/defer",
    response_model=None,
    responses={200: _ONE, **errors(404)},
    openapi_extra=takes({"until": {"type": "string", "format": "date-time"}}),
)
async def defer_intervention(call: Called, key: Id) -> Response:
    """Put it off until a time. Not among Engage's own operations: there it is done on the agent's screen alone."""
    text = call.text("deferred_at") or call.needed("until")
    try:
        until = format_time(parse_time(text))
    except (ValueError, OverflowError):
        raise unprocessable(f"{text!r} is no time as in 2030-01-31T09:00:00Z. Correct it.") from None
    await readable_intervention(call.deployment, call.principal, key)
    result = await call.send("intervention", key, "defer", {"until": until})
    return await _answered(call, result, 422)


@router.put(
    "/{interventionId}/reactivate",
    response_model=None,
    responses={200: _ONE, **errors(404)},
    openapi_extra=takes(),
)
async def reactivate_intervention(call: Called, key: Id) -> Response:
    """Take up again what is put off. Not among Engage's own operations either."""
    await readable_intervention(call.deployment, call.principal, key)
    return await _answered(call, await call.send("intervention", key, "reactivate"), 422)


async def _once(arrival: Arrival, call: Call, key: str, name: str, result: Result) -> Response:
    """The answer to a close or a cancel; of two that overlap, one is told of a conflict."""
    operation = (call.principal.tenant, key, name)
    is_done = result["error"] is None and not result.get("duplicate")
    if is_done:
        arrival.answers(*operation)
    elif not result.get("duplicate") and (conflict := arrival.conflict(*operation)):
        raise conflict
    answered = await _answered(call, result, 403)
    if is_done:
        answered.background = BackgroundTask(arrival.answered, *operation)
    return answered


async def _answered(call: Call, result: Result, by_state: int) -> Response:
    return answer(intervention(await call.instance(result, by_state)))
