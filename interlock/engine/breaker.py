"""When an endpoint that fails is left alone, and when it is tried again: pure; the clock is an argument.

A breaker opens after many failures in a row, so an endpoint that fails about half the time never opens it. While
it is open nothing is attempted: what waits loses no attempt of its schedule. Then one attempt at a time probes
(half-open): success closes it, failure opens it for longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from interlock.engine.messages import format_time, time_from_ms

FAILURES_TO_OPEN = 20
"""In a row. At an endpoint that fails half the time, one in a million runs is that long."""
FAILING_MS_TO_OPEN = 2_000
"""And for at least so long: a restart of the endpoint is no reason."""
LONGEST_PAUSE_SECONDS = 60.0
SHORTEST_PAUSE_SECONDS = 0.1
FAILURES_TO_DISABLE = 5
"""Fewer say nothing, however long ago the first was."""

_Count = Annotated[int, Field(ge=0, le=2**53)]


class BreakerState(StrEnum):
    """What an endpoint may get now."""

    CLOSED = "closed"
    """Everything that is due."""
    OPEN = "open"
    """Nothing."""
    HALF_OPEN = "half_open"
    """One attempt, as a probe."""


@dataclass(frozen=True, slots=True)
class Health:
    """How an endpoint fails; all zero where its last attempt succeeded. Times are Unix milliseconds.

    ``failures``: in a row; ``since_ms``: the first of them; ``opened``: how often the breaker opened in this
    run; ``until_ms``: no attempt before it, 0 where the breaker is closed; ``probing``: a probe is under way
    until then.
    """

    failures: _Count = 0
    since_ms: _Count = 0
    opened: _Count = 0
    until_ms: _Count = 0
    probing: bool = False

    def state(self, now_ms: int) -> BreakerState:
        if not self.until_ms:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now_ms < self.until_ms else BreakerState.HALF_OPEN

    def shown(self, now_ms: int) -> dict[str, Any]:
        """``{"state", "failures", "failing_since", "next_probe"}``; times RFC 3339 or None."""
        return {
            "state": self.state(now_ms).value,
            "failures": self.failures,
            "failing_since": format_time(time_from_ms(self.since_ms)) if self.since_ms else None,
            "next_probe": format_time(time_from_ms(self.until_ms)) if self.until_ms else None,
        }


HEALTHY = Health()


def after(
    health: Health, attempts: Iterable[tuple[int, bool]], schedule: Sequence[float], now_ms: int
) -> Health:
    """The health after attempts, each ``(when it began, whether it succeeded)``, in their order.

    ``schedule``: seconds between attempts of a delivery, which say how soon to probe.
    """
    failed = False
    for at_ms, succeeded in attempts:
        failed = not succeeded
        health = (
            HEALTHY
            if succeeded
            else replace(health, failures=health.failures + 1, since_ms=health.since_ms or at_ms)
        )
    if not failed or not _opens(health, now_ms):
        return health
    pause_ms = int(pause_seconds(health.opened + 1, schedule) * 1000)
    return replace(health, opened=health.opened + 1, until_ms=now_ms + pause_ms, probing=False)


def _opens(health: Health, now_ms: int) -> bool:
    if health.probing:
        return True
    if health.state(now_ms) is BreakerState.OPEN:
        return False  # attempts that were under way when it opened: no reason to wait longer
    return health.failures >= FAILURES_TO_OPEN and now_ms - health.since_ms >= FAILING_MS_TO_OPEN


def pause_seconds(opened: int, schedule: Sequence[float]) -> float:
    """How long the breaker stays open the ``opened``-th time in a row: from the first delay of the schedule
    on twice as long each time, up to a quarter of the last one and a minute at most."""
    first = max(schedule[0] if schedule else 5.0, SHORTEST_PAUSE_SECONDS)
    longest = max(schedule[-1] / 4 if schedule else LONGEST_PAUSE_SECONDS, first)
    return float(min(first * 2 ** min(opened - 1, 30), longest, LONGEST_PAUSE_SECONDS))


def probing(health: Health, now_ms: int, deadline_ms: int) -> Health | None:
    """The health while a probe is under way that ends within ``deadline_ms``; None where none may begin."""
    if health.state(now_ms) is not BreakerState.HALF_OPEN:
        return None
    return replace(health, until_ms=now_ms + deadline_ms, probing=True)


def gives_up(health: Health, now_ms: int, after_seconds: float) -> bool:
    """Whether an endpoint has failed for so long that it is disabled. ``after_seconds``: 0 for never."""
    if not after_seconds or health.failures < FAILURES_TO_DISABLE:
        return False
    return now_ms - health.since_ms >= after_seconds * 1000
