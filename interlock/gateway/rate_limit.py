"""How often a principal may ask: a bucket of requests each, which fills again over a minute."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Hashable

_MINUTE = 60.0
_MAX_BUCKETS = 50_000


class RateLimit:
    """``per_minute``: how many requests each may make in a minute, in one process; 0: any number. Times in seconds."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()
        """What is left, and when that was so; who asked last stands last."""

    def wait_seconds(self, who: Hashable, now: float) -> int:
        """Take one request of ``who`` at ``now``: 0 where it is within the limit, else in how many seconds the next
        one will be. ``now``: of a clock that never goes back."""
        if not self._per_minute:
            return 0
        rate = self._per_minute / _MINUTE
        left, at = self._buckets.pop(who, (float(self._per_minute), now))
        left = min(left + (now - at) * rate, float(self._per_minute))
        allowed = left >= 1
        self._buckets[who] = (left - 1 if allowed else left, now)
        if len(self._buckets) > _MAX_BUCKETS:
            # Who has not asked for longest is nearest to a full bucket, which is that of a stranger.
            self._buckets.popitem(last=False)
        return 0 if allowed else max(1, math.ceil((1 - left) / rate))
