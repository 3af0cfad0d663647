"""What the partitions have to do for their webhooks, as far as a look tells: ours or not, sound or not.

What somebody else wrote under our names is said, and passed by: the rest goes on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import redis
import structlog

from interlock.engine.delivery_log import Delivery
from interlock.engine.keys import Keys, PartitionKeys

_ENTRY_ID = re.compile(rb"\A[0-9]{1,20}-[0-9]{1,20}\Z")
_LATEST_MS = 2**53

_log = structlog.get_logger()

Report = Callable[..., None]
"""``(event, **facts)``: say that something is wrong with the data."""

Place = tuple[int, str, bytes]
"""A partition, a webhook, and a member of its sorted set of pending deliveries."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a partition has to do. ``behind``: its outbox goes on behind the cursor; ``due``: webhook id to
    the earliest time, Unix milliseconds; ``resends``: whether an operator wants something sent again."""

    behind: bool = False
    due: dict[str, int] = field(default_factory=dict)
    resends: bool = False


class Faults:
    """What was found wrong in one shift, each said once: it stays until somebody mends it."""

    def __init__(self) -> None:
        self._said: set[tuple[object, ...]] = set()

    def report(self, event: str, **facts: object) -> None:
        said = (event, *facts.values())
        if said not in self._said:
            self._said.add(said)
            _log.error(event, **facts)


def look(client: redis.Redis, keys: Keys, report: Report) -> dict[int, Work]:
    """What there is to do in every partition. One round trip."""
    pipe = client.pipeline(transaction=False)
    for number in range(keys.partitions):
        partition = keys.partition(number)
        pipe.xrevrange(partition.outbox, count=1)
        pipe.hget(partition.meta, "dispatched")
        pipe.zrange(partition.due, 0, -1, withscores=True)
        pipe.llen(partition.resends)
    replies = pipe.execute(raise_on_error=False)
    return {
        number: _of(keys.partition(number), replies[4 * number : 4 * number + 4], report)
        for number in range(keys.partitions)
    }


def read_cursor(raw: bytes | None) -> str | None:
    """The id of an outbox entry, empty where there is none yet; None where it is no id."""
    if not raw:
        return ""
    return raw.decode() if _ENTRY_ID.match(raw) else None


def score_ms(score: float) -> int:
    """Unix milliseconds of a sorted set's score, which might be infinite."""
    return int(max(-1, min(score, _LATEST_MS)))


def text(member: bytes) -> str:
    """A member of a sorted set as a name, whatever it is."""
    return member.decode(errors="replace")


def parse(raw: Any, webhook: str, member: bytes) -> Delivery | None:
    """The delivery that is stored under this name, or None where something else is."""
    try:
        delivery = Delivery.from_bytes(raw)
    except ValueError:
        return None
    return delivery if (delivery.webhook, delivery.id) == (webhook, text(member)) else None


def _of(keys: PartitionKeys, replies: list[Any], report: Report) -> Work:
    for key, reply in zip((keys.outbox, keys.meta, keys.due, keys.resends), replies, strict=True):
        if isinstance(reply, Exception):
            report("foreign_data", key=key, error=str(reply))
            if key != keys.resends:
                return Work()
    latest, raw, members, resends = replies
    cursor = read_cursor(raw)
    if cursor is None:
        report("foreign_data", key=keys.meta, field="dispatched", error="it is no id of an event")
    behind = cursor is not None and bool(latest) and latest[0][0] != cursor.encode()
    due: dict[str, int] = {}
    for member, score in members:
        try:
            due[member.decode()] = score_ms(score)
        except UnicodeDecodeError:
            report("foreign_data", key=keys.due, member=repr(member[:100]), error="it is no webhook's id")
    return Work(behind, due, isinstance(resends, int) and resends > 0)
