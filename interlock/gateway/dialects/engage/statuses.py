"""Engage's agent status: which of the connected agents take work, by channel, and how busy they are."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Path, Response
from pydantic import BeforeValidator

from interlock.gateway.dialects.engage.answering import answer
from interlock.gateway.dialects.engage.calls import Call, Called
from interlock.gateway.dialects.engage.errors import not_found, unprocessable
from interlock.gateway.dialects.engage.finding import is_key
from interlock.gateway.dialects.engage.paging import PAGING, page
from interlock.gateway.dialects.engage.shapes import agent_status
from interlock.gateway.dialects.engage.words import (
    FILTER,
    EngageAgentStatus,
    EngageAgentStatuses,
    errors,
    takes,
)
from interlock.gateway.problems import Problem
from interlock.gateway.reading import Instance, read
from interlock.statecharts.functions import may_monitor

_STATUSES = ("available", "away")
_BY_CHANNEL = {
    "type": "object",
    "additionalProperties": {"type": "string", "enum": [*_STATUSES]},
    "propertyNames": {"pattern": r"^[^\[\]]+$"},
    "description": "For every channel of the agent's capacity.",
}
_CUSTOM = {**FILTER, "description": "Any id: the agent is away on all channels with it."}

router = APIRouter(prefix="/status")

Id = Annotated[str, Path(alias="agentId", min_length=1), BeforeValidator(unquote)]
_ONE = {"model": EngageAgentStatus, "description": "The agent's status."}


@router.get(
    "",
    response_model=None,
    responses={200: {"model": EngageAgentStatuses}},
    openapi_extra=takes(optional=PAGING, has_body=False),
)
async def list_statuses(call: Called) -> Response:
    """The agents who are online, by id. For who monitors the desk."""
    _needs_monitor(call)
    return await page(call, "agent", agent_status, states=["online"], sort=["key"], by_source=False)


@router.get(
    "/{agentId}",
    response_model=None,
    responses={200: _ONE, **errors(404)},
    openapi_extra=takes(has_body=False),
)
async def get_status(call: Called, key: Id) -> Response:
    """One agent's status; 404 `not_found` where there is no such agent, `disconnected` where they are not online."""
    return answer(agent_status(await _connected(call, key)))


@router.put(
    "/{agentId}",
    response_model=None,
    responses={200: _ONE, **errors(404)},
    openapi_extra=takes(optional={"status": _BY_CHANNEL, "custom_status_id": _CUSTOM}),
)
async def change_status(call: Called, key: Id) -> Response:
    """Have an agent take work from queues or not, by channel, or with a custom status on none. The channels count where
    both are sent."""
    agent = await _connected(call, key)
    data: dict[str, Any] = {}
    status = call.parameters.get("status")
    if isinstance(status, str) and status:  # the same on all channels
        status = dict.fromkeys(agent["context"]["capacity"], status)
    if status:
        if not isinstance(status, dict) or any(word not in _STATUSES for word in status.values()):
            raise unprocessable(f"status is {' or '.join(_STATUSES)} for each channel. Correct it.")
        data["channels"] = status
    if call.text("custom_status_id") is not None:
        data["custom_status"] = call.id("custom_status_id")
    result = await call.send("agent", key, "set_status", data)
    return answer(agent_status(await call.instance(result, 404)))


def _needs_monitor(call: Call) -> None:
    if not may_monitor(call.principal.kind, list(call.principal.permissions)):
        raise Problem(403, "forbidden", "You may not see this. Ask for the permission monitor_tasks.")


async def _connected(call: Call, key: str) -> Instance:
    """The agent, who is online. Raises Problem: 403, 404."""
    _needs_monitor(call)
    found = await read(call.deployment, call.principal, "agent", key) if is_key(key) else None
    if found is None:
        raise not_found("agent", key)
    if "online" not in found["state"]:
        raise Problem(404, "disconnected", "They are not online, so they have no status.")
    return found
