"""Sunshine's switchboard actions: control of a conversation is passed, offered, accepted and released.

What needs the control state is answered `{}`, and where it fails the chart announces a `:failure` event.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from interlock.gateway.answers import answer
from interlock.gateway.dialects.sunshine.bodies import ACCEPT, OFFER, PASS, RELEASE, taken
from interlock.gateway.dialects.sunshine.calls import Call, Called
from interlock.gateway.dialects.sunshine.finding import up_to_date
from interlock.gateway.dialects.sunshine.words import ConversationId, SunshineDone, answers
from interlock.gateway.parameters import takes

router = APIRouter(prefix="/conversations/{conversationId}")
_DONE = answers(SunshineDone)


@router.post("/passControl", response_model=None, responses=_DONE, openapi_extra=takes(PASS))
async def pass_control(
    call: Called, key: ConversationId, body: Annotated[dict[str, Any], Depends(taken(PASS))]
) -> Response:
    """Control goes to the named switchboard integration at once; all others stand by. `next` means the one behind."""
    return await _act(call, key, "pass_control", body)


@router.post("/offerControl", response_model=None, responses=_DONE, openapi_extra=takes(OFFER))
async def offer_control(
    call: Called, key: ConversationId, body: Annotated[dict[str, Any], Depends(taken(OFFER))]
) -> Response:
    """The named switchboard integration is invited to take control; earlier offers are void."""
    return await _act(call, key, "offer_control", body)


@router.post("/acceptControl", response_model=None, responses=_DONE, openapi_extra=takes(ACCEPT))
async def accept_control(
    call: Called, key: ConversationId, body: Annotated[dict[str, Any], Depends(taken(ACCEPT))]
) -> Response:
    """The pending one takes control. 403 for an integration that is not the pending one."""
    return await _act(call, key, "accept_control", body)


@router.post("/releaseControl", response_model=None, responses=_DONE, openapi_extra=takes(RELEASE))
async def release_control(
    call: Called, key: ConversationId, body: Annotated[dict[str, Any], Depends(taken(RELEASE))]
) -> Response:
    """Nobody is in control, until a user writes. 403 for an integration that is not the active one."""
    return await _act(call, key, "release_control", body)


async def _act(call: Call, key: str, name: str, body: dict[str, Any]) -> Response:
    await up_to_date(call, key)
    data = {_NAMES.get(word, word): value for word, value in body.items()}
    await call.do("switchboard", key, name, data)
    return answer({})


_NAMES = {"switchboardIntegration": "switchboard_integration"}
