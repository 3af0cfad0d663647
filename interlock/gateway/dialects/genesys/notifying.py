"""What an agent is told of: every change of an interaction on which they have a leg, as long as they have it."""

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
from interlock.gateway.deployment import ServedDeployment
from interlock.gateway.dialects.genesys.sessions import Session
from interlock.gateway.dialects.genesys.shapes import interaction
from interlock.gateway.feed import TooSlow
from interlock.gateway.reading import compiled, listed, shown, stored

_ENDED = frozenset({"completed", "revoked", "rescinded", "sent", "canceled"})
_FINAL = frozenset({"stopped", "sent", "canceled"})
_WAIT_SECONDS = 5.0
_MOST_KNOWN = 500


async def listen(deployment: ServedDeployment, base: str, session: Session) -> None:
    """Tell the session of what happens, until it is over."""
    agent = session.principal.id
    async with deployment.feed.listen(_concerns(session.principal)) as listening:
        known = await _known(deployment, session.principal)
        session.hears.set()
        while not session.is_over:
            try:
                one = await listening.following(_WAIT_SECONDS)
            except TooSlow:
                return  # the client begins again
            if one is None:
                continue
            event = one.event
            _, key = split(event["subject"])
            data = event["data"]
            if data["context"]["legs"][agent] in _ENDED:
                if key not in known and (data.get("actor") or {}).get("id") != agent:
                    continue  # their part was over before
                known.discard(key)
            else:
                known.add(key)
            told = await run_in_threadpool(_told, deployment, session.principal, base, key, event)
            if told is not None:
                session.tell(told)


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


def _concerns(principal: Principal) -> Callable[[Mapping[str, Any]], bool]:
    def concerns(event: Mapping[str, Any]) -> bool:
        if not event["type"].startswith("interaction.") or split(event["subject"])[0] != principal.tenant:
            return False
        data = event.get("data")
        context = data.get("context") if isinstance(data, dict) else None
        legs = context.get("legs") if isinstance(context, dict) else None
        return isinstance(legs, dict) and principal.id in legs

    return concerns


async def _known(deployment: ServedDeployment, principal: Principal) -> set[str]:
    """What they have a leg on that has not ended."""
    found: set[str] = set()
    for place in ("invited", "owner"):
        page = await listed(
            deployment, principal, "interaction", where={place: principal.id}, limit=_MOST_KNOWN
        )
        found |= {one["key"] for one in page.instances}
    return found


def _told(
    deployment: ServedDeployment, principal: Principal, base: str, key: str, event: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The notification of an event, as things stood after it. Blocks."""
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
    seen = interaction(shown(deployment, snapshot), base, principal.id, can)
    command = data.get("command") or {}
    reference = command.get("id")
    return notification(seen, event["type"], reference if isinstance(reference, str) else None)
