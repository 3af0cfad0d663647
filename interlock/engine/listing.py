"""Lists over the indexes that the commit keeps: one page at a time, with bounded memory and work.

Two ways lead through a query, and both give the same order. *Walking* follows an index that has the order already
and passes by what does not fit; *gathering* reads the rows of all that the narrowest filter leaves, and sorts them.
The first is taken where an order is at hand, the second where a filter leaves few.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Protocol, cast

import redis
import structlog

from interlock.engine.indexing import Row
from interlock.engine.keys import Keys
from interlock.engine.ordering import END
from interlock.engine.queries import InvalidQuery, NotListed, Order, Position, Query, TooBroad
from interlock.engine.snapshot import CorruptSnapshot, Snapshot
from interlock.engine.stored import is_foreign

GATHERED = 10_000
"""Instances that one request may put in order."""
WALKED = 10_000
"""Instances that one request looks at on the way to a page; then the page is short."""
COUNTED = 100_000
"""Instances that one request looks at to count, or to skip an offset."""
MAX_OFFSET = 10_000
_CHUNK = 200

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Page:
    """Some instances in the order that was asked for. ``next``: the cursor of the next page, None at the end.

    A page may hold fewer than its limit, even none, and yet have a ``next``: there was much to look at.
    """

    instances: list[Snapshot]
    next: str | None


@dataclass(frozen=True, slots=True)
class Total:
    """How many instances fit a query; where ``exact`` is false, at least so many."""

    count: int
    exact: bool


@dataclass(frozen=True, slots=True)
class _Stream:
    """A stretch of a sorted set: the members that begin with ``prefix``."""

    name: str
    prefix: str = ""

    @property
    def ends(self) -> tuple[str, str]:
        return (f"[{self.prefix}", f"({self.prefix[:-1]}\x01") if self.prefix else ("-", "+")


@dataclass(frozen=True, slots=True)
class _Source:
    """Streams of keys, one of which holds each instance that fits a filter. ``name``: the index of its values; ""
    where it is none of a field's."""

    name: str
    streams: list[_Stream]
    size: int
    counts_once: bool
    """Whether no instance stands in two of them."""


class ReadSnapshot(Protocol):
    """The snapshot that stands under the Redis key ``name``. Raises CorruptSnapshot."""

    def __call__(self, name: str, machine: str, key: str, raw: bytes, *, private: bool) -> Snapshot: ...


class Listing:
    """Answers queries about one deployment."""

    def __init__(self, client: redis.Redis, keys: Keys, read: ReadSnapshot) -> None:
        self._client, self._keys, self._read = client, keys, read

    def page(
        self,
        query: Query,
        limit: int,
        cursor: str | None = None,
        offset: int = 0,
        *,
        behind: str | None = None,
        private: bool = True,
    ) -> Page:
        """See `Store.page`."""
        if bool(offset) + bool(cursor) + (behind is not None) > 1:
            raise InvalidQuery("a page begins at a cursor, at an offset or behind a key, not at several")
        if not 0 <= offset <= MAX_OFFSET or limit < 1:
            raise InvalidQuery(
                f"an offset is from 0 to {MAX_OFFSET}, a limit at least 1; a cursor leads further"
            )
        after = query.read_cursor(cursor) if cursor else None
        if behind is not None:
            after = self._position(query, behind)
        found: list[tuple[Position, Snapshot]] = []
        skip = offset
        for hits, reached in self._hits(query, after, offset + limit, COUNTED if offset else WALKED):
            at = min(skip, len(hits))
            skip -= at
            while at < len(hits) and len(found) <= limit:
                wanted = hits[at : at + limit + 1 - len(found)]
                found += self._snapshots(query, wanted, private)
                at += len(wanted)
            if len(found) > limit:
                break
            if reached and offset:
                raise TooBroad(
                    f"over {COUNTED} instances lie before this offset: filter more, or use a cursor"
                )
            if reached:
                return Page([snapshot for _, snapshot in found], query.cursor(reached))
        shown = [snapshot for _, snapshot in found[:limit]]
        return Page(shown, query.cursor(found[limit - 1][0]) if len(found) > limit else None)

    def total(self, query: Query) -> Total:
        """See `Store.total`."""
        sources, everything = self._sources(query)
        # What all have is no filter: the one tenant that there is, all the labels.
        sources = [each for each in sources if each.size < everything or not each.counts_once] or sources[:1]
        own = {order.name for order in query.orders if not order.name.startswith("$")} - query.values.keys()
        source = min(sources, key=lambda each: each.size)
        # Of a field's index it can be read what it leaves out, of states and tags not.
        base = next((each for each in sources if not each.name), source)
        if base.counts_once and not own:
            others = [each for each in sources if each is not base]
            excepted = self._excepted(query, others, everything, source.size)
            if excepted is not None:
                return Total(base.size - self._fitting(query, base.name, excepted), True)
        count = seen = 0
        for keys in _chunks(self._keys_of(source)):
            rows = self._rows(query.machine, keys)
            count += sum(query.position(row, key) is not None for key, row in rows)
            seen += len(keys)
            if seen >= COUNTED:
                return Total(count, False)
        return Total(count, True)

    def _excepted(
        self, query: Query, sources: Sequence[_Source], everything: int, below: int
    ) -> set[str] | None:
        """The keys that some of these filters leave out; None where they are not fewer than ``below``, or where an
        index does not tell."""
        if not sources:
            return set()
        left_out = sum(everything - source.size for source in sources)
        if left_out >= min(below, GATHERED) or not all(source.name for source in sources):
            return None
        pipeline = self._client.pipeline(transaction=False)
        for source in sources:
            for keys in self._partitions():
                name = keys.order_index(query.machine, source.name)
                pipeline.zcard(name)
                for low, high in _gaps(query.values[source.name]):
                    pipeline.zrangebylex(name, low, high, 0, GATHERED)
        answers = cast("list[int | list[bytes]]", pipeline.execute())
        # An instance that an index does not hold, because its chart lists by other fields, is in no gap either.
        if sum(each for each in answers if isinstance(each, int)) < everything * len(sources):
            return None
        members = (member for each in answers if isinstance(each, list) for member in each)
        return {member.decode(errors="replace").partition(END)[2] for member in members}

    def _fitting(self, query: Query, name: str, keys: set[str]) -> int:
        """How many of these instances fit the filter of this name (see `_Source`) alone."""
        alone = query.only(name)
        return sum(
            alone.position(row, key) is not None
            for some in _chunks(iter(keys))
            for key, row in self._rows(query.machine, some)
        )

    def unlisted(self, query: Query) -> int:
        """See `Store.unlisted`."""
        names = sorted(name for name in query.names if not name.startswith("$"))
        pipeline = self._client.pipeline(transaction=False)
        for keys in self._partitions():
            pipeline.zcard(keys.index(query.machine))
            for name in names:
                pipeline.zcard(keys.order_index(query.machine, name))
        sizes = cast(list[int], pipeline.execute())
        width = len(names) + 1
        totals = [sum(sizes[at::width]) for at in range(width)]
        return max(totals[0] - min(totals), 0)

    def _position(self, query: Query, key: str) -> Position:
        """Where the instance of this key stands in the list. Raises NotListed."""
        for _, row in self._rows(query.machine, [key]):
            if (position := query.position(row, key)) is not None:
                return position
        raise NotListed(f"the list holds no {query.machine}/{key[:100]}: begin again")

    def _hits(
        self, query: Query, after: Position | None, wanted: int, budget: int
    ) -> Iterator[tuple[list[Position], Position | None]]:
        """What fits, in order, chunk by chunk; with how far it came where the budget is spent.

        ``wanted``: how many the reader asks for.
        """
        sources, everything = self._sources(query)
        source = min(sources, key=lambda each: each.size)
        chunk = wanted + 1 if source.size == everything else max(wanted + 1, _CHUNK)
        if not query.orders:
            yield from self._walk(query, source.streams, None, after, chunk, budget)
            return
        first = query.orders[0]
        may_gather = source.size <= GATHERED
        may_walk = len(query.orders) == 1 and first.descending == query.key_descends
        if may_walk and not (may_gather and source.size <= _ahead(sources, everything, wanted)):
            streams = [_Stream(keys.order_index(query.machine, first.name)) for keys in self._partitions()]
            enough = source.size if may_gather else budget
            for hits, reached in self._walk(query, streams, first, after, chunk, enough):
                yield hits, None if may_gather else reached
                if may_gather and reached:  # they lie further apart than was to be expected
                    yield self._gather(query, source, reached), None
        elif may_gather:
            yield self._gather(query, source, after), None
        else:
            raise TooBroad(
                f"{source.size} instances would have to be put in order: filter more (to {GATHERED}), or sort by "
                "one field"
            )

    def _walk(
        self,
        query: Query,
        streams: Sequence[_Stream],
        order: Order | None,
        after: Position | None,
        chunk: int,
        budget: int,
    ) -> Iterator[tuple[list[Position], Position | None]]:
        start = END.join([*after.values, after.key]) if after else None
        members = _Merge(self._client, streams, query.key_descends, start).members()
        seen = 0
        for some in _chunks(_once(members), chunk):
            positions = [
                Position((value,), key) if order else Position((), member)
                for member in some
                for value, _, key in [member.partition(END)]
            ]
            rows = self._rows(query.machine, [each.key for each in positions])
            fits = {position for key, row in rows if (position := query.position(row, key))}
            seen += len(some)
            hits = [position for position in positions if position in fits]
            yield hits, positions[-1] if seen >= budget else None
            if seen >= budget:
                return

    def _gather(self, query: Query, source: _Source, after: Position | None) -> list[Position]:
        found = []
        for keys in _chunks(self._keys_of(source), 1000):
            for key, row in self._rows(query.machine, keys):
                position = query.position(row, key)
                if position and (after is None or query.is_behind(position, after)):
                    found.append(position)
        return query.sorted(found)

    def _keys_of(self, source: _Source) -> Iterator[str]:
        return _once(_Merge(self._client, source.streams, False, None).members())

    def _sources(self, query: Query) -> tuple[list[_Source], int]:
        """For each filter what it leaves; without any, all instances of the machine. And how many these are."""
        machine, places = query.machine, self._partitions()
        streams = [
            [_Stream(keys.order_index(machine, name), value + END) for keys in places for value in values]
            for name, values in query.values.items()
        ]
        names, once = [*query.values], [True for _ in streams]
        for named, index in ((query.states, "state_index"), (query.tags, "tag_index")):
            if named:
                streams.append(
                    [_Stream(getattr(keys, index)(machine, name)) for keys in places for name in named]
                )
                names.append("")
                once.append(len(named) == 1)
        for name, values in query.members.items():
            streams.append(
                [
                    _Stream(keys.member_index(machine, name), value + END)
                    for keys in places
                    for value in values
                ]
            )
            names.append("")
            once.append(len(values) == 1)
        whole = [_Stream(keys.index(machine)) for keys in places]
        pipeline = self._client.pipeline(transaction=False)
        for stream in chain(whole, *streams):
            if stream.prefix:
                pipeline.zlexcount(stream.name, *stream.ends)
            else:
                pipeline.zcard(stream.name)
        sizes = iter(cast(list[int], pipeline.execute()))
        everything = _Source("", whole, sum(islice(sizes, len(whole))), True)
        found = [
            _Source(name, each, sum(islice(sizes, len(each))), single)
            for name, each, single in zip(names, streams, once, strict=True)
        ]
        return found or [everything], everything.size

    def _rows(self, machine: str, keys: Sequence[str]) -> list[tuple[str, Row]]:
        """The rows of those keys that have one."""
        parts: dict[int, list[str]] = {}
        for key in keys:
            parts.setdefault(self._keys.partition_of(machine, key), []).append(key)
        pipeline = self._client.pipeline(transaction=False)
        for number, members in parts.items():
            pipeline.hmget(self._keys.partition(number).rows(machine), members)
        lists = cast("list[list[bytes | None]]", pipeline.execute())
        return [
            (key, row)
            for members, raws in zip(parts.values(), lists, strict=True)
            for key, raw in zip(members, raws, strict=True)
            if raw is not None and (row := Row.from_bytes(raw))
        ]

    def _snapshots(
        self, query: Query, hits: Sequence[Position], private: bool
    ) -> Iterator[tuple[Position, Snapshot]]:
        """The instances, less those that have left the list since it was read, and what is none of ours."""
        pipeline = self._client.pipeline(transaction=True)  # row and snapshot are of one version
        names = []
        for hit in hits:
            keys = self._keys.of_instance(query.machine, hit.key)
            names.append(keys.instance(query.machine, hit.key))
            pipeline.get(names[-1])
            pipeline.hget(keys.rows(query.machine), hit.key)
        answers = pipeline.execute(raise_on_error=False)
        for hit, name, raw, stored in zip(hits, names, answers[::2], answers[1::2], strict=True):
            for answer in (raw, stored):
                if isinstance(answer, Exception) and not is_foreign(answer):
                    raise answer
            row = Row.from_bytes(stored) if isinstance(stored, bytes) else None
            if raw is None or row is None or query.position(row, hit.key) is None:
                continue
            try:
                known = b"" if isinstance(raw, Exception) else raw
                found = self._read(name, query.machine, hit.key, known, private=private)
            except CorruptSnapshot:
                log.error("foreign_data", key=name)
                continue
            yield hit, found

    def _partitions(self) -> list[Any]:
        return [self._keys.partition(number) for number in range(self._keys.partitions)]


class _Merge:
    """The members of several streams, less their prefixes, in one order; read some at a time from all of them."""

    def __init__(
        self, client: redis.Redis, streams: Sequence[_Stream], descending: bool, after: str | None
    ) -> None:
        self._client, self._streams, self._descending = client, streams, descending
        start = None if after is None else after.encode()
        self._last: list[bytes | None] = [start] * len(streams)
        self._waiting: list[deque[bytes]] = [deque() for _ in streams]
        self._ended = [False] * len(streams)
        self._size = max(8, 2 * _CHUNK // max(len(streams), 1))

    def members(self) -> Iterator[str]:
        """What is no UTF-8 is none of ours, and left out."""
        merged = heapq.merge(*map(self._stream, range(len(self._streams))), reverse=self._descending)
        for member in merged:
            with suppress(UnicodeDecodeError):
                yield member.decode()

    def _stream(self, number: int) -> Iterator[bytes]:
        waiting = self._waiting[number]
        while True:
            if not waiting and not self._ended[number]:
                self._fill()
            if not waiting:
                return
            yield waiting.popleft()

    def _fill(self) -> None:
        """Read on in every stream of which nothing waits."""
        pipeline = self._client.pipeline(transaction=False)
        asked = [n for n, waiting in enumerate(self._waiting) if not waiting and not self._ended[n]]
        for number in asked:
            stream, last = self._streams[number], self._last[number]
            low, high = stream.ends
            here = None if last is None else b"(" + stream.prefix.encode() + last
            if self._descending:
                pipeline.zrevrangebylex(stream.name, cast(Any, here or high), low, 0, self._size)
            else:
                pipeline.zrangebylex(stream.name, cast(Any, here or low), high, 0, self._size)
        for number, members in zip(asked, cast(list[list[bytes]], pipeline.execute()), strict=True):
            cut = len(self._streams[number].prefix.encode())
            self._waiting[number].extend(member[cut:] for member in members)
            self._ended[number] = len(members) < self._size
            if members:
                self._last[number] = members[-1][cut:]
        self._size = min(2 * self._size, 1000)


def _gaps(values: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The stretches of an order index that hold none of these values."""
    low = "-"
    for value in sorted(values):
        yield low, f"({value}{END}"
        low = f"[{value}\x01"
    yield low, "+"


def _ahead(sources: Sequence[_Source], everything: int, wanted: int) -> float:
    """How many instances lie before so many that fit, if the filters have nothing to do with one another."""
    share = 1.0
    for source in sources:
        share *= min(source.size / max(everything, 1), 1.0)
    return (wanted + 1) / share if share else float("inf")


def _once(members: Iterable[str]) -> Iterator[str]:
    """Ordered members without those that are there twice."""
    before = None
    for member in members:
        if member != before:
            yield member
        before = member


def _chunks(members: Iterator[str], size: int = 1000) -> Iterator[list[str]]:
    while chunk := list(islice(members, size)):
        yield chunk
