"""Whether an agent is at work: ``GET /me`` tells it, ``POST /me`` begins and ends a session at the contact centre."""

from __future__ import annotations

from fastapi import APIRouter, Response

from interlock.gateway.dialects.genesys.calls import Call, CalledAtADesk
from interlock.gateway.dialects.genesys.errors import invalid, missing
from interlock.gateway.dialects.genesys.finding import agent
from interlock.gateway.dialects.genesys.shapes import me
from interlock.gateway.dialects.genesys.words import DONE, EVERY_ERROR, TEXTS, GenesysMe, operation, takes

MAX_CHANNELS = 100

router = APIRouter()


@router.get(
    "/me",
    response_model=None,
    responses={200: {"model": GenesysMe, "description": "The caller."}, **EVERY_ERROR},
)
async def read_me(call: CalledAtADesk) -> Response:
    """Who the caller is, whether they have a session, and on which channels they are ready."""
    return call.done(**me(call.principal, await agent(call, call.principal.id), call.base))


@router.post(
    "/me",
    response_model=None,
    responses=DONE,
    openapi_extra=takes(
        operation("StartContactCenterSession", needed={"channels": TEXTS}),
        operation("EndContactCenterSession"),
    ),
)
async def operate_me(call: CalledAtADesk) -> Response:
    """The caller begins to take what comes on these channels, or takes nothing more. Again: nothing changes."""
    name, own = call.operation(), call.principal.id
    if name == "StartContactCenterSession":
        channels = _channels(call)
        await call.send("agent", own, "login", step=".login")
        await call.send("agent", own, "online", step=".online")
        await call.send("agent", own, "ready", {"channels": channels})
    elif name == "EndContactCenterSession":
        await call.send("agent", own, "not_ready", step=".not_ready")
        await call.send("agent", own, "offline")
    else:
        raise invalid("There is no operation of this operationName. Correct it.")
    return call.done()


def _channels(call: Call) -> list[str]:
    channels = call.body.get("channels")
    if channels is None:
        raise missing("channels")
    if (
        not isinstance(channels, list)
        or not 1 <= len(channels) <= MAX_CHANNELS
        or not all(isinstance(one, str) and one for one in channels)
    ):
        raise invalid(f"channels is no list of 1 to {MAX_CHANNELS} names of channels. Correct it.")
    return list(dict.fromkeys(channels))
