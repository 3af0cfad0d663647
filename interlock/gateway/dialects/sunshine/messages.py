"""Sunshine's messages: what users and the business say. A user's gives control to the default where nobody has it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from interlock.gateway.answers import answer
from interlock.gateway.dialects.sunshine import shapes
from interlock.gateway.dialects.sunshine.bodies import MESSAGE, taken
from interlock.gateway.dialects.sunshine.calls import Call, Called
from interlock.gateway.dialects.sunshine.errors import refusal
from interlock.gateway.dialects.sunshine.finding import (
    Conversation,
    conversation,
    ensured_user,
    up_to_date,
    user,
)
from interlock.gateway.dialects.sunshine.paging import PAGE, stretch
from interlock.gateway.dialects.sunshine.words import ConversationId, SunshineMessages, answers
from interlock.gateway.parameters import takes
from interlock.gateway.reading import read
from interlock.statecharts.functions import find_integration

_DESK = "interlock-desk"
"""The name on the board of the desk of this deployment; the policy joins it to the conversations that it has."""
_SOURCE = "sunshine"
"""The source of what comes in here: agents need `read:sunshine` for it."""

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
    elif found.context["active"] is not None:
        await _sent(call, "switchboard", key, "activity", {}, ".activity")
    data: dict[str, Any] = {"conversation": key, "author": author, "content": body["content"]}
    data |= {"metadata": body.get("metadata", {}), "source": _source(call)}
    await _sent(call, "message", made, "post", data, "")
    posted = await read(call.deployment, call.principal, "message", made)
    assert posted is not None, "instances are never deleted"
    return answer({"messages": [shapes.message(posted)]}, 201)


@router.get(
    "", response_model=None, responses=answers(SunshineMessages), openapi_extra={"parameters": [PAGE]}
)
async def list_messages(request: Request, call: Called, key: ConversationId) -> Response:
    """Messages in the order in which they came; without a cursor the latest."""
    await conversation(call, key)
    instances, around = await stretch(call, "message", {"conversation": key}, request, latest=True)
    return answer({"messages": [shapes.message(each) for each in instances], **around})


async def _user_speaks(
    call: Call, found: Conversation, author: dict[str, Any], message: str
) -> dict[str, Any]:
    """The user is there, takes part and is heard; the author of his message."""
    person = await ensured_user(call, author, ".user")
    known = await user(call, person)
    if person not in found.context["participants"]:
        await _sent(call, "switchboard", found.key, "join", {"user": person}, ".join")
    await _sent(call, "switchboard", found.key, "activity", {}, ".activity")
    if find_integration([dict(each) for each in found.integrations], _DESK) is not None:
        told = {"content_id": message, "source_id": _SOURCE, "identity_id": person}
        await _sent(call, "conversation", found.key, "message", told, ".told")
    external_id = known["context"]["external_id"] if known else None
    return shapes.filled({**author, "userId": person, "userExternalId": external_id})


def _source(call: Call) -> dict[str, Any]:
    scope = call.principal.kind in ("integration", "bot")
    return {"type": "api", **({"integrationId": call.principal.id} if scope else {})}


async def _sent(call: Call, machine: str, key: str, name: str, data: dict[str, Any], step: str) -> None:
    result = await call.send(machine, key, name, data, step=step)
    if result["error"] is not None:
        raise refusal(result)
