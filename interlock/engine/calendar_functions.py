"""What expressions may ask of calendars: ``business_due``, ``business_seconds``, ``is_calendar``. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from interlock.engine import calendars
from interlock.engine.calendars import Calendar, CalendarError
from interlock.engine.errors import ChartError
from interlock.engine.expression_functions import EvaluationError, kind_of
from interlock.engine.messages import format_time, parse_time

Calendars = Callable[[], Mapping[str, Calendar]]
"""The calendars by name, asked for when an expression is evaluated."""


def calendar_functions(known: Calendars) -> dict[str, Callable[..., Any]]:
    """The functions over these calendars, by their names in expressions. Whatever is wrong with an argument is an
    EvaluationError, whose message tells kinds and no values."""

    def business_due(calendar: Any, start: Any, seconds: Any) -> str:
        """``business_due('support', now, 3600)``: the RFC 3339 time when so many open seconds have passed."""
        try:
            named = _calendar(known, calendar, "business_due")
            moment = _moment(start, "business_due")
            return format_time(calendars.business_due(named, moment, _number(seconds, "business_due")))
        except CalendarError as error:
            raise EvaluationError(f"business_due: {error}") from None

    def business_seconds(calendar: Any, earlier: Any, later: Any) -> float:
        """``business_seconds('support', a, b)``: open seconds from one time to another; negative backwards."""
        try:
            named = _calendar(known, calendar, "business_seconds")
            start, end = _moment(earlier, "business_seconds"), _moment(later, "business_seconds")
            return calendars.business_seconds(named, start, end)
        except CalendarError as error:
            raise EvaluationError(f"business_seconds: {error}") from None

    def is_calendar(calendar: Any) -> bool:
        """``is_calendar('support')``: whether a calendar has this name."""
        return isinstance(calendar, str) and calendar in _read(known, "is_calendar")

    return {"business_due": business_due, "business_seconds": business_seconds, "is_calendar": is_calendar}


def _read(known: Calendars, function: str) -> Mapping[str, Calendar]:
    try:
        return known()
    except (ChartError, OSError):
        raise EvaluationError(f"{function}: the calendars cannot be read; see `interlock check`") from None


def _calendar(known: Calendars, name: Any, function: str) -> Calendar:
    if not isinstance(name, str):
        raise EvaluationError(f"{function} takes a calendar's name, found {kind_of(name)}")
    named = _read(known, function)
    found = named.get(name)
    if found is None:
        raise EvaluationError(f"{function}: no calendar has this name; there are {sorted(named)}")
    return found


def _moment(value: Any, function: str) -> datetime:
    if not isinstance(value, str):
        raise EvaluationError(f"{function} takes an RFC 3339 time, found {kind_of(value)}")
    try:
        return parse_time(value)
    except (ValueError, OverflowError):
        raise EvaluationError(
            f"{function} takes an RFC 3339 time with its zone, found another string"
        ) from None


def _number(value: Any, function: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise EvaluationError(f"{function} takes a number of seconds, found {kind_of(value)}")
    return value
