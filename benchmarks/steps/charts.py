"""The three charts that every contender builds with its own means, and the course that shows it built them right.

One event, ``go``; every transition has a guard (its counter is not negative) and an assignment (it adds one).

``flat``: a → b → c → a, counter ``n``.
``two_level``: idle → work; within work: draft → review; in review only work itself has a transition: to idle.
``three_regions``: regions x, y, z side by side, each turns between two states and counts in its own field.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

CHARTS = ("flat", "two_level", "three_regions")
CHECKED_STEPS = 12

START: dict[str, dict[str, int]] = {
    "flat": {"n": 0},
    "two_level": {"n": 0},
    "three_regions": dict.fromkeys("xyz", 0),
}

_CYCLES = {
    "flat": [["a"], ["b"], ["c"]],
    "two_level": [["idle"], ["draft"], ["review"]],
    "three_regions": [["xa", "ya", "za"], ["xb", "yb", "zb"]],
}

# State value and context in, state value and context out; both as plain data that JSON can hold. What went in
# is not changed, and nothing else is carried from one step to the next.
Advance = Callable[[Any, dict[str, int]], tuple[Any, dict[str, int]]]
# The names of the active states without children, out of a contender's own state value.
Names = Callable[[Any], list[str]]


class NotExpressible(Exception):
    """A contender cannot say this chart; the message says why."""


def fault(chart: str, state: Any, advance: Advance, names: Names) -> str | None:
    """Where a contender leaves the course; None where it keeps to it."""
    context = dict(START[chart])
    cycle = _CYCLES[chart]
    for turn in range(CHECKED_STEPS):
        expected = cycle[turn % len(cycle)]
        if sorted(names(state)) != expected or context != dict.fromkeys(START[chart], turn):
            return f"after {turn} steps: {sorted(names(state))} {context} instead of {expected}"
        given = dict(context)
        state, following = advance(state, context)
        if context != given:
            return "changes the context that it was given"
        context = following
    return None
