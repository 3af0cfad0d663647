"""The partitions whose deliveries are ours for now, and the one way to write to them. Blocking; one thread.

All writes go through `fencing.apply`, so that a process that lost its lease records nothing: the new owner
makes the attempt again, under the same ``webhook-id``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import redis
import structlog

from interlock.engine import fencing
from interlock.engine.errors import LeaseLost
from interlock.engine.fencing import Lease, Operation
from interlock.engine.keys import Keys, PartitionKeys
from interlock.workers.work import Faults, Work, look, read_cursor

_log = structlog.get_logger()


@dataclass(slots=True)
class Held:
    """A partition whose deliveries are ours for now. ``dispatched``: its cursor in the outbox, empty where
    there is none yet, None where it is unreadable."""

    keys: PartitionKeys
    lease: Lease
    dispatched: str | None


class Holdings:
    """Leases on partitions. ``held``: by their number."""

    def __init__(self, client: redis.Redis, keys: Keys, lease_ms: int) -> None:
        self._client = client
        self._keys = keys
        self._lease_ms = lease_ms
        self._renewed = time.monotonic()
        self._faults = Faults()
        self._aside: set[int] = set()
        self.held: dict[int, Held] = {}

    def look(self) -> dict[int, Work]:
        """What there is to do in every partition, ours or not. One round trip."""
        return look(self._client, self._keys, self._faults.report)

    def take(self, number: int) -> bool:
        """Own the deliveries of a partition, if nobody else does."""
        keys = self._keys.partition(number)
        if number in self._aside:
            return False
        with self._apart(number):
            lease = fencing.acquire(self._client, keys.deliver_lease, keys.meta, self._lease_ms)
            if lease is None:
                return False
            # Read again under the lease: the former owner may have moved the cursor since `look`.
            cursor = cast(bytes | None, self._client.hget(keys.meta, "dispatched"))
            self.held[number] = Held(keys, lease, read_cursor(cursor))
        return number in self.held

    def owns(self, number: int, token: int) -> bool:
        """Whether the lease with this token is still ours, as far as we know."""
        held = self.held.get(number)
        return held is not None and held.lease.token == token

    def renew(self) -> None:
        """Hold the leases on; due every third of their lifetime."""
        if (time.monotonic() - self._renewed) * 3000 < self._lease_ms:
            return
        self._renewed = time.monotonic()
        for number, held in list(self.held.items()):
            with self._apart(number):
                if not fencing.renew(self._client, held.lease, self._lease_ms):
                    self._lose(number)

    def release(self) -> None:
        """Give every partition back."""
        for number, held in list(self.held.items()):
            with self._apart(number):
                fencing.release(self._client, held.lease)
        self.held.clear()

    def _apply(
        self, number: int, ops: Sequence[Operation], cursor: tuple[str, str, str] | None = None
    ) -> bool:
        """Commit, without what concerns keys of a foreign type. Whether it was committed."""
        held = self.held.get(number)
        if held is None:
            return False
        with self._apart(number):
            try:
                while (foreign := self._commit(held, ops, cursor)) is not None:
                    self._foreign(foreign)
                    if cursor is not None and foreign == held.keys.due:
                        return False  # it would be forgotten what is due: the events wait
                    ops = [op for op in ops if op[1] != foreign]
            except LeaseLost:
                self._lose(number)
        return number in self.held

    def _commit(
        self, held: Held, ops: Sequence[Operation], cursor: tuple[str, str, str] | None
    ) -> str | None:
        """None, or a key that holds a foreign type: nothing is written then."""
        try:
            fencing.apply(
                self._client, held.lease, self._lease_ms, meta_key=held.keys.meta, cursor=cursor, ops=ops
            )
        except fencing.ForeignData as error:
            if all(op[1] != error.key for op in ops):
                raise
            return error.key
        return None

    def _foreign(self, key: str) -> None:
        self._faults.report("foreign_data", key=key)

    @contextmanager
    def _apart(self, number: int) -> Iterator[None]:
        """What is wrong with the partition's own keys sets it aside for this shift, and no other."""
        try:
            yield
        except (redis.ResponseError, fencing.ForeignData) as error:
            self._faults.report("partition_set_aside", partition=number, error=str(error))
            self._aside.add(number)
            self.held.pop(number, None)

    def _lose(self, number: int) -> None:
        _log.warning("delivery_lease_lost", partition=number)
        self.held.pop(number, None)
