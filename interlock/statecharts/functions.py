"""The few named functions that the shipped charts call in their expressions. Pure: JSON values in, JSON values out.

Everything that fits an expression stands in the chart; what is here would be unreadable there or needs a loop.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from interlock.engine.profiles.sunshine_resources import CUSTOM
from interlock.statecharts.boards import BOARDS
from interlock.statecharts.calendars import functions_of, shipped_calendars
from interlock.statecharts.capacity import CAPACITY
from interlock.statecharts.routing import ROUTING
from interlock.statecharts.time_limits import time_limit

_SEES_ALL = ("system", "admin")
_DISPATCHES = ("system", "admin", "supervisor")
_WORKS_ON_ALL = ("system", "admin", "supervisor", "integration", "bot")

SHOWN_METADATA = ("ccr", "roomId", "roomName", "orderId", "agentAccesses")
"""Keys of a ticket's metadata that anyone may see: the agent's and the room's tokens are not among them."""
AGENT_METADATA = ("agentJwt", "roomSubscriptionToken")
"""Keys that only agents see besides, and no event and no log."""


def _has(right: str, permissions: list[str], source: str) -> bool:
    return f"{right}:*" in permissions or f"{right}:{source}" in permissions


def may_read(kind: str, permissions: list[str], source: str) -> bool:
    """Whether this actor reads this source: ``read:SOURCE`` or ``read:*``; system and admin read all."""
    return kind in _SEES_ALL or _has("read", permissions, source)


def may_know(unreadable: str, kind: str, permissions: list[str], source: str) -> bool:
    """Whether this actor may learn that there is something on this source: who reads it, and everyone where what is
    not readable is refused ``as_documented`` and not hidden as ``not_found``."""
    return unreadable == "as_documented" or may_read(kind, permissions, source)


def may_reply(kind: str, permissions: list[str], source: str) -> bool:
    """Whether this actor answers customers of this source: ``reply:SOURCE`` or ``reply:*``."""
    return kind in _SEES_ALL or _has("reply", permissions, source)


def may_update(kind: str, permissions: list[str]) -> bool:
    """Whether this actor may change interventions of others: ``update_intervention``."""
    return kind in _SEES_ALL or "update_intervention" in permissions


def may_dispatch(kind: str, permissions: list[str]) -> bool:
    """Whether this actor may give work to others: by office, or with ``assign_intervention``."""
    return kind in _DISPATCHES or "assign_intervention" in permissions


def may_work(kind: str, permissions: list[str], actor: str | None, assignee: str | None) -> bool:
    """Whether this actor may change the state of the ticket: who is in charge, ``monitor_tasks``, or a program."""
    if kind in _WORKS_ON_ALL or "monitor_tasks" in permissions:
        return True
    return actor is not None and actor == assignee


def may_monitor(kind: str, permissions: list[str]) -> bool:
    """Whether this actor sees and sets what agents take: by office, or with ``monitor_tasks``."""
    return kind in _DISPATCHES or "monitor_tasks" in permissions


def may_be(kind: str, actor: str | None, key: str) -> bool:
    """Whether this actor may say where the agent ``key`` is: that agent, or who leads the desk, or a program."""
    return kind in _WORKS_ON_ALL or (actor is not None and actor == key)


def shown_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a ticket's metadata that anyone may see."""
    return {name: metadata[name] for name in SHOWN_METADATA if name in metadata}


def metadata_for(kind: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a ticket's metadata that an actor of this kind may see: an agent, who joins the room with them, the
    tokens too."""
    allowed = (*SHOWN_METADATA, *AGENT_METADATA) if kind == "agent" else SHOWN_METADATA
    return {name: metadata[name] for name in allowed if name in metadata}


def more_urgent(priority: int, order: str, most_urgent: int) -> int:
    """One step more urgent, as far as ``most_urgent``; in ``ascending`` order small numbers are urgent."""
    if order == "descending":
        return max(priority, min(priority + 1, most_urgent))
    return min(priority, max(priority - 1, most_urgent))


def find_integration(integrations: list[dict[str, Any]], reference: str | None) -> str | None:
    """The id of the switchboard integration that is meant: by id, then by name, then by a type that only one has."""
    if reference is None:
        return None
    for field in ("id", "name"):
        for integration in integrations:
            if integration.get(field) == reference:
                return str(integration["id"])
    of_type = [str(each["id"]) for each in integrations if integration_type(each) == reference]
    return of_type[0] if len(of_type) == 1 else None


def integration_type(integration: Mapping[str, Any]) -> str | None:
    """The type of a switchboard integration; one that is linked by an id alone is a program of the app's own."""
    given = integration.get("integration_type")
    return str(given) if given else (CUSTOM if integration.get("integration_id") else None)


def next_integration(integrations: list[dict[str, Any]], integration: str | None) -> str | None:
    """The id that ``next`` means behind this switchboard integration; None at the end of the chain."""
    for each in integrations:
        if each["id"] == integration:
            return find_integration(integrations, each.get("next_id"))
    return None


def caller_integration(integrations: list[dict[str, Any]], actor: str | None) -> str | None:
    """The id of the switchboard integration that is calling; None for callers that are not on the board."""
    for each in integrations:
        if actor is not None and actor in (each.get("integration_id"), each["id"]):
            return str(each["id"])
    return None


def pass_target(
    integrations: list[dict[str, Any]], reference: str, actor: str | None, active: str | None
) -> str | None:
    """The id that control is to go to; None where the reference leads nowhere.

    ``next`` is meant from the caller; a caller that is not on the board means it from the active one.
    """
    if reference != "next":
        return find_integration(integrations, reference)
    return next_integration(integrations, caller_integration(integrations, actor) or active)


def on_board(integrations: list[dict[str, Any]], integration: str | None) -> bool:
    """Whether a switchboard integration of this id stands on the board."""
    return any(each["id"] == integration for each in integrations)


def named_as_next(integrations: list[dict[str, Any]], integration: str) -> bool:
    """Whether another switchboard integration's ``next`` means the one of this id."""
    return any(
        find_integration(integrations, each.get("next_id")) == integration
        for each in integrations
        if each["id"] != integration
    )


def without_integration(integrations: list[dict[str, Any]], integration: str) -> list[dict[str, Any]]:
    """The board without the switchboard integration of this id."""
    return [each for each in integrations if each["id"] != integration]


def metadata_bytes(metadata: Mapping[str, Any] | None) -> int:
    """How many bytes of compact UTF-8 JSON the metadata are; 0 where there are none."""
    if metadata is None:
        return 0
    return len(
        json.dumps(metadata, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    )


def with_leg(legs: Mapping[str, str], agent: str | None, state: str) -> dict[str, str]:
    """The legs of an interaction with this agent's leg in this state; without an agent, the legs as they are."""
    return dict(legs) if agent is None else {**legs, agent: state}


def intervention_id(thread: str, number: int) -> str:
    """The key of a thread's intervention of this number: 24 hexadecimal digits, as Engage's ids have.

    It follows from the thread, so two that open the same one at once meet at one key, and only one begins it.
    """
    return hashlib.sha256(f"{thread}\n{number}".encode()).hexdigest()[:24]


def upsert_user_data(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """UpdateUserData: every given key is set, nested objects key by key."""
    merged = dict(old)
    for name, value in new.items():
        before = merged.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[name] = upsert_user_data(before, value) if both else value  # type: ignore[arg-type]
    return merged


def attach_user_data(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """AttachUserData: keys are added; one that is there keeps its value."""
    return upsert_user_data(new, old)


def delete_user_data(old: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """DeleteUserData: every given key path is removed; the values given do not matter."""
    kept = dict(old)
    for name, below in given.items():
        before = kept.get(name)
        if isinstance(before, Mapping) and isinstance(below, Mapping) and below:
            kept[name] = delete_user_data(before, below)
        else:
            kept.pop(name, None)
    return kept


FUNCTIONS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        function.__name__: function
        for function in (
            *(may_read, may_know, may_reply, may_update, may_dispatch, may_work, may_monitor, may_be),
            *(shown_metadata, more_urgent),
            *(find_integration, next_integration, caller_integration, pass_target, on_board),
            *(named_as_next, without_integration, metadata_bytes),
            *(intervention_id, with_leg, time_limit, upsert_user_data, attach_user_data, delete_user_data),
        )
    }
    | {**ROUTING, **CAPACITY, **functions_of(shipped_calendars), **BOARDS}
)
"""Every function by its name in expressions; those of calendars know the shipped ones."""
