"""What an agent does with an interaction: ``POST /me/interactions/{id}`` with an ``operationName``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

from fastapi import APIRouter, Response

from interlock.gateway.dialects.genesys.calls import Call, CalledAtADesk, Id
from interlock.gateway.dialects.genesys.creating import reply
from interlock.gateway.dialects.genesys.errors import invalid, missing
from interlock.gateway.dialects.genesys.finding import check_queue, check_ready, check_workbin, own
from interlock.gateway.dialects.genesys.words import (
    DONE,
    FLAG,
    NAME,
    OBJECT,
    GenesysDone,
    GenesysInteraction,
    GenesysWorkbin,
    operation,
    takes,
)
from interlock.gateway.dialects.genesys.workbins import content, pull
from interlock.gateway.reading import Instance
from interlock.statecharts.genesys import command_of

router = APIRouter()

Data = dict[str, Any]
_Taken = Callable[[Call, Instance], Awaitable[Data]]

_SHOWN_STATUS: Mapping[str, str | int] = MappingProxyType(
    {
        **dict.fromkeys(("accept", "reject", "place_in_queue", "place_in_workbin"), "ok"),
        **dict.fromkeys(("update_user_data", "attach_user_data", "delete_user_data"), "ok"),
        "cancel": 0,
    }
)
"""``status`` beside the ``statusCode``, by command, where the vendor's page shows it."""

_TARGET = {"type": "string", "pattern": "/(users|queues)/[A-Za-z0-9_.-]+/?$"}
_DATA_OPERATIONS = ("UpdateUserData", "AttachUserData", "DeleteUserData")
_BODY = takes(
    operation(
        "Accept", "Reject", "Cancel", "Send", "PullInteraction", "PullFromWorkbin", "Reply", "ReplyAll"
    ),
    operation("Complete", optional={"queueName": NAME}),
    operation("PlaceInQueue", needed={"queueName": NAME}),
    operation(*_DATA_OPERATIONS, needed={"userData": OBJECT}),
    operation("PlaceInWorkbin", "GetWorkbinContent", needed={"workbin": NAME}),
    *(
        operation("Transfer", "SingleStepTransfer", needed={name: schema})
        for name, schema in (("userId", NAME), ("queueName", NAME), ("targetUri", _TARGET))
    ),
    operation("SetInFocus", optional={"inFocus": FLAG}),
    operation("SetComment", needed={"comment": {"type": "string", "maxLength": 4000}}),
)


@router.post(
    "/me/interactions/{id}",
    response_model=None,
    responses={
        **DONE,
        200: {"model": GenesysDone | GenesysWorkbin | GenesysInteraction, "description": "Done."},
    },
    openapi_extra=_BODY,
)
async def operate_interaction(call: CalledAtADesk, id: Id) -> Response:
    """What ``operationName`` says. 1 a parameter is missing; 2 not in this state; 5 not for the caller; 6 no such
    interaction, queue, workbin or agent for the caller; 10 no such operation."""
    name = call.operation()
    if (apart := _APART.get(name)) is not None:
        return await apart(call, id)
    command = command_of(name)
    if command is None:
        raise invalid("There is no operation of this operationName. Correct it.")
    shown = {"status": _SHOWN_STATUS[command]} if command in _SHOWN_STATUS else {}
    if not await call.came_before():
        found = await own(call, id)
        taken = _TAKEN.get(command)
        data = await taken(call, found) if taken else None
        await call.send("interaction", id, command, data, promised=shown)
    return call.done(**shown)


async def _completed(call: Call, _found: Instance) -> Data:
    queue = call.name("queueName", "queueUri")
    if queue is None:
        return {}
    await check_queue(call, queue)
    return {"queue": queue}


async def _queued(call: Call, _found: Instance) -> Data:
    queue = call.needed_name("queueName", "queueUri")
    await check_queue(call, queue)
    return {"queue": queue}


async def _user_data(call: Call, _found: Instance) -> Data:
    user_data = call.object("userData")
    if user_data is None:
        raise missing("userData")
    return {"user_data": user_data}


async def _parked(call: Call, _found: Instance) -> Data:
    workbin = call.needed_name("workbin")
    await check_workbin(call, workbin, open_only=True)
    return {"workbin": workbin}


async def _transferred(call: Call, found: Instance) -> Data:
    kind = (call.text("targetUri") or "").rstrip("/").rpartition("/")[0].rpartition("/")[2]
    to_queue = call.name("queueName", "queueUri") or (call.name("targetUri") if kind == "queues" else None)
    agent = call.name("userId") or (call.name("targetUri") if kind == "users" else None)
    if to_queue is None and agent is None:
        if call.text("targetUri") is not None:
            raise invalid("targetUri ends neither in /users/ID nor in /queues/NAME. Correct it.")
        raise missing("userId")
    if to_queue is not None and agent is not None:
        raise invalid("A transfer goes to an agent or to a queue. Name one of them.")
    if to_queue is not None:
        await check_queue(call, to_queue)
        return {"queue": to_queue}
    if agent != found["context"]["owner"]:
        await check_ready(call, agent or "", found["context"]["channel"])
    return {"agent": agent}


async def _focused(call: Call, _found: Instance) -> Data:
    value = call.body.get("inFocus", True)
    if not isinstance(value, bool):
        raise invalid("inFocus is neither true nor false. Correct it.")
    return {"in_focus": value}


async def _commented(call: Call, _found: Instance) -> Data:
    if call.body.get("comment") == "":
        return {"comment": ""}
    return {"comment": call.needed("comment")}


_TAKEN: Mapping[str, _Taken] = MappingProxyType(
    {
        "complete": _completed,
        "place_in_queue": _queued,
        "update_user_data": _user_data,
        "attach_user_data": _user_data,
        "delete_user_data": _user_data,
        "place_in_workbin": _parked,
        "transfer": _transferred,
        "set_in_focus": _focused,
        "set_comment": _commented,
    }
)
"""By command: its data, out of the call's body. They raise GenesysError."""


async def _content(call: Call, key: str) -> Response:
    await own(call, key)
    return await content(call, call.needed_name("workbin"))


async def _reply(call: Call, key: str) -> Response:
    return await reply(call, await own(call, key))


async def _pull(call: Call, key: str) -> Response:
    return await pull(call, key)


_APART: Mapping[str, Callable[[Call, str], Awaitable[Response]]] = MappingProxyType(
    {
        "GetWorkbinContent": _content,
        "PullFromWorkbin": _pull,
        "PullInteraction": _pull,
        "Reply": _reply,
        "ReplyAll": _reply,
    }
)
"""Operations that are no command to the interaction itself, or answer more."""
