"""What was promised, and when it is late: by the wall clock, or in the business time of a calendar. Pure.

An instance names its calendar in its context; null is the wall clock. A clock that stands still keeps the seconds that
are left, of the kind in which they were promised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from interlock.engine.calendar_functions import Calendars, calendar_functions
from interlock.engine.expression_functions import add_seconds, seconds_between
from interlock.statecharts import routing
from interlock.statecharts.routing import Due, Json


def sla_functions(known: Calendars) -> dict[str, Callable[..., Any]]:
    """The functions over these calendars, by their names in expressions. They raise EvaluationError for a calendar that
    is not known, and as `interlock.engine.calendar_functions` does."""
    business = calendar_functions(known)

    def due_in(calendar: str | None) -> Due:
        if calendar is None:
            return add_seconds
        return lambda start, seconds: str(business["business_due"](calendar, start, seconds))

    def sla_due(calendar: str | None, start: str, seconds: float | None) -> str | None:
        """When a promise of so many seconds, whose clock runs from ``start``, is due; null where none was made."""
        return None if seconds is None else due_in(calendar)(start, seconds)

    def sla_left(calendar: str | None, now: str, due: str) -> float:
        """Seconds left of a promise whose clock stops now."""
        if calendar is None:
            return max(0.0, seconds_between(now, due))
        return max(0.0, float(business["business_seconds"](calendar, now, due)))

    def sla_seconds(calendar: str | None, start: str, end: str) -> int | None:
        """Whole open seconds from one time to another; null without a calendar."""
        return None if calendar is None else int(business["business_seconds"](calendar, start, end))

    def queue_wake(
        items: Mapping[str, Json],
        breach_seconds: float | None,
        overflow_seconds: float | None,
        calendar: str | None,
    ) -> str | None:
        """As `routing.queue_wake`, in the time of a calendar."""
        return routing.queue_wake(items, breach_seconds, overflow_seconds, due_in(calendar))

    def late_items(
        items: Mapping[str, Json], breach_seconds: float | None, now: str, calendar: str | None
    ) -> list[Json]:
        """As `routing.late_items`, in the time of a calendar."""
        return routing.late_items(items, breach_seconds, now, due_in(calendar))

    def overflowing_items(
        items: Mapping[str, Json], overflow_seconds: float | None, now: str, calendar: str | None
    ) -> list[Json]:
        """As `routing.overflowing_items`, in the time of a calendar."""
        return routing.overflowing_items(items, overflow_seconds, now, due_in(calendar))

    made = (sla_due, sla_left, sla_seconds, queue_wake, late_items, overflowing_items)
    return {function.__name__: function for function in made}
