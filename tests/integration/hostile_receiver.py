"""An HTTP server of the worst kind: each path behaves as a script says; every request is kept."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Behaviour = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Request:
    """What came in. ``at``: monotonic seconds; ``headers``: names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float


def answer(status: int, *headers: str) -> Behaviour:
    """A plain answer without a body."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} X", "Content-Length: 0", *headers, "", ""]
        writer.write("\r\n".join(lines).encode())
        await writer.drain()

    return behave


async def hang(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def drop(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reset(writer: asyncio.StreamWriter) -> None:
    """The connection ends with RST, which the other side takes for an error."""
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


async def answer_and_drop(writer: asyncio.StreamWriter) -> None:
    """200, and then less of the body than was promised."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nthank")
    await writer.drain()
    writer.close()


async def drip_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(10_000):
        writer.write(f"X-{number}: ".encode())
        await writer.drain()
        await asyncio.sleep(0.02)


def drip_body(status: int) -> Behaviour:
    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 100000\r\n\r\n".encode())
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    return behave


@dataclass
class Receiver:
    """Use as a context manager. ``scripts``: path to its behaviours, one a request, the last one for ever."""

    scripts: dict[str, list[Behaviour]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    written: int = 0
    port: int = 0
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def url(self, path: str, *behaviours: Behaviour) -> str:
        """The URL of a path that behaves so; 200 where nothing is said."""
        self.scripts[path] = list(behaviours) or [answer(200)]
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str) -> list[Request]:
        return [one for one in self.requests if one.path == path]

    def wait_for(self, path: str, count: int, seconds: float = 40.0) -> list[Request]:
        """The requests to ``path`` once there are ``count``; fails after ``seconds``."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.at(path)) >= count, seconds), (
                f"{len(self.at(path))} of {count} requests to {path} within {seconds} s"
            )
            return self.at(path)

    def __enter__(self) -> Receiver:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(5)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                request = await _read(reader)
                script = self.scripts[request.path]
                behave = script.pop(0) if len(script) > 1 else script[0]
                with self.arrived:
                    self.requests.append(request)
                    self.arrived.notify_all()
                await behave(writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in headers.items()}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(head[0].split(" ")[1], headers, body, time.monotonic())
