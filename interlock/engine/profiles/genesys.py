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
    queue = event.get("queue")
    shown = {
        "id": event.key,
        "uri": f"/genesys/api/v2/interactions/{event.key}",
        "state": state,
        "workflowState": _STATES.get(event.state, ("", ""))[1] or None,
        "capabilities": list(_CAPABILITIES.get(state, ())),
        "channel": event.get("channel"),
        "mediatype": event.get("channel"),
        "interactionType": event.get("interaction_type"),
        "interactionSubType": event.get("interaction_sub_type"),
        "subject": event.get("subject"),
        "userData": event.get("user_data"),
        "currentQueue": queue,
        "queue": queue,
        "outQueues": event.get("out_queues"),
        "workbin": event.get("workbin") if event.state == "parked" else None,
        "assignedTo": event.get("owner") or event.get("invited"),
        "parentInteractionId": event.get("parent_id"),
        "ticketId": event.get("ticket_id"),
        "placedInQueueAt": event.get("placed_in_queue_at"),
        "deliveredAt": event.get("delivered_at"),
        "assignedAt": event.get("assigned_at"),
    }
    return {name: value for name, value in shown.items() if value is not None}


def _leg_state(event: Announced) -> str:
    """The state of the leg that the event tells of; where no agent has a leg, of the interaction."""
    ended = _LEG_ENDS.get(event.verb)
    if ended is not None:
        return ended
    if event.verb == "queued" and event.came_from in _WITH_AGENT:
        return "Completed"
    state = _STATES.get(event.state, (event.state, ""))[0]
    return "Chatting" if state == "Processing" and event.get("channel") == "chat" else state
