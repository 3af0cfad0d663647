"""Business hours: how much open time lies between two instants, and when so much of it has passed. Pure.

A calendar is open at an instant when the clock on its wall shows a time within the day's hours. So an hour that the
clocks skip is never open, and one that they show twice is open twice. Hours over midnight belong to the day that
they begin on: a holiday closes what begins on it.

Work goes by days: each is cut where the zone's offset changes, and within a piece the wall runs evenly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from types import MappingProxyType
from zoneinfo import ZoneInfo

from interlock.engine.errors import InterlockError

MAX_DAYS = 4000
"""Days that one computation looks at, at most: a little over the ten years of the longest delay."""
DAY_MINUTES = 24 * 60

_DAY, _SECOND, _NONE = timedelta(days=1), timedelta(seconds=1), timedelta()


class CalendarError(InterlockError):
    """What was asked of a calendar has no answer. Ask for a shorter time, or correct the calendar's hours."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Open hours of a day, in minutes from its midnight; ``end`` (excluded) over 1440: it lies on the next day.

    Raises ValueError where it is empty, begins on another day or is longer than a day.
    """

    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < DAY_MINUTES or not 0 < self.end - self.start <= DAY_MINUTES:
            raise ValueError("a span begins within its day and is at most a day long")


Interval = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Calendar:
    """When it is open. ``week``: the spans of Monday to Sunday. ``holidays``: dates without hours; ``yearly``: the
    same as (month, day) of every year. ``exceptions``: dates with hours of their own, which win over all others."""

    name: str
    zone: ZoneInfo
    week: tuple[tuple[Span, ...], ...]
    holidays: frozenset[date] = frozenset()
    yearly: frozenset[tuple[int, int]] = frozenset()
    exceptions: Mapping[date, tuple[Span, ...]] = field(default_factory=lambda: MappingProxyType({}))
    description: str = ""

    def __post_init__(self) -> None:
        if len(self.week) != 7:
            raise ValueError("a week has seven days")

    def hours(self, day: date) -> Sequence[Span]:
        """The spans that begin on a local date."""
        if day in self.exceptions:
            return self.exceptions[day]
        if day in self.holidays or (day.month, day.day) in self.yearly:
            return ()
        return self.week[day.weekday()]


def business_seconds(calendar: Calendar, start: datetime, end: datetime) -> float:
    """Open seconds from one aware instant to another; negative backwards.

    Raises CalendarError where they lie more than `MAX_DAYS` apart, or at the edge of the years 1 to 9999.
    """
    if end < start:
        return -business_seconds(calendar, end, start)
    if end - start > MAX_DAYS * _DAY:
        raise CalendarError(f"the times lie more than {MAX_DAYS} days apart. Count a shorter time.")
    last = _utc(end)
    total = _NONE
    for opens, closes in _open(calendar, _utc(start), math.ceil((end - start) / _DAY)):
        if opens >= last:
            break
        total += min(closes, last) - opens
    return total.total_seconds()


def business_due(calendar: Calendar, start: datetime, seconds: float) -> datetime:
    """The first instant, in UTC, at which so many open seconds have passed since an aware ``start``.

    No seconds: ``start`` itself. Time that fills a day's hours ends with them, not on the next morning. Raises
    CalendarError where ``seconds`` is negative or not finite, or does not pass within `MAX_DAYS` days.
    """
    if not math.isfinite(seconds) or seconds < 0:
        raise CalendarError("business time is a number of seconds from 0 on. Correct the number.")
    if seconds > MAX_DAYS * 86_400:
        raise CalendarError(f"more seconds than {MAX_DAYS} days have. Ask for a shorter time.")
    begin = _utc(start)
    left = timedelta(seconds=seconds)
    if not left:
        return begin.replace(tzinfo=UTC)
    for opens, closes in _open(calendar, begin, MAX_DAYS):
        if closes - opens >= left:
            return (opens + left).replace(tzinfo=UTC)
        left -= closes - opens
    raise CalendarError(
        f"calendar {calendar.name!r} is not open for so long within {MAX_DAYS} days. "
        "Ask for a shorter time, or give the calendar more hours."
    )


def _utc(moment: datetime) -> datetime:
    """Naive, in UTC: so that sums and differences are those of real time."""
    if moment.tzinfo is None:
        raise CalendarError("a time without zone. End it with Z or +hh:mm.")
    return moment.astimezone(UTC).replace(tzinfo=None)


def _open(calendar: Calendar, start: datetime, days: int) -> Iterator[Interval]:
    """The open intervals from ``start`` on, in order and apart, over so many times 24 hours."""
    begin = start
    try:
        for _ in range(days):
            for piece in _pieces(calendar.zone, begin, begin + _DAY):
                yield from _open_within(calendar, *piece)
            begin += _DAY
    except OverflowError:
        raise CalendarError("beyond the years 1 to 9999. Ask for a nearer time.") from None


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    return moment.replace(tzinfo=UTC).astimezone(zone).utcoffset() or _NONE


def _pieces(zone: ZoneInfo, begin: datetime, end: datetime) -> Iterable[tuple[datetime, datetime, timedelta]]:
    """A day of UTC, cut where the zone's offset changes; zones change at most once a day, on a whole second."""
    before, after = _offset(zone, begin), _offset(zone, end)
    if before == after:
        return ((begin, end, before),)
    whole = begin.replace(microsecond=0)
    low, high = 0, math.ceil((end - whole) / _SECOND)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(zone, whole + middle * _SECOND) == before:
            low = middle
        else:
            high = middle
    change = min(whole + high * _SECOND, end)
    return ((begin, change, before), (change, end, after))


def _open_within(calendar: Calendar, begin: datetime, end: datetime, offset: timedelta) -> list[Interval]:
    """The open intervals of a piece in which the wall is ``offset`` before UTC all the time."""
    first, last = begin + offset, end + offset
    found: list[Interval] = []
    # What began the day before may reach over midnight.
    day = datetime.combine(first.date(), datetime.min.time()) - _DAY
    while day < last:
        for span in calendar.hours(day.date()):
            opens = max(day + timedelta(minutes=span.start), first)
            closes = min(day + timedelta(minutes=span.end), last)
            if opens < closes:
                found.append((opens - offset, closes - offset))
        day += _DAY
    return found if _apart(found) else _union(found)


def _apart(intervals: Sequence[Interval]) -> bool:
    return all(one[1] <= other[0] for one, other in pairwise(intervals))


def _union(intervals: Iterable[Interval]) -> list[Interval]:
    """The same time, each instant once: hours over midnight may run into those of the next day."""
    merged: list[Interval] = []
    for opens, closes in sorted(intervals):
        if merged and opens <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(closes, merged[-1][1]))
        else:
            merged.append((opens, closes))
    return merged
