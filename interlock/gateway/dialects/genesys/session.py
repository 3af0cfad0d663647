"""Whether an agent is at work: ``POST /me`` begins and ends a session at the contact centre."""

from __future__ import annotations

from fastapi import APIRouter, Response

from interlock.gateway.dialects.genesys.calls import Call, CalledAtADesk
from interlock.gateway.dialects.genesys.errors import invalid, missing
from interlock.gateway.dialects.genesys.words import EVERY_ERROR, TEXTS, GenesysDone, operation, takes

MAX_CHANNELS = 100

router = APIRouter()


@router.post(
    "/me",
    response_model=None,
    responses={200: {"model": GenesysDone, "description": "Done."}, **EVERY_ERROR},
    openapi_extra=takes(
        operation("StartContactCenterSession", needed={"channels": TEXTS}),
        operation("EndContactCenterSession"),
    ),
)
async def operate_me(call: CalledAtADesk) -> Response:
    """The caller begins to take what comes on these channels, or takes nothing more. Again: nothing changes."""
    name, agent = call.operation(), call.principal.id
    if name == "StartContactCenterSession":
        channels = _channels(call)
        await call.send("agent", agent, "login", step=".login")
        await call.send("agent", agent, "online", step=".online")
        await call.send("agent", agent, "ready", {"channels": channels})
    elif name == "EndContactCenterSession":
        await call.send("agent", agent, "not_ready", step=".not_ready")
        await call.send("agent", agent, "offline")
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
