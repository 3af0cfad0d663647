"""Who listens to notifications: a session for each client that has shaken hands.

A session is a place in the feed, kept on the server: what there is to tell is read from there. So any gateway serves
any session, one that ends loses nothing, and a client that asks no more costs no memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from secrets import token_urlsafe
from time import time
from typing import Annotated, Any, cast

import orjson
import uuid_utils
from fastapi import Depends, Request

from interlock.engine.fencing import script_text
from interlock.engine.tenancy import qualified
from interlock.engine.tokens import Principal
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.dialects.genesys.bayeux import heard_on
from interlock.gateway.listener import Listening

MOST_WAITING = 1000
"""Notifications that may wait for a session; a client that lets more wait has to begin again."""
MOST_OF_ONE = 20
"""Sessions of one principal."""
IDLE_MS = 90_000
"""After so long without a request a session is over."""
WORKBIN_CONTENT = "workbin_content"
REFUSED = "refused"
"""What notices are about: a workbin, by its name, and the ``reference`` of the call; a command that was refused after
its call had been answered, with the ``error`` as it would have been."""
NOTICE = "notice/"
"""How the types of notices begin; no chart can be called so."""
_MOST_NOTICES = 1000


@dataclass(frozen=True, slots=True)
class Session:
    """``channels``: what the client has subscribed to; ``acknowledges``: it says which batches it has; ``batch``: the
    number of the last; ``place``: in the feed, behind what it has been told; ``before``: the same before the last
    batch; ``turn``: the number of its last connect; ``seen_ms``: when it last asked, Unix milliseconds; ``stored``: as
    it was read."""

    client_id: str
    principal: Principal
    acknowledges: bool
    place: str
    before: str
    channels: tuple[str, ...] = ()
    batch: int = 0
    turn: int = 0
    seen_ms: int = 0
    stored: bytes = field(default=b"", repr=False)

    @property
    def channel(self) -> str | None:
        """Under which channel it hears of interactions; None where it does not."""
        return next((heard for one in self.channels if (heard := heard_on(one))), None)

    def body(self) -> bytes:
        """As it is kept."""
        names = ("acknowledges", "place", "before", "channels", "batch", "turn", "seen_ms")
        return orjson.dumps({name: getattr(self, name) for name in names})


@dataclass(slots=True)
class Hold:
    """A connect in this process. ``listening``: once it waits; ``has_turn``: the client has not connected anew;
    ``is_over``: the client has ended the session."""

    listening: Listening | None = None
    has_turn: bool = True
    is_over: bool = False

    def end(self, *, session_too: bool = False) -> None:
        """Have it answered at once."""
        self.has_turn, self.is_over = False, session_too
        if self.listening is not None:
            self.listening.wake()


class Sessions:
    """All sessions of the deployment, and the connects that this process holds."""

    def __init__(self, deployment: ServedDeployment) -> None:
        self._deployment = deployment
        self._held: dict[str, Hold] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, principal: Principal, acknowledges: bool) -> Session | None:
        """A new session; None where the principal has too many."""
        key = self._key(principal)
        kept: dict[bytes, bytes] = _pairs(await self._run("HGETALL", key))
        over = [name for name, raw in kept.items() if _is_over(orjson.loads(raw))]
        if over:
            await self._run("HDEL", key, *over)
        if len(kept) - len(over) >= MOST_OF_ONE:
            return None
        here = await self._deployment.feed.here()
        session = Session(token_urlsafe(24), principal, acknowledges, here, here, seen_ms=_now_ms())
        return await self._swapped(session, session)

    async def of(self, client_id: object, principal: Principal) -> Session | None:
        """The principal's session of this id; None where there is none, or it is over."""
        if not isinstance(client_id, str):
            return None
        raw = cast("bytes | None", await self._run("HGET", self._key(principal), client_id))
        if raw is None or _is_over(kept := orjson.loads(raw)):
            return None
        channels = tuple(kept.pop("channels"))
        return Session(client_id, principal, **kept, channels=channels, stored=raw)

    async def change(self, session: Session, change: Callable[[Session], Session | None]) -> Session | None:
        """The session as ``change`` makes it of what it is now; None where that gives none, or it is over."""
        found: Session | None = session
        while found is not None:
            wanted = change(found)
            if wanted is None:
                return None
            wanted = replace(wanted, seen_ms=_now_ms())
            if (swapped := await self._swapped(found, wanted)) is not None:
                return swapped
            found = await self.of(session.client_id, session.principal)
            if found is not None and found.stored == wanted.body():
                return found  # it was put, and the answer lost
        return None

    async def end(self, session: Session) -> None:
        """It is over."""
        await self._run("HDEL", self._key(session.principal), session.client_id)
        if (held := self._held.get(session.client_id)) is not None:
            held.end(session_too=True)

    @contextmanager
    def holding(self, session: Session) -> Iterator[Hold]:
        """Meanwhile a connect of the session is here; one that was here before has lost the turn."""
        if (earlier := self._held.get(session.client_id)) is not None:
            earlier.end()
        held = self._held[session.client_id] = Hold()
        try:
            yield held
        finally:
            if self._held.get(session.client_id) is held:
                del self._held[session.client_id]

    async def notify(self, principal: Principal, what: str, **data: Any) -> None:
        """Have the clients of this principal hear of what is no event of an instance."""
        if not await self._run("EXISTS", self._key(principal)):
            return
        notice = {
            "id": str(uuid_utils.uuid7()),
            "type": f"{NOTICE}{what}",
            "subject": qualified(principal.tenant, principal.id),
            "data": {"kind": principal.kind, **data},
        }
        notices = self._deployment.store.keys.notices
        await self._run("XADD", notices, "MAXLEN", "~", _MOST_NOTICES, "*", "event", orjson.dumps(notice))

    def later(self, telling: Coroutine[Any, Any, None]) -> None:
        """Have it told beside what is going on."""
        task = asyncio.create_task(telling)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _swapped(self, found: Session, wanted: Session) -> Session | None:
        body, key = wanted.body(), self._key(found.principal)
        words = (script_text("swap"), 1, key, found.client_id, found.stored, body, IDLE_MS)
        return replace(wanted, stored=body) if await self._run("EVAL", *words) else None

    async def _run(self, *command: str | bytes | int) -> Any:
        return await self._deployment.batcher.run(*command)

    def _key(self, principal: Principal) -> str:
        return self._deployment.store.keys.listeners(principal.tenant, principal.kind, principal.id)


def _is_over(kept: dict[str, Any]) -> bool:
    return bool(kept["seen_ms"] < _now_ms() - IDLE_MS)


def _now_ms() -> int:
    return int(time() * 1000)


def _pairs(words: Any) -> dict[Any, Any]:
    return words if isinstance(words, dict) else dict(zip(words[::2], words[1::2], strict=True))


async def _of(request: Request, deployment: Deployment) -> Sessions:
    state = request.app.state
    if not hasattr(state, "genesys_sessions"):
        state.genesys_sessions = Sessions(deployment)
    found: Sessions = state.genesys_sessions
    return found


OpenSessions = Annotated[Sessions, Depends(_of)]
