"""A gateway within the test's process: for settings that the shared one has not, without starting another process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from interlock.engine.settings import Settings
from interlock.gateway.app import make_app
from interlock.gateway.deployment import ServedDeployment
from tests.integration.gateway_setup import Gateway
from tests.integration.http_client import Answer, Client


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
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def take(message: Any) -> None:
        sent.append(message)

    await app(_scope(method, target, headers), receive, take)
    found = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], found, b"".join(one.get("body", b"") for one in sent[1:]))


class Listener:
    """Who listens to a stream of ``app`` within an ``async with``, and takes no more while `pause` holds."""

    def __init__(self, app: ASGIApp, target: str, **headers: str) -> None:
        self._app, self._scope = app, _scope("GET", target, headers)
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._takes = asyncio.Event()
        self._takes.set()
        self._stay = asyncio.Event()
        self.stands_still = asyncio.Event()

    async def __aenter__(self) -> Listener:
        self._task = asyncio.create_task(self._run())
        await self.part()  # its head
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._stay.set()
        self._task.cancel()
        await asyncio.wait([self._task])

    async def part(self) -> bytes | None:
        """What comes next; None: the stream has ended."""
        async with asyncio.timeout(30):
            return await self._parts.get()

    async def event(self) -> dict[str, str] | None:
        """The fields of the event that comes next, those without data left out; None: the stream has ended."""
        while (part := await self.part()) is not None:
            fields = dict(line.split(": ", 1) for line in part.decode().splitlines() if ": " in line)
            if "data" in fields:
                return fields
        return None

    def pause(self) -> None:
        self._takes.clear()

    def go_on(self) -> None:
        self._takes.set()

    async def _run(self) -> None:
        async def receive() -> dict[str, Any]:
            await self._stay.wait()
            return {"type": "http.disconnect"}

        async def take(message: Any) -> None:
            if not self._takes.is_set():
                self.stands_still.set()
                await self._takes.wait()
            if message["type"] == "http.response.start":
                assert message["status"] == 200, message
            elif message.get("body"):
                self._parts.put_nowait(message["body"])

        try:
            await self._app(self._scope, receive, take)
        finally:
            self._parts.put_nowait(None)


def _scope(method: str, target: str, headers: dict[str, str]) -> dict[str, Any]:
    path, _, query = target.partition("?")
    return {
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


@dataclass(frozen=True)
class ClientInside(Client):
    """A client of a gateway within the test's process, for a thread beside the gateway's ``loop``."""

    app: Any = None
    loop: Any = None

    def send(
        self, method: str, path: str, body: Any = None, *, timeout_seconds: float = 60.0, **headers: str
    ) -> Answer:
        sent = {"authorization": f"Bearer {self.token}", **headers}
        asked = send(self.app, method, path, body or b"", **sent)
        return asyncio.run_coroutine_threadsafe(asked, self.loop).result(timeout_seconds)


@dataclass(frozen=True)
class Beside:
    """A second gateway in front of the shared deployment, within the test's process."""

    app: ASGIApp
    deployment: ServedDeployment
    loop: asyncio.AbstractEventLoop

    def with_token(self, token: str | None) -> ClientInside:
        return ClientInside("", token, self.app, self.loop)


@contextmanager
def beside(gateway: Gateway) -> Iterator[Beside]:
    """Meanwhile there is one."""
    begun: Future[Beside] = Future()
    end = asyncio.Event()

    async def run(app: ASGIApp, deployment: ServedDeployment) -> None:
        begun.set_result(Beside(app, deployment, asyncio.get_running_loop()))
        await end.wait()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(in_gateway, gateway, run)
        found = begun.result(60)
        try:
            yield found
        finally:
            found.loop.call_soon_threadsafe(end.set)
            done.result(60)
