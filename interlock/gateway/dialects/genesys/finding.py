"""Where things are: the interaction that a call names, as far as the caller has a part in it, and what it may go to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool

from interlock.engine.messages import is_key
from interlock.engine.tokens import Principal
from interlock.gateway.deployment import ServedDeployment
from interlock.gateway.dialects.genesys.errors import invalid_state, not_found
from interlock.gateway.dialects.genesys.shapes import interaction
from interlock.gateway.permissions import may_read, permits, readable_sources
from interlock.gateway.reading import Instance, Listed, accepted, listed, read, shown, stored

MAX_SHOWN = 500
"""Interactions that one answer shows."""
_ACTIVE = ("queued", "routing", "delivering", "handling", "composing", "parked")
_LEADS = frozenset({"supervisor", "admin", "system"})
_PSEUDO_QUEUES = frozenset({"__STOP__", "__BACK__"})


class View(Protocol):
    """For whom things are shown: the principal, and where the API is for them."""

    @property
    def deployment(self) -> ServedDeployment: ...

    @property
    def principal(self) -> Principal: ...

    @property
    def base(self) -> str: ...


async def own(view: View, key: str) -> Instance:
    """The interaction of this key, where the caller has a leg on it, or leads the desk and may read it: then its chart
    says what they may do. Raises GenesysError (6)."""
    found = await _instance(view, "interaction", key)
    if found is None or not (has_leg(view.principal, found) or _leads(view.principal, found)):
        raise not_found("interaction")
    return found


async def visible(view: View, key: str) -> Instance:
    """The interaction of this key, where the caller has a leg on it or may read it. Raises GenesysError (6)."""
    found = await _instance(view, "interaction", key)
    if found is None or not (has_leg(view.principal, found) or may_read(view.principal, found["context"])):
        raise not_found("interaction")
    return found


async def check_queue(view: View, name: str) -> None:
    """Raises GenesysError (6) where there is no such queue."""
    if name not in _PSEUDO_QUEUES and await _instance(view, "queue", name) is None:
        raise not_found("queue")


async def check_workbin(view: View, name: str, *, open_only: bool = False) -> None:
    """Raises GenesysError (6) where there is no such workbin; ``open_only``: or it takes nothing more."""
    found = await _instance(view, "workbin", name)
    if found is None or (open_only and "open" not in found["state"]):
        raise not_found("workbin")


async def agent(view: View, key: str) -> Instance | None:
    """The agent of this id; None where nobody of this id has ever been here."""
    return await _instance(view, "agent", key)


async def check_ready(view: View, key: str, channel: str) -> None:
    """Raises GenesysError: 6 no such agent, 2 not there, or not ready on this channel."""
    found = await agent(view, key)
    if found is None:
        raise not_found("agent")
    if "online" not in found["state"] or channel not in found["context"]["ready"]:
        raise invalid_state("This agent is not logged in and ready on this channel. Name another one.")


async def seen(view: View, keys: Sequence[str]) -> list[dict[str, Any]]:
    """These interactions as the caller sees them now."""
    return await run_in_threadpool(_seen, view.deployment, view.principal, view.base, keys)


def has_leg(principal: Principal, found: Instance) -> bool:
    """Whether the interaction was ever offered to the caller, or is theirs."""
    return principal.id in found["context"]["legs"]


def sees_all_workbins(principal: Principal) -> bool:
    """Whether the caller sees what others have parked, as far as they may read it."""
    return principal.kind in _LEADS or permits(principal, "monitor_tasks")


def _leads(principal: Principal, found: Mapping[str, Any]) -> bool:
    parked = found["context"]["workbin"] is not None
    leads = principal.kind in _LEADS or (parked and permits(principal, "monitor_tasks"))
    return leads and may_read(principal, found["context"])


async def active(view: View, offset: int, limit: int) -> tuple[list[str], int]:
    """The keys of one stretch of what the caller sees of all that is active, and how much that is: first what is
    theirs and they could not read otherwise, then what they may read, each the oldest first."""
    sources = readable_sources(view.principal)
    mine = [] if sources is None else await _unread(view)
    found = await _active(view, max(0, offset - len(mine)), limit, sources)
    keys = mine[offset : offset + limit]
    return [*keys, *(one["key"] for one in found.instances)][:limit], len(mine) + found.total


async def _unread(view: View) -> list[str]:
    """The keys of what is active in the caller's hands, or offered to them, on channels that they may not read."""
    offered = await _found(view, {"invited": view.principal.id}, ["delivering"])
    held = await _found(view, {"owner": view.principal.id}, ["handling", "composing", "parked"])
    return [one["key"] for one in (*offered, *held) if not may_read(view.principal, one["context"])]


async def _active(view: View, offset: int, limit: int, sources: Sequence[str] | None) -> Listed:
    return await listed(
        view.deployment,
        view.principal,
        "interaction",
        states=_ACTIVE,
        sort=["created_at"],
        offset=offset,
        limit=limit,
        sources=sources,
    )


async def parked(view: View, workbin: str) -> list[str]:
    """The keys of what lies in a workbin, as far as the caller may see it: what is theirs; of others' what they may
    read, where they look after the desk."""
    mine = await _keys(view, {"workbin": workbin, "owner": view.principal.id}, ["parked"])
    if not sees_all_workbins(view.principal):
        return mine
    sources = readable_sources(view.principal)
    return [*dict.fromkeys([*mine, *await _keys(view, {"workbin": workbin}, ["parked"], sources)])]


async def in_hand(view: View) -> list[str]:
    """The keys of what is offered to the caller, and of what they work on."""
    offered = await _keys(view, {"invited": view.principal.id}, ["delivering"])
    return offered + await _keys(view, {"owner": view.principal.id}, ["handling", "composing"])


async def _keys(
    view: View, where: Mapping[str, Any], states: Sequence[str], sources: Sequence[str] | None = None
) -> list[str]:
    return [one["key"] for one in await _found(view, where, states, sources)]


async def _found(
    view: View, where: Mapping[str, Any], states: Sequence[str], sources: Sequence[str] | None = None
) -> list[Instance]:
    found = await listed(
        view.deployment,
        view.principal,
        "interaction",
        where=where,
        states=states,
        sort=["created_at"],
        limit=MAX_SHOWN,
        sources=sources,
    )
    return found.instances


async def _instance(view: View, machine: str, key: str) -> Instance | None:
    return await read(view.deployment, view.principal, machine, key) if is_key(key) else None


def _seen(
    deployment: ServedDeployment, principal: Principal, base: str, keys: Sequence[str]
) -> list[dict[str, Any]]:
    told = []
    for key in keys:
        snapshot = stored(deployment, principal, "interaction", key)
        if snapshot is not None:
            instance = shown(deployment, snapshot)
            told.append(interaction(instance, base, principal.id, accepted(deployment, snapshot, principal)))
    return told
