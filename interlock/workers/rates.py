"""The rate that a webhook was given, over all delivery processes."""

from __future__ import annotations

import time
from typing import cast

import redis

from interlock.engine.fencing import run_script
from interlock.engine.keys import Keys
from interlock.engine.webhook_rates import interval_us

_BURST_US = 100_000
"""How much of the rate may begin at once: what it allows in a tenth of a second, or one attempt."""


def take(client: redis.Redis, keys: Keys, webhook_id: str, rate: str, wanted: int) -> int:
    """How many of the ``wanted`` attempts may begin now; they count as begun. Raises RateInvalid."""
    return _run(client, keys, webhook_id, rate, wanted)


def give_back(client: redis.Redis, keys: Keys, webhook_id: str, rate: str, count: int) -> None:
    """Attempts that were taken and not begun. Raises RateInvalid."""
    if count > 0:
        _run(client, keys, webhook_id, rate, -count)


def burst(rate: str) -> int:
    """How many may begin at once. Raises RateInvalid."""
    return max(1, _BURST_US // interval_us(rate))


def _run(client: redis.Redis, keys: Keys, webhook_id: str, rate: str, wanted: int) -> int:
    words = [int(time.time() * 1_000_000), interval_us(rate), burst(rate), wanted]
    reply = run_script(client, "rate", [keys.webhook_rate(webhook_id)], words)
    return cast("list[int]", reply)[0]
