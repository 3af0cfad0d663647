"""How a webhook's deliveries have fared, counted in the commits that write them: exact, also after a crash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import redis

from interlock.engine.fencing import Operation
from interlock.engine.keys import Keys, PartitionKeys
from interlock.engine.messages import format_time, time_from_ms

COUNTS = ("pending", "delivered", "dead", "cancelled", "attempts", "failed_attempts")
TIMES = ("last_success", "last_failure")
KEPT_MS = 30 * 86_400_000
"""How long the statistics of a removed webhook stay."""


@dataclass(slots=True)
class Tally:
    """What one commit changes in the statistics of one webhook. ``times``: Unix milliseconds by `TIMES`."""

    counts: Counter[str] = field(default_factory=Counter)
    times: dict[str, int] = field(default_factory=dict)

    def move(self, before: str | None, after: str) -> None:
        """A delivery goes from one status to another; from None where it is new."""
        if before != after:
            self.counts[after] += 1
            if before is not None:
                self.counts[before] -= 1

    def attempt(self, at_ms: int, *, succeeded: bool) -> None:
        """An attempt was made."""
        self.counts["attempts"] += 1
        self.counts["failed_attempts"] += not succeeded
        name = "last_success" if succeeded else "last_failure"
        self.times[name] = max(self.times.get(name, 0), at_ms)

    def ops(self, keys: PartitionKeys, webhook_id: str) -> list[Operation]:
        """The writes; left out where somebody else's value stands under the name."""
        key = keys.webhook_statistics(webhook_id)
        ops: list[Operation] = [("?HINCRBY", key, name, n) for name, n in self.counts.items() if n]
        if self.times:
            ops.append(("?HSET", key, *(word for pair in self.times.items() for word in pair)))
        return ops


def statistics(client: redis.Redis, keys: Keys, webhook_id: str) -> dict[str, Any]:
    """``{"pending", "delivered", "dead", "cancelled", "attempts", "failed_attempts", "last_success",
    "last_failure"}`` over all partitions: deliveries by status, attempts, and times (RFC 3339 or None)."""
    pipe = client.pipeline(transaction=False)
    for number in range(keys.partitions):
        pipe.hgetall(keys.partition(number).webhook_statistics(webhook_id))
    found: dict[str, Any] = dict.fromkeys(COUNTS, 0)
    latest = dict.fromkeys(TIMES, 0)
    for reply in pipe.execute(raise_on_error=False):
        stored = cast(Mapping[bytes, bytes], reply) if isinstance(reply, dict) else {}
        for name in COUNTS:
            found[name] += _number(stored.get(name.encode()))
        for name in TIMES:
            latest[name] = max(latest[name], _number(stored.get(name.encode())))
    return found | {name: format_time(time_from_ms(at)) if at else None for name, at in latest.items()}


def forget(client: redis.Redis, keys: Keys, webhook_id: str) -> None:
    """Let the statistics of a removed webhook go after a while: its last deliveries still count."""
    pipe = client.pipeline(transaction=False)
    for number in range(keys.partitions):
        pipe.pexpire(keys.partition(number).webhook_statistics(webhook_id), KEPT_MS)
    pipe.execute(raise_on_error=False)


def _number(raw: bytes | None) -> int:
    """A count; 0 where there is none, or none of ours."""
    return int(raw) if raw is not None and raw.removeprefix(b"-").isdigit() and len(raw) < 16 else 0
