"""What stands around every request, whatever answers it: a cap on bodies, headers that browsers obey."""

from __future__ import annotations

from time import perf_counter

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from interlock.gateway.envelopes import Envelopes
from interlock.gateway.metrics import Metrics
from interlock.gateway.problems import Problem

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""On every answer. No CORS headers: a page of another origin reads nothing here."""


class Shield:
    """An ASGI application around ``app``. ``max_body_bytes``: a longer body is answered 413, read no further.

    Routes see the path as it was sent: a key with an encoded slash stays one segment, to be decoded by the
    route.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int, envelopes: Envelopes, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._envelopes = envelopes
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["path"] = scope["raw_path"].decode("latin-1")

        begun = perf_counter()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                seconds = perf_counter() - begun
                self._metrics.answered(scope["path"], scope["method"], message["status"], seconds)
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if _announced_length(scope) > self._max_body_bytes:
            response = self._envelopes.response(scope["path"], self._too_large())
            await response(scope, receive, send_with_headers)
            return
        await self._app(scope, self._counted(receive), send_with_headers)

    def _counted(self, receive: Receive) -> Receive:
        taken = 0

        async def receive_some() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max_body_bytes:
                raise self._too_large()
            return message

        return receive_some

    def _too_large(self) -> Problem:
        return Problem(
            413,
            "too_large",
            f"The body is over {self._max_body_bytes} bytes. Send less.",
            headers={"Connection": "close"},
        )


def _announced_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)  # the HTTP parser has seen that it is a number
    return 0
