"""All that a Redis server holds, as text: for tests that look for what must not be there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def values(client: Any) -> Iterator[tuple[str, str]]:
    """Every key and all that it holds, as text. ``client``: one whose replies are bytes."""
    readers = {
        "string": client.get,
        "hash": client.hgetall,
        "list": lambda key: client.lrange(key, 0, -1),
        "stream": client.xrange,
        "zset": lambda key: client.zrange(key, 0, -1),
        "set": client.smembers,
    }
    for key in client.scan_iter(count=1000):
        kind = client.type(key).decode()
        if kind != "none":  # it has expired meanwhile
            yield key.decode(), f"{key} {readers[kind](key)}"
