"""One listener to the feed of events: what waits for it, and how far it has come."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from interlock.gateway.places import Entry, furthest, place_text

MAX_AHEAD = 1000
MAX_BYTES_AHEAD = 8 * 2**20
"""So much may wait for a listener; one that is slower is cut off, and may begin again where it was."""


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
