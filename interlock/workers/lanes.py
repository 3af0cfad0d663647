"""Lanes: the deliveries of one instance to an ordered webhook, one after the other.

A lane is a list in the partition of the instance. Only its first delivery stands among what is due, so only
that one is attempted; what finishes it, in whatever way, makes the next one due in the same commit. All of it
is data of the partition and written under its lease, so the order outlives the process.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import redis

from interlock.engine.delivery_log import Delivery
from interlock.engine.fencing import Operation
from interlock.engine.keys import PartitionKeys
from interlock.workers.work import text

CANCEL_FROM_LANE = 20
"""Deliveries of one lane that are cancelled in one commit."""


@dataclass(frozen=True, slots=True)
class Heads:
    """The beginnings of lanes. ``first``: lane's key to its first ids; ``foreign``: keys of another type."""

    first: Mapping[str, list[str]]
    foreign: Collection[str]


def key_of(keys: PartitionKeys, delivery: Delivery) -> str:
    """The key of the lane of a delivery that has one."""
    return keys.webhook_lane(delivery.webhook, delivery.lane)


def read(client: redis.Redis, lane_keys: Iterable[str], count: int = 2) -> Heads:
    """The first ``count`` of each lane. One round trip, none where there is no lane."""
    wanted = list(dict.fromkeys(lane_keys))
    if not wanted:
        return Heads({}, ())
    pipe = client.pipeline(transaction=False)
    for key in wanted:
        pipe.lrange(key, 0, count - 1)
    first: dict[str, list[str]] = {}
    foreign: list[str] = []
    for key, members in zip(wanted, pipe.execute(raise_on_error=False), strict=True):
        if isinstance(members, list):
            first[key] = [text(one) for one in members]
        else:
            foreign.append(key)
    return Heads(first, foreign)


def join(keys: PartitionKeys, made: Iterable[Delivery], heads: Heads, now_ms: int) -> list[Operation]:
    """New deliveries at the ends of their lanes; where nobody stands before, the first of them is due.

    The first of each lane is made due though it should be already: a lane whose first was lost goes on then.
    """
    ops: list[Operation] = []
    lanes: dict[str, list[Delivery]] = {}
    for one in made:
        lanes.setdefault(key_of(keys, one), []).append(one)
    for key, members in lanes.items():
        head = next(iter(heads.first.get(key, ())), members[0].id)
        ops.append(("RPUSH", key, *(one.id for one in members)))
        ops.append(("ZADD", keys.webhook_due(members[0].webhook), "NX", now_ms, head))
    return ops


def leave(keys: PartitionKeys, delivery: Delivery, heads: Heads, now_ms: int) -> list[Operation]:
    """A delivery that is finished leaves its lane, and the next one is due."""
    key = key_of(keys, delivery)
    following = next((one for one in heads.first.get(key, ()) if one != delivery.id), None)
    return [("LREM", key, 1, delivery.id), *make_due(keys, delivery.webhook, following, now_ms)]


def make_due(keys: PartitionKeys, webhook: str, delivery_id: str | None, now_ms: int) -> list[Operation]:
    """``delivery_id`` is due now, where it is not among what is due already."""
    if delivery_id is None:
        return []
    return [
        ("ZADD", keys.webhook_due(webhook), "NX", now_ms, delivery_id),
        ("ZADD", keys.due, "LT", now_ms, webhook),
    ]


def go_ahead(
    keys: PartitionKeys,
    key: str,
    ones: Sequence[Delivery],
    heads: Heads,
    known: Collection[str],
    now_ms: int,
) -> list[Operation]:
    """Deliveries of one lane go before all that waits there, but for one that is being attempted (``known``)."""
    head = next(iter(heads.first.get(key, ())), None)
    webhook = ones[0].webhook
    if head in known:
        return [("LINSERT", key, "AFTER", str(head), one.id) for one in reversed(ones)]
    ops: list[Operation] = [("LPUSH", key, *(one.id for one in reversed(ones)))]
    if head is not None:
        ops.append(("ZREM", keys.webhook_due(webhook), head))
    return [*ops, *make_due(keys, webhook, ones[0].id, now_ms)]
