"""The source that an instance belongs to: permissions to read are given by source. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FIELDS = ("source_id", "channel")


def source_of(context: Mapping[str, Any]) -> str | None:
    """The source that an instance belongs to: its ``source_id``, else its ``channel``; None where it has neither."""
    for name in _FIELDS:
        value = context.get(name)
        if isinstance(value, str) and value:
            return value
    return None
