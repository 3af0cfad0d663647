"""Delays as charts write them: ``500ms``, ``30s``, ``30m``, ``12h``, ``7d``, or ISO 8601 (``PT1H30M``)."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta
from typing import Any

from interlock.engine.messages import parse_time

MAX_DELAY_MS = 3650 * 86_400_000
"""Ten years."""

_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SHORT = re.compile(r"([0-9]{1,15})(ms|s|m|h|d)")
_ISO = re.compile(
    r"P(?=[0-9T])(?:([0-9]{1,9})W)?(?:([0-9]{1,9})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9}(?:\.[0-9]{1,3})?)S)?)?"
)
_ISO_MS = (7 * 86_400_000, 86_400_000, 3_600_000, 60_000, 1_000)
_MEANT = re.compile(r"[0-9.]+[A-Za-z]*|P[0-9WDTHMS.]+")


def meant_as_delay(text: str) -> bool:
    """Whether a text is a delay, or was meant as one: ``30m``, and ``30`` too; anything else is an expression."""
    return _MEANT.fullmatch(text) is not None


def delay_ms(text: str) -> int:
    """Milliseconds of a delay. Raises ValueError for any other text and for more than ten years."""
    short, iso = _SHORT.fullmatch(text), _ISO.fullmatch(text)
    if short:
        milliseconds = int(short[1]) * _UNIT_MS[short[2]]
    elif iso:
        milliseconds = round(
            sum(float(part or 0) * unit for part, unit in zip(iso.groups(), _ISO_MS, strict=True))
        )
    else:
        raise ValueError("a delay is written 500ms, 30s, 30m, 12h, 7d or as ISO 8601: PT1H30M")
    if milliseconds > MAX_DELAY_MS:
        raise ValueError("a delay is at most ten years")
    return milliseconds


def due_at(value: Any, now: datetime) -> datetime | None:
    """When the value of a delay's expression is due, no earlier than ``now``; None for null.

    A number is seconds from ``now``, a text a delay or a time (RFC 3339, with its zone). Raises ValueError
    for any other value and for more than ten years; its message does not quote the value.
    """
    if value is None:
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        milliseconds = value * 1000
        if not math.isfinite(milliseconds) or milliseconds > MAX_DELAY_MS:
            raise ValueError("a delay is at most ten years")
    elif isinstance(value, str) and meant_as_delay(value):
        milliseconds = delay_ms(value)
    elif isinstance(value, str):
        try:
            milliseconds = (parse_time(value) - now) / timedelta(milliseconds=1)
        except (ValueError, OverflowError):
            raise ValueError("a text is a delay such as 30m, or an RFC 3339 time with its zone") from None
        if milliseconds > MAX_DELAY_MS:
            raise ValueError("a delay is at most ten years")
    else:
        raise ValueError("it is a number of seconds, a text such as 30m, a time, or null")
    return now + timedelta(milliseconds=max(milliseconds, 0))
