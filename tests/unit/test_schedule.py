"""When the next attempt is, row by row, on no clock at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from interlock.engine.settings import STANDARD_WEBHOOKS_SCHEDULE
from interlock.workers.schedule import next_delay, parse_retry_after, schedule_of

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(("attempts", "seconds"), list(enumerate(STANDARD_WEBHOOKS_SCHEDULE, start=1)))
def test_each_row_of_the_standard_schedule(attempts: int, seconds: float) -> None:
    assert next_delay(STANDARD_WEBHOOKS_SCHEDULE, attempts, retry_after_seconds=None, dice=0.0) == seconds


def test_the_schedule_is_used_up_after_one_attempt_more_than_it_has_rows() -> None:
    assert next_delay((1.0, 2.0), 2, retry_after_seconds=None, dice=0.0) == 2.0
    assert next_delay((1.0, 2.0), 3, retry_after_seconds=None, dice=0.0) is None
    assert next_delay((), 1, retry_after_seconds=None, dice=0.0) is None


def test_a_wish_to_wait_does_not_lengthen_the_schedule() -> None:
    assert next_delay((1.0,), 2, retry_after_seconds=60.0, dice=0.0) is None


@pytest.mark.parametrize("dice", [0.0, 0.25, 0.5, 0.999])
def test_jitter_only_adds_and_at_most_a_tenth(dice: float) -> None:
    delay = next_delay((100.0,), 1, retry_after_seconds=None, dice=dice)
    assert delay is not None
    assert 100.0 <= delay <= 110.0


def test_retry_after_only_lengthens_and_is_capped_at_a_day() -> None:
    def delay(wish: float) -> float | None:
        return next_delay((10.0,), 1, retry_after_seconds=wish, dice=0.0)

    assert delay(3.0) == 10.0
    assert delay(60.0) == 60.0
    assert delay(10_000_000.0) == 86_400.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("9" * 400, 86_400.0),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Sun, 01 Mar 2099 11:00:00 GMT", 86_400.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("²", None),
        ("Sun, 99 Mar 2026 11:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_the_standard_says(text: str | None, seconds: float | None) -> None:
    assert parse_retry_after(text, NOW) == seconds


def test_a_profile_keeps_its_delays_until_the_operator_sets_others_and_then_its_number_of_attempts() -> None:
    assert schedule_of(None, (1.0, 2.0, 3.0), configured=False) == (1.0, 2.0, 3.0)
    assert schedule_of((32.0, 240.0), (1.0, 2.0, 3.0), configured=False) == (32.0, 240.0)
    assert schedule_of((32.0, 240.0), (1.0, 2.0, 3.0), configured=True) == (1.0, 2.0)
