"""Events as they are announced, for whoever listens over HTTP: one reader of the outboxes for all of them.

A place in the feed is a position in every partition's outbox. Who names an earlier place gets first what came
since then, page by page, and goes on with the rest without a gap and without anything twice, at this gateway or at
another one. What waits for a listener is bounded, in events and in bytes. Beside the outboxes stands the stream of
notices, for the listeners who ask for them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
import redis
import redis.asyncio
import structlog

from interlock.engine.ids import entry_place
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
_LINGER_SECONDS = 10.0
"""How long the reader goes on when nobody listens: who asks again and again is soon back."""
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
    """An event. ``event``: the CloudEvent; ``body``: its bytes; ``partition``, ``entry``: where it stands; notices
    stand behind the last partition."""

    event: Mapping[str, Any]
    body: bytes
    partition: int
    entry: Entry


@dataclass(slots=True)
class Listening:
    """One listener's way through the feed. ``place``: how far it has come; ``ends``: how far the reader has."""

    place: list[Entry]
    ends: list[Entry]
    _earlier: AsyncGenerator[Announced, None] | None = None
    """What was announced before it listened, behind `_head`, up to `_until`."""
    _head: Announced | None = None
    _until: list[Entry] = field(default_factory=list)
    _waiting: deque[Announced] = field(default_factory=deque)
    _bytes_ahead: int = 0
    _told: asyncio.Event = field(default_factory=asyncio.Event)
    _woken: bool = False
    _cut_off: bool = False

    async def begin(self, earlier: AsyncGenerator[Announced, None], until: list[Entry]) -> None:
        """Have ``earlier`` come first, which is all that is wanted up to ``until``. Raises as it does."""
        self._earlier, self._until = earlier, until
        await self._go_on()

    async def following(self, timeout_seconds: float) -> Announced | None:
        """The next event, or None where none came in time, or it was woken. Raises TooSlow, and redis.RedisError of
        what is earlier."""
        if (one := self._head) is not None:
            # Without the timeout: it would end the generator in the middle.
            self._passed(one)
            await self._go_on()
            return one
        if not self._waiting:
            if self._cut_off:
                raise TooSlow
            self._told.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(0 if self._woken else timeout_seconds):
                    await self._told.wait()
            self._woken = False
        if not self._waiting:
            return None
        one = self._waiting.popleft()
        self._bytes_ahead -= len(one.body)
        self._passed(one)
        return one

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
        if not self.has_more and not self._cut_off:
            self.place[one.partition] = max(self.place[one.partition], one.entry)

    def wake(self) -> None:
        """Have `following` come back at once, with nothing where there is nothing."""
        self._woken = True
        self._told.set()

    @property
    def has_more(self) -> bool:
        """Whether there are events already that it has not been given."""
        return self._head is not None or bool(self._waiting)

    def reached(self) -> list[Entry]:
        """The place behind which there is nothing yet that it wants; of one with more to come, behind the last event
        that it was given."""
        return list(self.place) if self.has_more else furthest(self.place, self.ends)

    def place_text(self) -> str:
        """The place as a text; `Feed.listen` takes it."""
        return place_text(self.place)

    async def end(self) -> None:
        """Ask for no more of what is earlier."""
        if self._earlier is not None:
            await self._earlier.aclose()
            self._earlier = self._head = None

    async def _go_on(self) -> None:
        if self._earlier is None:
            return
        self._head = None
        self._head = await anext(self._earlier, None)
        if self._head is None:
            self._earlier = None
            self.place = furthest(self.place, self._until)

    def _passed(self, one: Announced) -> None:
        self.place[one.partition] = one.entry


def place_text(place: Sequence[Entry]) -> str:
    """A place as a text."""
    return ".".join(f"{ms:x}-{number:x}" if number else f"{ms:x}" for ms, number in place)


def furthest(one: Sequence[Entry], other: Sequence[Entry]) -> list[Entry]:
    """The place that is as far as the further of two in each stream that the first has."""
    return [max(*both) for both in zip(one, other, strict=False)]


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
        begin = self.read_place(place, notices=notices) if place is not None else None
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
                    stream: _text(end) for stream, end in zip(self._streams, self._ends, strict=True)
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
                self._streams[number], f"({_text(after)}", _text(end), _PAGE_EVENTS
            )
            for entry_id, fields in entries:
                one = _announced(number, entry_id, fields)
                if one is not None:
                    yield one
            if len(entries) < _PAGE_EVENTS:
                return
            after = entry_place(entries[-1][0])

    def _heard(self, notices: bool) -> int:
        """How many of the streams a listener hears."""
        return len(self._streams) if notices else len(self._streams) - 1

    def read_place(self, text: str, *, notices: bool = False) -> list[Entry]:
        """The place that a text means. Raises PlaceInvalid."""
        parts = text.split(".")
        if len(parts) != self._heard(notices) or not all(_is_part(part) for part in parts):
            raise PlaceInvalid(text[:100])
        place = []
        for part in parts:
            milliseconds, _, number = part.partition("-")
            place.append((int(milliseconds, 16), int(number or "0", 16)))
        return place


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


def _is_part(part: str) -> bool:
    pieces = part.split("-")
    return len(pieces) <= 2 and all(
        0 < len(piece) < 16 and all(letter in "0123456789abcdef" for letter in piece) for piece in pieces
    )


def _last(stream: Mapping[str, Any] | None) -> Entry:
    """The entry that came last, be it kept or not."""
    return _START if stream is None else entry_place(stream["last-generated-id"])


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
    return Announced(event, raw, number, entry_place(entry_id))
