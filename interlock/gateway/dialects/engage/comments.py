"""Engage's comments on interventions: what colleagues say to one another, and no customer sees."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import unquote

from fastapi import APIRouter, Path, Response
from pydantic import BeforeValidator

from interlock.gateway.dialects.engage.answering import answer
from interlock.gateway.dialects.engage.calls import Call, Called
from interlock.gateway.dialects.engage.errors import not_found, refusal
from interlock.gateway.dialects.engage.finding import readable, readable_intervention
from interlock.gateway.dialects.engage.paging import PAGING, filter_words, filters, page
from interlock.gateway.dialects.engage.shapes import comment
from interlock.gateway.dialects.engage.words import (
    BODY,
    FILTER,
    ID,
    MAX_BODY,
    EngageComment,
    EngageComments,
    errors,
    takes,
)
from interlock.gateway.reading import Instance
from interlock.gateway.repeats import made_id

_FILTERS = ("intervention_id", "thread_id", "user_id", "identity_id")
_PLACE = ("source_id", "thread_id", "identity_id")
_UNCOUNTED = frozenset({"comment_not_found", "settled"})
"""Codes of an intervention that counts the comment no more: another has taken it back, or it is cancelled."""

router = APIRouter(prefix="/intervention_comments")

Id = Annotated[str, Path(alias="interventionCommentId", min_length=1), BeforeValidator(unquote)]
_ONE = {"model": EngageComment, "description": "The comment."}


@router.get(
    "",
    response_model=None,
    responses={200: {"model": EngageComments}},
    openapi_extra=takes(optional={**filter_words(_FILTERS), **PAGING}, has_body=False),
)
async def list_intervention_comments(call: Called) -> Response:
    """Comments on sources that the token's user reads, the newest first."""
    return await page(call, "intervention_comment", comment, where=filters(call, _FILTERS), states=["kept"])


@router.post(
    "",
    response_model=None,
    responses={200: _ONE, **errors(404, 409)},
    openapi_extra=takes(
        {"intervention_id": ID, "body": BODY},
        {"user_id": {**FILTER, "description": "Not looked at: the comment is the token's user's."}},
    ),
)
async def create_intervention_comment(call: Called) -> Response:
    """Say something on an intervention as the token's user; it counts the comment first."""
    body, key = call.needed("body", MAX_BODY), call.id("intervention_id")
    found = await readable_intervention(call.deployment, call.principal, key)
    created = made_id(call.command_id, "comment")
    counted = await call.send("intervention", key, "create_comment", {"comment_id": created})
    if counted["error"] is not None:
        raise refusal(counted, 422)
    place = {name: found["context"][name] for name in _PLACE if found["context"][name] is not None}
    data = {"intervention_id": key, "body": body, **place}
    result = await call.send("intervention_comment", created, "create", data, step=".comment")
    return answer(comment(await call.instance(result, 422)))


@router.get(
    "/{interventionCommentId}",
    response_model=None,
    responses={200: _ONE, **errors(404)},
    openapi_extra=takes(has_body=False),
)
async def get_intervention_comment(call: Called, key: Id) -> Response:
    """One comment."""
    return answer(comment(await _kept(call, key)))


@router.delete(
    "/{interventionCommentId}",
    response_model=None,
    responses={200: {**_ONE, "description": "Its last image."}, **errors(404)},
    openapi_extra=takes(),
)
async def delete_intervention_comment(call: Called, key: Id) -> Response:
    """Take a comment back; 404 where it is taken back already."""
    result = await call.answered()
    if result is None:
        found = await _kept(call, key)
        intervention = found["context"]["intervention_id"]
        counted = await call.send(
            "intervention", intervention, "destroy_comment", {"comment_id": key}, step=".count"
        )
        if counted["error"] is not None and counted["error"]["code"] not in _UNCOUNTED:
            raise refusal(counted, 422)
        result = await call.send("intervention_comment", key, "destroy")
    return answer(comment(await call.instance(result, 404)))


async def _kept(call: Call, key: str) -> Instance:
    found = await readable(call.deployment, call.principal, "intervention_comment", key)
    if found is None or "kept" not in found["state"]:
        raise not_found("comment", key)
    return found
