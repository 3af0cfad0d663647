"""Reading what the commits have written: instances, histories, lists, results, charts, dead letters.

Writing goes through `fencing.apply` alone; the exceptions are what belongs to no partition (the number of
partitions, the charts).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, cast

import orjson
import redis
import structlog

from interlock.engine.chart import Chart
from interlock.engine.errors import InterlockError, ServerUnreachable
from interlock.engine.keys import Keys, PartitionKeys
from interlock.engine.listing import Listing, Page, Total
from interlock.engine.queries import Query
from interlock.engine.sealing import NotOpened, may_hold_sealed
from interlock.engine.secrets import KEY_FAULTS
from interlock.engine.settings import Settings
from interlock.engine.snapshot import CorruptSnapshot, Snapshot
from interlock.engine.stored import is_foreign, read_entry, read_letter, read_snapshot
from interlock.engine.stored_forms import open_entry, open_letter, open_snapshot
from interlock.engine.vault import Vault

_AT_ONCE = 500
MAX_OUTAGES = 1000
"""How many outages are kept, the newest."""

log = structlog.get_logger()


class ChartConflict(InterlockError):
    """A chart's version is registered with another text. Raise the chart's ``version``."""


class ForeignDeployment(InterlockError):
    """What stands where the number of partitions should is no such number. Look at the key, or take another prefix."""


class Store:
    """The state of one deployment, as `Store.open` finds it.

    Private values are opened where they are read, unless ``private=False`` says that they are cut anyway: then
    they stay sealed, and the key is not needed. Where it is, it raises SecretKeyWrong and SecretKeyInvalid.
    """

    def __init__(self, client: redis.Redis, keys: Keys, settings: Settings) -> None:
        self.client = client
        self.keys = keys
        self.vault = Vault(client, keys, settings)
        self._listing = Listing(client, keys, self._read)

    @classmethod
    def open(cls, client: redis.Redis, settings: Settings, *, found: bool = False) -> Store:
        """The store behind ``client``.

        ``found``: for the processes that run a deployment; the first of them fixes its number of partitions.
        Without it nothing is written, and a deployment that nobody has founded yet is empty.

        Raises ServerUnreachable and ForeignDeployment.
        """
        meta = Keys(settings.prefix).meta
        try:
            if found:
                client.hsetnx(meta, "partitions", str(settings.partitions))
            raw = cast("bytes | None", client.hget(meta, "partitions"))
        except redis.ConnectionError as error:
            raise ServerUnreachable(
                f"the Redis server went away ({type(error).__name__}): start it again"
            ) from error
        except redis.ResponseError as error:
            if not is_foreign(error):
                raise
            raw = b"a foreign type"
        if raw is None:
            return cls(client, Keys(settings.prefix, settings.partitions), settings)
        if not raw.isdigit() or not int(raw):
            raise ForeignDeployment(
                f"the key {meta!r} holds no number of partitions of ours: look who wrote it, or take another prefix"
            )
        return cls(client, Keys(settings.prefix, int(raw)), settings)

    def partitions(self) -> Iterator[PartitionKeys]:
        """The keys of every partition, in order."""
        return (self.keys.partition(number) for number in range(self.keys.partitions))

    def snapshot(self, machine: str, key: str, *, private: bool = True) -> Snapshot | None:
        """The instance, or None. Raises CorruptSnapshot, which names the key in Redis."""
        name = self.keys.of_instance(machine, key).instance(machine, key)
        try:
            raw = cast("bytes | None", self.client.get(name))
        except redis.ResponseError as error:
            if not is_foreign(error):
                raise
            raise CorruptSnapshot(f"the key {name!r} holds a foreign type") from error
        return None if raw is None else self._read(name, machine, key, raw, private=private)

    def _read(self, name: str, machine: str, key: str, raw: bytes, *, private: bool) -> Snapshot:
        snapshot = read_snapshot(name, machine, key, raw)
        try:
            return open_snapshot(self.vault.opener, snapshot, raw) if private else snapshot
        except NotOpened as error:
            raise CorruptSnapshot(f"the key {name!r} holds what was not sealed there: {error}") from error

    def history(
        self, machine: str, key: str, first: int = 1, limit: int | None = None, *, private: bool = True
    ) -> list[dict[str, Any]]:
        """The history from version ``first`` on, at most ``limit`` entries; empty where there is no instance.

        What is no entry of ours is left out, and logged.
        """
        name = self.keys.of_instance(machine, key).history(machine, key)
        last = -1 if limit is None else first - 2 + limit
        try:
            raws = cast(list[bytes], self.client.lrange(name, first - 1, last))
        except redis.ResponseError as error:
            if not is_foreign(error):
                raise
            log.error("foreign_data", key=name)
            return []
        read = (self._read_entry(machine, key, raw, private=private) for raw in raws)
        return _sound(name, read)

    def _read_entry(self, machine: str, key: str, raw: bytes, *, private: bool) -> dict[str, Any] | None:
        entry = read_entry(raw)
        try:
            if entry is None or not private or not may_hold_sealed(raw):
                return entry
            return open_entry(self.vault.opener, machine, key, entry)
        except NotOpened:
            return None

    def page(
        self,
        query: Query | str,
        *,
        limit: int = 50,
        cursor: str | None = None,
        offset: int = 0,
        behind: str | None = None,
        private: bool = True,
    ) -> Page:
        """Instances that fit a query (of a machine's name: all of it, by key), at most ``limit``.

        ``cursor``: ``next`` of the page before. Along a cursor, an instance that fits all the while and keeps
        the values that it is sorted by is given out once, whatever happens to others; one whose values move it
        may be given out again or not at all, one that begins to fit comes if its place is still ahead. What is
        given out is as it is then. ``offset``: leave out so many instead; as others come and go, such pages
        overlap or leave gaps. ``behind``: begin behind the instance of this key instead. What is no snapshot of
        ours is left out, and logged.

        Raises InvalidQuery, InvalidCursor, NotListed, and TooBroad where more would have to be sorted than
        `listing.GATHERED`, or passed by than `listing.COUNTED`.
        """
        return self._listing.page(_query(query), limit, cursor, offset, behind=behind, private=private)

    def total(self, query: Query | str) -> Total:
        """How many instances fit a query. Exact where one filter counts alone, else up to `listing.COUNTED`."""
        return self._listing.total(_query(query))

    def unlisted(self, query: Query | str) -> int:
        """How many instances no list by the fields of a query holds, because their chart's version lists by other
        ones. `interlock migrate` brings them to another version."""
        return self._listing.unlisted(_query(query))

    def instances(self, machine: str, *, private: bool = True) -> Iterator[Snapshot]:
        """All instances of a machine, in the order of their keys' bytes, read page by page."""
        after = b""
        while keys := self._keys_after(machine, after, _AT_ONCE):
            yield from self._snapshots(machine, keys, private=private)
            after = keys[-1]

    def _keys_after(self, machine: str, after: bytes, limit: int) -> list[bytes]:
        pipeline = self.client.pipeline(transaction=False)
        start = b"(" + after if after else b"-"
        for keys in self.partitions():
            pipeline.zrangebylex(keys.index(machine), start, b"+", 0, limit)
        lists = cast(list[list[bytes]], pipeline.execute())
        return heapq.nsmallest(limit, heapq.merge(*lists))

    def _snapshots(self, machine: str, raw_keys: list[bytes], *, private: bool) -> Iterable[Snapshot]:
        pipeline = self.client.pipeline(transaction=False)
        names: list[tuple[str, str]] = []
        for raw_key in raw_keys:
            key = raw_key.decode(errors="replace")  # of a foreign member: no instance is called so
            names.append((key, self.keys.of_instance(machine, key).instance(machine, key)))
            pipeline.get(names[-1][1])
        for (key, name), raw in zip(names, pipeline.execute(raise_on_error=False), strict=True):
            if isinstance(raw, Exception) and not is_foreign(raw):
                raise raw
            try:
                if raw is not None:
                    yield self._read(
                        name, machine, key, b"" if isinstance(raw, Exception) else raw, private=private
                    )
            except CorruptSnapshot:
                log.error("foreign_data", key=name)

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

    def register_chart(self, chart: Chart) -> bool:
        """Make a chart known to all processes; whether it was not. Raises ChartConflict: one version has one text."""
        field = f"{chart.id}@{chart.version}"
        if self.client.hsetnx(self.keys.charts, field, chart.source):
            return True
        if self.client.hget(self.keys.charts, field) != chart.source.encode():
            raise ChartConflict(
                f"{chart.mark.file}: {field} is registered with another text; raise its version, or restore that text"
            )
        return False

    def registered_charts(self) -> int:
        """How many charts' versions are registered. None is ever changed, so a new one shows here."""
        return self.client.hlen(self.keys.charts)

    def charts(self) -> dict[tuple[str, int], str]:
        """The registered charts' YAML by id and version. What is no chart of ours is left out, and logged."""
        found = {}
        for field, text in cast(dict[bytes, bytes], self.client.hgetall(self.keys.charts)).items():
            try:
                machine, _, version = field.decode().rpartition("@")
                found[machine, int(version)] = text.decode()
            except ValueError:
                log.error("foreign_data", key=self.keys.charts, field=repr(field[:200]))
        return found

    def dead_letters(self, limit: int = 50) -> list[dict[str, Any]]:
        """The newest dead letters of every partition, newest first: ``{at, id, machine, key, error, raw}``.

        ``raw`` is what was published, private data too; it stays sealed where the key is not here. What is no
        letter of ours is left out, and logged.
        """
        pipeline = self.client.pipeline(transaction=False)
        for keys in self.partitions():
            pipeline.xrevrange(keys.dead, count=limit)
        letters: list[dict[str, Any]] = []
        for number, entries in enumerate(pipeline.execute()):
            read = (self.read_letter(f"{number}:{entry_id.decode()}", fields) for entry_id, fields in entries)
            letters += _sound(self.keys.partition(number).dead, read)
        return sorted(letters, key=lambda letter: str(letter["at"]), reverse=True)[:limit]

    def read_letter(self, letter_id: str, fields: Mapping[bytes, bytes]) -> dict[str, Any] | None:
        """A dead letter in clear where the key is here; None where it is none."""
        letter = read_letter(letter_id, fields)
        try:
            return letter and open_letter(self.vault.opener, letter)
        except (*KEY_FAULTS, NotOpened):
            return letter

    def earliest_timer_ms(self) -> int | None:
        """When the first of all running timers is due, in Unix milliseconds; None where none runs."""
        pipeline = self.client.pipeline(transaction=False)
        for keys in self.partitions():
            pipeline.zrange(keys.timers, 0, 0, withscores=True)
        return min((int(first[0][1]) for first in pipeline.execute() if first), default=None)

    def outages(self) -> list[tuple[int, int]]:
        """When nobody watched the time, (begin, end) in Unix milliseconds, in order; what is none is left out."""
        found = []
        try:
            noted = cast(list[bytes], self.client.lrange(self.keys.outages, 0, -1))
        except redis.ResponseError:
            return []  # somebody else wrote there: the pump complains of it
        for raw in noted:
            with suppress(ValueError, TypeError):
                begun, ended = orjson.loads(raw)
                found.append((int(begun), int(ended)))
        return found

    def note_outage(self, now_ms: int, longest_ms: int) -> tuple[int, int] | None:
        """Say that somebody watches the time at ``now_ms``.

        Where the last one did so more than ``longest_ms`` ago, the time between is noted as an outage and
        returned.
        """
        raw = cast("bytes | None", self.client.get(self.keys.alive))
        before = int(raw) if raw is not None and raw.isdigit() else now_ms
        pipeline = self.client.pipeline(transaction=True)
        outage = (before, now_ms) if now_ms - before > longest_ms else None
        if outage:
            pipeline.rpush(self.keys.outages, orjson.dumps(outage))
            pipeline.ltrim(self.keys.outages, -MAX_OUTAGES, -1)
        pipeline.set(self.keys.alive, now_ms)
        pipeline.execute()
        return outage

    def pump_leads(self) -> bool:
        """Whether some pump takes commands in: without one nothing happens."""
        return bool(self.client.exists(self.keys.pump))

    def backlog(self) -> int:
        """Commands that are published and not yet committed: ingress and inboxes."""
        pipeline = self.client.pipeline(transaction=False)
        pipeline.xlen(self.keys.commands)
        for keys in self.partitions():
            pipeline.xlen(keys.inbox)
        return sum(cast(list[int], pipeline.execute()))


def _query(query: Query | str) -> Query:
    return Query(query) if isinstance(query, str) else query


def _sound(name: str, read: Iterable[dict[str, Any] | None]) -> list[dict[str, Any]]:
    """What could be read of the key ``name``; the log tells of the rest."""
    entries = list(read)
    found = [entry for entry in entries if entry is not None]
    if len(found) < len(entries):
        log.error("foreign_data", key=name, entries=len(entries) - len(found))
    return found
