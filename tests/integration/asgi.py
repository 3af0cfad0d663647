"""A gateway within the test's process: for settings that the shared one has not, without starting another process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from interlock.engine.settings import Settings
from interlock.gateway.app import make_app
from interlock.gateway.deployment import ServedDeployment
from tests.integration.gateway_setup import Gateway
from tests.integration.http_client import Answer


def in_gateway(
    gateway: Gateway, act: Callable[[ASGIApp, ServedDeployment], Awaitable[Any]], **settings: Any
) -> Any:
    """What ``act`` gives, with a gateway of these settings in front of the shared deployment."""

    async def run() -> Any:
        url = settings.pop("redis_url", gateway.environ["INTERLOCK_REDIS_URL"])
        deployment = ServedDeployment.open(Settings(**{"redis_url": url, "rate_limit": 0, **settings}))
        try:
            return await act(make_app(deployment), deployment)
        finally:
            await deployment.close()

    return asyncio.run(run())


@asynccontextmanager
async def over_http(app: ASGIApp) -> AsyncIterator[str]:
    """Where ``app`` is served meanwhile, for clients that come over the network. They run in threads."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve([listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


async def send(app: ASGIApp, method: str, target: str, body: bytes = b"", **headers: str) -> Answer:
    """One request to ``app``; header names are written with underscores."""
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def take(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, take)
    found = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], found, b"".join(one.get("body", b"") for one in sent[1:]))
