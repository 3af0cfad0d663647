"""What `interlock doctor` finds in the keys themselves: what others left there, and what nobody comes for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from interlock.cli.health import Check, Health
from interlock.engine.clients import connect_rq
from interlock.engine.settings import Settings
from interlock.engine.store import Store

WAITING_SECONDS = 10.0
"""What waits longer than this waits for a process, not for its turn."""
_PILE = 1000
"""Wake-ups in one of RQ's queues from which on nobody can be taking them: each is for one partition."""
_NAMED = 5


def foreign_types(store: Store, _used: Settings) -> Check:
    """Keys of ours under which somebody else keeps another type."""
    expected = dict(_types(store))
    pipeline = store.client.pipeline(transaction=False)
    for key in expected:
        pipeline.type(key)
    found: list[bytes] = pipeline.execute()
    foreign = [
        f"{key} is a {kind.decode()}, not a {wanted}"
        for (key, wanted), kind in zip(expected.items(), found, strict=True)
        if kind.decode() not in ("none", wanted)
    ]
    if foreign:
        return Check(
            "foreign types",
            Health.FAIL,
            _some(foreign),
            "Look who wrote it, then RENAME or DEL it: until then nothing goes on there.",
        )
    return Check("foreign types", Health.OK, f"none in {len(expected)} keys")


def _types(store: Store) -> Iterator[tuple[str, str]]:
    keys = store.keys
    yield keys.commands, "stream"
    for name in (keys.meta, keys.charts, keys.counters, keys.webhooks, keys.tokens):
        yield name, "hash"
    for partition in store.partitions():
        for name in (partition.inbox, partition.outbox, partition.dead):
            yield name, "stream"
        for name in (partition.timers, partition.later, partition.due):
            yield name, "zset"
        for name in (partition.meta, partition.exclusive):
            yield name, "hash"
    for name in _markers(store):
        yield name, "string"


def _markers(store: Store) -> Iterator[str]:
    """What says for a while that somebody is there, or on the way."""
    yield from (store.keys.pump, store.keys.deliver_wake)
    for partition in store.partitions():
        yield from (partition.lease, partition.deliver_lease, partition.wake)


def lasting_markers(store: Store, _used: Settings) -> Check:
    """Leases and wake-ups without an expiry: whoever they tell of never comes, and nobody else does."""
    names = list(_markers(store))
    pipeline = store.client.pipeline(transaction=False)
    for name in names:
        pipeline.pttl(name)
    lasting = [name for name, left in zip(names, pipeline.execute(), strict=True) if left == -1]
    if lasting:
        return Check(
            "markers", Health.FAIL, f"without expiry: {_some(lasting)}", f"DEL {' '.join(lasting[:_NAMED])}"
        )
    return Check("markers", Health.OK, "every lease and wake-up expires")


def waiting(store: Store, _used: Settings) -> Check:
    """Commands that nobody takes in, or that lie in an inbox without an owner."""
    now = _now(store)
    pipeline = store.client.pipeline(transaction=False)
    pipeline.xrange(store.keys.commands, count=1)
    for keys in store.partitions():
        pipeline.xrange(keys.inbox, count=1)
        pipeline.exists(keys.lease)
    ingress, *inboxes = pipeline.execute()
    oldest = [_age(now, ingress)] + [
        _age(now, first) for first, owned in zip(inboxes[::2], inboxes[1::2], strict=True) if not owned
    ]
    if max(oldest) > WAITING_SECONDS:
        place = "at the door" if oldest[0] == max(oldest) else "in an inbox that nobody works on"
        return Check(
            "waiting",
            Health.FAIL,
            f"a command waits {place} for {max(oldest):.0f} s",
            "Start `interlock worker`; where it runs, look into its log.",
        )
    return Check("waiting", Health.OK, "no command is left lying")


def event_log(store: Store, _used: Settings) -> Check:
    """Events that no delivery process has looked at: no webhook gets them, and they are never let go of."""
    now = _now(store)
    pipeline = store.client.pipeline(transaction=False)
    for keys in store.partitions():
        pipeline.hget(keys.meta, "dispatched")
    cursors: list[bytes | None] = pipeline.execute()
    for keys, cursor in zip(store.partitions(), cursors, strict=True):
        pipeline.xlen(keys.outbox)
        pipeline.xrange(keys.outbox, min=b"(" + cursor if cursor else "-", count=1)
    found = pipeline.execute()
    oldest = max(_age(now, first) for first in found[1::2])
    message = f"{sum(found[::2])} events kept"
    if oldest > WAITING_SECONDS:
        return Check(
            "event log",
            Health.FAIL if store.client.hlen(store.keys.webhooks) else Health.WARN,
            f"{message}, the oldest waits for a delivery process for {oldest:.0f} s; until then it only grows",
            "Start `interlock worker --delivery-processes 1`.",
        )
    return Check("event log", Health.OK, message)


def rq_queues(store: Store, used: Settings) -> Check:
    """Wake-ups that pile up in RQ's queues, and jobs that failed."""
    del store
    with connect_rq(used) as client:
        lengths: list[Any] = [client.llen(f"rq:queue:{name}") for name in used.queue_names]
        failed = sum(int(client.zcard(f"rq:failed:{name}")) for name in used.queue_names)
    message = ", ".join(f"{length} in {name}" for name, length in zip(used.queue_names, lengths, strict=True))
    if max(lengths) > _PILE:
        return Check(
            "rq queues",
            Health.WARN,
            f"wake-ups pile up: {message}",
            "Start `interlock worker` with processes for both; stale wake-ups are dropped as they are read.",
        )
    if failed:
        return Check("rq queues", Health.WARN, f"{failed} jobs failed of late", "Look into the workers' log.")
    return Check("rq queues", Health.OK, message)


def _now(store: Store) -> float:
    seconds, micros = store.client.time()
    return float(seconds) + float(micros) / 1_000_000


def _age(now: float, first: Any) -> float:
    """Seconds since the entry that was read came into its stream; 0 where there is none."""
    return max(0.0, now - int(first[0][0].partition(b"-")[0]) / 1000) if first else 0.0


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
