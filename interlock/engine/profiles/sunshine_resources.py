"""Sunshine's resources, made from what its charts hold: the API and the webhooks show them alike. Pure.

What is empty is left out: a conversation that nobody controls has no ``activeSwitchboardIntegration``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

CUSTOM = "custom"
"""The type of a switchboard integration that is a program of the app's own."""
_CONTROL = (("activeSwitchboardIntegration", "active"), ("pendingSwitchboardIntegration", "pending"))
_PERSON = {
    "external_id": "externalId",
    "signed_up_at": "signedUpAt",
    "to_be_retained": "toBeRetained",
    "profile": "profile",
    "metadata": "metadata",
}


def switchboard_integration(integration: Mapping[str, Any]) -> dict[str, Any]:
    """An integration of a board as a conversation shows it.

    Both ``integrationId`` and ``integrationType`` are always there, as the vendor's schema demands: one that is
    linked by its type has an id made from that, for there is one of a type.
    """
    kind = integration.get("integration_type") or CUSTOM
    return {
        "id": integration["id"],
        "name": integration.get("name") or integration["id"],
        "integrationId": integration.get("integration_id") or _of_type(str(kind)),
        "integrationType": kind,
    }


def truncated_conversation(
    key: str, context: Mapping[str, Any], integrations: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The context of a ``switchboard`` as Sunshine's ConversationTruncated. ``integrations``: by their ids."""
    details = context.get("details")
    known = details if isinstance(details, Mapping) else {}
    shown = {"id": key, "type": known.get("type") or "sdkGroup", "metadata": known.get("metadata") or None}
    for name, field in _CONTROL:
        found = integrations.get(str(context.get(field)))
        shown[name] = switchboard_integration(found) if found is not None else None
    return filled(shown)


def message(key: str, received: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """The context of a ``message`` as Sunshine's Message. ``received``: as Sunshine writes times."""
    said = {name: context.get(name) for name in ("author", "content")}
    more = {name: context.get(name) or None for name in ("source", "metadata")}
    return filled({"id": key, "received": received, **said, **more})


def user(key: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """The context of a ``user`` as Sunshine's User."""
    shown = {name: context.get(field) for field, name in _PERSON.items()}
    return filled({"id": key, "authenticated": False, **shown, "identities": []})


def user_data(body: Mapping[str, Any]) -> dict[str, Any]:
    """Sunshine's words for a user as the chart's."""
    return {field: body[name] for field, name in _PERSON.items() if name in body}


def filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that are not null."""
    return {name: value for name, value in fields.items() if value is not None}


def _of_type(kind: str) -> str:
    return hashlib.sha256(f"integration/{kind}".encode()).hexdigest()[:24]
