"""Interactions as clients of Genesys Web Services know them, made from instances. Pure.

What is empty is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from interlock.engine.profiles.genesys import properties, workflow_state
from interlock.statecharts.genesys import leg_state, operations

Instance = Mapping[str, Any]
"""An instance as the wire contract shows it."""


def uri(base: str, key: str) -> str:
    """Where an interaction is. ``base``: where the API is."""
    return f"{base}/interactions/{quote(key, safe='')}"


def interaction(instance: Instance, base: str, agent: str, capabilities: Sequence[str]) -> dict[str, Any]:
    """An ``interaction`` instance as ``agent`` sees it: ``state`` is that of the agent's leg, and of the interaction
    where they have none. ``capabilities``: the commands that they could send now."""
    context = instance["context"]
    flow = workflow_state(instance["state"][0])
    own = context["legs"].get(agent)
    shown = {
        "id": instance["key"],
        "uri": uri(base, instance["key"]),
        "state": flow if own is None else leg_state(own, context["channel"]),
        "workflowState": flow,
        "capabilities": operations(capabilities),
        **properties(context),
        "mediaType": context["channel"],
        "parentId": context["parent_id"],
        "comment": context["comment"],
        "inFocus": context["in_focus"],
        "receivedDate": instance["created_at"],
        "receivedAt": instance["created_at"],
    }
    return {name: value for name, value in shown.items() if value is not None}
