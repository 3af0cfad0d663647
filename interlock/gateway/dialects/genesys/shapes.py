"""Interactions as clients of Genesys Web Services know them, made from instances. Pure.

What is empty is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from interlock.engine.profiles.genesys import properties, workflow_state
from interlock.engine.tokens import Principal
from interlock.statecharts.genesys import leg_state, operations

Instance = Mapping[str, Any]
"""An instance as the wire contract shows it."""


def uri(base: str, key: str) -> str:
    """Where an interaction is. ``base``: where the API is."""
    return f"{base}/interactions/{quote(key, safe='')}"


def me(principal: Principal, agent: Instance | None, base: str) -> dict[str, Any]:
    """The principal as the user of a session. ``agent``: the ``agent`` instance of the same id; None: there is none."""
    context: Mapping[str, Any] = {} if agent is None else agent["context"]
    is_active = agent is not None and "online" in agent["state"]
    ready = set(context.get("ready", ())) if is_active else set()
    user = {
        "id": principal.id,
        "userName": principal.id,
        "displayName": context.get("name"),
        "roles": [f"ROLE_{principal.kind.upper()}"],
        "skills": context.get("skills", []),
        "enabled": True,
        "uri": f"{base}/users/{quote(principal.id, safe='')}",
        "path": f"/users/{quote(principal.id, safe='')}",
    }
    session = {"active": is_active, "since": context.get("changed_at") if is_active else None}
    state = ("Ready" if ready else "NotReady") if is_active else "LoggedOut"
    return {
        "user": _filled(user),
        "state": state,
        "session": _filled(session),
        "channels": [
            {"channel": one, "userState": {"state": "Ready" if one in ready else "NotReady"}}
            for one in sorted(ready | set(context.get("capacity", ())))
        ],
    }


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


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
    return _filled(shown)
