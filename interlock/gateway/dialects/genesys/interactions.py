"""Interactions: lists, one, what is new in one, and a new one."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from interlock.engine.listing import MAX_OFFSET
from interlock.gateway.dialects.genesys.calls import AT_A_DESK, Call, Called, CalledAtADesk, Id
from interlock.gateway.dialects.genesys.creating import BRING_IN, create
from interlock.gateway.dialects.genesys.errors import invalid, missing, no_permission, not_found
from interlock.gateway.dialects.genesys.finding import (
    MAX_SHOWN,
    active,
    has_leg,
    in_hand,
    own,
    seen,
    visible,
)
from interlock.gateway.dialects.genesys.shapes import uri
from interlock.gateway.dialects.genesys.words import (
    ACCEPTED,
    EVERY_ERROR,
    NAME,
    OBJECT,
    TEXT,
    GenesysInteraction,
    GenesysInteractions,
    operation,
    takes,
)
from interlock.gateway.permissions import reads_something

router = APIRouter()

_ONE: dict[int | str, dict[str, Any]] = {
    200: {"model": GenesysInteraction, "description": "The interaction."},
    **EVERY_ERROR,
}
_LIST: dict[int | str, dict[str, Any]] = {
    200: {"model": GenesysInteractions, "description": "The oldest first."},
    **EVERY_ERROR,
}
Fields = Annotated[str | None, Query(description="`*`: whole interactions, and not their addresses alone.")]


@router.get("/me/interactions", response_model=None, responses=_LIST)
async def list_own_interactions(call: CalledAtADesk, fields: Fields = None) -> Response:
    """What is offered to the caller and what they work on."""
    keys = await in_hand(call)
    if fields:
        return call.done(totalCount=len(keys), interactions=await seen(call, keys))
    return call.done(totalCount=len(keys), uris=[uri(call.base, key) for key in keys])


@router.get("/me/interactions/{id}", response_model=None, responses=_ONE)
async def read_own_interaction(call: CalledAtADesk, id: Id) -> Response:
    """An interaction on which the caller has a leg; 6 for others."""
    found = await own(call, id)
    if not has_leg(call.principal, found):
        raise not_found("interaction")
    return await _one(call, id)


@router.get("/interactions", response_model=None, responses=_LIST)
async def list_interactions(
    call: Called,
    fields: Fields = None,
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_SHOWN)] = 100,
) -> Response:
    """All active interactions that the caller sees: those on channels that they may read, and their own. Without
    `fields` both `uris` and `interactions`, with `fields=*` the interactions alone."""
    if call.principal.kind not in AT_A_DESK and not reads_something(call.principal):
        raise no_permission("Reading needs the permission read:CHANNEL, or read:* for all.")
    keys, total = await active(call, offset, limit)
    both = {} if fields else {"uris": [uri(call.base, key) for key in keys]}
    return call.done(totalCount=total, **both, interactions=await seen(call, keys))


@router.get("/interactions/{id}", response_model=None, responses=_ONE)
async def read_interaction(call: Called, id: Id) -> Response:
    """One interaction, where the caller has a leg on it or may read its channel; 6 for others."""
    await visible(call, id)
    return await _one(call, id)


@router.put(
    "/interactions/{id}",
    response_model=None,
    responses={**_ONE, **ACCEPTED},
    openapi_extra=takes(
        {"type": "object", "properties": {"userData": OBJECT}, "required": ["userData"]},
        {
            "type": "object",
            "properties": {"comment": {"type": "string", "maxLength": 4000}},
            "required": ["comment"],
        },
    ),
)
async def update_interaction(call: CalledAtADesk, id: Id) -> Response:
    """Set its user data, or its comment: by its owner, as UpdateUserData and SetComment do."""
    user_data, comment = call.object("userData"), call.body.get("comment")
    if user_data is None and comment is None:
        raise missing("userData")
    if user_data is not None and comment is not None:
        raise invalid("One update sets the userData or the comment. Send two.")
    if not await call.came_before():
        await own(call, id)
        if user_data is not None:
            await call.send("interaction", id, "update_user_data", {"user_data": user_data})
        else:
            await call.send("interaction", id, "set_comment", {"comment": comment})
    return await _one(call, id)


@router.post(
    "/interactions",
    response_model=None,
    responses={**_ONE, **ACCEPTED},
    openapi_extra=takes(
        operation(
            "Create",
            needed={"channel": TEXT, "queueName": NAME},
            optional={
                "userData": OBJECT,
                "interactionType": {"enum": ["Inbound", "Outbound", "Internal"]},
                "interactionSubType": TEXT,
                "subject": TEXT,
                "parentId": NAME,
            },
        )
    ),
)
async def create_interaction(call: Called) -> Response:
    """A new interaction: what comes in waits in its queue (tokens of kind system, integration, supervisor, admin);
    an agent's work item, or draft (`Outbound`), is in the agent's hands at once."""
    if call.principal.kind not in BRING_IN | {"agent"}:
        raise no_permission("This token may create nothing here. Use one of kind system.")
    if call.operation() != "Create":
        raise invalid("There is no operation of this operationName. Correct it.")
    return await create(call)


async def _one(call: Call, key: str) -> Response:
    (shown,) = await seen(call, [key])
    return call.done(**shown)
