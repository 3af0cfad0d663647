"""Redis commands of many requests on one way there and back: what comes while one is under way goes with the next."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import redis
import redis.asyncio

_MAX_BATCH = 500


async def ended(task: asyncio.Task[None] | None) -> None:
    """Cancel a task until it has ended: in Python 3.11 `asyncio.wait_for`, which redis-py sends with, may lose one."""
    while task is not None and not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.05)


Word = str | bytes | int | float


class Batcher:
    """Runs single commands, each a request's own, in pipelines over one connection of ``client``."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._waiting: list[tuple[tuple[Word, ...], asyncio.Future[Any]]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._connection: redis.asyncio.Connection | None = None

    async def run(self, *command: Word) -> Any:
        """The reply of one command. Raises redis.RedisError, that of its own reply or of the connection."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, future))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        return await future

    async def close(self) -> None:
        """Let what is under way come back, and give the connection up."""
        if self._flushing is not None:
            with suppress(asyncio.CancelledError):
                await self._flushing
        if self._connection is not None:
            await self._connection.disconnect()
            await self._client.connection_pool.release(self._connection)
            self._connection = None

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:_MAX_BATCH], self._waiting[_MAX_BATCH:]
            try:
                replies = await self._replies([command for command, _ in batch])
            except Exception as error:  # whatever it is, it is told to those who wait
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), reply in zip(batch, replies, strict=True):
                if future.done():  # its request has gone away
                    continue
                if isinstance(reply, Exception):
                    future.set_exception(reply)
                else:
                    future.set_result(reply)

    async def _replies(self, commands: list[tuple[Word, ...]]) -> list[Any]:
        """One for each command; a redis.ResponseError where it failed. Tried once more where the connection breaks."""
        try:
            return await self._exchange(commands)
        except (redis.ConnectionError, redis.TimeoutError):
            return await self._exchange(commands)

    async def _exchange(self, commands: list[tuple[Word, ...]]) -> list[Any]:
        # On a connection that is kept: a pipeline's own way to one costs twice as much as all that is done here.
        if self._connection is None:
            pool = self._client.connection_pool
            self._connection = await pool.get_connection()  # type: ignore[no-untyped-call]
        connection = self._connection
        replies: list[Any] = []
        try:
            await connection.send_packed_command(connection.pack_commands(commands))
            for _ in commands:
                try:
                    replies.append(await connection.read_response())
                except redis.ResponseError as error:
                    replies.append(error)
        except BaseException:
            await connection.disconnect()  # what comes next there would answer other commands
            raise
        return replies
