"""Business time: known days by hand, and any small range against an oracle that looks at each minute's wall."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from interlock.engine.calendar_files import zone_named
from interlock.engine.calendars import (
    MAX_DAYS,
    Calendar,
    CalendarError,
    Span,
    business_due,
    business_seconds,
)

MINUTE = timedelta(minutes=1)
HOUR = 3600
NINE_TO_FIVE = (Span(9 * 60, 17 * 60),)


def calendar(
    zone: str = "Europe/Berlin",
    week: tuple[tuple[Span, ...], ...] = (NINE_TO_FIVE,) * 5 + ((), ()),
    holidays: frozenset[date] = frozenset(),
    yearly: frozenset[tuple[int, int]] = frozenset(),
    exceptions: dict[date, tuple[Span, ...]] | None = None,
) -> Calendar:
    known = zone_named(zone)
    assert known
    return Calendar("desk", known, week, holidays, yearly, exceptions or {})


def always(zone: str, start: str = "00:00", end: str = "24:00") -> Calendar:
    """The same hours on each day of the week."""
    minutes = [int(part[:2]) * 60 + int(part[3:]) for part in (start, end)]
    if minutes[1] <= minutes[0]:
        minutes[1] += 24 * 60
    return calendar(zone, ((Span(*minutes),),) * 7)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def is_open(made: Calendar, moment: datetime) -> bool:
    """The definition: does the wall show a time within the hours of its day, or of the day before?"""
    wall = moment.astimezone(made.zone)
    minute = wall.hour * 60 + wall.minute
    if any(span.start <= minute < span.end for span in made.hours(wall.date())):
        return True
    yesterday = made.hours(wall.date() - timedelta(days=1))
    return any(span.start <= minute + 24 * 60 < span.end for span in yesterday)


def minutes_open(made: Calendar, start: datetime, minutes: int) -> int:
    return sum(is_open(made, start + number * MINUTE) for number in range(minutes))


@pytest.mark.parametrize(
    ("made", "start", "end", "hours"),
    [
        (calendar(), "2026-11-23T09:00+01:00", "2026-11-23T17:00+01:00", 8),
        (calendar(), "2026-11-20T16:00+01:00", "2026-11-23T10:00+01:00", 2),  # over a weekend
        (calendar(), "2026-11-21T00:00+01:00", "2026-11-23T00:00+01:00", 0),
        (calendar(), "2026-12-31T16:00+01:00", "2027-01-01T10:00+01:00", 2),  # over a year's border
        (calendar(yearly=frozenset({(1, 1)})), "2026-12-31T16:00+01:00", "2027-01-01T10:00+01:00", 1),
        (calendar(yearly=frozenset({(2, 29)})), "2028-02-28T00:00+01:00", "2028-03-01T00:00+01:00", 8),
        (calendar(), "2028-02-28T00:00+01:00", "2028-03-01T00:00+01:00", 16),  # the leap day is a Tuesday
        (always("Europe/Berlin"), "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00", 23),
        (always("Europe/Berlin"), "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00", 25),
        (always("Europe/Berlin", "02:00", "03:00"), "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00", 0),
        (always("Europe/Berlin", "02:00", "03:00"), "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00", 2),
        (always("Europe/Berlin", "01:00", "02:30"), "2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00", 2),
        (always("Europe/Berlin", "01:30", "03:30"), "2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00", 1),
        (always("America/New_York", "01:00", "03:00"), "2026-03-08T00:00-05:00", "2026-03-09T00:00-04:00", 1),
        (always("America/New_York", "01:00", "03:00"), "2026-11-01T00:00-04:00", "2026-11-02T00:00-05:00", 3),
        (always("America/New_York"), "2026-11-01T00:00-04:00", "2026-11-02T00:00-05:00", 25),
        (always("Asia/Kathmandu", "09:00", "10:00"), "2026-05-04T03:15Z", "2026-05-04T04:15Z", 1),
        (always("Asia/Kathmandu", "09:00", "10:00"), "2026-05-04T03:00Z", "2026-05-04T03:45Z", 0.5),
        (always("Europe/Berlin", "22:00", "06:00"), "2026-03-28T12:00+01:00", "2026-03-29T12:00+02:00", 7),
        (always("Europe/Berlin", "22:00", "06:00"), "2026-10-24T12:00+02:00", "2026-10-25T12:00+01:00", 9),
        (always("Pacific/Apia"), "2011-12-29T00:00-10:00", "2012-01-01T00:00+14:00", 48),  # a day skipped
    ],
)
def test_open_time_of_known_days(made: Calendar, start: str, end: str, hours: float) -> None:
    assert business_seconds(made, at(start), at(end)) == hours * HOUR
    assert business_seconds(made, at(end), at(start)) == -hours * HOUR
    counted = minutes_open(made, at(start), int((at(end) - at(start)) / MINUTE))
    assert counted * 60 == hours * HOUR


@pytest.mark.parametrize(
    ("made", "start", "seconds", "due"),
    [
        (calendar(), "2026-11-23T10:00+01:00", HOUR, "2026-11-23T11:00+01:00"),
        (calendar(), "2026-11-20T16:30+01:00", HOUR, "2026-11-23T09:30+01:00"),  # Friday to Monday
        (calendar(), "2026-11-20T16:00+01:00", HOUR, "2026-11-20T17:00+01:00"),  # with the hours' end
        (calendar(), "2026-11-21T12:00+01:00", 0, "2026-11-21T12:00+01:00"),
        (calendar(), "2026-11-21T12:00+01:00", 0.5, "2026-11-23T09:00:00.500+01:00"),
        (
            calendar(holidays=frozenset({date(2026, 11, 23)})),
            "2026-11-20T16:30+01:00",
            HOUR,
            "2026-11-24T09:30+01:00",
        ),
        (always("Europe/Berlin"), "2026-03-28T12:00+01:00", 24 * HOUR, "2026-03-29T13:00+02:00"),
        (always("America/New_York"), "2026-10-31T12:00-04:00", 24 * HOUR, "2026-11-01T11:00-05:00"),
        (
            always("Europe/Berlin", "22:00", "06:00"),
            "2026-12-31T23:00+01:00",
            3 * HOUR,
            "2027-01-01T02:00+01:00",
        ),
    ],
)
def test_when_business_time_has_passed(made: Calendar, start: str, seconds: float, due: str) -> None:
    found = business_due(made, at(start), seconds)
    assert found == at(due)
    assert found.tzinfo is UTC


def test_a_holiday_closes_what_begins_on_it_and_an_exception_wins() -> None:
    night = (Span(22 * 60, 30 * 60),)
    made = calendar(
        week=(night,) * 7,
        holidays=frozenset({date(2026, 12, 24), date(2026, 12, 25)}),
        exceptions={date(2026, 12, 25): (Span(0, 60),)},
    )
    start, end = at("2026-12-23T12:00+01:00"), at("2026-12-26T12:00+01:00")
    # The night of the 23rd goes on into the holiday; the 25th has its own hour; the nights of both fall out.
    assert business_seconds(made, start, end) == (8 + 1) * HOUR


def test_hours_over_midnight_that_run_into_the_next_day_count_once() -> None:
    made = calendar(week=((Span(20 * 60, 30 * 60),), (Span(5 * 60, 8 * 60),), *((),) * 5))
    start = at("2026-11-23T00:00+01:00")
    assert business_seconds(made, start, start + timedelta(days=7)) == 12 * HOUR
    assert business_due(made, start, 12 * HOUR) == at("2026-11-24T08:00+01:00")


def test_a_calendar_that_never_opens_is_a_clear_error() -> None:
    closed = calendar(week=((),) * 7)
    with pytest.raises(CalendarError, match=r"'desk' is not open for so long within 4000 days"):
        business_due(closed, at("2026-01-01T00:00Z"), 1)
    assert business_seconds(closed, at("2026-01-01T00:00Z"), at("2027-01-01T00:00Z")) == 0


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-1, "from 0 on"),
        (float("nan"), "from 0 on"),
        (float("inf"), "from 0 on"),
        (1e300, "more seconds than"),
        (MAX_DAYS * 86_400, "not open for so long"),
    ],
)
def test_seconds_that_no_calendar_has(seconds: float, told: str) -> None:
    with pytest.raises(CalendarError, match=told):
        business_due(calendar(), at("2026-01-01T00:00Z"), seconds)


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        ("2000-01-01T00:00Z", "2026-01-01T00:00Z", "more than 4000 days apart"),
        ("0001-01-01T00:00Z", "9999-12-31T00:00Z", "more than 4000 days apart"),
        ("9999-12-30T00:00Z", "9999-12-31T23:00Z", "beyond the years"),
        ("0001-01-01T00:00Z", "0001-01-02T00:00Z", "beyond the years"),
        ("2026-01-01T00:00", "2026-01-02T00:00", "without zone"),
    ],
)
def test_times_that_are_too_far(start: str, end: str, told: str) -> None:
    with pytest.raises(CalendarError, match=told):
        business_seconds(calendar(), at(start), at(end))


def test_ten_years_are_counted_exactly() -> None:
    made = calendar()
    start = at("2026-01-01T00:00+01:00")
    end = at("2036-01-01T00:00+01:00")
    weekdays = sum((date(2026, 1, 1) + timedelta(days=n)).weekday() < 5 for n in range(3652))
    assert business_seconds(made, start, end) == weekdays * 8 * HOUR
    assert business_due(made, start, weekdays * 8 * HOUR) == at("2035-12-31T17:00+01:00")


SPANS = st.builds(
    lambda start, length: Span(start, start + length), st.integers(0, 1439), st.integers(1, 1440)
)
HOURS = st.lists(SPANS, max_size=3).map(tuple)
STARTS = st.sampled_from(
    [
        *("2026-03-28T06:00Z", "2026-10-24T06:00Z", "2026-03-07T12:00Z", "2026-10-31T12:00Z"),
        *("2027-12-31T06:00Z", "2028-02-28T06:00Z", "2026-04-04T06:00Z", "2026-10-03T06:00Z"),
        *("2011-12-29T00:00Z", "2026-03-07T20:00Z"),
    ]
)
ZONES = st.sampled_from(
    [
        *("Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"),
        *("America/Havana", "UTC"),
    ]
)


@st.composite
def calendars(draw: st.DrawFn) -> Calendar:
    week = draw(st.tuples(*[HOURS] * 7))
    near = [date(2026, 3, 29), date(2026, 10, 25), date(2028, 2, 29), date(2028, 1, 1), date(2026, 11, 1)]
    return calendar(
        draw(ZONES),
        week,
        frozenset(draw(st.sets(st.sampled_from(near), max_size=2))),
        frozenset(draw(st.sets(st.sampled_from([(2, 29), (1, 1), (3, 8)]), max_size=2))),
        draw(st.dictionaries(st.sampled_from(near), HOURS, max_size=2)),
    )


@settings(max_examples=60, deadline=None)
@given(calendars(), STARTS, st.integers(0, 2880), st.integers(0, 3000))
@example(always("America/Havana"), "2026-10-31T12:00Z", 600, 1500)
def test_open_time_is_what_a_look_at_each_minute_finds(
    made: Calendar, start: str, after: int, minutes: int
) -> None:
    begin = at(start) + after * MINUTE
    counted = minutes_open(made, begin, minutes)
    assert business_seconds(made, begin, begin + minutes * MINUTE) == counted * 60
    if counted:
        due = business_due(made, begin, counted * 60)
        assert begin < due <= begin + minutes * MINUTE
        assert business_seconds(made, begin, due) == counted * 60
        # The first instant: the second before it was open.
        assert business_seconds(made, begin, due - timedelta(seconds=1)) == counted * 60 - 1


@settings(max_examples=60, deadline=None)
@given(calendars(), STARTS, st.lists(st.integers(0, 200_000_000), min_size=3, max_size=3).map(sorted))
def test_time_adds_up(made: Calendar, start: str, milliseconds: list[int]) -> None:
    one, two, three = (at(start) + timedelta(milliseconds=each) for each in milliseconds)
    whole = business_seconds(made, one, three)
    assert whole == pytest.approx(business_seconds(made, one, two) + business_seconds(made, two, three))
    assert 0 <= whole <= (three - one).total_seconds()
