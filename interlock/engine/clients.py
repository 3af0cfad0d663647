"""The one place that builds Redis clients."""

from __future__ import annotations

from urllib.parse import urlsplit

import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from interlock.engine.errors import ServerUnreachable
from interlock.engine.settings import Settings

SOCKET_TIMEOUT_SECONDS = 15.0
"""Longer than any blocking read of ours, so that only a server that hangs runs into it."""


def connect(settings: Settings, *, url: str | None = None, timeout_seconds: float = 5.0) -> redis.Redis:
    """A client of the state's server (or of ``url``) that answered a PING; replies are bytes.

    ``timeout_seconds``: for connecting. Raises ServerUnreachable; its text carries no password.
    """
    url = url or settings.redis_url
    try:
        client = redis.Redis.from_url(
            url,
            socket_connect_timeout=timeout_seconds,
            socket_timeout=SOCKET_TIMEOUT_SECONDS,
            socket_keepalive=True,
            health_check_interval=30,
        )
        client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        raise ServerUnreachable(
            f"no Redis server answers at {shown_url(url)} ({type(error).__name__}): "
            "start it, or set INTERLOCK_REDIS_URL"
        ) from error
    return client


def connect_rq(settings: Settings) -> redis.Redis:
    """A client of the server that holds RQ's queues; the state's own where none is named."""
    return connect(settings, url=settings.rq_redis_url)


def connect_async(settings: Settings, *, connections: int) -> redis.asyncio.Redis:
    """A client of the state's server for an event loop; it connects when it is first used.

    ``connections``: at most so many; whoever needs one more waits for it for 5 s. A command whose connection
    breaks is tried once more, on a new connection.
    """
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        settings.redis_url,
        max_connections=connections,
        timeout=5,
        socket_connect_timeout=5,
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 1),
    )
    return redis.asyncio.Redis.from_pool(pool)


def shown_url(url: str) -> str:
    """The URL without user and password."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "<not a URL>"
    return f"{parts.scheme}://{host}{port}{parts.path}"
