"""Events as they are announced, for whoever listens over HTTP: one reader of the outboxes for all of them.

A place in the feed is a position in every partition's outbox. Who names an earlier place gets first what came
since then, page by page, and goes on with the rest without a gap and without anything twice. What waits for a
listener is bounded, in events and in bytes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
import redis
import redis.asyncio
import structlog

from interlock.engine.keys import Keys
from interlock.gateway.batching import ended

_BLOCK_MS = 1000
_READ_EVENTS = 200
_PAGE_EVENTS = 50
"""Of a partition's past, so many are held at a time."""
MAX_AHEAD = 1000
MAX_BYTES_AHEAD = 8 * 2**20
"""So much may wait for a listener; one that is slower is cut off, and may begin again where it was."""
_RETRY_SECONDS = 0.5
_START = (0, 0)
_MAX_PART = 2**63

Entry = tuple[int, int]
"""Milliseconds and number of an entry of a stream."""

log = structlog.get_logger()


class PlaceInvalid(ValueError):
    """This names no place in the feed. Begin without one."""


class PlaceLost(Exception):
    """What came behind this place is kept no more, or the place is of another deployment. Look at how things stand
    now, then begin without one."""


class TooSlow(Exception):
    """The listener took its events too slowly and gets no more. Let it begin again at the last place it has."""


@dataclass(frozen=True, slots=True)
class Announced:
    """An event. ``event``: the CloudEvent; ``body``: its bytes; ``partition``, ``entry``: where it stands."""

    event: Mapping[str, Any]
    body: bytes
    partition: int
    entry: Entry


@dataclass(slots=True)
class Listening:
    """One listener's way through the feed. ``place``: how far it has come; ``earlier``: what was before it listened."""

    place: list[Entry]
    earlier: AsyncGenerator[Announced, None] | None = None
    _waiting: deque[Announced] = field(default_factory=deque)
    _bytes_ahead: int = 0
    _told: asyncio.Event = field(default_factory=asyncio.Event)
    _cut_off: bool = False

    async def following(self, timeout_seconds: float) -> Announced | None:
        """The next event, or None where none came in time. Raises TooSlow, and redis.RedisError of what is earlier."""
        if self.earlier is not None:
            # Without the timeout: it would end the generator in the middle.
            one = await anext(self.earlier, None)
            if one is not None:
                return self._passed(one)
            self.earlier = None
        if not self._waiting:
            if self._cut_off:
                raise TooSlow
            self._told.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(timeout_seconds):
                    await self._told.wait()
        if not self._waiting:
            return None
        one = self._waiting.popleft()
        self._bytes_ahead -= len(one.body)
        return self._passed(one)

    def tell(self, one: Announced) -> None:
        """Have it wait for the listener, who is cut off where that is too much; from then on nothing more waits."""
        if self._cut_off:
            return
        if one.entry <= self.place[one.partition]:
            return  # the place is one of another gateway's, which was ahead of this one
        if len(self._waiting) >= MAX_AHEAD or self._bytes_ahead + len(one.body) > MAX_BYTES_AHEAD:
            self._cut_off = True
        else:
            self._waiting.append(one)
            self._bytes_ahead += len(one.body)
        self._told.set()

    def pass_by(self, one: Announced) -> None:
        """It is not for the listener, who need not look at it again after a pause. Kept back while more waits."""
        if self.earlier is None and not self._waiting and not self._cut_off:
            self.place[one.partition] = max(self.place[one.partition], one.entry)

    def _passed(self, one: Announced) -> Announced:
        self.place[one.partition] = one.entry
        return one

    def place_text(self) -> str:
        """The place as a text; `Feed.listen` takes it."""
        return ".".join(f"{ms:x}-{number:x}" if number else f"{ms:x}" for ms, number in self.place)


class Feed:
    """The one reader. It reads while anybody listens."""

    def __init__(self, client: redis.asyncio.Redis, keys: Keys) -> None:
        self._client, self._keys = client, keys
        self._outboxes = [keys.partition(number).outbox for number in range(keys.partitions)]
        self._numbers = {outbox.encode(): number for number, outbox in enumerate(self._outboxes)}
        self._ends: list[Entry] = []
        self._listeners: dict[int, tuple[Listening, Callable[[Mapping[str, Any]], bool]]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    @asynccontextmanager
    async def listen(
        self, wants: Callable[[Mapping[str, Any]], bool], place: str | None = None
    ) -> AsyncIterator[Listening]:
        """Listen to the events that ``wants`` takes, from now on or from behind ``place``.

        ``wants`` must not raise. Raises PlaceInvalid, PlaceLost, redis.RedisError.
        """
        begin = self._read_place(place) if place is not None else None
        if begin is not None:
            await self._check_reached(begin)
        async with self._starting:
            if not self._listeners:
                await self._stop()
                self._ends = await self._newest()
                self._reader = asyncio.create_task(self._read())
            listening = Listening(list(begin or self._ends))
            ends = list(self._ends)
            self._listeners[id(listening)] = (listening, wants)
        try:
            if begin is not None:
                listening.earlier = self._since(listening, ends, wants)
            yield listening
        finally:
            del self._listeners[id(listening)]
            if listening.earlier is not None:
                await listening.earlier.aclose()
            if not self._listeners:
                await self._stop()

    async def close(self) -> None:
        """Read no more."""
        await self._stop()

    async def _stop(self) -> None:
        reader, self._reader = self._reader, None
        await ended(reader)

    async def _read(self) -> None:
        while True:
            try:
                places: dict[Any, Any] = {
                    outbox: _text(end) for outbox, end in zip(self._outboxes, self._ends, strict=True)
                }
                found: Any = await self._client.xread(places, count=_READ_EVENTS, block=_BLOCK_MS)
            except redis.RedisError as error:
                log.warning("feed_interrupted", error=type(error).__name__)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            for outbox, entries in found:
                number = self._numbers[outbox]
                for entry_id, fields in entries:
                    self._ends[number] = _entry(entry_id)
                    one = _announced(number, entry_id, fields)
                    if one is not None:
                        self._tell(one)

    def _tell(self, one: Announced) -> None:
        for listening, wants in self._listeners.values():
            if wants(one.event):
                listening.tell(one)
            else:
                listening.pass_by(one)

    async def _streams(self) -> list[dict[str, Any] | None]:
        """What the server tells of each outbox (XINFO STREAM); None where nothing was ever announced."""
        pipeline = self._client.pipeline(transaction=False)
        for outbox in self._outboxes:
            pipeline.xinfo_stream(outbox)
        found = await pipeline.execute(raise_on_error=False)
        return [one if isinstance(one, dict) else None for one in found]

    async def _newest(self) -> list[Entry]:
        return [_last(stream) for stream in await self._streams()]

    async def _check_reached(self, begin: list[Entry]) -> None:
        """Raises PlaceLost. Of a partition that was cut behind ``begin``, nobody knows how much is gone."""
        for after, stream in zip(begin, await self._streams(), strict=True):
            last = _last(stream)
            if after > last:
                raise PlaceLost
            if stream is None or after == last or stream.get("entries-added") == stream["length"]:
                continue
            first = stream["first-entry"]
            if first is None or after < _entry(first[0]):
                raise PlaceLost

    async def _since(
        self, listening: Listening, ends: list[Entry], wants: Callable[[Mapping[str, Any]], bool]
    ) -> AsyncGenerator[Announced, None]:
        """What was announced behind the listener's place, up to ``ends``, where the place is then; in the order of the
        entries' times."""
        stretches = enumerate(zip(list(listening.place), ends, strict=True))
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
            listening.place = list(map(max, listening.place, ends))
        finally:
            for way in ways:
                await way.aclose()

    async def _stretch(self, number: int, after: Entry, end: Entry) -> AsyncGenerator[Announced, None]:
        """What stands in one outbox behind ``after``, up to ``end``."""
        while after < end:
            entries: Any = await self._client.xrange(
                self._outboxes[number], f"({_text(after)}", _text(end), _PAGE_EVENTS
            )
            for entry_id, fields in entries:
                one = _announced(number, entry_id, fields)
                if one is not None:
                    yield one
            if len(entries) < _PAGE_EVENTS:
                return
            after = _entry(entries[-1][0])

    def _read_place(self, text: str) -> list[Entry]:
        parts = text.split(".")
        if len(parts) != len(self._outboxes) or not all(_is_part(part) for part in parts):
            raise PlaceInvalid(text[:100])
        place = []
        for part in parts:
            milliseconds, _, number = part.partition("-")
            place.append((int(milliseconds, 16), int(number or "0", 16)))
        return place


def _is_part(part: str) -> bool:
    pieces = part.split("-")
    return len(pieces) <= 2 and all(
        0 < len(piece) < 16 and all(letter in "0123456789abcdef" for letter in piece) for piece in pieces
    )


def _last(stream: Mapping[str, Any] | None) -> Entry:
    """The entry that came last, be it kept or not."""
    return _START if stream is None else _entry(stream["last-generated-id"])


def _entry(entry_id: bytes) -> Entry:
    milliseconds, _, number = entry_id.partition(b"-")
    return int(milliseconds), int(number)


def _text(entry: Entry) -> str:
    return f"{entry[0]}-{entry[1]}"


def _announced(number: int, entry_id: bytes, fields: Mapping[bytes, bytes]) -> Announced | None:
    raw = fields.get(b"event", b"")
    try:
        event = orjson.loads(raw)
        if not all(isinstance(event[name], str) for name in ("id", "type", "subject")):
            raise TypeError
    except (orjson.JSONDecodeError, KeyError, TypeError):
        log.error("event_unreadable", entry=entry_id.decode())
        return None
    return Announced(event, raw, number, _entry(entry_id))
