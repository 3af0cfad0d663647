"""Time that goes by for one instance in memory: the timers that fall due fire. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from interlock.engine.decision import fire
from interlock.engine.errors import InterlockError
from interlock.engine.machine import Machine
from interlock.engine.messages import parse_time
from interlock.engine.outcome import Decision
from interlock.engine.snapshot import Snapshot

MAX_FIRED = 10_000
"""Timers fired by one `advance`: more are taken for timers that never come to an end."""


class AdvanceError(InterlockError):
    """Time cannot go by: a timer fails, or timers never come to an end. Look at the chart's ``after``."""


def advance(machine: Machine, snapshot: Snapshot, now: datetime, milliseconds: float) -> Iterator[Decision]:
    """Fire what falls due in this time, in order. Raises AdvanceError."""
    end = now + timedelta(milliseconds=milliseconds)
    for _ in range(MAX_FIRED):
        timer = min(snapshot.timers, key=lambda each: each.due, default=None)
        if timer is None or parse_time(timer.due) > end:
            return
        now = max(now, parse_time(timer.due))
        try:
            decision = fire(machine, snapshot, timer.id, now)
        except InterlockError as error:
            raise AdvanceError(f"the timer {timer.event} fails: {error}") from error
        assert decision is not None and decision.snapshot is not None  # it is one of the snapshot's own
        snapshot = decision.snapshot
        yield decision
    raise AdvanceError(f"{MAX_FIRED} timers were due one after the other: they have no end")
