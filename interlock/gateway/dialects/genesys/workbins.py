"""Workbins: what an agent has put aside, and how it comes back."""

from __future__ import annotations

from fastapi import APIRouter, Response

from interlock.gateway.dialects.genesys.calls import Call, CalledAtADesk, Id
from interlock.gateway.dialects.genesys.errors import invalid, invalid_state
from interlock.gateway.dialects.genesys.finding import check_workbin, own, parked, seen
from interlock.gateway.dialects.genesys.sessions import WORKBIN_CONTENT
from interlock.gateway.dialects.genesys.words import (
    DONE,
    EVERY_ERROR,
    NAME,
    GenesysDone,
    GenesysWorkbin,
    operation,
    takes,
)

router = APIRouter()


@router.get(
    "/me/workbins/{name}",
    response_model=None,
    responses={200: {"model": GenesysWorkbin, "description": "What lies in it."}, **EVERY_ERROR},
)
async def read_workbin(call: CalledAtADesk, name: Id) -> Response:
    """What the caller has parked there; for who looks after the desk, what others have."""
    return await content(call, name)


@router.post(
    "/me/workbins/{name}",
    response_model=None,
    responses={**DONE, 200: {"model": GenesysDone | GenesysWorkbin, "description": "Done."}},
    openapi_extra=takes(operation("PullInteraction", needed={"id": NAME}), operation("GetWorkbinContent")),
)
async def operate_workbin(call: CalledAtADesk, name: Id) -> Response:
    """Pull an interaction out of it, or tell what lies in it. 2 it does not lie there; 5 it is another agent's."""
    wanted = call.operation()
    if wanted == "GetWorkbinContent":
        return await content(call, name)
    if wanted not in ("PullInteraction", "PullFromWorkbin"):
        raise invalid("There is no operation of this operationName. Correct it.")
    await check_workbin(call, name)
    return await pull(call, call.needed_name("id"), name)


async def content(call: Call, workbin: str) -> Response:
    """The answer to GetWorkbinContent, which whoever listens is told too. Raises GenesysError (6)."""
    await check_workbin(call, workbin)
    interactions = await seen(call, await parked(call, workbin))
    await call.sessions.notify(call.principal, WORKBIN_CONTENT, workbin=workbin, reference=call.command_id)
    return call.done(status="ok", workbin=workbin, interactions=interactions)


async def pull(call: Call, key: str, workbin: str | None = None) -> Response:
    """The answer to PullInteraction. ``workbin``: where it has to lie. Raises GenesysError (2, 5, 6)."""
    if not await call.came_before():
        found = await own(call, key)
        if workbin is not None and found["context"]["workbin"] != workbin:
            raise invalid_state("It does not lie in this workbin. Look where it is.")
        await call.send("interaction", key, "pull")
    return call.done()
