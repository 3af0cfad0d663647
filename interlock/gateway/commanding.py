"""Publish commands and wait for their results: one connection for all who wait, and nobody asks again and again.

All results of one gateway come to one reply list, which one reader empties; each is told to the request whose
command it answers. Two requests that use one command id at the same time wait apart: the second on a list and a
connection of its own, so that each gets its own answer.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from secrets import token_urlsafe
from time import monotonic
from typing import Any, cast

import orjson
import redis
import redis.asyncio
import structlog

from interlock.engine.keys import Keys
from interlock.gateway.batching import Batcher, ended

MAX_WAITING = 4096
"""Requests that may wait at once."""
MAX_WAITING_APART = 64
"""Of these, how many with a connection of their own."""
_SLICE_SECONDS = 1.0
_MANY = 200
_RETRY_SECONDS = 0.2
_MAX_LATE = 100_000

Result = dict[str, Any]

log = structlog.get_logger()


class CommandPort:
    """The way of the gateway's commands to the ingress stream, and of their results back."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        batcher: Batcher,
        keys: Keys,
        places: int = MAX_WAITING,
        places_apart: int = MAX_WAITING_APART,
    ) -> None:
        """``client``: with a connection for the reader and one for each place apart."""
        self._client, self._batcher, self._keys = client, batcher, keys
        self._places, self._places_apart = places, places_apart
        self._list = keys.reply(token_urlsafe(16))
        self._waiting: dict[str, asyncio.Future[Result | None]] = {}
        self._late: OrderedDict[str, Callable[[Result], None] | None] = OrderedDict()
        """Ids of commands whose result may still come to the list, when nobody waits for it any more; who hears it."""
        self._reader: asyncio.Task[None] | None = None
        self.stopping = False
        """Set when the process is to end: who waits is told so within a second."""

    async def publish(self, command: bytes) -> None:
        """Put a command on the stream. Raises redis.RedisError where the server does not take it."""
        await self._batcher.run("XADD", self._keys.commands, "*", "command", command)

    async def request(self, body: Result, wait_seconds: float) -> Result | None:
        """Publish a command, with a ``reply_to`` of ours; its result, or None where none came in time.

        None comes at once where too many wait already. The command is not withdrawn then. Raises
        redis.RedisError where the server does not take it.
        """
        command_id = body["id"]
        apart = command_id in self._waiting or command_id in self._late
        if not self._places or (apart and not self._places_apart):
            await self.publish(orjson.dumps(body))
            return None
        self._places -= 1
        try:
            return await (self._apart if apart else self._among_others)(body, wait_seconds)
        finally:
            self._places += 1

    def when_late(self, command_id: str, hear: Callable[[Result], None]) -> None:
        """Have the result of a command, on which a request has waited in vain, heard when it comes to this process
        after all."""
        if command_id in self._late:
            self._late[command_id] = hear

    async def close(self) -> None:
        """Read no more results."""
        reader, self._reader = self._reader, None
        await ended(reader)

    async def _among_others(self, body: Result, wait_seconds: float) -> Result | None:
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())
        future: asyncio.Future[Result | None] = asyncio.get_running_loop().create_future()
        self._waiting[body["id"]] = future
        timer = asyncio.get_running_loop().call_later(wait_seconds, _give_up, future)
        try:
            await self.publish(orjson.dumps({**body, "reply_to": self._list}))
            return await future
        finally:
            timer.cancel()
            del self._waiting[body["id"]]
            if not future.done() or future.cancelled() or future.exception() or future.result() is None:
                self._note_late(body["id"])

    def _note_late(self, command_id: str) -> None:
        self._late[command_id] = None
        if len(self._late) > _MAX_LATE:
            self._late.popitem(last=False)

    async def _apart(self, body: Result, wait_seconds: float) -> Result | None:
        self._places_apart -= 1
        try:
            reply_to = self._keys.reply(token_urlsafe(16))
            deadline = monotonic() + wait_seconds
            await self.publish(orjson.dumps({**body, "reply_to": reply_to}))
            answer = None
            while answer is None and (left := deadline - monotonic()) > 0 and not self.stopping:
                answer = await cast(
                    "asyncio.Future[Any]",
                    self._client.blpop([reply_to], timeout=max(min(left, _SLICE_SECONDS), 0.001)),
                )
            return None if answer is None else cast(Result, orjson.loads(answer[1]))
        finally:
            self._places_apart += 1

    async def _read(self) -> None:
        while True:
            try:
                found: Any = await cast(
                    "asyncio.Future[Any]",
                    self._client.blmpop(_SLICE_SECONDS, 1, self._list, direction="LEFT", count=_MANY),
                )
                for raw in found[1] if found else ():
                    self._tell(raw)
            except redis.RedisError as error:
                log.warning("results_interrupted", error=type(error).__name__)
                for future in self._waiting.values():
                    if not future.done():
                        future.set_exception(error)
                await asyncio.sleep(_RETRY_SECONDS)
            if self.stopping:
                for future in self._waiting.values():
                    _give_up(future)

    def _tell(self, raw: bytes) -> None:
        result = cast(Result, orjson.loads(raw))
        command_id = str(result.get("id"))
        hear = self._late.pop(command_id, None)
        if hear is not None:
            hear(result)
        future = self._waiting.get(command_id)
        if future is not None and not future.done():
            future.set_result(result)


def _give_up(future: asyncio.Future[Result | None]) -> None:
    if not future.done():
        future.set_result(None)
