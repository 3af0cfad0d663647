"""Compare the indexes with the snapshots that they tell of, and write them anew where they differ.

The commit keeps them, so there is a difference only where somebody else wrote to Redis, or where data is older than
an index. A repair writes as a worker does, under the partition's lease: nothing is committed meanwhile.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from interlock.engine import fencing
from interlock.engine.chart import Chart
from interlock.engine.errors import ChartError, InterlockError
from interlock.engine.fencing import Operation
from interlock.engine.indexing import Row, row_of
from interlock.engine.keys import PartitionKeys
from interlock.engine.ordering import END
from interlock.engine.sealing import NotOpened, is_sealed
from interlock.engine.secrets import KEY_FAULTS
from interlock.engine.snapshot import CorruptSnapshot
from interlock.engine.store import Store
from interlock.engine.stored import is_foreign, read_snapshot
from interlock.engine.stored_forms import open_snapshot
from interlock.statecharts.registered import ChartUnknown

_CHUNK = 200
_LEASE_MS = 5000
_LOOKS = 5
"""How often a difference is looked at again, because the instance may have moved between two looks."""

FindChart = Callable[[str, int], Chart]
"""The chart of a machine's version. Raises ChartUnknown and ChartError."""
Entry = tuple[str, str]
"""A sorted set and a member of it."""


class PartitionBusy(InterlockError):
    """A worker kept a partition all the while. Try again when there is less to do."""


@dataclass(slots=True)
class Differences:
    """What was looked at and found: ``missing`` entries of indexes, ``stale`` ones, wrong ``rows``; ``skipped``
    instances whose chart or snapshot cannot be read, of which nobody knows how they are to be indexed."""

    instances: int = 0
    entries: int = 0
    missing: int = 0
    stale: int = 0
    rows: int = 0
    skipped: int = 0
    complete: bool = True

    @property
    def found(self) -> int:
        return self.missing + self.stale + self.rows


@dataclass(slots=True)
class Reindex:
    """`run` compares; with ``repair`` it corrects too. ``patience_seconds``: how long to wait for a lease."""

    store: Store
    find_chart: FindChart
    repair: bool = False
    patience_seconds: float = 30.0

    def run(self, at_most: int | None = None) -> Differences:
        """Look at every instance and every entry of an index, or at the first ``at_most`` of both together.

        Raises PartitionBusy and LeaseLost: what was corrected until then stays so; run it again.
        """
        found = Differences()
        for names in _texts(self._scan()):
            for keys, kind, rest in map(self._of_partition, names):
                if keys is None:
                    continue
                for look in self._looks(keys, kind, rest, found):
                    look()
                    if at_most is not None and found.instances + found.entries >= at_most:
                        found.complete = False
                        return found
        return found

    def _scan(self) -> Iterator[bytes]:
        """Every key of the deployment's partitions. A scan may tell one twice; nothing but the sums depends on it."""
        start = re.sub(r"([*?\[\]^\\])", r"\\\1", f"{{{self.store.keys.prefix}:")
        return cast("Iterator[bytes]", self.store.client.scan_iter(match=f"{start}*", count=1000))

    def _of_partition(self, name: str) -> tuple[PartitionKeys | None, str, str]:
        """The partition of a key, what kind of key it is, and what its name says beside."""
        tag, _, rest = name.partition("}:")
        number = tag.rpartition(":")[2]
        kind, _, rest = rest.partition(":")
        if not number.isdecimal() or int(number) >= self.store.keys.partitions:
            return None, kind, rest
        return self.store.keys.partition(int(number)), kind, rest

    def _looks(
        self, keys: PartitionKeys, kind: str, rest: str, found: Differences
    ) -> Iterator[Callable[[], None]]:
        """What there is to look at behind a key, some at a time."""
        client: Any = self.store.client
        if kind == "instance":
            machine, _, key = rest.partition("/")
            yield partial(self._forward, keys, machine, key, found)
            return
        name = f"{keys.tag}:{kind}:{rest}"
        machine, _, index = rest.partition(":")
        if kind == "index" and client.type(name) == b"zset":
            members = (member for member, _ in client.zscan_iter(name, count=_CHUNK))
        elif kind == "rows" and client.type(name) == b"hash":
            members = (field for field, _ in client.hscan_iter(name, count=_CHUNK))
        else:
            return
        for chunk in _texts(members):
            yield partial(self._backward, keys, name, machine, index, chunk, found)

    def _forward(self, keys: PartitionKeys, machine: str, key: str, found: Differences) -> None:
        """What an instance should have and has not."""
        found.instances += 1
        row = self._row(keys, machine, key)
        if row and not any(self._lacking(keys, machine, key, row)):
            return
        with self._writing(keys) as ops:
            for _ in range(_LOOKS):
                row = self._row(keys, machine, key)
                if row is None:
                    found.skipped += 1
                    return
                lacking, wrong_row = self._lacking(keys, machine, key, row)
                if self.repair or not (lacking or wrong_row) or row == self._row(keys, machine, key):
                    found.missing += len(lacking)
                    found.rows += wrong_row
                    ops += [("ZADD", name, 0, member) for name, member in lacking]
                    if wrong_row:
                        ops.append(("HSET", keys.rows(machine), key, row.to_bytes()))
                    return

    def _lacking(self, keys: PartitionKeys, machine: str, key: str, row: Row) -> tuple[list[Entry], bool]:
        entries = sorted(row.entries(keys, machine, key))
        pipeline = self.store.client.pipeline(transaction=False)
        for name, member in entries:
            pipeline.zscore(name, member)
        pipeline.hget(keys.rows(machine), key)
        *scores, stored = pipeline.execute()
        lacking = [entry for entry, score in zip(entries, scores, strict=True) if score != 0]
        return lacking, stored != row.to_bytes()

    def _backward(
        self,
        keys: PartitionKeys,
        name: str,
        machine: str,
        index: str,
        members: Sequence[str],
        found: Differences,
    ) -> None:
        """What an index or the rows tell of an instance that is not so, or is not there."""
        is_rows = name.startswith(keys.rows(""))
        found.entries += len(members)
        told = [
            (member, member.partition(END)[2] if index.startswith(("by:", "has:")) else member)
            for member in members
        ]
        rows = self._read(keys, machine, sorted({key for _, key in told}))
        doubtful = [
            (member, key)
            for member, key in told
            if key not in rows
            or ((row := rows[key]) and not is_rows and (name, member) not in row.entries(keys, machine, key))
        ]
        if not doubtful:
            return
        with self._writing(keys) as ops:
            for member, key in doubtful:
                entry = None if is_rows else (name, member)
                # Looked at again where workers go on meanwhile: it may have come in between.
                if all(
                    self._is_stale(keys, machine, key, entry) and self._is_there(name, member, is_rows)
                    for _ in range(1 if self.repair else 2)
                ):
                    found.stale += 1
                    ops.append(("HDEL" if is_rows else "ZREM", name, member))

    def _is_there(self, name: str, member: str, is_rows: bool) -> bool:
        client = self.store.client
        return bool(client.hexists(name, member)) if is_rows else client.zscore(name, member) is not None

    def _is_stale(self, keys: PartitionKeys, machine: str, key: str, entry: Entry | None) -> bool:
        rows = self._read(keys, machine, [key])
        if key not in rows:
            return True
        row = rows[key]
        return row is not None and entry is not None and entry not in row.entries(keys, machine, key)

    def _row(self, keys: PartitionKeys, machine: str, key: str) -> Row | None:
        return self._read(keys, machine, [key]).get(key)

    def _read(self, keys: PartitionKeys, machine: str, members: Sequence[str]) -> dict[str, Row | None]:
        """The rows as they should be, of the instances that there are; None where instance or chart cannot be
        read."""
        names = [keys.instance(machine, key) for key in members]
        pipeline = self.store.client.pipeline(transaction=False)
        for name in names:
            pipeline.get(name)
        found: dict[str, Row | None] = {}
        for key, name, raw in zip(members, names, pipeline.execute(raise_on_error=False), strict=True):
            if isinstance(raw, bytes):
                found[key] = self._row_in(name, machine, key, raw)
            elif isinstance(raw, Exception) and not is_foreign(raw):
                raise raw
            elif raw is not None:
                found[key] = None
        return found

    def _row_in(self, name: str, machine: str, key: str, raw: bytes) -> Row | None:
        try:
            snapshot = read_snapshot(name, machine, key, raw)
            chart = self.find_chart(machine, snapshot.chart_version)
            if any(is_sealed(snapshot.context.get(field)) for field in chart.listed_by):
                # A public text that looks sealed is stored sealed; lists tell the text.
                snapshot = open_snapshot(self.store.vault.opener, snapshot, raw)
            return row_of(chart, snapshot)
        except (CorruptSnapshot, ChartUnknown, ChartError, NotOpened, *KEY_FAULTS):
            return None

    @contextmanager
    def _writing(self, keys: PartitionKeys) -> Iterator[list[Operation]]:
        """Collects what is to be written; with ``repair`` under the lease, which is held meanwhile."""
        ops: list[Operation] = []
        if not self.repair:
            yield ops
            return
        client = self.store.client
        lease = self._lease(keys)
        try:
            yield ops
            if ops:
                fencing.apply(client, lease, _LEASE_MS, meta_key=keys.meta, ops=ops)
        finally:
            fencing.release(client, lease)

    def _lease(self, keys: PartitionKeys) -> fencing.Lease:
        until = time.monotonic() + self.patience_seconds
        while True:
            lease = fencing.acquire(self.store.client, keys.lease, keys.meta, _LEASE_MS)
            if lease is not None:
                return lease
            if time.monotonic() > until:
                raise PartitionBusy(f"{keys.tag} was busy for {self.patience_seconds:.0f} s: try again later")
            time.sleep(0.01)


def _texts(raws: Iterator[bytes]) -> Iterator[list[str]]:
    """Names that are ours are UTF-8; others are passed by."""
    chunk: list[str] = []
    for raw in raws:
        try:
            chunk.append(raw.decode())
        except UnicodeDecodeError:
            continue
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
