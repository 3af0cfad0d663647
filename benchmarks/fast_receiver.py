"""A receiver that does nothing but answer 204, as fast as Python can: ``python -m benchmarks.fast_receiver``.

Prints its port, then serves until its standard input ends. Each path counts for itself; ``GET /`` answers the
counts as JSON. ``/hang...`` never answers.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter

_ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class Endpoint(asyncio.Protocol):
    """One connection. ``counts``: requests by path, shared by all."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end]).lower()
            length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
            whole = end + 4 + int(length or 0)
            if len(self._buffer) < whole:
                return
            path = head.split(b" ", 2)[1].decode()
            del self._buffer[:whole]
            self._answer(path, head.startswith(b"get"))

    def _answer(self, path: str, asked: bool) -> None:
        if asked:
            body = json.dumps(self._counts).encode()
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            return
        self._counts[path] += 1
        if not path.startswith("/hang"):
            self._transport.write(_ANSWER)


async def main() -> None:
    counts: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Endpoint(counts), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
