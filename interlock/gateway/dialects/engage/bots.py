"""Engage's virtual agents: they engage on a content, complete, and hand over to agents and back."""

from __future__ import annotations

from fastapi import APIRouter, Response

from interlock.gateway.dialects.engage.answering import answer
from interlock.gateway.dialects.engage.calls import Call, Called
from interlock.gateway.dialects.engage.errors import not_found, refusal, unprocessable
from interlock.gateway.dialects.engage.finding import readable_content, readable_intervention
from interlock.gateway.dialects.engage.opening import engaged
from interlock.gateway.dialects.engage.shapes import intervention
from interlock.gateway.dialects.engage.words import (
    FILTER,
    FLAG,
    ID,
    EngageDone,
    EngageIntervention,
    errors,
    takes,
)
from interlock.gateway.permissions import readable_sources
from interlock.gateway.reading import listed

_SIDES = ("bot", "agent")
_DONE = {"status": "200", "message": "Success"}

router = APIRouter(prefix="/bots")


@router.post(
    "/engage",
    response_model=None,
    responses={200: {"model": EngageIntervention, "description": "The intervention."}, **errors(404)},
    openapi_extra=takes({"content_id": ID}),
)
async def engage_bot(call: Called) -> Response:
    """Create or reopen the intervention of a content's thread for the virtual agent whose token this is."""
    content = await readable_content(call.deployment, call.principal, call.id("content_id"))
    return answer(intervention(await call.instance(await engaged(call, content), 422)))


@router.post(
    "/complete",
    response_model=None,
    responses={200: {"model": EngageDone, "description": "Done."}, **errors(404)},
    openapi_extra=takes({"intervention_id": ID}, {"close_thread": FLAG}),
)
async def complete_bot(call: Called) -> Response:
    """Close the intervention that the virtual agent is in charge of, and its thread where that is wished."""
    key = call.id("intervention_id")
    await readable_intervention(call.deployment, call.principal, key)
    await _complete(call, key, call.flag("close_thread"))
    return answer(_DONE)


@router.post(
    "/handover",
    response_model=None,
    responses={200: {"model": EngageDone, "description": "Done."}, **errors(404)},
    openapi_extra=takes(
        {
            "from": {"type": "string", "enum": [*_SIDES]},
            "to": {"type": "string", "enum": [*_SIDES]},
            "type": ID,
            "identity_foreign_id": ID,
        },
        {"intervention_id": FILTER},
    ),
)
async def hand_over(call: Called) -> Response:
    """Give the conversation with an identity, or of an intervention, from the bot to agents or back.

    422 where agents are to give it away while an intervention is open. A virtual agent that hands over its
    intervention completes it.
    """
    source, target = call.needed("from"), call.needed("to")
    call.id("type")
    if source not in _SIDES or target not in _SIDES:
        raise unprocessable("from and to are bot or agent. Correct them.")
    key = call.text("intervention_id")
    if key is None:
        thread = await _thread_of_identity(call, call.id("identity_foreign_id"))
    else:
        found = await readable_intervention(call.deployment, call.principal, key)
        thread = found["context"]["thread"]
        if thread is None:
            raise unprocessable("This intervention belongs to no thread, so there is nothing to hand over.")
        if target == "agent" and found["context"]["virtual_agent_id"] and not found["context"]["closed_at"]:
            await _complete(call, key, False)
    result = await call.send("thread", thread, "handover", {"to": target})
    if result["error"] is not None:
        raise refusal(result, 422)
    return answer(_DONE)


async def _complete(call: Call, key: str, close_thread: bool) -> None:
    result = await call.send(
        "intervention", key, "complete", {"close_thread": close_thread}, step=".complete"
    )
    if result["error"] is not None:
        raise refusal(result, 422)


async def _thread_of_identity(call: Call, identity: str) -> str:
    """Key of the thread on which the customer and the desk spoke last. Raises Problem (404)."""
    found = await listed(
        call.deployment,
        call.principal,
        "thread",
        where={"identity_id": identity},
        sort=["-updated_at"],
        limit=1,
        sources=readable_sources(call.principal),
    )
    if not found.instances:
        raise not_found("conversation with the identity", identity)
    return str(found.instances[0]["key"])
