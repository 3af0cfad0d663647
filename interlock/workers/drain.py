"""Drain a partition: read a batch behind the cursor, decide it, commit it; until the inbox is empty.

An RQ job is only the wake-up. What makes a command count once is in the commit: the lease's token, the
cursor that is compared and moved, and the command's id that must be new.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import cast

import structlog

from interlock.engine import fencing
from interlock.engine.errors import LeaseLost
from interlock.engine.ids import next_entry_id
from interlock.engine.keys import PartitionKeys
from interlock.engine.messages import time_from_ms
from interlock.engine.migration_command import is_undo
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.statecharts.catalog import Catalog
from interlock.workers.batch import Batch
from interlock.workers.items import Address, Item, parse

log = structlog.get_logger()

SHIFT_SECONDS = 2.0
"""How long one job stays on its partition while there is more to do, before others get their turn."""
MAX_BATCH_BYTES = 4 * 1024 * 1024
MAX_ATTEMPTS = 5


@dataclass(slots=True)
class DrainSummary:
    """What a drain did. ``more``: the shift ended before the inbox was empty; wake somebody again."""

    commands: int = 0
    events: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read behind the cursor."""

    now: datetime
    cursor: str
    last: str
    items: list[Item]


class Drainer:
    """Drains partitions for one process."""

    def __init__(self, store: Store, catalog: Catalog, settings: Settings) -> None:
        self._store = store
        self._catalog = catalog
        self._settings = settings
        self._ttl_ms = int(settings.lease_seconds * 1000)

    def drain(self, partition: int, stop: threading.Event | None = None) -> DrainSummary:
        """Drain until the inbox is empty, the shift is over or ``stop`` is set. Does nothing where another
        owner is at it."""
        summary = DrainSummary()
        client, keys = self._store.client, self._store.keys.partition(partition)
        # Before the lease is asked for: were the marker left where another owner is at it, nobody would be
        # woken for what comes after that owner has gone.
        client.delete(keys.wake)
        lease = fencing.acquire(client, keys.lease, keys.meta, self._ttl_ms)
        if lease is None:
            return summary
        until = time.monotonic() + SHIFT_SECONDS
        try:
            while True:
                read = self._read(keys)
                if read is None:
                    if fencing.release(client, lease, keys.inbox) <= 0:
                        return summary
                    continue
                self._commit(keys, lease, read, summary)
                if time.monotonic() > until or (stop is not None and stop.is_set()):
                    summary.more = True
                    fencing.release(client, lease)
                    return summary
        except LeaseLost as loss:
            log.warning("lease_lost", partition=partition, reason=str(loss))
            return summary

    def _read(self, keys: PartitionKeys) -> _Read | None:
        pipeline = self._store.client.pipeline(transaction=False)
        pipeline.time()
        pipeline.hget(keys.meta, "cursor")
        pipeline.xrange(keys.inbox, count=self._settings.batch_size)
        clock, cursor, entries = cast(
            "tuple[tuple[int, int], bytes | None, list[tuple[bytes, dict[bytes, bytes]]]]", pipeline.execute()
        )
        if not entries:
            return None
        items: list[Item] = []
        size = 0
        for entry_id, fields in entries:
            size += sum(len(value) for value in fields.values())
            if items and size > MAX_BATCH_BYTES:
                break
            last = entry_id.decode()
            items.append(parse(self._store.keys, fields))
        # The server's clock: one for all workers.
        now = time_from_ms(clock[0] * 1000 + clock[1] // 1000)
        return _Read(now, cursor.decode() if cursor else "", last, items)

    def _commit(self, keys: PartitionKeys, lease: fencing.Lease, read: _Read, summary: DrainSummary) -> None:
        broken: set[Address] = set()
        for _ in range(MAX_ATTEMPTS):
            batch = self._load(keys, read, frozenset(broken))
            ops = [*batch.decide_all(), ("XTRIM", keys.inbox, "MINID", next_entry_id(read.last))]
            try:
                taken = fencing.apply(
                    self._store.client,
                    lease,
                    self._ttl_ms,
                    meta_key=keys.meta,
                    cursor=("cursor", read.cursor, read.last),
                    fresh=batch.fresh,
                    ops=ops,
                )
            except fencing.ForeignData as foreign:
                found = _owner_of(keys, foreign.key, read.items)
                if found is None:
                    raise
                log.error("foreign_data", key=foreign.key, machine=found[0], instance=found[1])
                broken.add(found)
                continue
            if taken is None:
                summary.commands += len(read.items)
                summary.events += batch.events
                log.debug("batch_committed", partition=keys.tag, commands=len(read.items), **batch.counters)
                return
            # The same id went through another partition between our look and our commit: look again.
        raise LeaseLost(f"{keys.tag}: no commit in {MAX_ATTEMPTS} attempts; the sweeper comes back to it")

    def _load(self, keys: PartitionKeys, read: _Read, broken: frozenset[Address]) -> Batch:
        client, names = self._store.client, self._store.keys
        addresses = list(dict.fromkeys(item.address for item in read.items if item.address))
        ids = list(dict.fromkeys(item.id for item in read.items if item.id is not None))
        wanted = [keys.instance(*address) for address in addresses] + [names.fingerprint(one) for one in ids]
        stored = cast("list[bytes | None]", client.mget(wanted)) if wanted else []
        marks = {one: mark.decode() for one, mark in zip(ids, stored[len(addresses) :], strict=True) if mark}
        results: dict[str, bytes] = {}
        if marks:
            found = cast("list[bytes | None]", client.mget([names.result(one) for one in marks]))
            results = {one: raw for one, raw in zip(marks, found, strict=True) if raw}
        return Batch(
            names,
            keys,
            read.items,
            self._catalog.machine,
            read.now,
            self._settings.result_ttl_seconds,
            4 * self._settings.max_command_bytes,
            snapshots=dict(zip(addresses, stored, strict=False)),
            marks=marks,
            results=results,
            last_entries=self._last_entries(keys, read.items),
            broken=broken,
        )

    def _last_entries(self, keys: PartitionKeys, items: list[Item]) -> dict[Address, bytes | None]:
        wanted = {(one.machine, one.key) for item in items if (one := item.command) and is_undo(one)}
        if not wanted:
            return {}
        pipeline = self._store.client.pipeline(transaction=False)
        for address in wanted:
            pipeline.lindex(keys.history(*address), -1)
        # A key that holds a foreign type gives an error here, and a refusal of its own at the commit.
        found = pipeline.execute(raise_on_error=False)
        return {
            address: raw if isinstance(raw, bytes) else None
            for address, raw in zip(wanted, found, strict=True)
        }


def _owner_of(keys: PartitionKeys, key: str, items: list[Item]) -> Address | None:
    """The instance whose own key this is; None for a key of the whole partition."""
    for item in items:
        address = item.address
        if address and key in (keys.instance(*address), keys.history(*address)):
            return address
    return None
