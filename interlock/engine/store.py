"""Reading what the commits have written: instances, histories, lists, results, charts, dead letters.

Writing goes through `fencing.apply` alone; the exceptions are what belongs to no partition (the number of
partitions, the charts).
"""

from __future__ import annotations

import heapq
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import orjson
import redis

from interlock.engine.chart import Chart
from interlock.engine.errors import InterlockError, ServerUnreachable
from interlock.engine.keys import Keys, PartitionKeys
from interlock.engine.settings import Settings
from interlock.engine.snapshot import Snapshot

_CHUNK = 100


class ChartConflict(InterlockError):
    """A chart's version is registered with another text. Raise the chart's ``version``."""


class InvalidCursor(InterlockError):
    """A cursor that no page of ours gave out. Begin again without one."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some instances in the order of their keys. ``next``: the cursor of the next page, None at the end."""

    instances: list[Snapshot]
    next: str | None


class Store:
    """The state of one deployment, as `Store.open` finds it."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self.client = client
        self.keys = keys

    @classmethod
    def open(cls, client: redis.Redis, settings: Settings) -> Store:
        """The store behind ``client``. The first process to open it fixes the number of partitions.

        Raises ServerUnreachable.
        """
        meta = Keys(settings.prefix).meta
        try:
            client.hsetnx(meta, "partitions", str(settings.partitions))
            partitions = int(cast(bytes, client.hget(meta, "partitions")))
        except redis.ConnectionError as error:
            raise ServerUnreachable(
                f"the Redis server went away ({type(error).__name__}): start it again"
            ) from error
        return cls(client, Keys(settings.prefix, partitions))

    def partitions(self) -> Iterator[PartitionKeys]:
        """The keys of every partition, in order."""
        return (self.keys.partition(number) for number in range(self.keys.partitions))

    def snapshot(self, machine: str, key: str) -> Snapshot | None:
        """The instance, or None. Raises CorruptSnapshot."""
        raw = cast(
            "bytes | None", self.client.get(self.keys.of_instance(machine, key).instance(machine, key))
        )
        return None if raw is None else Snapshot.from_bytes(raw)

    def history(
        self, machine: str, key: str, first: int = 1, limit: int | None = None
    ) -> list[dict[str, Any]]:
        """The history from version ``first`` on, at most ``limit`` entries; empty where there is no instance."""
        name = self.keys.of_instance(machine, key).history(machine, key)
        last = -1 if limit is None else first - 2 + limit
        return [orjson.loads(raw) for raw in cast(list[bytes], self.client.lrange(name, first - 1, last))]

    def page(
        self,
        machine: str,
        *,
        state: str | None = None,
        where: Mapping[str, Any] | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page:
        """Instances of a machine in the order of their keys' bytes.

        ``state``: an active state's path, a compound one's too; ``where``: values of context fields, all of
        which must be equal. Raises InvalidCursor.
        """
        after = _decode_cursor(cursor)
        found: list[Snapshot] = []
        while True:
            keys = self._keys_after(machine, state, after, max(limit, _CHUNK))
            for snapshot in self._snapshots(machine, keys):
                if all(snapshot.context.get(name) == value for name, value in (where or {}).items()):
                    found.append(snapshot)
                    if len(found) > limit:
                        return Page(found[:limit], _encode_cursor(found[limit - 1].key))
            if len(keys) < max(limit, _CHUNK):
                return Page(found, None)
            after = keys[-1]

    def _keys_after(self, machine: str, state: str | None, after: str, limit: int) -> list[str]:
        pipeline = self.client.pipeline(transaction=False)
        start = b"(" + after.encode() if after else b"-"
        for keys in self.partitions():
            index = keys.index(machine) if state is None else keys.state_index(machine, state)
            pipeline.zrangebylex(index, start, b"+", 0, limit)
        lists = cast(list[list[bytes]], pipeline.execute())
        return [raw.decode() for raw in heapq.nsmallest(limit, heapq.merge(*lists))]

    def _snapshots(self, machine: str, keys: list[str]) -> list[Snapshot]:
        if not keys:
            return []
        pipeline = self.client.pipeline(transaction=False)
        for key in keys:
            pipeline.get(self.keys.of_instance(machine, key).instance(machine, key))
        return [Snapshot.from_bytes(raw) for raw in pipeline.execute() if raw is not None]

    def counts(self, chart: Chart) -> dict[str, int]:
        """Number of instances in each state of ``chart``, by path; states with none are left out."""
        paths = [path for path in chart.states if path]
        pipeline = self.client.pipeline(transaction=False)
        for path in paths:
            for keys in self.partitions():
                pipeline.zcard(keys.state_index(chart.id, path))
        numbers = cast(list[int], pipeline.execute())
        width = self.keys.partitions
        totals = {path: sum(numbers[i * width : (i + 1) * width]) for i, path in enumerate(paths)}
        return {path: total for path, total in totals.items() if total}

    def result(self, command_id: str) -> dict[str, Any] | None:
        """The result of a command, while it is kept."""
        raw = cast("bytes | None", self.client.get(self.keys.result(command_id)))
        return None if raw is None else cast(dict[str, Any], orjson.loads(raw))

    def counters(self) -> dict[str, int]:
        """Commands so far by status and, where refused, by class: ``applied``, ``refused:forbidden``, ..."""
        raw = cast(dict[bytes, bytes], self.client.hgetall(self.keys.counters))
        return {name.decode(): int(value) for name, value in raw.items()}

    def register_chart(self, chart: Chart) -> None:
        """Make a chart known to all processes. Raises ChartConflict: one version has one text."""
        field = f"{chart.id}@{chart.version}"
        if self.client.hsetnx(self.keys.charts, field, chart.source):
            return
        if self.client.hget(self.keys.charts, field) != chart.source.encode():
            raise ChartConflict(
                f"{chart.mark.file}: {field} is registered with another text; raise its version, or restore that text"
            )

    def registered_charts(self) -> int:
        """How many charts' versions are registered. None is ever changed, so a new one shows here."""
        return self.client.hlen(self.keys.charts)

    def charts(self) -> dict[tuple[str, int], str]:
        """The registered charts' YAML by id and version."""
        found = {}
        for field, text in cast(dict[bytes, bytes], self.client.hgetall(self.keys.charts)).items():
            machine, _, version = field.decode().rpartition("@")
            if version.isdigit():
                found[machine, int(version)] = text.decode()
        return found

    def dead_letters(self, limit: int = 50) -> list[dict[str, Any]]:
        """The newest dead letters of every partition, newest first: ``{at, id, machine, key, error, raw}``."""
        pipeline = self.client.pipeline(transaction=False)
        for keys in self.partitions():
            pipeline.xrevrange(keys.dead, count=limit)
        letters = [
            {"letter_id": f"{number}:{entry_id.decode()}", **orjson.loads(fields[b"letter"])}
            for number, entries in enumerate(pipeline.execute())
            for entry_id, fields in entries
        ]
        return sorted(letters, key=lambda letter: str(letter["at"]), reverse=True)[:limit]

    def earliest_timer_ms(self) -> int | None:
        """When the first of all running timers is due, in Unix milliseconds; None where none runs."""
        pipeline = self.client.pipeline(transaction=False)
        for keys in self.partitions():
            pipeline.zrange(keys.timers, 0, 0, withscores=True)
        return min((int(first[0][1]) for first in pipeline.execute() if first), default=None)

    def backlog(self) -> int:
        """Commands that are published and not yet committed: ingress and inboxes."""
        pipeline = self.client.pipeline(transaction=False)
        pipeline.xlen(self.keys.commands)
        for keys in self.partitions():
            pipeline.xlen(keys.inbox)
        return sum(cast(list[int], pipeline.execute()))


def _encode_cursor(key: str) -> str:
    return urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _decode_cursor(cursor: str | None) -> str:
    if not cursor:
        return ""
    try:
        return urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except ValueError as error:
        raise InvalidCursor(f"{cursor[:50]!r} is no cursor of ours: begin again without one") from error
