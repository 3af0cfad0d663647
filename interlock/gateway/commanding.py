"""Publish a command and wait for its result, without a thread and without asking again and again."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any, cast

import orjson
import redis.asyncio

from interlock.engine.keys import Keys

MAX_WAITING = 256
"""Requests that may wait at once, one connection each."""
_SLICE_SECONDS = 1.0


class CommandPort:
    """The way of the gateway's commands to the ingress stream, and of their results back.

    Each waiting request has a reply list and, while it waits, a connection of its own: so the answer is surely
    its own, also where two requests use one command id at the same time.
    """

    def __init__(self, client: redis.asyncio.Redis, keys: Keys, places: int = MAX_WAITING) -> None:
        self._client, self._keys = client, keys
        self._places = places
        self.stopping = False
        """Set when the process is to end: who waits is told so within a second."""

    async def publish(self, command: bytes) -> None:
        """Put a command on the stream. Raises redis.RedisError where the server does not take it."""
        await self._client.xadd(self._keys.commands, {"command": command})

    async def request(self, command: bytes, reply_to: str, wait_seconds: float) -> dict[str, Any] | None:
        """Publish a command that names ``reply_to``; its result, or None where none came in time.

        None comes at once where too many wait already. The command is not withdrawn then.
        """
        if not self._places:
            await self.publish(command)
            return None
        self._places -= 1
        try:
            return await self._request(command, reply_to, wait_seconds)
        finally:
            self._places += 1

    async def _request(self, command: bytes, reply_to: str, wait_seconds: float) -> dict[str, Any] | None:
        deadline = monotonic() + wait_seconds
        pipeline = self._client.pipeline(transaction=False)  # one way there and back for both
        pipeline.xadd(self._keys.commands, {"command": command})
        pipeline.blpop([reply_to], timeout=_slice(wait_seconds))
        answer = (await pipeline.execute())[1]
        while answer is None and (left := deadline - monotonic()) > 0 and not self.stopping:
            answer = await cast("asyncio.Future[Any]", self._client.blpop([reply_to], timeout=_slice(left)))
        return None if answer is None else cast(dict[str, Any], orjson.loads(answer[1]))


def _slice(left: float) -> float:
    return max(min(left, _SLICE_SECONDS), 0.001)
