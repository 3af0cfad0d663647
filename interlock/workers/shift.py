"""A drain's shift: while commands keep coming, one process serves several partitions on the same round trips.

The job in RQ's queue names one partition. Its worker stays for a moment after that one is empty, waiting at the
inboxes of the partitions that it holds and of those that nobody owns: what comes next needs no further job, and
what has come to several partitions is read, decided and committed together. Each partition has its own lease and
its own commit as ever. Whatever is not plain (a full read, an id in use, a foreign key, a lost lease) goes the
careful way of `Drainer.drain`, one partition at a time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import cast

import redis

from interlock.engine import fencing
from interlock.engine.ids import entry_place
from interlock.engine.secrets import KEY_FAULTS
from interlock.engine.store import Store
from interlock.workers.batch import Batch
from interlock.workers.drain import SHIFT_SECONDS, Drainer, DrainSummary, InboxEntry, Read
from interlock.workers.work import read_cursor

LINGER_SECONDS = 0.1
"""How long a shift stays when nothing comes. A worker that is killed meanwhile holds its partitions up until their
leases lapse, so it is short."""
MAX_PARTITIONS = 64
"""Deployments with more partitions are drained one at a time: waiting at so many inboxes costs more than it saves."""
_PER_READ = 16
"""Entries of one partition that are served together with others'; where there are more, it is served alone."""
_TAKE = 2
"""Partitions taken over in one turn, so that workers who come at the same time share them."""
_OWNED_SECONDS = 0.5
"""How long a partition is left alone that another worker owns."""
_APART_SECONDS = 0.02
"""How long one is left to others that was served alone."""
_BLOCKED_SECONDS = 1.0
"""How long one is left alone that could not be served."""
_BEGINNING = "0-0"

Told = Callable[[DrainSummary], None]
"""Is told after each commit what it brought."""


@dataclass(slots=True)
class _Held:
    """A partition that is ours. ``cursor``: of its inbox, as the commit compares it; None where it has none yet."""

    lease: fencing.Lease
    cursor: bytes | None
    new: bool = True


@dataclass(slots=True)
class Shift:
    """One worker's turn, from the partition of its job. ``stop`` ends it early."""

    store: Store
    drainer: Drainer
    lease_ms: int
    stop: threading.Event
    told: Told
    more: list[int] = field(default_factory=list)
    """Partitions whose inbox was not empty when the shift was over: wake somebody for each."""
    _held: dict[int, _Held] = field(default_factory=dict)
    _apart_until: dict[int, float] = field(default_factory=dict)

    def run(self, partition: int) -> None:
        """Serve ``partition``, then whatever comes, until nothing has come for a moment or the shift is over."""
        if self.store.keys.partitions > MAX_PARTITIONS:
            self._carefully(partition)
            return
        served = time.monotonic()
        until = served + min(SHIFT_SECONDS, self.lease_ms / 2000)  # a lease is renewed by commits alone
        self._take([partition])
        try:
            while True:
                reads = self._look(LINGER_SECONDS)
                if reads:
                    self._serve(reads)
                now = time.monotonic()
                served = now if reads else served
                if self.stop.is_set() or now > until or now - served >= LINGER_SECONDS:
                    return
        finally:
            self._give_back()

    def _look(self, wait_seconds: float) -> dict[int, Read]:
        """What stands in the inboxes that are watched, waiting until there is something; held ones' alone."""
        now = time.monotonic()
        watched = {
            keys.inbox: number
            for number, keys in enumerate(self.store.partitions())
            if number in self._held or self._apart_until.get(number, 0.0) <= now
        }
        if not watched:
            self.stop.wait(wait_seconds)
            return {}
        pipeline = self.store.client.pipeline(transaction=False)
        pipeline.xread(
            {inbox: self._cursor(number) for inbox, number in watched.items()},
            count=_PER_READ,
            block=int(wait_seconds * 1000),
        )
        pipeline.time()
        reply, clock = pipeline.execute(raise_on_error=False)
        if isinstance(reply, redis.ResponseError):
            # One of these keys, or a cursor, is somebody else's: the careful way finds out which, and says so.
            for number in watched.values():
                self._carefully(number)
            return {}
        found = {watched[inbox.decode()]: entries for inbox, entries in reply or ()}
        self._take([number for number in found if number not in self._held][:_TAKE])
        return {
            number: read
            for number, entries in found.items()
            if number in self._held and (read := self._read(number, entries, clock)) is not None
        }

    def _cursor(self, number: int) -> str | bytes:
        held = self._held.get(number)
        return (held.cursor if held else None) or _BEGINNING

    def _read(self, number: int, entries: list[InboxEntry], clock: tuple[int, int]) -> Read | None:
        """What stands behind the cursor; None where it is nothing, or is left to the careful way."""
        held = self._held[number]
        if held.new:  # the inbox was read before the partition was ours: its last owner may have moved on
            after = entry_place(held.cursor or b"0-0")
            entries = [entry for entry in entries if entry_place(entry[0]) > after]
            held.new = False
        if len(entries) >= _PER_READ:
            self._carefully(number)
            return None
        try:
            return self.drainer.parsed(entries, held.cursor, clock) if entries else None
        except KEY_FAULTS:
            self._carefully(number)
            return None

    def _take(self, numbers: list[int]) -> None:
        """Take over partitions that nobody owns; others are left alone for a while."""
        if not numbers:
            return
        client, partitions = self.store.client, [self.store.keys.partition(number) for number in numbers]
        leases = fencing.acquire_all(client, partitions, self.lease_ms)
        pipeline = client.pipeline(transaction=False)
        for keys in partitions:
            pipeline.hget(keys.meta, "cursor")
        cursors = pipeline.execute(raise_on_error=False)
        for number, lease, cursor in zip(numbers, leases, cursors, strict=True):
            if lease is None:
                self._apart_until[number] = time.monotonic() + _OWNED_SECONDS
                continue
            sound = not isinstance(cursor, Exception) and read_cursor(cursor) is not None
            self._held[number] = _Held(lease, cursor if sound else None)
            if not sound:
                self._carefully(number)

    def _serve(self, reads: dict[int, Read]) -> None:
        """Decide what was read and commit it; what does not go through goes the careful way."""
        decided = self._decided(reads)
        commits = [commit for _, commit in decided.values()]
        applied = fencing.apply_all(self.store.client, commits, self.lease_ms) if commits else []
        summary = DrainSummary()
        for (number, (batch, commit)), done in zip(decided.items(), applied, strict=True):
            if done and commit.cursor:
                self._held[number].cursor = commit.cursor[2].encode()
                summary.count(self.store.keys.partition(number), batch)
            else:
                self._carefully(number)
        self.told(summary)

    def _decided(self, reads: dict[int, Read]) -> dict[int, tuple[Batch, fencing.Commit]]:
        """As many as there is time for before the leases lapse; what is left over is read again."""
        partitions = {number: self.store.keys.partition(number) for number in reads}
        wanted = {number: self.drainer.wanted(partitions[number], read) for number, read in reads.items()}
        names = [name for each in wanted.values() for name in each]
        stored = iter(cast("list[bytes | None]", self.store.client.mget(names)) if names else ())
        latest = time.monotonic() + self.lease_ms / 3000
        decided: dict[int, tuple[Batch, fencing.Commit]] = {}
        for number, read in reads.items():
            held, keys = self._held[number], partitions[number]
            try:
                batch = self.drainer.batch(keys, read, list(islice(stored, len(wanted[number]))))
                decided[number] = batch, self.drainer.plan(keys, held.lease, read, batch)
            except (*KEY_FAULTS, redis.ResponseError):
                self._carefully(number)
            if time.monotonic() > latest:
                break
        return decided

    def _carefully(self, number: int) -> None:
        """Serve one partition alone until its inbox is empty, or what stops it is said; then it is ours no more."""
        held = self._held.pop(number, None)
        if held is None:
            summary = self.drainer.drain(number, self.stop)
        else:
            summary = self.drainer.finish(number, held.lease, self.stop)
        rest = _APART_SECONDS if summary.commands else _BLOCKED_SECONDS
        self._apart_until[number] = time.monotonic() + rest
        if summary.more:
            self.more.append(number)
        self.told(summary)

    def _give_back(self) -> None:
        """Give all partitions back; those to which something has come meanwhile are for others to be woken for."""
        held, self._held = self._held, {}
        client = self.store.client
        calls = [
            ([keys.lease, keys.inbox], [each.lease.token])
            for number, each in held.items()
            if (keys := self.store.keys.partition(number))
        ]
        replies = fencing.run_scripts(client, "release", calls) if calls else []
        for (number, each), reply in zip(held.items(), replies, strict=True):
            if reply not in (0, -1):
                fencing.release(client, each.lease)
                self.more.append(number)
