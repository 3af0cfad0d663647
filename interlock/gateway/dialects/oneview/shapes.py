"""Tickets and agents as OneView's clients know them, made from instances. Pure.

Times are seconds since 1970. What is empty is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from interlock.engine.messages import parse_time
from interlock.statecharts.functions import AGENT_METADATA, SHOWN_METADATA

Instance = Mapping[str, Any]
"""An instance as the wire contract shows it."""

_CUSTOMER = ("id", "firstName", "lastName")
_CLOSED = ("closed", "archived")


def ticket(instance: Instance, *, to_its_agent: bool) -> dict[str, Any]:
    """A ``ticket`` instance, read with its private fields. ``to_its_agent``: with the tokens that the agent in charge
    needs, and nobody else may see."""
    context = instance["context"]
    keys = (*SHOWN_METADATA, *AGENT_METADATA) if to_its_agent else SHOWN_METADATA
    return _filled(
        {
            "id": instance["key"],
            "ticketStatus": _status(instance),
            "assignedTime": _seconds(context["assigned_at"]),
            "createdAt": _seconds(instance["created_at"]),
            "queue": context["queue"],
            "channel": context["channel"],
            "content": context["content"],
            "metadata": _of(context["metadata"], keys),
            "statusReason": context["status_reason"],
            "priority": context["priority"],
            "customer": _of(context["customer"], _CUSTOMER),
        }
    )


def urgency(instance: Instance) -> tuple[int, str, str]:
    """Sorts tickets: the most urgent first, of these who was assigned first, then by id."""
    context = instance["context"]
    priority = context["priority"] if context["priority_order"] == "ascending" else -context["priority"]
    return (priority, context["assigned_at"] or "", instance["key"])


def agent_info(instance: Instance, now: datetime) -> dict[str, Any]:
    """An ``agent`` instance. ``agentTimeInStatus``: seconds since they went online or offline."""
    context = instance["context"]
    since = context["changed_at"] or instance["created_at"]
    return _filled(
        {
            "id": instance["key"],
            "name": context["name"],
            "lastLoginTime": _seconds(context["last_login_at"]),
            "updatedAt": _seconds(since),
            "agentTimeInStatus": max(int((now - parse_time(since)).total_seconds()), 0),
        }
    )


def _status(instance: Instance) -> str:
    if any(state in _CLOSED for state in instance["state"]):
        return "CLOSED"
    return "ESCALATED" if instance["context"]["department"] is not None else "ASSIGNED"


def _of(given: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: given[name] for name in names if given.get(name) is not None}


def _seconds(text: str | None) -> int | None:
    return None if text is None else int(parse_time(text).timestamp())


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
