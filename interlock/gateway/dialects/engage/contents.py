"""Engage's contents: what customers write, and what agents answer."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Path, Response
from pydantic import BeforeValidator

from interlock.engine.messages import text_schema
from interlock.gateway.dialects.engage.answering import answer
from interlock.gateway.dialects.engage.calls import Call, Called
from interlock.gateway.dialects.engage.errors import refusal, unprocessable
from interlock.gateway.dialects.engage.finding import place_of, readable_content
from interlock.gateway.dialects.engage.opening import replied, told
from interlock.gateway.dialects.engage.paging import PAGING, filter_words, filters, page
from interlock.gateway.dialects.engage.searching import MAX_QUERY, search
from interlock.gateway.dialects.engage.shapes import content as shown_content
from interlock.gateway.dialects.engage.words import (
    BODY,
    FILTER,
    MAX_BODY,
    EngageContent,
    EngageContents,
    errors,
    takes,
)
from interlock.gateway.permissions import permits
from interlock.gateway.problems import Problem
from interlock.gateway.reading import Instance
from interlock.gateway.repeats import made_id

_MAX_NAME = 80
"""Characters of the ids that a thread's key is made of."""
_SPEAK_FOR_CUSTOMERS = frozenset({"system", "integration", "admin"})
"""Kinds of token that bring in what customers write: they have an author."""

_FILTERS = ("source_id", "thread_id", "intervention_id", "identity_group_id", "identity_id")

_NAME = text_schema(_MAX_NAME)

router = APIRouter(prefix="/contents")

Id = Annotated[str, Path(alias="contentId", min_length=1), BeforeValidator(unquote)]
_ONE = {"model": EngageContent, "description": "The content."}


@router.get(
    "",
    response_model=None,
    responses={200: {"model": EngageContents}},
    openapi_extra=takes(
        optional={
            "q": {
                "type": "string",
                "maxLength": MAX_QUERY,
                "description": "Words of the contents, and `intervention:`, `identity:`, `identity_group:`, `source:`, "
                "`thread:`, `text:`, `order:created_at.asc`.",
            },
            **filter_words(_FILTERS),
            **PAGING,
        },
        has_body=False,
    ),
)
async def list_contents(call: Called) -> Response:
    """Contents on sources that the token's user reads, the newest first."""
    wanted = search(call.text("q", MAX_QUERY) or "")
    return await page(
        call,
        "content",
        shown_content,
        where={**filters(call, _FILTERS), **wanted.where},
        only=(lambda instance: wanted.finds(instance["context"]["body"])) if wanted.texts else None,
        sort=[wanted.sort],
    )


@router.post(
    "",
    response_model=None,
    responses={200: _ONE, **errors(404, 409)},
    openapi_extra=takes(
        {"body": BODY},
        {
            "source_id": _NAME,
            "author_id": _NAME,
            "identity_group_id": _NAME,
            "in_reply_to_id": FILTER,
        },
    ),
)
async def create_content(call: Called) -> Response:
    """A customer's message, of a token that brings these in (`author_id`; a new thread without `in_reply_to_id`);
    an agent's answer to one (`in_reply_to_id`)."""
    body = call.needed("body", MAX_BODY)
    answers = call.text("in_reply_to_id")
    author = call.text("author_id", _MAX_NAME)
    if call.principal.kind in _SPEAK_FOR_CUSTOMERS and (author or not answers):
        return await _import(call, body, answers)
    if answers is None:
        raise unprocessable("in_reply_to_id is missing. Send the id of the content that this answers.")
    return await _reply(call, body, answers)


@router.get(
    "/{contentId}",
    response_model=None,
    responses={200: _ONE, **errors(404)},
    openapi_extra=takes(has_body=False),
)
async def get_content(call: Called, key: Id) -> Response:
    """One content."""
    return answer(shown_content(await readable_content(call.deployment, call.principal, key)))


async def _import(call: Call, body: str, answers: str | None) -> Response:
    """The customer's message: on a new thread, or on that of what it answers."""
    author = call.id("author_id", _MAX_NAME)
    message = made_id(call.command_id, "content")
    data: dict[str, Any] = {"body": body, "author_id": author}
    if answers is None:
        data |= _new_thread(call, author)
    else:
        before = await readable_content(call.deployment, call.principal, answers)
        data |= _thread_of(before)
        result = await told(call, before, message)
        if result is not None and result["error"] is not None:
            raise refusal(result, 422)
        data["deliver"] = result is None
    return await _recorded(call, message, "import", data)


def _new_thread(call: Call, author: str) -> dict[str, Any]:
    source, thread = call.id("source_id", _MAX_NAME), made_id(call.command_id, "thread")
    if not permits(call.principal, "read", source):
        raise Problem(403, "forbidden", "You may not read this source. Ask for the permission read:SOURCE.")
    group = author
    if call.text("identity_group_id") is not None:
        group = call.id("identity_group_id", _MAX_NAME)
    return {
        "source_id": source,
        "thread": f"{source}:{thread}:{group}",
        "thread_id": thread,
        "identity_id": author,
        "identity_group_id": group,
    }


async def _reply(call: Call, body: str, answers: str) -> Response:
    """The agent's answer; what it belongs to counts it first."""
    before = await readable_content(call.deployment, call.principal, answers)
    if not permits(call.principal, "reply", before["context"]["source_id"]):
        raise Problem(
            403, "forbidden", "You may not answer on this source. Ask for the permission reply:SOURCE."
        )
    reply = made_id(call.command_id, "content")
    result = await replied(call, before, reply)
    if result["error"] is not None:
        raise refusal(result, 422)
    data = {"body": body, "intervention_id": result["key"], **_thread_of(before)}
    return await _recorded(call, reply, "reply", data)


async def _recorded(call: Call, key: str, name: str, data: dict[str, Any]) -> Response:
    result = await call.send("content", key, name, data, step=".content")
    return answer(shown_content(await call.instance(result, 422)))


def _thread_of(before: Instance) -> dict[str, Any]:
    return {
        **place_of(before),
        "thread": before["context"]["thread"],
        "in_reply_to_id": before["key"],
    }
