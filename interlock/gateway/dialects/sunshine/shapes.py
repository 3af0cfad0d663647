"""Sunshine's resources, made from instances. Pure. What webhooks show too is made in the profile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from interlock.engine.messages import parse_time
from interlock.engine.profiles import sunshine_resources as resources
from interlock.engine.profiles.sunshine_resources import filled

Instance = Mapping[str, Any]
"""An instance as the wire contract shows it."""

_WORDS = ("displayName", "description", "iconUrl")


def switchboard(board: Instance, key: str) -> dict[str, Any]:
    """A ``board`` instance as Sunshine's Switchboard of this id."""
    return filled(
        {
            "id": key,
            "enabled": board["state"] == ["present.enabled"],
            "defaultSwitchboardIntegrationId": board["context"]["default_integration"],
        }
    )


def switchboard_integration(integration: Mapping[str, Any]) -> dict[str, Any]:
    """An integration of a board as Sunshine's SwitchboardIntegration."""
    return filled(
        {
            **resources.switchboard_integration(integration),
            "deliverStandbyEvents": integration.get("deliver_standby_events", True),
            "nextSwitchboardIntegrationId": integration.get("next_id"),
            "messageHistoryCount": integration.get("message_history_count"),
        }
    )


def conversation(
    instance: Instance, integrations: Sequence[Mapping[str, Any]], last_message_at: str | None
) -> dict[str, Any]:
    """A ``switchboard`` instance as Sunshine's Conversation. ``integrations``: those among which its control is."""
    context = instance["context"]
    details = context["details"]
    return filled(
        {
            **truncated_conversation(instance, integrations),
            "isDefault": details.get("isDefault", False),
            **{name: details.get(name) for name in _WORDS},
            "businessLastRead": _date(context.get("business_last_read")),
            "lastUpdatedAt": date(last_message_at or instance["created_at"]),
            "createdAt": date(instance["created_at"]),
        }
    )


def truncated_conversation(instance: Instance, integrations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The same as Sunshine's ConversationTruncated."""
    known = {each["id"]: each for each in integrations}
    return resources.truncated_conversation(instance["key"], instance["context"], known)


def message(instance: Instance) -> dict[str, Any]:
    """A ``message`` instance as Sunshine's Message."""
    return resources.message(instance["key"], date(instance["created_at"]), instance["context"])


def user(instance: Instance) -> dict[str, Any]:
    """A ``user`` instance as Sunshine's User."""
    return resources.user(instance["key"], instance["context"])


def participant(
    key: str, user_id: str, external_id: str | None, last_read: str | None, unread: int
) -> dict[str, Any]:
    """Sunshine's Participant. ``last_read``: when he read last; ``unread``: how many messages he has not read."""
    return filled(
        {
            "id": key,
            "userId": user_id,
            "userExternalId": external_id,
            "unreadCount": unread,
            "lastRead": _date(last_read),
        }
    )


def date(time: str) -> str:
    """A time of the engine's as Sunshine writes it: milliseconds, UTC."""
    return parse_time(time).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _date(time: str | None) -> str | None:
    return None if time is None else date(time)
