"""What an outage does to a timer, by the policy that its chart names."""

from __future__ import annotations

import pytest

from interlock.engine.loader import parse_chart
from interlock.engine.outages import due_despite

CHART = """
id: t
version: 1
commands: {make: {creates: true}}
initial: a
states:
  a: {after: {1m: {target: b, outage: remaining}, 2m: b}}
  b: {}
"""


@pytest.mark.parametrize(
    ("policy", "outages", "due"),
    [
        # Armed at 1000, due at 2000.
        ("deadline", [(1200, 1700)], 2000),
        ("remaining", [], 2000),
        ("remaining", [(1200, 1700)], 2500),
        ("remaining", [(1200, 2600)], 3400),
        ("remaining", [(1200, 1300), (1500, 1700)], 2300),
        ("remaining", [(1900, 2400), (2450, 2500), (2600, 2700)], 2550),
        ("remaining", [(200, 900)], 2000),
        ("remaining", [(500, 1100)], 2100),
        ("remaining", [(2000, 9000)], 2000),
        ("remaining", [(1200, 1700), (1200, 1800)], 2600),
        ("restart", [(1200, 1700)], 2700),
        ("restart", [(1200, 1700), (2600, 5000)], 6000),
        ("restart", [(1200, 1700), (2800, 5000)], 2700),
        ("restart", [(2100, 9000)], 2000),
        ("restart", [(500, 1000)], 2000),
    ],
)
def test_when_a_timer_is_due_after_outages(policy: str, outages: list[tuple[int, int]], due: int) -> None:
    assert due_despite(2000, 1000, policy, outages) == due


def test_the_policy_is_the_deadline_where_a_chart_names_none() -> None:
    first, second = parse_chart(CHART).states["a"].after
    assert (first.outage, second.outage) == ("remaining", "deadline")
