"""A principal's requests a minute."""

from __future__ import annotations

from interlock.gateway.rate_limit import RateLimit


def test_a_minutes_worth_may_come_at_once_and_then_as_it_fills_again() -> None:
    limit = RateLimit(60)
    assert [limit.wait_seconds("ann", 0) for _ in range(60)] == [0] * 60
    assert limit.wait_seconds("ann", 0) == 1
    assert limit.wait_seconds("bob", 0) == 0
    assert [limit.wait_seconds("ann", 1), limit.wait_seconds("ann", 1)] == [0, 1]
    assert [limit.wait_seconds("ann", 1000) for _ in range(61)] == [0] * 60 + [1]


def test_the_wait_is_long_enough() -> None:
    limit = RateLimit(2)
    assert [limit.wait_seconds("ann", 0) for _ in range(3)] == [0, 0, 30]
    assert limit.wait_seconds("ann", 29) == 1
    assert limit.wait_seconds("ann", 30) == 0


def test_no_limit_is_no_limit() -> None:
    limit = RateLimit(0)
    assert not any(limit.wait_seconds("ann", 0) for _ in range(10_000))
