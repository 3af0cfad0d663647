"""Delays as charts write them: ``500ms``, ``30s``, ``30m``, ``12h``, ``7d``, or ISO 8601 (``PT1H30M``)."""

from __future__ import annotations

import re

MAX_DELAY_MS = 3650 * 86_400_000
"""Ten years."""

_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_SHORT = re.compile(r"([0-9]{1,15})(ms|s|m|h|d)")
_ISO = re.compile(
    r"P(?=[0-9T])(?:([0-9]{1,9})W)?(?:([0-9]{1,9})D)?"
    r"(?:T(?=[0-9])(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9}(?:\.[0-9]{1,3})?)S)?)?"
)
_ISO_MS = (7 * 86_400_000, 86_400_000, 3_600_000, 60_000, 1_000)


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
