"""What an outage does to a timer: nothing, or it does not count, or the timer begins anew. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

OutagePolicy = Literal["deadline", "remaining", "restart"]
"""``deadline``: due when it was due, so at once afterwards; ``remaining``: the outage does not count;
``restart``: the whole delay from its end."""
POLICIES: tuple[str, ...] = get_args(OutagePolicy)


def due_despite(due_ms: int, delay_ms: int, policy: str, outages: Iterable[tuple[int, int]]) -> int:
    """When a timer is due that was armed ``delay_ms`` before ``due_ms``, given all outages (begin, end) in order.

    All in Unix milliseconds. An outage counts where it touches the time from arming to firing.
    """
    if policy == "deadline":
        return due_ms
    counted_to = due_ms - delay_ms
    for begun, ended in outages:
        begun = max(begun, counted_to)
        if begun >= due_ms:
            break
        if ended <= begun:
            continue
        due_ms = ended + delay_ms if policy == "restart" else due_ms + ended - begun
        counted_to = ended
    return due_ms
