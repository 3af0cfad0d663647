"""Interactions that come to be through the API: what comes in, an agent's work items, drafts."""

from __future__ import annotations

import hashlib
from base64 import b32encode
from typing import Any

from fastapi import Response

from interlock.gateway.dialects.genesys.calls import Call
from interlock.gateway.dialects.genesys.errors import invalid_state, missing, no_permission
from interlock.gateway.dialects.genesys.finding import check_queue, own, seen
from interlock.gateway.dialects.genesys.shapes import uri
from interlock.gateway.reading import Instance

BRING_IN = frozenset({"system", "integration", "supervisor", "admin"})
"""Kinds that bring in what customers want; agents make work items and drafts."""
_OUTBOUND = "Outbound"
_WORKITEM = "workitem"
_TYPES = ("Inbound", "Outbound", "Internal")


async def create(call: Call) -> Response:
    """The answer to Create: the interaction. Raises GenesysError (1, 5, 6, 10)."""
    if not await call.came_before():
        data, name = await _wish(call)
        await _send(call, name, data)
    return await _made(call)


async def reply(call: Call, parent: Instance) -> Response:
    """The answer to Reply: the caller's draft of an answer to an interaction in hand. Raises GenesysError (2)."""
    if not await call.came_before():
        context = parent["context"]
        if context["legs"].get(call.principal.id) != "processing":
            raise invalid_state("It is not in your hands. Accept it first.")
        data = {
            "channel": context["channel"],
            "queue": context["queue"],
            "interaction_type": _OUTBOUND,
            "interaction_sub_type": "OutboundReply",
            "parent_id": parent["key"],
            **({"subject": context["subject"]} if context["subject"] else {}),
        }
        await _send(call, "create", data)
    return await _made(call)


def interaction_id(command_id: str) -> str:
    """The id of what a call creates: 16 letters and digits, the same when the call comes again."""
    return b32encode(hashlib.sha256(command_id.encode()).digest())[:16].decode()


async def _wish(call: Call) -> tuple[dict[str, Any], str]:
    """The data and the name of the command."""
    channel, kind = call.text("channel"), call.text("interactionType")
    queue = call.name("queueName", "queueUri")
    parent = call.name("parentId", "parentInteractionId")
    brings_in = call.principal.kind in BRING_IN and kind != _OUTBOUND
    if channel is None:
        raise missing("channel")
    if queue is None:
        raise missing("queueName")
    if call.principal.kind == "agent" and kind != _OUTBOUND and channel != _WORKITEM:
        raise no_permission("Agents create work items and drafts. Use a token of kind system.")
    await check_queue(call, queue)
    if parent is not None and not brings_in:
        await own(call, parent)
    given = {
        "interaction_type": kind,
        "interaction_sub_type": call.text("interactionSubType"),
        "subject": call.text("subject"),
        "parent_id": parent,
        "queue": queue,
        "user_data": call.object("userData"),
    }
    data = {name: value for name, value in given.items() if value is not None}
    if brings_in or kind == _OUTBOUND:
        return {**data, "channel": channel}, "create"
    data.pop("interaction_type", None)
    return data, "create_workitem"


async def _send(call: Call, name: str, data: dict[str, Any]) -> None:
    key = interaction_id(call.command_id)
    await call.send("interaction", key, name, data, promised={"id": key, "uri": uri(call.base, key)})


async def _made(call: Call) -> Response:
    (shown,) = await seen(call, [interaction_id(call.command_id)])
    return call.done(**shown)
