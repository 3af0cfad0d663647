"""Where things are: the content that a request names, and the latest intervention of its thread.

A thread is told of its interventions a moment after they change. So what it knows is where the search begins, not
what is so: the key of each intervention follows from its thread and number, and the interventions are asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from interlock.engine.tokens import Principal
from interlock.gateway.deployment import ServedDeployment
from interlock.gateway.dialects.engage.errors import not_found
from interlock.gateway.dialects.engage.shapes import is_gone
from interlock.gateway.permissions import permits
from interlock.gateway.reading import Instance, read
from interlock.statecharts.functions import intervention_id

_PLACE = ("source_id", "thread_id", "identity_id", "identity_group_id")
_SETTINGS = (
    "auto_close",
    "close_confirmation",
    "first_reply_seconds",
    "next_reply_seconds",
    "calendar",
    "reopen_window_seconds",
    "unreadable",
)


@dataclass(frozen=True, slots=True)
class Latest:
    """The latest intervention of a thread, or the place of its next where ``instance`` is None.

    ``settings``: what the thread gives to each of its interventions.
    """

    thread: str
    number: int
    instance: Instance | None
    settings: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Its key."""
        return intervention_id(self.thread, self.number)

    @property
    def is_closed(self) -> bool:
        return self.instance is not None and "closed" in self.instance["state"]


async def latest(deployment: ServedDeployment, principal: Principal, thread: str) -> Latest:
    """The latest intervention of the thread of this key; those that were cancelled are passed by."""
    known = await read(deployment, principal, "thread", thread)
    context = known["context"] if known else {}
    number = max(context.get("number", 1), 1)
    while True:
        instance = await read(deployment, principal, "intervention", intervention_id(thread, number))
        if instance is None or not (is_gone(instance) or instance["context"].get("next_id")):
            return Latest(thread, number, instance, context.get("settings", {}))
        number += 1


async def readable_content(deployment: ServedDeployment, principal: Principal, content_id: str) -> Instance:
    """The content of this id. Raises Problem (404) where there is none that the principal may read."""
    found = await readable(deployment, principal, "content", content_id)
    if found is None:
        raise not_found("content", content_id)
    return found


async def readable_intervention(deployment: ServedDeployment, principal: Principal, key: str) -> Instance:
    """The intervention of this id. Raises Problem (404) where there is none that the principal may read."""
    found = await readable(deployment, principal, "intervention", key)
    if found is None or is_gone(found):
        raise not_found("intervention", key)
    return found


async def readable(
    deployment: ServedDeployment, principal: Principal, machine: str, key: str
) -> Instance | None:
    """The instance of this key, where there is one that the principal may read."""
    found = await read(deployment, principal, machine, key) if is_key(key) else None
    if found is None or not permits(principal, "read", found["context"].get("source_id", "")):
        return None
    return found


def is_key(text: str) -> bool:
    """Whether an instance may have this key."""
    return 0 < len(text) <= _MAX_KEY_LENGTH


_MAX_KEY_LENGTH = 128
"""Ids of Engage are shorter; what is longer is no id."""


def place_of(content: Instance) -> dict[str, Any]:
    """Where a content belongs: what is said of it to its thread and interventions."""
    context = content["context"]
    return {name: context[name] for name in _PLACE if context.get(name) is not None}


def opening(content: Instance, found: Latest) -> dict[str, Any]:
    """The data with which the intervention ``found`` is begun on a content."""
    return {
        "content_id": content["key"],
        "thread": found.thread,
        "number": found.number,
        **place_of(content),
        **{name: found.settings[name] for name in _SETTINGS if found.settings.get(name) is not None},
    }
