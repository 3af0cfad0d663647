"""Sunshine's messages: what users and the business say, and that it is said no more.

A user's message gives control to the default where nobody has it.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BeforeValidator

from interlock.engine.errors import ErrorClass
from interlock.engine.profiles.sunshine_resources import filled
from interlock.gateway.answers import answer
from interlock.gateway.dialects.sunshine import shapes
from interlock.gateway.dialects.sunshine.bodies import MESSAGE, taken
from interlock.gateway.dialects.sunshine.calls import Call, Called
from interlock.gateway.dialects.sunshine.errors import missing, refusal
from interlock.gateway.dialects.sunshine.finding import (
    STANDING,
    Conversation,
    conversation,
    ensured_user,
    is_id,
    last_messages,
    up_to_date,
    user,
)
from interlock.gateway.dialects.sunshine.paging import PAGE, stretch
from interlock.gateway.dialects.sunshine.words import ConversationId, SunshineDone, SunshineMessages, answers
from interlock.gateway.parameters import takes
from interlock.gateway.reading import Instance, read
from interlock.statecharts.functions import find_integration

_DESK = "interlock-desk"
"""The name on the board of the desk of this deployment; the policy joins it to the conversations that it has."""
_SOURCE = "sunshine"
"""The source of what comes in here: agents need `read:sunshine` for it."""

_SAID = ("author", "content", "metadata")
_AT_ONCE = 100
"""Messages that are deleted at once, where all are."""
MessageId = Annotated[str, Path(alias="messageId", min_length=1), BeforeValidator(unquote)]

router = APIRouter(prefix="/conversations/{conversationId}/messages")


@router.post(
    "",
    status_code=201,
    response_model=None,
    responses=answers(SunshineMessages, 201),
    openapi_extra=takes(MESSAGE),
)
async def post_message(
    call: Called, key: ConversationId, body: Annotated[dict[str, Any], Depends(taken(MESSAGE))]
) -> Response:
    """A message of a user (a new `userExternalId` is a new user) or of the business."""
    found = await up_to_date(call, key)
    made = call.new_id("message")
    author = dict(body["author"])
    if author["type"] == "user":
        author = await _user_speaks(call, found, author, made)
        found = found if found.context["active"] else await conversation(call, key)
    elif found.context["active"] is not None:
        await call.do("switchboard", key, "activity", step=".activity")
    data: dict[str, Any] = {"conversation": key, "author": author, "content": body["content"]}
    data |= {"metadata": body.get("metadata", {}), "source": _source(call)}
    data["shown_conversation"] = shapes.truncated_conversation(found.instance, found.integrations)
    return answer({"messages": [shapes.message(await _posted(call, made, data))]}, 201)


@router.get(
    "", response_model=None, responses=answers(SunshineMessages), openapi_extra={"parameters": [PAGE]}
)
async def list_messages(request: Request, call: Called, key: ConversationId) -> Response:
    """Messages in the order in which they came; without a cursor the latest."""
    await conversation(call, key)
    where = {"conversation": key}
    instances, around = await stretch(call, "message", where, request, states=STANDING, latest=True)
    return answer({"messages": [shapes.message(each) for each in instances], **around})


@router.delete("", response_model=None, responses=answers(SunshineDone))
async def delete_all_messages(call: Called, key: ConversationId) -> Response:
    """Everything that was said in the conversation is gone."""
    await conversation(call, key)
    await delete_messages(call, key)
    return answer({})


@router.delete("/{messageId}", response_model=None, responses=answers(SunshineDone))
async def delete_message(call: Called, key: ConversationId, message: MessageId) -> Response:
    """One message is gone."""
    await conversation(call, key)
    found = await read(call.deployment, call.principal, "message", message) if is_id(message) else None
    if found is None or found["context"]["conversation"] != key:
        raise missing("message")
    await call.do("message", message, "delete", known={"settled": (404, "message_not_found")})
    return answer({})


async def delete_messages(call: Call, conversation: str) -> None:
    """Delete what still stands in a conversation. Raises SunshineError."""
    while True:
        found = await last_messages(call, conversation, _AT_ONCE)
        if not found:
            return
        keys = [each["key"] for each in found]
        await asyncio.gather(
            *(call.do("message", each, "delete", step=f".delete.{each}", done="settled") for each in keys)
        )


async def _posted(call: Call, key: str, data: dict[str, Any]) -> Instance:
    """The message, now said or by the same call before: what its conversation shows may have changed meanwhile."""
    result = await call.send("message", key, "post", data)
    found = await read(call.deployment, call.principal, "message", key)
    if result["error"] is not None:
        same = found is not None and all(found["context"][name] == data[name] for name in _SAID)
        if not same or result["error"]["class"] != ErrorClass.ID_REUSED:
            raise refusal(result)
    assert found is not None, "instances are never deleted"
    return found


async def _user_speaks(
    call: Call, found: Conversation, author: dict[str, Any], message: str
) -> dict[str, Any]:
    """The user is there, takes part and is heard; the author of his message."""
    person = await ensured_user(call, author, ".user")
    known = await user(call, person)
    if person not in found.context["participants"]:
        await call.do("switchboard", found.key, "join", {"user": person}, step=".join")
    await call.do("switchboard", found.key, "activity", step=".activity")
    if find_integration([dict(each) for each in found.integrations], _DESK) is not None:
        told = {"content_id": message, "source_id": _SOURCE, "identity_id": person}
        await call.do("conversation", found.key, "message", told, step=".told")
    external_id = known["context"]["external_id"] if known else None
    return filled({**author, "userId": person, "userExternalId": external_id})


def _source(call: Call) -> dict[str, Any]:
    scope = call.principal.kind in ("integration", "bot")
    return {"type": "api", **({"integrationId": call.principal.id} if scope else {})}
