"""Who listens to notifications: a session for each client that has shaken hands, with what it has yet to be told.

A session belongs to this process. A client whose session is elsewhere, or is over, is told to shake hands again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from secrets import token_urlsafe
from time import monotonic
from typing import Annotated, Any

import redis
import structlog
from fastapi import Depends, Request

from interlock.engine.tokens import Principal
from interlock.gateway.dialects.genesys.bayeux import Message, heard_on

MOST_WAITING = 1000
"""Notifications that a session keeps; a client that lets more wait has to begin again."""
MOST_SESSIONS = 5000
MOST_OF_ONE = 20
"""Sessions of one principal."""
IDLE_SECONDS = 90.0
"""After so long without a request a session is over."""
_SLICE_SECONDS = 1.0

log = structlog.get_logger()


@dataclass(slots=True)
class Session:
    """``channels``: what it has subscribed to; ``acknowledges``: the client says which batches it has; ``hears``: from
    here on nothing is missed."""

    client_id: str
    principal: Principal
    acknowledges: bool
    channels: list[str] = field(default_factory=list)
    waiting: deque[Message] = field(default_factory=deque)
    unacknowledged: list[Message] = field(default_factory=list)
    batch: int = 0
    turn: int = 0
    seen_at: float = field(default_factory=monotonic)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    hears: asyncio.Event = field(default_factory=asyncio.Event)
    listening: asyncio.Task[None] | None = None
    is_over: bool = False

    def tell(self, data: Any) -> None:
        """Have the client hear of this, where it has subscribed."""
        channel = next((heard for one in self.channels if (heard := heard_on(one))), None)
        if channel is None or self.is_over:
            return
        if len(self.waiting) >= MOST_WAITING:
            self.end()
            return
        self.waiting.append({"channel": channel, "data": data})
        self.changed.set()

    async def following(self, seconds: float, gone: Callable[[], Awaitable[bool]]) -> list[Message]:
        """What there is to tell, as soon as there is anything; nothing after ``seconds``, where the same client asks
        anew, or where it is ``gone``."""
        self.turn += 1
        turn, until = self.turn, monotonic() + seconds
        self.changed.set()  # whoever waits has lost the turn
        while not self.waiting and not self.is_over and (left := until - monotonic()) > 0:
            self.changed.clear()
            try:
                async with asyncio.timeout(min(left, _SLICE_SECONDS)):
                    await self.changed.wait()
            except TimeoutError:
                if await gone():
                    return []
            self.seen_at = monotonic()
            if turn != self.turn:
                return []
        return self._taken()

    def _taken(self) -> list[Message]:
        told = list(self.waiting)
        self.waiting.clear()
        if self.acknowledges and told:
            self.unacknowledged += told
        return told

    def acknowledge(self, batch: int | None) -> None:
        """The client has everything up to this batch. What it has not comes again."""
        self.seen_at = monotonic()
        if self.acknowledges and batch is not None and batch < self.batch:
            self.waiting.extendleft(reversed(self.unacknowledged))
        self.unacknowledged = []
        self.batch += 1

    def end(self) -> None:
        """It is over."""
        self.is_over = True
        self.changed.set()
        self.hears.set()
        if self.listening is not None:
            self.listening.cancel()


class Sessions:
    """All of this process."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def begin(
        self, principal: Principal, acknowledges: bool, listen: Callable[[Session], Awaitable[None]]
    ) -> Session | None:
        """A new session, to which ``listen`` tells what happens; None where there are too many."""
        self._sweep()
        own = sum(one.principal == principal for one in self._sessions.values())
        if own >= MOST_OF_ONE or len(self._sessions) >= MOST_SESSIONS:
            return None
        session = Session(token_urlsafe(24), principal, acknowledges)
        session.listening = asyncio.create_task(_listen(session, listen))
        self._sessions[session.client_id] = session
        return session

    def of(self, client_id: object, principal: Principal) -> Session | None:
        """The principal's session of this id; None where there is none, or it is over."""
        self._sweep()
        found = self._sessions.get(client_id) if isinstance(client_id, str) else None
        if found is None or found.principal != principal:
            return None
        found.seen_at = monotonic()
        return found

    def tell(self, principal: Principal, data: Any) -> None:
        """Have the clients of this principal hear of it."""
        for session in list(self._sessions.values()):
            if session.principal == principal:
                session.tell(data)

    def end(self, session: Session) -> None:
        session.end()
        self._sessions.pop(session.client_id, None)

    def _sweep(self) -> None:
        before = monotonic() - IDLE_SECONDS
        for session in list(self._sessions.values()):
            if session.is_over or session.seen_at < before:
                self.end(session)


async def _of(request: Request) -> Sessions:
    state = request.app.state
    if not hasattr(state, "genesys_sessions"):
        state.genesys_sessions = Sessions()
    found: Sessions = state.genesys_sessions
    return found


OpenSessions = Annotated[Sessions, Depends(_of)]


async def _listen(session: Session, listen: Callable[[Session], Awaitable[None]]) -> None:
    try:
        await listen(session)
    except redis.RedisError as error:
        log.warning("notifications_interrupted", error=type(error).__name__)
    except Exception:  # a fault of ours ends this session alone, and its client shakes hands again
        log.exception("notifications_failed")
    session.end()
