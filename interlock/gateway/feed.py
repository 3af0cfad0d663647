"""Events as they are announced, for whoever listens over HTTP: one reader of the outboxes for all of them.

A place in the feed is a position in every partition's outbox. Who names an earlier place gets first what came
since then, page by page, and goes on with the rest without a gap and without anything twice, at this gateway or at
another one. What waits for a listener is bounded, in events and in bytes. Beside the outboxes stands the stream of
notices, for the listeners who ask for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import orjson
import redis
import redis.asyncio
import structlog

from interlock.engine.ids import entry_place, entry_text
from interlock.engine.keys import Keys
from interlock.gateway.batching import ended
from interlock.gateway.listener import Announced, Listening, TooSlow
from interlock.gateway.places import START, Entry, PlaceLost, place_text, read_place

_BLOCK_MS = 1000
_READ_EVENTS = 200
_PAGE_EVENTS = 50
"""Of a partition's past, so many are held at a time."""
_RETRY_SECONDS = 0.5
_LINGER_SECONDS = 10.0
"""How long the reader goes on when nobody listens: who asks again and again is soon back."""

log = structlog.get_logger()


class Feed:
    """The one reader. It reads while anybody listens, and a while longer."""

    def __init__(self, client: redis.asyncio.Redis, keys: Keys) -> None:
        self._client, self._keys = client, keys
        self._streams = [*(keys.partition(number).outbox for number in range(keys.partitions)), keys.notices]
        self._numbers = {stream.encode(): number for number, stream in enumerate(self._streams)}
        self._ends: list[Entry] = []
        self._listeners: dict[int, tuple[Listening, Callable[[Mapping[str, Any]], bool]]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._idle: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def listen(
        self,
        wants: Callable[[Mapping[str, Any]], bool],
        place: str | None = None,
        *,
        notices: bool = False,
        most: int | None = None,
    ) -> AsyncIterator[Listening]:
        """Listen to the events that ``wants`` takes, from now on or from behind ``place``.

        ``notices``: to these too. ``most``: how many events there may be behind ``place``. ``wants`` must not raise.
        Raises PlaceInvalid, PlaceLost, TooSlow, redis.RedisError.
        """
        begin = read_place(place, self._heard(notices)) if place is not None else None
        if begin is not None:
            await self._check_reached(begin)
        async with self._starting:
            if self._reader is None or self._reader.done():
                if not self._listeners:
                    self._ends = await self._newest()
                self._reader = asyncio.create_task(self._read())
            ends = list(self._ends)
            listening = Listening(list(begin or ends[: self._heard(notices)]), self._ends)
            self._listeners[id(listening)] = (listening, wants)
        try:
            if begin is not None:
                earlier = self._since(begin, ends, wants)
                if most is not None:
                    earlier = _all_of(await _at_most(most, earlier))
                await listening.begin(earlier, ends)
            yield listening
        finally:
            del self._listeners[id(listening)]
            await listening.end()
            if not self._listeners and (self._idle is None or self._idle.done()):
                self._idle = asyncio.create_task(self._stop_when_idle())

    async def here(self) -> str:
        """The place behind everything that is there now, notices too. Raises redis.RedisError."""
        return place_text(await self._newest())

    async def close(self) -> None:
        """Read no more."""
        await ended(self._idle)
        await self._stop()

    async def _stop_when_idle(self) -> None:
        await asyncio.sleep(_LINGER_SECONDS)
        async with self._starting:
            if not self._listeners:
                await self._stop()

    async def _stop(self) -> None:
        reader, self._reader = self._reader, None
        await ended(reader)

    async def _read(self) -> None:
        while True:
            try:
                places: dict[Any, Any] = {
                    stream: entry_text(end) for stream, end in zip(self._streams, self._ends, strict=True)
                }
                found: Any = await self._client.xread(places, count=_READ_EVENTS, block=_BLOCK_MS)
            except redis.RedisError as error:
                log.warning("feed_interrupted", error=type(error).__name__)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            for stream, entries in found:
                number = self._numbers[stream]
                for entry_id, fields in entries:
                    self._ends[number] = entry_place(entry_id)
                    one = _announced(number, entry_id, fields)
                    if one is not None:
                        self._tell(one)

    def _tell(self, one: Announced) -> None:
        for listening, wants in self._listeners.values():
            if one.partition >= len(listening.place):
                continue
            if wants(one.event):
                listening.tell(one)
            else:
                listening.pass_by(one)

    async def _told_of_streams(self) -> list[dict[str, Any] | None]:
        """What the server tells of each stream (XINFO STREAM); None where nothing was ever announced."""
        pipeline = self._client.pipeline(transaction=False)
        for stream in self._streams:
            pipeline.xinfo_stream(stream)
        found = await pipeline.execute(raise_on_error=False)
        return [one if isinstance(one, dict) else None for one in found]

    async def _newest(self) -> list[Entry]:
        return [_last(stream) for stream in await self._told_of_streams()]

    async def _check_reached(self, begin: list[Entry]) -> None:
        """Raises PlaceLost. Of a partition that was cut behind ``begin``, nobody knows how much is gone."""
        for after, stream in zip(begin, await self._told_of_streams(), strict=False):
            last = _last(stream)
            if after > last:
                raise PlaceLost
            if stream is None or after == last or stream.get("entries-added") == stream["length"]:
                continue
            first = stream["first-entry"]
            if first is None or after < entry_place(first[0]):
                raise PlaceLost

    async def _since(
        self, begin: list[Entry], ends: list[Entry], wants: Callable[[Mapping[str, Any]], bool]
    ) -> AsyncGenerator[Announced, None]:
        """What was announced behind ``begin``, up to ``ends``, in the order of the entries' times."""
        stretches = enumerate(zip(begin, ends, strict=False))
        ways = [self._stretch(number, after, end) for number, (after, end) in stretches]
        heads: dict[int, Announced] = {}

        async def go_on(number: int) -> None:
            one = await anext(ways[number], None)
            if one is not None:
                heads[number] = one

        try:
            for number in range(len(ways)):
                await go_on(number)
            while heads:
                number = min(heads, key=lambda one: heads[one].entry)
                one = heads.pop(number)
                if wants(one.event):
                    yield one
                await go_on(number)
        finally:
            for way in ways:
                await way.aclose()

    async def _stretch(self, number: int, after: Entry, end: Entry) -> AsyncGenerator[Announced, None]:
        """What stands in one outbox behind ``after``, up to ``end``."""
        while after < end:
            entries: Any = await self._client.xrange(
                self._streams[number], f"({entry_text(after)}", entry_text(end), _PAGE_EVENTS
            )
            for entry_id, fields in entries:
                one = _announced(number, entry_id, fields)
                if one is not None:
                    yield one
            if len(entries) < _PAGE_EVENTS:
                return
            after = entry_place(entries[-1][0])

    def _heard(self, notices: bool) -> int:
        """How many a listener hears."""
        return len(self._streams) if notices else len(self._streams) - 1


async def _at_most(most: int, earlier: AsyncGenerator[Announced, None]) -> list[Announced]:
    """All of them. Raises TooSlow where they are more."""
    found: list[Announced] = []
    async with aclosing(earlier):
        async for one in earlier:
            found.append(one)
            if len(found) > most:
                raise TooSlow
    return found


async def _all_of(found: list[Announced]) -> AsyncGenerator[Announced, None]:
    for one in found:
        yield one


def _last(stream: Mapping[str, Any] | None) -> Entry:
    """The entry that came last, be it kept or not."""
    return START if stream is None else entry_place(stream["last-generated-id"])


def _announced(number: int, entry_id: bytes, fields: Mapping[bytes, bytes]) -> Announced | None:
    raw = fields.get(b"event", b"")
    try:
        event = orjson.loads(raw)
        if not all(isinstance(event[name], str) for name in ("id", "type", "subject")):
            raise TypeError
    except (orjson.JSONDecodeError, KeyError, TypeError):
        log.error("event_unreadable", entry=entry_id.decode())
        return None
    return Announced(event, raw, number, entry_place(entry_id))
