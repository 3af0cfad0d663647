"""Sunshine's conversations, and who takes part in them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from interlock.gateway.answers import answer
from interlock.gateway.dialects.sunshine import shapes
from interlock.gateway.dialects.sunshine.bodies import (
    CONVERSATION_CREATE,
    CONVERSATION_UPDATE,
    PARTICIPANT_JOIN,
    PARTICIPANT_LEAVE,
    taken,
)
from interlock.gateway.dialects.sunshine.calls import Call, Called
from interlock.gateway.dialects.sunshine.errors import bad_request, missing, refusal
from interlock.gateway.dialects.sunshine.finding import (
    Conversation,
    board_data,
    conversation,
    ensured_user,
    known_board,
    needed_user,
    participant_id,
    seen,
    user,
    user_by,
)
from interlock.gateway.dialects.sunshine.paging import (
    PAGE,
    in_query,
    links,
    object_in_query,
    page_of,
    stretch,
)
from interlock.gateway.dialects.sunshine.words import (
    ConversationId,
    SunshineConversationOne,
    SunshineConversations,
    SunshineDone,
    SunshineParticipantOne,
    SunshineParticipants,
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
    result = await call.send(
        "switchboard", key, "create", {**shapes.filled(board_data(await known_board(call))), **data}
    )
    if result["error"] is not None:
        raise refusal(result)
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
        await _send(call, key, "describe", {"changes": body})
    return answer({"conversation": await _shown(call, await conversation(call, key))})


@router.get(
    "/{conversationId}/participants",
    response_model=None,
    responses=answers(SunshineParticipants),
    openapi_extra={"parameters": [PAGE]},
)
async def list_participants(request: Request, call: Called, key: ConversationId) -> Response:
    """Who takes part."""
    size, after, before = page_of(request)
    users = (await conversation(call, key)).context["participants"]
    keys = [participant_id(key, each) for each in users]
    cursor = after or before
    if cursor is not None and cursor not in keys:
        raise bad_request("The list has no such place. Begin anew without page[after].")
    start = keys.index(after) + 1 if after else 0
    end = keys.index(before) if before else len(keys)
    first, last = (max(start, end - size), end) if before else (start, min(end, start + size))
    shown = [await _participant(call, key, each) for each in users[first:last]]
    meta: dict[str, Any] = {"hasMore": first > 0 if before else last < len(keys)}
    if shown and first > 0:
        meta["beforeCursor"] = keys[first]
    if shown and last < len(keys):
        meta["afterCursor"] = keys[last - 1]
    return answer({"participants": shown, "meta": meta, "links": links(request, meta, size)})


@router.post(
    "/{conversationId}/join",
    status_code=201,
    response_model=None,
    responses=answers(SunshineParticipantOne, 201),
    openapi_extra=takes(PARTICIPANT_JOIN),
)
async def join_conversation(
    call: Called, key: ConversationId, body: Annotated[dict[str, Any], Depends(taken(PARTICIPANT_JOIN))]
) -> Response:
    """A user takes part; of a `personal` conversation nobody else does."""
    found = await conversation(call, key)
    person = str((await needed_user(call, body))["key"])
    if found.context["details"].get("type") == "personal" and person not in found.context["participants"]:
        raise bad_request("A personal conversation has one participant.")
    await _send(call, key, "join", {"user": person})
    return answer({"participant": await _participant(call, key, person)}, 201)


@router.post(
    "/{conversationId}/leave",
    response_model=None,
    responses=answers(SunshineDone),
    openapi_extra=takes(PARTICIPANT_LEAVE),
)
async def leave_conversation(
    call: Called, key: ConversationId, body: Annotated[dict[str, Any], Depends(taken(PARTICIPANT_LEAVE))]
) -> Response:
    """A user takes part no more."""
    users = (await conversation(call, key)).context["participants"]
    if "participantId" in body:
        leaving = next((each for each in users if participant_id(key, each) == body["participantId"]), None)
    else:
        person = await user_by(call, body)
        leaving = person["key"] if person else None
    if leaving is None:
        raise missing("participant")
    await _send(call, key, "leave", {"user": leaving})
    return answer({})


async def _send(call: Call, key: str, name: str, data: dict[str, Any]) -> None:
    result = await call.send("switchboard", key, name, data)
    if result["error"] is not None:
        raise refusal(result)


async def _participant(call: Call, key: str, person: str) -> dict[str, Any]:
    known = await user(call, person)
    external_id = known["context"]["external_id"] if known else None
    return shapes.participant(participant_id(key, person), person, external_id)


async def _shown(call: Call, found: Conversation) -> dict[str, Any]:
    last = await listed(
        call.deployment,
        call.principal,
        "message",
        where={"conversation": found.key},
        sort=["-created_at"],
        limit=1,
    )
    at = last.instances[0]["created_at"] if last.instances else None
    return shapes.conversation(found.instance, found.integration("active"), found.integration("pending"), at)


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
