"""Events as they are announced, for whoever listens over HTTP: one reader of the outboxes for all of them.

A place in the feed is a position in every partition's outbox. Who names an earlier place gets first what came
since then, and goes on with the rest without a gap and without anything twice, at this gateway or at another one.
Beside the outboxes stands the stream of notices, for the listeners who ask for them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
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
_AHEAD = 1000
"""Events that may wait for a listener; one that is slower is cut off, and may begin again where it was."""
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
    waiting: asyncio.Queue[Announced | None] = field(default_factory=lambda: asyncio.Queue(_AHEAD))
    earlier: deque[Announced] = field(default_factory=deque)
    cut_off: bool = False

    async def following(self, timeout_seconds: float) -> Announced | None:
        """The next event, or None where none came in time, or it was woken. Raises TooSlow."""
        if self.earlier:
            return self._passed(self.earlier.popleft())
        if self.waiting.empty() and self.cut_off:
            raise TooSlow
        try:
            async with asyncio.timeout(timeout_seconds):
                return self._passed(await self.waiting.get())
        except TimeoutError:
            return None

    def wake(self) -> None:
        """Have `following` come back at once, with nothing where there is nothing."""
        if self.waiting.empty():
            self.waiting.put_nowait(None)

    @property
    def has_more(self) -> bool:
        """Whether there are events already that it has not been given."""
        return bool(self.earlier) or not self.waiting.empty()

    def _passed(self, one: Announced | None) -> Announced | None:
        if one is not None:
            self.place[one.partition] = one.entry
        return one

    def reached(self) -> list[Entry]:
        """The place behind which there is nothing yet that it wants; of one with more to come, behind the last event
        that it was given."""
        return list(self.place) if self.has_more else furthest(self.place, self.ends)

    def place_text(self) -> str:
        """The place as a text; `Feed.listen` takes it."""
        return place_text(self.place)


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
        Raises PlaceInvalid, TooSlow, redis.RedisError.
        """
        begin = self.read_place(place, notices=notices) if place is not None else None
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
                listening.earlier = deque(await self._since(begin, ends, wants, most))
            yield listening
        finally:
            del self._listeners[id(listening)]
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
                    self._ends[number] = _entry(entry_id)
                    one = _announced(number, entry_id, fields)
                    if one is not None:
                        self._tell(one)

    def _tell(self, one: Announced) -> None:
        for listening, wants in self._listeners.values():
            if listening.cut_off or one.partition >= len(listening.place):
                continue
            # Another gateway may have told it more than this one has read.
            if one.entry > listening.place[one.partition] and wants(one.event):
                try:
                    listening.waiting.put_nowait(one)
                except asyncio.QueueFull:
                    listening.cut_off = True

    async def _newest(self) -> list[Entry]:
        pipeline = self._client.pipeline(transaction=False)
        for stream in self._streams:
            pipeline.xrevrange(stream, count=1)
        found = await pipeline.execute(raise_on_error=False)
        return [_entry(one[0][0]) if isinstance(one, list) and one else _START for one in found]

    async def _since(
        self,
        begin: list[Entry],
        ends: list[Entry],
        wants: Callable[[Mapping[str, Any]], bool],
        most: int | None,
    ) -> list[Announced]:
        """What was announced behind ``begin``, up to ``ends``; in the order of the entries' times. Raises TooSlow."""
        found: list[Announced] = []
        behind = {number: after for number, after in enumerate(begin) if after < ends[number]}
        while behind:
            pipeline = self._client.pipeline(transaction=False)
            for number, after in behind.items():
                pipeline.xrange(self._streams[number], f"({_text(after)}", _text(ends[number]), _READ_EVENTS)
            for number, entries in zip(list(behind), await pipeline.execute(), strict=True):
                announced = (_announced(number, entry_id, fields) for entry_id, fields in entries)
                found += [one for one in announced if one is not None and wants(one.event)]
                if most is not None and len(found) > most:
                    raise TooSlow
                if len(entries) < _READ_EVENTS:
                    del behind[number]
                else:
                    behind[number] = _entry(entries[-1][0])
        return sorted(found, key=lambda one: one.entry)

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


def _is_part(part: str) -> bool:
    pieces = part.split("-")
    return len(pieces) <= 2 and all(
        0 < len(piece) < 16 and all(letter in "0123456789abcdef" for letter in piece) for piece in pieces
    )


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
