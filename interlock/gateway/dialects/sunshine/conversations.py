"""Sunshine's conversations."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from interlock.engine.profiles.sunshine_resources import filled
from interlock.gateway.answers import answer
from interlock.gateway.dialects.sunshine import shapes
from interlock.gateway.dialects.sunshine.bodies import (
    ACTIVITY,
    CONVERSATION_CREATE,
    CONVERSATION_UPDATE,
    taken,
)
from interlock.gateway.dialects.sunshine.calls import Call, Called
from interlock.gateway.dialects.sunshine.errors import bad_request, refusal
from interlock.gateway.dialects.sunshine.finding import (
    Conversation,
    board_data,
    conversation,
    ensured_user,
    known_board,
    known_conversation,
    last_messages,
    needed_user,
    seen,
)
from interlock.gateway.dialects.sunshine.messages import delete_messages
from interlock.gateway.dialects.sunshine.paging import (
    PAGE,
    in_query,
    object_in_query,
    stretch,
)
from interlock.gateway.dialects.sunshine.words import (
    ConversationId,
    SunshineConversationOne,
    SunshineConversations,
    SunshineDone,
    answers,
)
from interlock.gateway.parameters import takes
from interlock.gateway.reading import listed

router = APIRouter(prefix="/conversations")
_ID = {"type": "string", "minLength": 1}
_FILTER = in_query(
    "filter",
    {"userId": _ID, "userExternalId": _ID},
    required=True,
    more={"minProperties": 1, "maxProperties": 1},
)


@router.post(
    "",
    status_code=201,
    response_model=None,
    responses=answers(SunshineConversationOne, 201),
    openapi_extra=takes(CONVERSATION_CREATE),
)
async def create_conversation(
    call: Called, body: Annotated[dict[str, Any], Depends(taken(CONVERSATION_CREATE))]
) -> Response:
    """A conversation begins; the default switchboard integration is in control at once."""
    users = []
    for number, given in enumerate(body.get("participants", ())):
        users.append(await ensured_user(call, given, f".user{number}"))
    details = {name: value for name, value in body.items() if name != "participants"}
    if body["type"] == "personal":
        details["isDefault"] = not await _has_personal(call, users[0])
    data = {"details": details, "participants": list(dict.fromkeys(users))}
    key = call.new_id("conversation")
    await call.do("switchboard", key, "create", {**filled(board_data(await known_board(call))), **data})
    return answer({"conversation": await _shown(call, await conversation(call, key))}, 201)


@router.get(
    "",
    response_model=None,
    responses=answers(SunshineConversations),
    openapi_extra={"parameters": [_FILTER, PAGE]},
)
async def list_conversations(request: Request, call: Called) -> Response:
    """The conversations that a user takes part in: `filter[userId]` or `filter[userExternalId]`."""
    given = object_in_query(request, "filter", ("userId", "userExternalId"))
    if len(given) != 1 or not all(isinstance(each, str) for each in given.values()):
        raise bad_request("Send filter[userId] or filter[userExternalId].")
    person = await needed_user(call, given)
    instances, around = await stretch(call, "switchboard", {"participants": person["key"]}, request)
    app_board = await known_board(call)
    shown = [await _shown(call, seen(each, app_board)) for each in instances]
    return answer({"conversations": shown, **around})


@router.get("/{conversationId}", response_model=None, responses=answers(SunshineConversationOne))
async def get_conversation(call: Called, key: ConversationId) -> Response:
    """One conversation, with who is in control of it and to whom control is offered."""
    return answer({"conversation": await _shown(call, await conversation(call, key))})


@router.patch(
    "/{conversationId}",
    response_model=None,
    responses=answers(SunshineConversationOne),
    openapi_extra=takes(CONVERSATION_UPDATE),
)
async def update_conversation(
    call: Called, key: ConversationId, body: Annotated[dict[str, Any], Depends(taken(CONVERSATION_UPDATE))]
) -> Response:
    """Other words for a conversation; what is not named stays as it is."""
    await conversation(call, key)
    if body:
        await call.do("switchboard", key, "describe", {"changes": body})
    return answer({"conversation": await _shown(call, await conversation(call, key))})


@router.delete("/{conversationId}", response_model=None, responses=answers(SunshineDone))
async def delete_conversation(call: Called, key: ConversationId) -> Response:
    """The conversation and all that was said in it are gone. A user's default conversation is not deleted (400)."""
    await known_conversation(call, key)
    result = await call.send("switchboard", key, "delete")
    error = result["error"]
    if error is None or error["code"] == "conversation_not_found":
        await delete_messages(call, key)  # of a deleted one, what a call that broke off has left
    if error is not None:
        raise refusal(result)
    return answer({})


@router.post(
    "/{conversationId}/activity",
    response_model=None,
    responses=answers(SunshineDone),
    openapi_extra=takes(ACTIVITY),
)
async def post_activity(
    call: Called, key: ConversationId, body: Annotated[dict[str, Any], Depends(taken(ACTIVITY))]
) -> Response:
    """Somebody has read the conversation. That the business is typing is told to nobody: no user listens here."""
    await conversation(call, key)
    if body["type"] == "conversation:read":
        author = body["author"]
        is_user = author["type"] == "user"
        await call.do(
            "switchboard", key, "read", {"user": (await needed_user(call, author))["key"]} if is_user else {}
        )
    return answer({})


async def _shown(call: Call, found: Conversation) -> dict[str, Any]:
    last = await last_messages(call, found.key, 1)
    return shapes.conversation(found.instance, found.integrations, last[0]["created_at"] if last else None)


async def _has_personal(call: Call, person: str) -> bool:
    found = await listed(
        call.deployment,
        call.principal,
        "switchboard",
        where={"participants": person},
        only=lambda each: each["context"]["details"].get("type") == "personal",
        limit=1,
    )
    return found.total > 0
