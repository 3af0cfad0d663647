"""The breaker, on a clock that is an argument."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from interlock.engine import breaker
from interlock.engine.breaker import (
    FAILURES_TO_DISABLE,
    FAILURES_TO_OPEN,
    HEALTHY,
    BreakerState,
    Health,
    after,
    gives_up,
    pause_seconds,
    probing,
)
from interlock.engine.settings import STANDARD_WEBHOOKS_SCHEDULE

SHORT = (0.2, 0.5, 1.0, 2.0, 4.0)
NOW = 1_000_000


def failing(count: int, over_ms: int = 10_000) -> Health:
    """The health after so many failures in a row, evenly over a time that ends now."""
    results = [(NOW - over_ms + over_ms * one // count, False) for one in range(count)]
    return after(HEALTHY, results, SHORT, NOW)


def test_it_opens_after_many_failures_in_a_row() -> None:
    assert failing(FAILURES_TO_OPEN - 1).state(NOW) is BreakerState.CLOSED
    assert failing(FAILURES_TO_OPEN).state(NOW) is BreakerState.OPEN


def test_a_burst_of_failures_in_a_moment_is_a_restart() -> None:
    assert failing(100, over_ms=1_500).state(NOW) is BreakerState.CLOSED


def test_one_success_forgets_all_failures() -> None:
    health = after(failing(FAILURES_TO_OPEN - 1), [(NOW, True), (NOW, False)], SHORT, NOW)
    assert (health.failures, health.since_ms) == (1, NOW)
    assert after(failing(FAILURES_TO_OPEN), [(NOW, True)], SHORT, NOW) == HEALTHY


def test_an_endpoint_that_fails_half_the_time_never_opens_it() -> None:
    dice, health = random.Random(1), HEALTHY
    for moment in range(NOW, NOW + 20_000_000, 1_000):
        health = after(health, [(moment, dice.random() < 0.5)], SHORT, moment)
        assert health.state(moment) is BreakerState.CLOSED


def test_after_the_pause_one_probe_at_a_time() -> None:
    opened = failing(FAILURES_TO_OPEN)
    assert probing(opened, NOW, 5_000) is None, "not before its time"
    later = NOW + 200
    assert opened.state(later) is BreakerState.HALF_OPEN
    probe = probing(opened, later, 5_000)
    assert probe is not None
    assert probing(probe, later + 1, 5_000) is None, "another one is under way"
    assert probing(probe, later + 5_000, 5_000) is not None, "its process has died"
    assert probing(HEALTHY, later, 5_000) is None


def test_a_probe_that_fails_opens_it_for_longer_and_one_that_succeeds_closes_it() -> None:
    probe = probing(failing(FAILURES_TO_OPEN), NOW + 200, 5_000)
    assert probe is not None
    again = after(probe, [(NOW + 200, False)], SHORT, NOW + 300)
    assert (again.opened, again.until_ms, again.probing) == (2, NOW + 300 + 400, False)
    assert after(probe, [(NOW + 200, True)], SHORT, NOW + 300) == HEALTHY


def test_attempts_that_were_under_way_do_not_prolong_the_pause() -> None:
    opened = failing(FAILURES_TO_OPEN)
    late = after(opened, [(NOW - 50, False)] * 16, SHORT, NOW + 100)
    assert (late.until_ms, late.opened) == (opened.until_ms, 1)


@pytest.mark.parametrize(
    ("schedule", "pauses"),
    [
        (SHORT, [0.2, 0.4, 0.8, 1.0, 1.0]),
        (STANDARD_WEBHOOKS_SCHEDULE, [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]),
        ((60.0,), [60.0, 60.0]),
        ((), [5.0, 10.0, 20.0, 40.0, 60.0]),
        ((0.0,), [0.1, 0.1]),
    ],
)
def test_how_long_it_stays_open(schedule: tuple[float, ...], pauses: list[float]) -> None:
    assert [pause_seconds(number + 1, schedule) for number in range(len(pauses))] == pauses
    assert pause_seconds(10_000, schedule) <= 60.0


def test_who_has_failed_for_days_is_given_up() -> None:
    day_ms = 86_400_000
    health = Health(failures=FAILURES_TO_DISABLE, since_ms=NOW)
    assert not gives_up(health, NOW + 5 * day_ms - 1, 5 * 86_400)
    assert gives_up(health, NOW + 5 * day_ms, 5 * 86_400)
    assert not gives_up(health, NOW + 50 * day_ms, 0), "0: never"
    few = replace(health, failures=FAILURES_TO_DISABLE - 1)
    assert not gives_up(few, NOW + 50 * day_ms, 5 * 86_400), "few attempts say nothing"


def test_what_is_shown_names_times() -> None:
    assert HEALTHY.shown(NOW) == {
        "state": "closed",
        "failures": 0,
        "failing_since": None,
        "next_probe": None,
    }
    shown = failing(FAILURES_TO_OPEN).shown(NOW)
    assert (shown["state"], shown["failures"]) == ("open", FAILURES_TO_OPEN)
    assert shown["next_probe"].startswith("1970-01-01T00:16:40.2")
    assert breaker.Health(until_ms=5).state(6) is BreakerState.HALF_OPEN
