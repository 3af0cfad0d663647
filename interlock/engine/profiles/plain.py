"""Plain: the instance itself, in the manner of Zammad's trigger webhooks. Pure.

Source: "Webhook Payload" of Zammad's administrator documentation; its `TriggerWebhookJob` for the retries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from interlock.engine.profiles.announced import Announced, fits_header, hub_signature, post, read
from interlock.engine.profiles.outgoing import Outgoing, Verdict, judge

_TICKET_STATES = {
    "new": "new",
    "queued": "new",
    "assigned": "open",
    "escalated": "open",
    "waiting": "pending reminder",
    "resolved": "closed",
    "closed": "closed",
    "archived": "closed",
}
"""First word of the chart's state to Zammad's state type; the exact one stands beside it."""
_WORK = "open.work."
"""Where those states lie in the chart; the clocks that run beside are no state of Zammad's."""
_TICKET_FIELDS = {
    "group": "queue",
    "owner": "assignee",
    "priority": "priority",
    "channel": "channel",
    "customer": "customer",
    "content": "content",
    "note": "status_reason",
    "close_at": "closed_at",
}
"""Zammad's name to the context field."""


class Plain:
    """``{"event", "<machine>": {...}}`` with ``X-Zammad-*`` headers and a signature over the body."""

    name = "plain"
    schedule: tuple[float, ...] | None = (10.0, 20.0, 30.0, 40.0)
    """Five attempts, the n-th retry 10 n seconds after the one before."""
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
        told = read(event)
        body = orjson.dumps(
            {
                "event": told.type,
                "event_id": told.id,
                "time": told.time,
                told.machine or "instance": _ticket(told) if told.machine == "ticket" else _instance(told),
            }
        )
        vendor = {"X-Zammad-Delivery": message, "X-Hub-Signature": hub_signature(secrets[0], body)}
        if fits_header(told.type):
            vendor["X-Zammad-Trigger"] = told.type
        return post(body, vendor, message=message, secrets=secrets, at=at)

    def verdict(self, status: int | None, headers: Mapping[str, str]) -> Verdict:  # noqa: ARG002
        return judge(status)


def _ticket(event: Announced) -> dict[str, Any]:
    state = next((each.removeprefix(_WORK) for each in event.states if each.startswith(_WORK)), event.state)
    top = state.partition(".")[0]
    shown: dict[str, Any] = {
        "id": event.key,
        "number": event.key,
        "state": _TICKET_STATES.get(top, "open"),
        "lifecycle_state": state,
        "version": event.version,
        "updated_at": event.time,
    }
    return shown | {name: event.get(field) for name, field in _TICKET_FIELDS.items()}


def _instance(event: Announced) -> dict[str, Any]:
    return event.context | {
        "id": event.key,
        "state": event.state,
        "version": event.version,
        "updated_at": event.time,
    }
