"""The time limits that an interaction's own user data may set. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

TIME_LIMITS: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {
        "delivering-timeout": (1, 1, 86_400),
        "handling-timeout": (60, 1, 525_600),
        "routing-timeout": (60, 1, 525_600),
        "workbin-timeout": (60, 1, 525_600),
    }
)
"""Keys of an interaction's user data that set its own time limits: seconds of their unit, least and most units."""


def time_limit(user_data: Mapping[str, Any], name: str, default: int) -> int:
    """Seconds of a time limit of `TIME_LIMITS`: what the user data says, else ``default`` (seconds).

    People write user data: whatever is no whole number within the limits, as a number or a text, says nothing.
    """
    unit, least, most = TIME_LIMITS[name]
    given = user_data.get(name)
    if isinstance(given, str) and given.isascii() and given.isdigit() and len(given) <= 6:
        given = int(given)
    if not isinstance(given, int) or isinstance(given, bool) or not least <= given <= most:
        return default
    return given * unit
