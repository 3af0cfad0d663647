"""What a principal may read and do, by its kind and its permissions (`read:SOURCE`, `update_intervention`, ...)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from interlock.engine.sources import source_of
from interlock.engine.tokens import Principal

READ_ALL = frozenset({"system", "admin"})
"""Kinds that need no permission to read."""
EVERY_SOURCE = "*"


def permits(principal: Principal, action: str, source: str | None = None) -> bool:
    """Whether the principal may do ``action`` (on ``source``, where the permission is given by source).

    ``read`` and ``reply`` are by source: ``read:chat`` is for one, ``read:*`` for all; for None, as for what has no
    source, only ``read:*`` will do. The others are plain: ``update_intervention``. System and admin may all.
    """
    if principal.kind in READ_ALL:
        return True
    if f"{action}:{EVERY_SOURCE}" in principal.permissions:
        return True
    return (action if source is None else f"{action}:{source}") in principal.permissions


def reads_something(principal: Principal) -> bool:
    """Whether there is any source that the principal may read."""
    return principal.kind in READ_ALL or any(one.startswith("read:") for one in principal.permissions)


def readable_sources(principal: Principal) -> list[str] | None:
    """The sources that the principal may read; None where it may read all, and what has no source too."""
    if permits(principal, "read"):
        return None
    return sorted(one.partition(":")[2] for one in principal.permissions if one.startswith("read:"))


def may_read(principal: Principal, context: Mapping[str, Any]) -> bool:
    """Whether the principal may read an instance with this context."""
    return permits(principal, "read", source_of(context))
