"""What an agent is told of: every change of an interaction on which they have a leg, and how."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool

from interlock.engine.decision import capabilities
from interlock.engine.messages import Actor
from interlock.engine.tenancy import split
from interlock.engine.tokens import Principal
from interlock.gateway.dialects.genesys.finding import View, parked, seen
from interlock.gateway.dialects.genesys.sessions import NOTICE, REFUSED
from interlock.gateway.dialects.genesys.shapes import interaction
from interlock.gateway.reading import compiled, shown, stored

_ENDED = frozenset({"completed", "revoked", "rescinded", "sent", "canceled"})
_FINAL = frozenset({"stopped", "sent", "canceled"})


def concerns(principal: Principal) -> Callable[[Mapping[str, Any]], bool]:
    """Which events and notices the principal hears of: notices to them, and steps of an interaction on which they have
    a leg, as long as they have it. What ended their leg is the last, but for what they do themselves."""

    def concerns_them(event: Mapping[str, Any]) -> bool:
        tenant, key = split(event["subject"])
        data = event.get("data")
        if tenant != principal.tenant or not isinstance(data, dict):
            return False
        if event["type"].startswith(NOTICE):
            return (key, data.get("kind")) == (principal.id, principal.kind)
        return event["type"].startswith("interaction.") and _has_part(principal.id, data)

    return concerns_them


def _has_part(agent: str, data: Mapping[str, Any]) -> bool:
    context = data.get("context")
    legs = context.get("legs") if isinstance(context, dict) else None
    if not isinstance(legs, dict) or agent not in legs:
        return False
    if legs[agent] not in _ENDED or (data.get("actor") or {}).get("id") == agent:
        return True
    before = data["changed"].get("legs", {"from": legs})["from"] or {}
    return bool(before.get(agent) != legs[agent])


async def told(view: View, event: Mapping[str, Any]) -> dict[str, Any] | None:
    """The ``data`` of the notification of an event, or a notice, that concerns whom ``view`` is for; None where there
    is nothing to tell any more."""
    what = event["type"].removeprefix(NOTICE)
    if what == event["type"]:
        return await run_in_threadpool(_told, view, split(event["subject"])[1], event)
    notice = event["data"]
    if what == REFUSED:
        return {"messageType": "ErrorMessage", **notice["error"], "referenceId": notice["reference"]}
    interactions = await seen(view, await parked(view, notice["workbin"]))
    return workbin_content(notice["workbin"], interactions, notice["reference"])


def notification(
    shown_interaction: Mapping[str, Any], event_type: str, reference: str | None
) -> dict[str, Any]:
    """The ``data`` of a notification, under the names of the older and of the newer clients."""
    changed = event_type in ("interaction.user_data_updated", "interaction.commented", "interaction.focused")
    told = {
        "messageTypeName": "InteractionStateMessage",
        "messageType": "InteractionStateChanged",
        "notificationType": "PropertiesUpdated" if changed else "StatusChange",
        **shown_interaction,
        "interaction": dict(shown_interaction),
    }
    return told if reference is None else {**told, "referenceId": reference}


def workbin_content(workbin: str, interactions: list[dict[str, Any]], reference: str) -> dict[str, Any]:
    """The ``data`` of the notification that answers GetWorkbinContent."""
    return {
        "messageType": "WorkbinsMessage",
        "name": "EventWorkbinContent",
        "referenceId": reference,
        "workbin": workbin,
        "interactions": [{"messageTypeName": "InteractionStateMessage", **one} for one in interactions],
    }


def _told(view: View, key: str, event: Mapping[str, Any]) -> dict[str, Any] | None:
    """The notification of an event, as things stood after it. Blocks."""
    deployment, principal = view.deployment, view.principal
    snapshot = stored(deployment, principal, "interaction", key)
    if snapshot is None:
        return None
    data = event["data"]
    machine = compiled(deployment, "interaction", snapshot.chart_version)
    if snapshot.version != data["version"]:
        # It has gone on since: the agent is told of the one step after the other.
        snapshot = replace(
            snapshot,
            version=data["version"],
            state=data["to"],
            context={**snapshot.context, **data["context"]},
            done=data["to"][0] in _FINAL,
        )
    can = capabilities(machine, snapshot, Actor(**principal.actor()), datetime.now(UTC))
    as_seen = interaction(shown(deployment, snapshot), view.base, principal.id, can)
    command = data.get("command") or {}
    reference = command.get("id")
    return notification(as_seen, event["type"], reference if isinstance(reference, str) else None)
