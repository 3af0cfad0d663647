"""Drain a partition: read a batch behind the cursor, decide it, commit it; until the inbox is empty.

An RQ job is only the wake-up. What makes a command count once is in the commit: the lease's token, the
cursor that is compared and moved, and the command's id that must be new.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import cast

import redis
import structlog

from interlock.engine import fencing
from interlock.engine.errors import LeaseLost
from interlock.engine.ids import next_entry_id
from interlock.engine.keys import PartitionKeys
from interlock.engine.messages import time_from_ms
from interlock.engine.migration_command import is_undo
from interlock.engine.secrets import KEY_FAULTS
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.statecharts.catalog import Catalog
from interlock.workers.batch import FOREIGN_MARK, MAX_BATCH_BYTES, Batch
from interlock.workers.items import Address, Item, parse

log = structlog.get_logger()

SHIFT_SECONDS = 2.0
"""How long one job stays on its partition while there is more to do, before others get their turn."""
MAX_ATTEMPTS = 5
"""How often a batch is decided anew because ids of it were used elsewhere meanwhile."""


InboxEntry = tuple[bytes, dict[bytes, bytes]]
"""An entry of an inbox, as the server gives it: its id, its fields."""


@dataclass(slots=True)
class DrainSummary:
    """What a drain did. ``more``: the shift ended before the inbox was empty; wake somebody again."""

    commands: int = 0
    events: int = 0
    runs: int = 0
    more: bool = False

    def count(self, keys: PartitionKeys, batch: Batch) -> None:
        """Add what was committed of a batch."""
        self.commands += batch.taken
        self.events += batch.events
        self.runs += batch.runs
        log.debug("batch_committed", partition=keys.tag, commands=batch.taken, **batch.counters)


@dataclass(frozen=True, slots=True)
class Read:
    """What was read behind the cursor: ``items`` and, in the same order, the ``ids`` of their entries."""

    now: datetime
    cursor: str
    ids: list[str]
    items: list[Item]

    @property
    def addresses(self) -> list[Address]:
        """The instances that the items are for."""
        return list(dict.fromkeys(item.address for item in self.items if item.address))

    @property
    def command_ids(self) -> list[str]:
        """The ids that the items bring."""
        return list(dict.fromkeys(item.id for item in self.items if item.id is not None))


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
        client, keys = self._store.client, self._store.keys.partition(partition)
        try:
            lease = fencing.acquire(client, keys.lease, keys.meta, self._ttl_ms, keys.wake)
        except redis.ResponseError as foreign:
            log.error("partition_blocked", partition=partition, reason=str(foreign))
            return DrainSummary()
        return DrainSummary() if lease is None else self.finish(partition, lease, stop)

    def finish(
        self, partition: int, lease: fencing.Lease, stop: threading.Event | None = None
    ) -> DrainSummary:
        """`drain` a partition whose lease was taken already; it is given back in the end."""
        summary = DrainSummary()
        client, keys = self._store.client, self._store.keys.partition(partition)
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
                    break
        except LeaseLost as loss:
            log.warning("lease_lost", partition=partition, reason=str(loss))
        except KEY_FAULTS as fault:
            # Of this process, not of a command: what waits is applied by one that has the key.
            log.error("partition_blocked", partition=partition, reason=str(fault))
        except (fencing.ForeignData, redis.ResponseError) as foreign:
            # A key of the whole partition: until somebody mends it, this partition waits and the others go on.
            log.error("partition_blocked", partition=partition, reason=str(foreign))
        fencing.release(client, lease)
        return summary

    def _read(self, keys: PartitionKeys) -> Read | None:
        pipeline = self._store.client.pipeline(transaction=False)
        pipeline.time()
        pipeline.hget(keys.meta, "cursor")
        pipeline.xrange(keys.inbox, count=self._settings.batch_size)
        clock, cursor, entries = cast(
            "tuple[tuple[int, int], bytes | None, list[InboxEntry]]", pipeline.execute()
        )
        if not entries:
            return None
        return self.parsed(entries, cursor, clock)

    def parsed(self, entries: Sequence[InboxEntry], cursor: bytes | None, clock: tuple[int, int]) -> Read:
        """What inbox ``entries`` (at least one) say. ``clock``: the server's, one for all workers."""
        items: list[Item] = []
        size = 0
        for _, fields in entries:
            size += sum(len(value) for value in fields.values())
            if items and size > MAX_BATCH_BYTES:
                break
            items.append(parse(self._store.keys, fields, self._store.vault.opener))
        now = time_from_ms(clock[0] * 1000 + clock[1] // 1000)
        ids = [entry_id.decode() for entry_id, _ in entries[: len(items)]]
        return Read(now, cursor.decode(errors="replace") if cursor else "", ids, items)

    def _commit(self, keys: PartitionKeys, lease: fencing.Lease, read: Read, summary: DrainSummary) -> None:
        broken: set[Address] = set()
        used: dict[str, int] = {}
        while True:
            unseen = {one for one, times in used.items() if times > 1}
            wanted = self.wanted(keys, read)
            stored = cast("list[bytes | None]", self._store.client.mget(wanted)) if wanted else []
            batch = self.batch(keys, read, stored, frozenset(broken), unseen)
            plan = self.plan(keys, lease, read, batch)
            try:
                taken = fencing.apply(
                    self._store.client,
                    lease,
                    self._ttl_ms,
                    meta_key=plan.meta_key,
                    cursor=plan.cursor,
                    fresh=plan.fresh,
                    ops=plan.ops,
                )
            except fencing.ForeignData as foreign:
                owners = _owners_of(keys, foreign.keys, read.items)
                if not owners - broken:
                    raise
                log.error("foreign_data", keys=foreign.keys)
                broken |= owners
                continue
            if taken is None:
                summary.count(keys, batch)
                return
            # The same id went through another partition between our look and our commit: look again. One that
            # cannot be seen even so stands under a key of a foreign type.
            ids = list(batch.fresh.values())
            for index in taken:
                used[ids[index]] = used.get(ids[index], 0) + 1
            if max(used.values()) > MAX_ATTEMPTS:
                raise LeaseLost(
                    f"{keys.tag}: ids of this batch keep being used elsewhere; the sweeper comes back"
                )

    def plan(self, keys: PartitionKeys, lease: fencing.Lease, read: Read, batch: Batch) -> fencing.Commit:
        """The batch, decided, as one commit."""
        ops = batch.decide_all()
        last = read.ids[batch.taken - 1]
        return fencing.Commit(
            lease,
            keys.meta,
            ("cursor", read.cursor, last),
            list(batch.fresh),
            [*ops, ("XTRIM", keys.inbox, "MINID", next_entry_id(last))],
        )

    def wanted(self, keys: PartitionKeys, read: Read) -> list[str]:
        """Names of the strings that `batch` needs."""
        return [keys.instance(*address) for address in read.addresses] + [
            self._store.keys.fingerprint(one) for one in read.command_ids
        ]

    def batch(
        self,
        keys: PartitionKeys,
        read: Read,
        stored: Sequence[bytes | None],
        broken: frozenset[Address] = frozenset(),
        unseen: Collection[str] = (),
    ) -> Batch:
        """What was read, to be decided upon what is ``stored`` under the names `wanted`.

        ``unseen``: ids that are in use although no fingerprint can be read.
        """
        client, names = self._store.client, self._store.keys
        addresses = read.addresses
        marks = {
            one: mark.decode(errors="replace")
            for one, mark in zip(read.command_ids, stored[len(addresses) :], strict=True)
            if mark is not None
        }
        marks.update(dict.fromkeys(unseen, FOREIGN_MARK))
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
            self._store.vault.sealer,
            self._catalog.private,
            snapshots=dict(zip(addresses, stored, strict=False)),
            marks=marks,
            results=results,
            last_entries=self._last_entries(keys, read.items),
            broken=broken,
            outages=self._store.outages() if any(item.timer for item in read.items) else (),
            out_of_time=partial(_is_past, time.monotonic() + self._ttl_ms / 3000),
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


def _is_past(moment: float) -> bool:
    return time.monotonic() > moment


def _owners_of(keys: PartitionKeys, names: Sequence[str], items: list[Item]) -> set[Address]:
    """The instances whose own keys these are; a key of the whole partition has none."""
    return {
        address
        for item in items
        if (address := item.address) and (keys.instance(*address) in names or keys.history(*address) in names)
    }
