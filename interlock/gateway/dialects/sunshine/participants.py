"""Who takes part in a conversation of Sunshine's, and what they have read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from interlock.gateway.answers import answer
from interlock.gateway.dialects.sunshine import shapes
from interlock.gateway.dialects.sunshine.bodies import PARTICIPANT_JOIN, PARTICIPANT_LEAVE, taken
from interlock.gateway.dialects.sunshine.calls import Call, Called
from interlock.gateway.dialects.sunshine.errors import bad_request, missing
from interlock.gateway.dialects.sunshine.finding import (
    Conversation,
    conversation,
    last_messages,
    needed_user,
    participant_id,
    user,
    user_by,
)
from interlock.gateway.dialects.sunshine.paging import PAGE, links, page_of
from interlock.gateway.dialects.sunshine.words import (
    ConversationId,
    SunshineDone,
    SunshineParticipantOne,
    SunshineParticipants,
    answers,
)
from interlock.gateway.parameters import takes
from interlock.gateway.reading import Instance

_COUNTED = 100
"""How many of the latest messages are looked at for what a participant has not read."""

router = APIRouter(prefix="/conversations/{conversationId}")


@dataclass(frozen=True, slots=True)
class _Seen:
    """``messages``: the latest of the conversation."""

    conversation: Conversation
    messages: list[Instance]


@router.get(
    "/participants",
    response_model=None,
    responses=answers(SunshineParticipants),
    openapi_extra={"parameters": [PAGE]},
)
async def list_participants(request: Request, call: Called, key: ConversationId) -> Response:
    """Who takes part."""
    size, after, before = page_of(request)
    found = await _seen(call, key)
    users = found.conversation.context["participants"]
    keys = [participant_id(key, each) for each in users]
    cursor = after or before
    if cursor is not None and cursor not in keys:
        raise bad_request("The list has no such place. Begin anew without page[after].")
    start = keys.index(after) + 1 if after else 0
    end = keys.index(before) if before else len(keys)
    first, last = (max(start, end - size), end) if before else (start, min(end, start + size))
    shown = [await _participant(call, found, each) for each in users[first:last]]
    meta: dict[str, Any] = {"hasMore": first > 0 if before else last < len(keys)}
    if shown and first > 0:
        meta["beforeCursor"] = keys[first]
    if shown and last < len(keys):
        meta["afterCursor"] = keys[last - 1]
    return answer({"participants": shown, "meta": meta, "links": links(request, meta, size)})


@router.post(
    "/join",
    status_code=201,
    response_model=None,
    responses=answers(SunshineParticipantOne, 201),
    openapi_extra=takes(PARTICIPANT_JOIN),
)
async def join_conversation(
    call: Called, key: ConversationId, body: Annotated[dict[str, Any], Depends(taken(PARTICIPANT_JOIN))]
) -> Response:
    """A user takes part; of a `personal` conversation nobody else does."""
    await conversation(call, key)
    person = str((await needed_user(call, body))["key"])
    await call.do("switchboard", key, "join", {"user": person})
    return answer({"participant": await _participant(call, await _seen(call, key), person)}, 201)


@router.post(
    "/leave",
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
    await call.do("switchboard", key, "leave", {"user": leaving})
    return answer({})


async def _seen(call: Call, key: str) -> _Seen:
    return _Seen(await conversation(call, key), await last_messages(call, key, _COUNTED))


async def _participant(call: Call, found: _Seen, person: str) -> dict[str, Any]:
    known = await user(call, person)
    last_read = found.conversation.context.get("last_read", {}).get(person)
    unread = [
        each
        for each in found.messages
        if each["context"]["author"]["type"] == "business" and each["created_at"] > (last_read or "")
    ]
    key = participant_id(found.conversation.key, person)
    external_id = known["context"]["external_id"] if known else None
    return shapes.participant(key, person, external_id, last_read, len(unread))
