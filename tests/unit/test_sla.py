"""Promises by the wall clock and in business time: the functions, a queue and a ticket over a night and a weekend."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.engine.expression_functions import EvaluationError
from interlock.engine.messages import format_time, parse_time
from interlock.statecharts import routing
from interlock.statecharts.functions import FUNCTIONS
from tests.desks import START, Desk

MONDAY = "2026-03-02T10:00:00.000Z"  # 11:00 in Berlin; the shipped calendar is open from 9 to 17
FRIDAY_EVENING = "2026-03-06T15:59:00.000Z"  # a minute before it closes


def call(name: str, *words: Any) -> Any:
    return FUNCTIONS[name](*words)


def test_the_clock_of_a_promise_stops_and_goes_on() -> None:
    due = call("sla_due", None, MONDAY, 90)
    assert due == "2026-03-02T10:01:30.000Z"
    assert call("sla_left", None, "2026-03-02T10:01:00.000Z", due) == 30
    assert call("sla_left", None, "2026-03-02T10:02:00.000Z", due) == 0


def test_in_business_time_a_night_does_not_count() -> None:
    due = call("sla_due", "support", FRIDAY_EVENING, 90)
    assert due == "2026-03-09T08:00:30.000Z"
    assert call("sla_left", "support", "2026-03-08T12:00:00.000Z", due) == 30
    assert call("sla_left", "support", "2026-03-09T09:00:00.000Z", due) == 0
    assert call("sla_seconds", "support", FRIDAY_EVENING, due) == 90
    assert call("sla_seconds", None, FRIDAY_EVENING, due) is None


def test_what_nobody_promised_is_never_due() -> None:
    assert call("sla_due", None, MONDAY, None) is call("sla_due", "support", MONDAY, None) is None


def test_a_calendar_that_is_not_there_is_named_as_the_fault() -> None:
    assert call("is_calendar", "support") is True
    assert call("is_calendar", "dask") is call("is_calendar", None) is False
    with pytest.raises(EvaluationError, match="no calendar has this name"):
        call("sla_due", "dask", MONDAY, 90)


@given(
    started=st.integers(0, 14 * 86_400),
    promised=st.integers(1, 200_000),
    pauses=st.lists(st.tuples(st.integers(0, 3 * 86_400), st.integers(0, 3 * 86_400)), max_size=4),
    calendar=st.sampled_from([None, "support"]),
)
@settings(max_examples=40, deadline=None)
def test_what_is_left_after_pauses_is_what_was_promised_less_what_ran(
    started: int, promised: int, pauses: list[tuple[int, int]], calendar: str | None
) -> None:
    now, left, ran = START + timedelta(seconds=started), float(promised), 0.0
    for running, standing in pauses:
        due = call("sla_due", calendar, format_time(now), left)
        until = now + timedelta(seconds=running)
        ran += _between(calendar, now, min(until, parse_time(due)))
        left = call("sla_left", calendar, format_time(until), due)
        now = until + timedelta(seconds=standing)
    assert left == pytest.approx(promised - ran)


def _between(calendar: str | None, start: datetime, end: datetime) -> float:
    if calendar is None:
        return (end - start).total_seconds()
    return float(call("business_seconds", calendar, format_time(start), format_time(end)))


def test_a_queue_breaks_its_promise_in_its_own_time() -> None:
    desk = Desk()
    desk.send("queue/fr", "define", {"breach_seconds": 3600, "calendar": "support"})
    desk.advance(hours=6, minutes=30)  # half an hour before the desk closes
    desk.send("ticket/T-1", "open", {"queue": "fr", "calendar": "support"})
    desk.advance(hours=15)
    assert "queue.sla_breached" not in desk.event_types("queue/fr")
    desk.advance(hours=2, minutes=1)
    [told] = desk.context("queue/fr")["late"]
    assert (told["machine"], told["key"]) == ("ticket", "T-1")


def test_a_queue_lets_go_over_in_its_own_time() -> None:
    desk = Desk()
    words = {"overflow_to": "de", "overflow_seconds": 3600, "calendar": "support"}
    desk.send("queue/fr", "define", words)
    desk.advance(hours=6, minutes=30)
    desk.send("ticket/T-1", "open", {"queue": "fr"})
    desk.advance(hours=15)
    assert desk.context("ticket/T-1")["queue"] == "fr"
    desk.advance(hours=2, minutes=1)
    assert desk.context("ticket/T-1")["queue"] == "de"


def test_a_queue_needs_a_calendar_that_is_there() -> None:
    desk = Desk()
    refused = desk.send("queue/fr", "define", {"calendar": "dask"})
    assert desk.result(refused) == "refused invalid_data unknown_calendar"


def test_the_clock_of_a_queue_wakes_when_its_first_item_is_late() -> None:
    items = {
        f"ticket/T-{number}": {"channel": "chat", "priority": 3, "since": joined, "joined": joined}
        for number, joined in enumerate(
            [FRIDAY_EVENING, "2026-03-07T12:00:00.000Z", "2026-03-09T08:00:30.000Z"]
        )
    }
    wake = call("queue_wake", items, 60, None, "support")
    assert wake == "2026-03-06T16:00:00.000Z"
    late = [each["key"] for each in call("late_items", items, 60, "2026-03-09T08:01:00.000Z", "support")]
    assert late == ["T-0", "T-1"]
    assert len(call("overflowing_items", items, 60, "2026-03-09T08:01:30.000Z", "support")) == 3
    assert routing.queue_wake(items, 60, None) == "2026-03-06T16:00:00.000Z"
    assert [each["key"] for each in routing.late_items(items, 60, "2026-03-07T12:00:59.999Z")] == ["T-0"]
