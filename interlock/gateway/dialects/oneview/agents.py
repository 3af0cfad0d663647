"""OneView version 1: an agent's own tickets, and whether the agent is there to get more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Header, Path, Response
from pydantic import BeforeValidator

from interlock.engine.messages import MAX_ID_LENGTH, PRINTABLE, is_printable
from interlock.engine.tokens import Principal
from interlock.gateway.answers import answer
from interlock.gateway.asking import ask
from interlock.gateway.callers import Caller
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.dialects.oneview.errors import forbidden, not_found, refusal
from interlock.gateway.dialects.oneview.shapes import agent_info, ticket, urgency
from interlock.gateway.dialects.oneview.words import (
    OneViewAgent,
    OneViewError,
    OneViewTicket,
    errors,
)
from interlock.gateway.permissions import readable_sources
from interlock.gateway.problems import Problem
from interlock.gateway.reading import Instance, listed, read

ON_BEHALF = frozenset({"supervisor", "system", "admin"})
"""Kinds that may see any agent's desk, and act for the agent."""
_MOST_TICKETS = 500
"""Tickets of one agent that are shown; nobody holds so many."""

router = APIRouter(
    prefix="/oneview/v1", responses=errors(OneViewError, 400, 401, 403, 404, 409, 413, 429, 500, 503)
)

_ID = {"maxLength": MAX_ID_LENGTH, "pattern": PRINTABLE}
AgentId = Annotated[
    str, Path(alias="agentID", min_length=1, json_schema_extra={**_ID}), BeforeValidator(unquote)
]
Named = Annotated[
    str | None, Header(alias="Idempotency-Key", description="Names the call: sent again, it counts once.")
]
_TICKETS: dict[int | str, dict[str, Any]] = {
    200: {"model": list[OneViewTicket], "description": "The most urgent first; none that is closed."}
}
_AGENT: dict[int | str, dict[str, Any]] = {
    200: {"model": OneViewAgent, "description": "The agent as it is now."}
}


@router.get("/info", response_model=None, responses=_AGENT)
async def get_info(deployment: Deployment, caller: Caller) -> Response:
    """The caller's own agent."""
    return _info(await agent_of(deployment, caller, caller.id))


@router.get("/tickets", response_model=None, responses=_TICKETS)
async def get_own_tickets(deployment: Deployment, caller: Caller) -> Response:
    """The caller's own tickets."""
    return await _tickets(deployment, caller, caller.id)


@router.put("/online", response_model=None, responses=_AGENT)
async def set_own_online(deployment: Deployment, caller: Caller, named: Named = None) -> Response:
    """The caller takes tickets from now on."""
    return await _presence(deployment, caller, caller.id, "online", named)


@router.put("/offline", response_model=None, responses=_AGENT)
async def set_own_offline(deployment: Deployment, caller: Caller, named: Named = None) -> Response:
    """The caller gets no new tickets."""
    return await _presence(deployment, caller, caller.id, "offline", named)


@router.get("/{agentID}/tickets", response_model=None, responses=_TICKETS)
async def get_tickets(deployment: Deployment, caller: Caller, agent: AgentId) -> Response:
    """An agent's tickets: for the agent, with the tokens in the metadata, and without them for a supervisor."""
    return await _tickets(deployment, caller, agent)


@router.put("/{agentID}/online", response_model=None, responses=_AGENT)
async def set_online(deployment: Deployment, caller: Caller, agent: AgentId, named: Named = None) -> Response:
    """The agent takes tickets from now on. Again: nothing changes."""
    return await _presence(deployment, caller, agent, "online", named)


@router.put("/{agentID}/offline", response_model=None, responses=_AGENT)
async def set_offline(
    deployment: Deployment, caller: Caller, agent: AgentId, named: Named = None
) -> Response:
    """The agent gets no new tickets. Again: nothing changes."""
    return await _presence(deployment, caller, agent, "offline", named)


async def agent_of(deployment: ServedDeployment, caller: Principal, agent: str) -> Instance:
    """The agent of this id. Raises Problem: 400 no id, 403 another's, 404 no such agent."""
    if not is_printable(agent) or len(agent) > MAX_ID_LENGTH:
        raise Problem(400, "malformed_id", "This is no agent's id. Correct it.")
    if agent != caller.id and caller.kind not in ON_BEHALF:
        raise forbidden()
    if caller.kind not in ON_BEHALF | {"agent"}:
        raise forbidden()
    found = await read(deployment, caller, "agent", agent)
    if found is None:
        raise not_found()
    return found


async def _tickets(deployment: ServedDeployment, caller: Principal, agent: str) -> Response:
    await agent_of(deployment, caller, agent)
    own = caller.kind == "agent"
    # Who has a ticket sees it; of others' desks everyone sees what they may read.
    found = await listed(
        deployment,
        caller,
        "ticket",
        where={"assignee": agent},
        states=["open"],
        limit=_MOST_TICKETS,
        private=True,
        sources=None if own else readable_sources(caller),
    )
    instances = sorted(found.instances, key=urgency)
    return answer([ticket(instance, to_its_agent=own) for instance in instances])


async def _presence(
    deployment: ServedDeployment, caller: Principal, agent: str, name: str, named: str | None
) -> Response:
    await agent_of(deployment, caller, agent)
    named = f"{name} {agent}\n{named}" if named else None
    result = await ask(deployment, caller, "agent", agent, name, idempotency_key=named)
    if result["error"] is not None:
        raise refusal(result)
    return _info(await agent_of(deployment, caller, agent))


def _info(agent: Instance) -> Response:
    return answer(agent_info(agent, datetime.now(UTC)))
