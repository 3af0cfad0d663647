"""Interventions and contents as Engage Digital's clients know them, made from instances. Pure.

Engage's schemas have no null: what is empty is left out, dates above all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.statecharts.capacity import busyness, held_on

Instance = Mapping[str, Any]
"""An instance as the wire contract shows it."""

STATUSES: Mapping[str, tuple[str, ...]] = {
    "active": ("Opened", "Reopened"),
    "opened": ("Opened",),
    "reopened": ("Reopened",),
    "deferred": ("Deferred",),
    "closed": ("Closed",),
}
"""The list's ``status`` to the labels that interventions bear. Active: open, and not put off."""
LISTED = ("Opened", "Reopened", "Deferred", "Closed")
"""The labels of all that is in a list; one that was cancelled is destroyed."""

_SAME = (
    "source_id",
    "thread_id",
    "content_id",
    "identity_id",
    "identity_group_id",
    "user_id",
    "category_ids",
    "comments_count",
    "user_replies_count",
    "first_user_reply_id",
    "first_user_reply_in",
    "first_user_reply_in_bh",
    "last_user_reply_in",
    "last_user_reply_in_bh",
    "user_reply_in_average",
    "user_reply_in_average_bh",
    "user_reply_in_average_count",
    "closed_at",
    "deferred_at",
    "closed_automatically",
    "status",
)
"""Fields that have Engage's names in the chart."""
_OF_CONTENT = (
    "source_id",
    "thread_id",
    "identity_id",
    "identity_group_id",
    "author_id",
    "body",
    "in_reply_to_id",
    "intervention_id",
)

_OF_COMMENT = ("intervention_id", "thread_id", "identity_id", "user_id", "body")


def intervention(instance: Instance) -> dict[str, Any]:
    """An ``intervention`` instance as Engage's Intervention."""
    context = instance["context"]
    shown = {name: context.get(name) for name in _SAME}
    return _filled(
        {
            "id": instance["key"],
            **shown,
            "custom_fields": context.get("custom_field_values", {}),
            "closed": "closed" in instance["state"],
            "created_at": instance["created_at"],
            "updated_at": instance["updated_at"],
        }
    )


def content(instance: Instance) -> dict[str, Any]:
    """A ``content`` instance as Engage's Content. ``creator_id``: the agent, of an answer."""
    context = instance["context"]
    return _filled(
        {
            "id": instance["key"],
            **{name: context.get(name) for name in _OF_CONTENT},
            "creator_id": context.get("author_id") if "replied" in instance["state"] else None,
            "created_at": instance["created_at"],
            "updated_at": instance["updated_at"],
        }
    )


def comment(instance: Instance) -> dict[str, Any]:
    """An ``intervention_comment`` instance as Engage's InterventionComment."""
    context = instance["context"]
    return _filled(
        {
            "id": instance["key"],
            **{name: context[name] for name in _OF_COMMENT},
            "created_at": instance["created_at"],
            "updated_at": instance["updated_at"],
        }
    )


def agent_status(instance: Instance) -> dict[str, Any]:
    """An ``agent`` instance that is online as Engage's AgentStatus; its channels are those of its capacity."""
    context = instance["context"]
    channels = [
        {
            "id": channel,
            "name": channel,
            "status": "away" if channel in context["away"] else "available",
            "busyness": busyness(places, held_on(context["load"], channel)),
        }
        for channel, places in context["capacity"].items()
    ]
    custom = context["custom_status"]
    return _filled(
        {
            "agent_id": instance["key"],
            "channels": channels,
            "custom_status": None if custom is None else {"id": custom},
        }
    )


def records(shown: list[dict[str, Any]], count: int, offset: int, limit: int) -> dict[str, Any]:
    """Engage's envelope of a list. ``count``: how many there are in all."""
    return {"count": count, "offset": offset, "limit": limit, "records": shown}


def is_gone(instance: Instance) -> bool:
    """Whether an intervention was cancelled: Engage has destroyed it then."""
    return "cancelled" in instance["state"]


def _filled(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
