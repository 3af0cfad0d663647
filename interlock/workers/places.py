"""How many attempts may run at once, and whose: pure; the clock is an argument.

Endpoints that hang keep their places until the deadline. So that they leave some to the others, however
many of them there are: an endpoint that was not quick last time, or hangs now, shares one half of the places
with all of its kind; and a quarter is kept for endpoints that hold none, for quick ones may hang next.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

PLACES = 256
"""Attempts at once, over all endpoints."""
PLACES_PER_ENDPOINT = 16
SHARED_PLACES = PLACES * 3 // 4
"""Beyond so many, only endpoints that hold none get one."""
DOUBTFUL_PLACES = PLACES // 2
"""What endpoints that are not known to be quick hold together, but for one each."""
SLOW_SECONDS = 1.0
"""An attempt that lasts longer hangs."""


class Places:
    """The places of one shift. Times are seconds of one monotonic clock."""

    def __init__(self) -> None:
        self._running: dict[Hashable, tuple[str, float]] = {}
        self._held: dict[str, int] = {}
        self._began: dict[str, float] = {}
        self._quick: set[str] = set()
        self._slow: set[str] = set()

    def __len__(self) -> int:
        return len(self._running)

    def take(self, attempt: Hashable, webhook: str, now: float) -> None:
        """An attempt at the endpoint begins."""
        self._running[attempt] = (webhook, now)
        self._held[webhook] = self._held.get(webhook, 0) + 1
        self._began[webhook] = now

    def give_back(self, attempt: Hashable, now: float) -> None:
        """An attempt ended; how long it took says what to expect of the next."""
        webhook, since = self._running.pop(attempt)
        self._held[webhook] -= 1
        if not self._held[webhook]:
            del self._held[webhook]
        slow = now - since > SLOW_SECONDS
        (self._slow if slow else self._quick).add(webhook)
        (self._quick if slow else self._slow).discard(webhook)

    def hanging(self, now: float) -> frozenset[str]:
        """Endpoints with an attempt that hangs."""
        return frozenset(webhook for webhook, since in self._running.values() if now - since > SLOW_SECONDS)

    def was_slow(self, webhook: str) -> bool:
        """Whether the attempt that ended last took long."""
        return webhook in self._slow

    def free(self, webhook: str, hanging: frozenset[str]) -> bool:
        """Whether one more attempt at the endpoint may begin. ``hanging``: from `hanging`, just now."""
        held = self._held.get(webhook, 0)
        if not held:
            return len(self) < PLACES
        if held >= PLACES_PER_ENDPOINT or len(self) >= SHARED_PLACES:
            return False
        if webhook in self._quick and webhook not in hanging:
            return True
        doubtful = (n for one, n in self._held.items() if one not in self._quick or one in hanging)
        return sum(doubtful) < DOUBTFUL_PLACES

    def in_turn(self, webhooks: Iterable[str]) -> list[str]:
        """Those that hold the fewest first; among equals, those that waited longest."""
        return sorted(webhooks, key=lambda one: (self._held.get(one, 0), self._began.get(one, 0.0)))
