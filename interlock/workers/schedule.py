"""When the next attempt of a delivery is: pure; the clock and the dice are arguments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_SECONDS = 86_400.0
JITTER = 0.1
"""The part of a delay that may be added to it at most. It only adds, so no attempt comes early."""


def next_delay(
    schedule: Sequence[float], attempts: int, *, retry_after_seconds: float | None, dice: float
) -> float | None:
    """Seconds until the next attempt, or None where the schedule is used up.

    ``schedule``: seconds between attempts; ``attempts``: how many were made (at least 1);
    ``retry_after_seconds``: the endpoint's wish, which can only lengthen; ``dice``: from 0 up to 1.
    """
    if attempts > len(schedule):
        return None
    wish = min(retry_after_seconds or 0.0, MAX_RETRY_AFTER_SECONDS)
    return max(schedule[attempts - 1], wish) * (1.0 + JITTER * dice)


def schedule_of(
    own: Sequence[float] | None, setting: Sequence[float], *, configured: bool
) -> Sequence[float]:
    """The delays of a webhook. ``own``: its profile's, None where it has none; ``configured``: whether the
    operator set ``setting``. Then its delays hold for every profile, but no vendor sees more attempts than
    it documents."""
    if own is None:
        return setting
    return setting[: len(own)] if configured else own


def parse_retry_after(text: str | None, now: datetime) -> float | None:
    """Seconds of a ``Retry-After`` header (RFC 9110, 10.2.3: seconds or a date), from 0 to a day.

    None where there is none or it means nothing.
    """
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), MAX_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), MAX_RETRY_AFTER_SECONDS)
