"""Waiting for results: each request gets its own answer, and who cannot be answered is told so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest
import redis
import redis.asyncio

from interlock.engine.clients import connect_async
from interlock.engine.settings import Settings
from interlock.gateway.batching import Batcher
from interlock.gateway.commanding import CommandPort
from tests.integration.gateway_setup import KEYS

Act = Callable[[CommandPort, redis.asyncio.Redis], Awaitable[Any]]


def with_port(redis_client: redis.Redis, act: Act, **places: int) -> Any:
    place = redis_client.connection_pool.connection_kwargs
    url = f"redis://{place['host']}:{place['port']}/0"

    async def run() -> Any:
        async with connect_async(Settings(redis_url=url), connections=16) as client:
            batcher = Batcher(client)
            port = CommandPort(client, batcher, KEYS, **places)
            try:
                return await act(port, client)
            finally:
                await port.close()
                await batcher.close()

    return asyncio.run(run())


async def published(client: redis.asyncio.Redis, count: int) -> list[dict[str, Any]]:
    """The commands on the stream, once there are so many."""
    while len(entries := await client.xrange(KEYS.commands)) < count:
        await asyncio.sleep(0.005)
    return [orjson.loads(fields[b"command"]) for _, fields in entries]


async def reply(client: redis.asyncio.Redis, command: dict[str, Any], note: str) -> None:
    await client.rpush(command["reply_to"], orjson.dumps({"id": command["id"], "note": note}))  # type: ignore[misc]


def test_many_wait_on_one_list_and_each_gets_its_own_answer(redis_client: redis.Redis) -> None:
    async def act(port: CommandPort, client: redis.asyncio.Redis) -> None:
        tasks = [asyncio.create_task(port.request({"id": f"c{n}"}, 20)) for n in range(500)]
        commands = await published(client, 500)
        assert len({command["reply_to"] for command in commands}) == 1
        for command in reversed(commands):
            await reply(client, command, f"of {command['id']}")
        results = await asyncio.gather(*tasks)
        assert [one and one["note"] for one in results] == [f"of c{n}" for n in range(500)]

    with_port(redis_client, act)


def test_two_with_one_id_wait_apart(redis_client: redis.Redis) -> None:
    async def act(port: CommandPort, client: redis.asyncio.Redis) -> None:
        first = asyncio.create_task(port.request({"id": "same", "key": "a"}, 20))
        [command] = await published(client, 1)
        second = asyncio.create_task(port.request({"id": "same", "key": "b"}, 20))
        _, other = await published(client, 2)
        assert command["reply_to"] != other["reply_to"]
        await reply(client, other, "second")
        await reply(client, command, "first")
        assert [one and one["note"] for one in (await first, await second)] == ["first", "second"]

    with_port(redis_client, act)


def test_a_late_answer_is_not_taken_for_that_of_another_with_the_same_id(redis_client: redis.Redis) -> None:
    async def act(port: CommandPort, client: redis.asyncio.Redis) -> None:
        assert await port.request({"id": "late"}, 0.01) is None
        [command] = await published(client, 1)
        again = asyncio.create_task(port.request({"id": "late"}, 20))
        _, other = await published(client, 2)
        await reply(client, command, "to the first")
        await reply(client, other, "to the second")
        result = await again
        assert result
        assert result["note"] == "to the second"

    with_port(redis_client, act)


def test_who_finds_no_place_to_wait_has_published_and_is_told_so_at_once(redis_client: redis.Redis) -> None:
    async def act(port: CommandPort, client: redis.asyncio.Redis) -> None:
        waiting = [asyncio.create_task(port.request({"id": f"c{n}"}, 30)) for n in range(2)]
        await published(client, 2)
        assert await port.request({"id": "c2"}, 30) is None
        assert not any(task.done() for task in waiting)
        port.stopping = True
        assert await asyncio.gather(*waiting) == [None, None]
        assert len(await published(client, 3)) == 3

    with_port(redis_client, act, places=2)


def test_who_waits_hears_at_once_that_the_results_cannot_be_read(redis_client: redis.Redis) -> None:
    async def act(port: CommandPort, client: redis.asyncio.Redis) -> None:
        waiting = asyncio.create_task(port.request({"id": "c"}, 30))
        [command] = await published(client, 1)
        await client.set(command["reply_to"], "what somebody else wrote")
        with pytest.raises(redis.RedisError):
            await waiting

    with_port(redis_client, act)


def test_one_command_that_fails_does_not_fail_its_neighbours(redis_client: redis.Redis) -> None:
    async def act(_port: CommandPort, client: redis.asyncio.Redis) -> None:
        await client.set("text", "x")
        batcher = Batcher(client)
        found = await asyncio.gather(
            batcher.run("GET", "text"),
            batcher.run("LPOP", "text"),
            batcher.run("GET", "none"),
            return_exceptions=True,
        )
        assert (found[0], found[2]) == (b"x", None)
        assert isinstance(found[1], redis.ResponseError)

    with_port(redis_client, act)
