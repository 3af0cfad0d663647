"""The board of an app: its switchboard integrations as a list of objects, and who begins. Pure.

An integration has ``id``, ``name``, ``integration_id`` or ``integration_type``, ``next_id``, ``deliver_standby_events``
and ``message_history_count``; what is null is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

Board = list[dict[str, Any]]
"""In the order in which the integrations came."""

_FIELDS = (
    *("name", "integration_id", "integration_type", "next_id"),
    *("deliver_standby_events", "message_history_count"),
)


def default_for(integrations: Board, enabled: bool, channel: str | None, board: str | None) -> str | None:
    """Who takes a conversation that nobody controls: the channel's default responder, else the board's default.

    None where neither stands on the board, or where the board is not enabled.
    """
    there = {each["id"] for each in integrations} if enabled else set()
    return next((each for each in (channel, board) if each in there), None)


def with_integration(integrations: Board, integration: Mapping[str, Any]) -> Board:
    """The board with one more, which gets standby events unless it says otherwise."""
    given = {"deliver_standby_events": True} | _said(integration)
    return [*integrations, {"id": integration["id"], **given}]


def changed_integration(integrations: Board, integration: str, changes: Mapping[str, Any]) -> Board:
    """The board with some fields of one changed; null takes a field away.

    One of ``integration_id`` and ``integration_type`` takes the other's place.
    """
    given = {name: changes[name] for name in _FIELDS if name in changes}
    if given.get("integration_id") is not None:
        given["integration_type"] = None
    elif given.get("integration_type") is not None:
        given["integration_id"] = None
    return [
        {"id": each["id"], **_said({**each, **given})} if each["id"] == integration else each
        for each in integrations
    ]


def has_name(integrations: Board, name: str | None, but: str | None = None) -> bool:
    """Whether another integration than ``but`` bears this name."""
    return name is not None and any(each.get("name") == name and each["id"] != but for each in integrations)


def with_last_read(last_read: Mapping[str, str], user: str, at: str | None) -> dict[str, str]:
    """When each user has read a conversation last, with this one at ``at`` (RFC 3339); None takes him away."""
    others = {each: time for each, time in last_read.items() if each != user}
    return others if at is None else {**others, user: at}


def _said(integration: Mapping[str, Any]) -> dict[str, Any]:
    return {name: integration[name] for name in _FIELDS if integration.get(name) is not None}


BOARDS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        function.__name__: function
        for function in (default_for, with_integration, changed_integration, has_name, with_last_read)
    }
)
"""What the charts of boards and switchboards call."""
