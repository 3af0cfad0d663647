"""Requests a second through the gateway, and what each waits: ``python -m benchmarks.requests``.

In one run and in turn: one gateway and two drain processes, each request a command that makes an instance and waits
for its result; a FastAPI application that enqueues an RQ job and waits for its result, with two SimpleWorkers
(`plain_gateway`, `plain_rq`). First at an even 200 requests a second, measured from when each was due, then as
many as 256 connections can. The client is a process of the same machine and takes its part of it.
Prints medians and ratios.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import orjson
import redis

from benchmarks.desk import CHARTS, PATIENCE_SECONDS, server_url
from interlock.engine import tokens
from interlock.engine.embedded import EmbeddedServer
from interlock.engine.keys import Keys

CONNECTIONS = 256
EVEN_RATE = 200

Body = Callable[[int], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Served:
    """Something that takes commands over HTTP. ``body``: of the request of a number."""

    port: int
    path: str
    token: str
    body: Body


@dataclass(frozen=True, slots=True)
class Waited:
    """``per_second`` of answers with status 200; the waits in milliseconds."""

    per_second: float
    p50: float
    p99: float


class Connection:
    """One keep-alive connection, and as little of HTTP as it takes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, served: Served) -> None:
        self._reader, self._writer, self._served = reader, writer, served

    @classmethod
    async def open(cls, served: Served) -> Connection:
        return cls(*await asyncio.open_connection("127.0.0.1", served.port), served)

    async def post(self, number: int) -> int:
        """The status of one request."""
        body = orjson.dumps(self._served.body(number))
        head = (
            f"POST {self._served.path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self._served.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        await self._reader.readexactly(length)
        return int(answer[9:12])

    def close(self) -> None:
        self._writer.close()


async def measure(served: Served, numbers: Iterator[int], seconds: float, rate: int | None) -> Waited:
    """``rate``: requests a second, evenly; None: each connection asks again when it was answered."""
    connections = [await Connection.open(served) for _ in range(CONNECTIONS)]
    waits: list[float] = []
    begun = time.perf_counter()
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for each in connections:
        free.put_nowait(each)

    async def one(due: float) -> None:
        connection = await free.get()
        status = await connection.post(next(numbers))
        free.put_nowait(connection)
        assert status == 200, status
        waits.append(1000 * (time.perf_counter() - due))

    async def again_and_again() -> None:
        while time.perf_counter() < begun + seconds:
            await one(time.perf_counter())

    if rate is None:
        await asyncio.gather(*(again_and_again() for _ in connections))
    else:
        async with asyncio.TaskGroup() as group:
            for turn in range(int(rate * seconds)):
                due = begun + turn / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                group.create_task(one(due))
    elapsed = time.perf_counter() - begun
    for each in connections:
        each.close()
    waits.sort()
    return Waited(len(waits) / elapsed, waits[len(waits) // 2], waits[int(len(waits) * 0.99)])


@contextmanager
def running(environment: dict[str, str], *commands: list[str]) -> Iterator[None]:
    processes = [subprocess.Popen([sys.executable, "-m", *command], env=environment) for command in commands]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def interlock(client: redis.Redis) -> Iterator[Served]:
    client.flushall()
    port = free_port()
    environment = {
        **os.environ,
        "INTERLOCK_REDIS_URL": server_url(client),
        "INTERLOCK_CHARTS": str(CHARTS),
        "INTERLOCK_LOG_LEVEL": "warning",
        "INTERLOCK_RATE_LIMIT": "0",
    }
    program = "interlock.cli.main"
    with running(
        environment, [program, "serve", "--port", str(port)], [program, "worker", "--processes", "2"]
    ):
        token = tokens.create(client, Keys(), "admin")["token"]
        yield Served(
            port,
            "/interlock/v1/commands?wait=5",
            token,
            lambda number: {"machine": "request", "key": f"R-{number}", "name": "open"},
        )


@contextmanager
def plain(client: redis.Redis) -> Iterator[Served]:
    client.flushall()
    port, url = free_port(), server_url(client)
    worker = ["rq.cli", "worker", "--url", url, "--worker-class", "rq.SimpleWorker", "--quiet", "plain"]
    with running(
        {**os.environ, "INTERLOCK_REDIS_URL": url},
        ["benchmarks.plain_gateway", str(port)],
        worker,
        worker,
    ):
        yield Served(port, "/commands", "none", lambda number: {"key": f"R-{number % 200}", "name": "assign"})


async def ready(served: Served, numbers: Iterator[int]) -> None:
    """Returns once a request is answered 200."""
    limit = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < limit:
        try:
            connection = await Connection.open(served)
            status = await connection.post(next(numbers))
            connection.close()
            if status == 200:
                return
        except OSError:
            pass
        except asyncio.IncompleteReadError:
            pass
        await asyncio.sleep(0.1)
    raise SystemExit("no answer")


async def both(served: Served, seconds: float) -> tuple[Waited, Waited]:
    numbers = count()
    await ready(served, numbers)
    await measure(served, numbers, 1, EVEN_RATE)  # warms up
    return await measure(served, numbers, seconds, EVEN_RATE), await measure(served, numbers, seconds, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    found: dict[str, list[tuple[Waited, Waited]]] = {"interlock": [], "plain": []}
    with EmbeddedServer(None) as server, redis.Redis.from_url(server.url) as client:
        for _ in range(options.runs):
            for name, contender in (("interlock", interlock), ("plain", plain)):
                with contender(client) as served:
                    found[name].append(asyncio.run(both(served, options.seconds)))
    for name, words in (("interlock", "interlock, one gateway"), ("plain", "plain FastAPI and RQ")):
        even = [each for each, _ in found[name]]
        p50, p99 = statistics.median(e.p50 for e in even), statistics.median(e.p99 for e in even)
        print(
            f"{words:24}  at {EVEN_RATE}/s: {statistics.median(e.per_second for e in even):4.0f} answered, "
            f"p50 {p50:7.1f} ms, p99 {p99:7.1f} ms  {[round(e.p99) for e in even]}"
        )
    for name, words in (("interlock", "interlock, one gateway"), ("plain", "plain FastAPI and RQ")):
        full = [each for _, each in found[name]]
        print(
            f"{words:24}  {CONNECTIONS} at once: {statistics.median(e.per_second for e in full):6.0f} requests/s "
            f"{[round(e.per_second) for e in full]}, p50 {statistics.median(e.p50 for e in full):.0f} ms"
        )
    pairs = zip(found["interlock"], found["plain"], strict=True)
    print(
        f"interlock : plain         {statistics.median(a[1].per_second / b[1].per_second for a, b in pairs):.1f}"
    )


if __name__ == "__main__":
    main()
