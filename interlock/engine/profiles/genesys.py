"""Genesys: the ``InteractionStateChanged`` notification of Workspace v3, with ``X-Hub-Signature``. Pure.

Sources: the notifications of Genesys' agent API simulator; "Interactions Webhook" for the signature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from interlock.engine.profiles.announced import Announced, hub_signature, post, read
from interlock.engine.profiles.outgoing import Outgoing, Verdict, only_200

_STATES = {
    "queued": ("Queued", "Queued"),
    "routing": ("Routing", "Routing"),
    "delivering": ("Invited", "Delivering"),
    "handling": ("Processing", "Handling"),
    "composing": ("Composing", "Handling"),
    "parked": ("InWorkbin", "InWorkbin"),
    "stopped": ("Completed", "Stopped"),
    "sent": ("Sent", "Stopped"),
    "canceled": ("Canceled", "Stopped"),
}
"""State of the chart: the leg's state as Genesys names it, and ``workflowState``."""
_LEG_ENDS = {"rejected": "Completed", "revoked": "Revoked", "rescinded": "Revoked"}
"""Verbs that tell of a leg that ended while the interaction went on to somebody else."""
_WITH_AGENT = frozenset({"handling", "composing"})
_USER_DATA = ("UpdateUserData", "AttachUserData", "DeleteUserData")
_CAPABILITIES: Mapping[str, tuple[str, ...]] = {
    "Invited": ("Accept", "Reject"),
    "Processing": (*_USER_DATA, "PlaceInQueue", "PlaceInWorkbin", "Transfer", "Complete"),
    "Chatting": (*_USER_DATA, "PlaceInQueue", "PlaceInWorkbin", "Transfer", "Complete"),
    "Composing": (*_USER_DATA, "PlaceInWorkbin", "Send", "Cancel"),
    "InWorkbin": ("PullInteraction",),
}
"""Leg state to the operations that it allows, by their `operationName`."""


class Genesys:
    """``interaction.*`` events as notifications; those of other machines in the same envelope."""

    name = "genesys"
    schedule: tuple[float, ...] | None = None
    timeout_seconds: float | None = None

    def request(
        self,
        event: bytes,
        *,
        message: str,
        webhook_id: str,  # noqa: ARG002  of every profile's signature
        secrets: Sequence[bytes],
        at: datetime,
    ) -> Outgoing:
        body = orjson.dumps(_notification(read(event)))
        vendor = {"X-Hub-Signature": hub_signature(secrets[0], body)}
        return post(body, vendor, message=message, secrets=secrets, at=at)

    def verdict(self, status: int | None, headers: Mapping[str, str]) -> Verdict:  # noqa: ARG002
        """Only 200 counts."""
        return only_200(status)


def _notification(event: Announced) -> dict[str, Any]:
    if event.machine != "interaction":
        return {
            "messageType": f"{event.machine[:1].upper()}{event.machine[1:]}StateChanged",
            "notificationType": "StatusChange",
            "eventType": event.type,
            "timestamp": event.time,
            event.machine: {"id": event.key, "state": event.state} | event.context,
        }
    changed = "PropertiesUpdated" if event.verb == "user_data_updated" else "StatusChange"
    made = {"messageType": "InteractionStateChanged", "notificationType": changed, "timestamp": event.time}
    if event.command_id:
        made["operationId"] = event.command_id
    return made | {"interaction": _interaction(event)}


def _interaction(event: Announced) -> dict[str, Any]:
    state = _leg_state(event)
    shown = {
        "id": event.key,
        "uri": f"/genesys/api/v2/interactions/{event.key}",
        "state": state,
        "workflowState": workflow_state(event.state),
        "capabilities": list(_CAPABILITIES.get(state, ())),
        **properties(event.context),
    }
    return {name: value for name, value in shown.items() if value is not None}


def workflow_state(state: str) -> str | None:
    """What Genesys calls this state of an interaction; None for none of the chart's."""
    return _STATES.get(state, ("", ""))[1] or None


def properties(context: Mapping[str, Any]) -> dict[str, Any]:
    """What an interaction's public ``context`` tells, by its names at Genesys; None where it tells nothing."""
    get = context.get
    return {
        "channel": get("channel"),
        "mediatype": get("channel"),
        "interactionType": get("interaction_type"),
        "interactionSubType": get("interaction_sub_type"),
        "subject": get("subject"),
        "userData": get("user_data"),
        "currentQueue": get("queue"),
        "queue": get("queue"),
        "outQueues": get("out_queues"),
        "workbin": get("workbin"),
        "assignedTo": get("owner") or get("invited"),
        "parentInteractionId": get("parent_id"),
        "ticketId": get("ticket_id"),
        "placedInQueueAt": get("placed_in_queue_at"),
        "deliveredAt": get("delivered_at"),
        "assignedAt": get("assigned_at"),
    }


def _leg_state(event: Announced) -> str:
    """The state of the leg that the event tells of; where no agent has a leg, of the interaction."""
    ended = _LEG_ENDS.get(event.verb)
    if ended is not None:
        return ended
    if event.verb == "queued" and event.came_from in _WITH_AGENT:
        return "Completed"
    state = _STATES.get(event.state, (event.state, ""))[0]
    return "Chatting" if state == "Processing" and event.get("channel") == "chat" else state
