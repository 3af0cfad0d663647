"""OneView version 2: tickets go to a department that can do more."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import APIRouter, Header, Path, Request, Response
from pydantic import BeforeValidator

from interlock.engine.messages import MAX_ID_LENGTH, is_printable, text_schema
from interlock.engine.tokens import Principal
from interlock.gateway.answers import answer
from interlock.gateway.asking import ask
from interlock.gateway.callers import Caller
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.dialects.oneview.agents import ON_BEHALF, Named
from interlock.gateway.dialects.oneview.errors import forbidden, not_found, refusal
from interlock.gateway.dialects.oneview.shapes import ticket
from interlock.gateway.dialects.oneview.words import (
    OneViewDepartment,
    OneViewErrors,
    OneViewTicket,
    errors,
)
from interlock.gateway.parameters import json_body
from interlock.gateway.permissions import may_read
from interlock.gateway.problems import Problem
from interlock.gateway.reading import Instance, listed, read

_MOST_DEPARTMENTS = 1000
_LONGEST = {"department": 256, "notes": 4096}

router = APIRouter(
    prefix="/oneview/v2", responses=errors(OneViewErrors, 400, 401, 403, 404, 409, 413, 429, 500, 503)
)

TicketId = Annotated[str, Path(alias="ticketID", min_length=1), BeforeValidator(unquote)]
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "department": text_schema(_LONGEST["department"]),
                        "notes": {"type": "string", "maxLength": _LONGEST["notes"]},
                    },
                    "required": ["department"],
                }
            }
        },
    }
}


@router.post(
    "/tickets/{ticketID}/escalate",
    response_model=None,
    responses={200: {"model": OneViewTicket, "description": "The ticket, with the department now."}},
    openapi_extra=_BODY,
)
async def escalate_ticket(
    request: Request,
    deployment: Deployment,
    caller: Caller,
    key: TicketId,
    user: Annotated[
        str | None, Header(alias="X-Agent-User-ID", description="The agent who does it; the caller's own.")
    ] = None,
    named: Named = None,
) -> Response:
    """Hand a ticket to a department. 403 another's ticket; 409 it is there already, or closed."""
    body = await json_body(request)
    data = {name: text for name in _LONGEST if (text := _text(body, name)) is not None}
    if not data.get("department"):
        raise Problem(400, "no_department", "department is missing. Send it.")
    if not is_printable(data["department"]):
        raise Problem(400, "invalid_text", "department holds what cannot be printed. Correct it.")
    principal = _acting(caller, user)
    before = await _ticket(deployment, principal, key)
    named = f"escalate {key}\n{named}" if named else None
    result = await ask(deployment, principal, "ticket", key, "escalate", data, idempotency_key=named)
    if result["error"] is not None:
        raise _refused(result, before, principal, data["department"])
    after = await read(deployment, principal, "ticket", key, private=True)
    return answer(ticket(after or before, to_its_agent=caller.kind == "agent"))


@router.get(
    "/escalation/departments",
    response_model=None,
    responses={200: {"model": list[OneViewDepartment], "description": "By name."}},
)
async def get_departments(deployment: Deployment, caller: Caller) -> Response:
    """Where tickets may go: the queues of the desk."""
    if caller.kind not in ON_BEHALF | {"agent"}:
        raise forbidden()
    found = await listed(deployment, caller, "queue", limit=_MOST_DEPARTMENTS)
    return answer([{"id": queue["key"], "name": queue["key"]} for queue in found.instances])


def _text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > _LONGEST[name]):
        raise Problem(400, "invalid_text", f"{name} is no text of at most {_LONGEST[name]} characters.")
    return value


def _acting(caller: Principal, user: str | None) -> Principal:
    """Who does it: the caller, or for a supervisor and a system the agent whom the header names."""
    if not user or user == caller.id:
        return caller
    if caller.kind not in ON_BEHALF:
        raise forbidden()
    if not is_printable(user) or len(user) > MAX_ID_LENGTH:
        raise Problem(400, "malformed_id", "X-Agent-User-ID is no agent's id. Correct it.")
    return replace(caller, id=user, kind="agent")


async def _ticket(deployment: ServedDeployment, principal: Principal, key: str) -> Instance:
    """The ticket, where the principal may know of it: who has it, who had it before, who reads its channel."""
    if not is_printable(key) or len(key) > MAX_ID_LENGTH:
        raise not_found()
    found = await read(deployment, principal, "ticket", key, private=True)
    if found is None:
        raise not_found()
    context = found["context"]
    theirs = principal.id in (context["assignee"], context["preferred_agent"])
    if not theirs and not may_read(principal, context):
        raise not_found()
    return found


def _refused(result: Any, before: Instance, principal: Principal, department: str) -> Problem:
    """Who has escalated it is told that it is there, and not that it is no longer theirs."""
    context = before["context"]
    again = context["department"] == department and context["preferred_agent"] == principal.id
    if again and result["error"]["class"] == "forbidden":
        return Problem(409, "already_escalated", "It is with this department already.")
    return refusal(result)
