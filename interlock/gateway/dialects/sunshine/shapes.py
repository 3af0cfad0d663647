"""Sunshine's resources, made from instances. Pure.

What is empty is left out: a conversation that nobody controls has no ``activeSwitchboardIntegration``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from interlock.engine.messages import parse_time
from interlock.statecharts.functions import CUSTOM, integration_type

Instance = Mapping[str, Any]
"""An instance as the wire contract shows it."""

_DETAILS = ("type", "metadata", "isDefault", "displayName", "description", "iconUrl")
_PERSON = {
    "external_id": "externalId",
    "signed_up_at": "signedUpAt",
    "to_be_retained": "toBeRetained",
    "profile": "profile",
    "metadata": "metadata",
}


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
            **in_conversation(integration),
            "deliverStandbyEvents": integration.get("deliver_standby_events", True),
            "nextSwitchboardIntegrationId": integration.get("next_id"),
            "messageHistoryCount": integration.get("message_history_count"),
        }
    )


def in_conversation(integration: Mapping[str, Any]) -> dict[str, Any]:
    """The part of it that a conversation shows.

    Both ``integrationId`` and ``integrationType`` are always there, as the vendor's schema demands: one that is
    linked by its type has an id made from that, for there is one of a type.
    """
    kind = integration_type(integration) or CUSTOM
    return {
        "id": integration["id"],
        "name": integration.get("name", integration["id"]),
        "integrationId": integration.get("integration_id") or _of_type(kind),
        "integrationType": kind,
    }


def conversation(
    instance: Instance,
    active: Mapping[str, Any] | None,
    pending: Mapping[str, Any] | None,
    last_message_at: str | None,
) -> dict[str, Any]:
    """A ``switchboard`` instance as Sunshine's Conversation."""
    details = instance["context"]["details"]
    shown = {name: details.get(name) for name in _DETAILS}
    return filled(
        {
            "id": instance["key"],
            **shown,
            "type": details.get("type", "sdkGroup"),
            "isDefault": details.get("isDefault", False),
            "activeSwitchboardIntegration": in_conversation(active) if active else None,
            "pendingSwitchboardIntegration": in_conversation(pending) if pending else None,
            "lastUpdatedAt": date(last_message_at or instance["created_at"]),
            "createdAt": date(instance["created_at"]),
        }
    )


def message(instance: Instance) -> dict[str, Any]:
    """A ``message`` instance as Sunshine's Message."""
    context = instance["context"]
    return filled(
        {
            "id": instance["key"],
            "received": date(instance["created_at"]),
            "author": context["author"],
            "content": context["content"],
            "source": context["source"] or None,
            "metadata": context["metadata"] or None,
        }
    )


def user(instance: Instance) -> dict[str, Any]:
    """A ``user`` instance as Sunshine's User."""
    context = instance["context"]
    shown = {name: context[field] for field, name in _PERSON.items()}
    return filled({"id": instance["key"], "authenticated": False, **shown, "identities": []})


def user_data(body: Mapping[str, Any]) -> dict[str, Any]:
    """Sunshine's words for a user as the chart's."""
    return {field: body[name] for field, name in _PERSON.items() if name in body}


def participant(key: str, user_id: str, external_id: str | None) -> dict[str, Any]:
    """Sunshine's Participant."""
    return filled({"id": key, "userId": user_id, "userExternalId": external_id})


def date(time: str) -> str:
    """A time of the engine's as Sunshine writes it: milliseconds, UTC."""
    return parse_time(time).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are not null."""
    return {name: value for name, value in fields.items() if value is not None}


def _of_type(kind: str) -> str:
    return hashlib.sha256(f"integration/{kind}".encode()).hexdigest()[:24]
