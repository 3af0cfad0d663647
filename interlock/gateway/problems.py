"""What the gateway itself says no to, as RFC 9457 problems (``application/problem+json``).

A refusal by the engine is no problem but a result: it is answered as it comes, with a fitting status.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import orjson
import redis
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from interlock.engine.errors import ServerUnreachable
from interlock.gateway.allowed import allowed_methods

CHALLENGE = 'Bearer realm="interlock", Basic realm="interlock", charset="UTF-8"'
MEDIA_TYPE = "application/problem+json"

_SERVER_AWAY = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.OutOfMemoryError,
    redis.exceptions.ReadOnlyError,
    ServerUnreachable,
)
"""What passes: the server is down, full, or a replica until somebody makes it a primary."""

log = structlog.get_logger()


class DialectError(Exception, ABC):
    """Ends a request as one vendor's API does; each dialect has its own kinds, with its own envelope."""

    @abstractmethod
    def response(self) -> Response:
        """What goes out."""


class Problem(Exception):
    """Ends a request. ``code``: a stable word for programs; ``detail``: a sentence that ends with the next step.

    ``facts``: further members, JSON-serialisable.
    """

    def __init__(
        self, status: int, code: str, detail: str, *, headers: Mapping[str, str] | None = None, **facts: Any
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers, self.facts = dict(headers or {}), facts

    def response(self) -> Response:
        """The problem as it goes out. ``type`` is about:blank, so ``title`` is the status's own phrase."""
        body = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **self.facts,
        }
        return Response(orjson.dumps(body), self.status, self.headers, MEDIA_TYPE)


def unauthorized(detail: str) -> Problem:
    """401, with what to authenticate by."""
    return Problem(401, "unauthorized", detail, headers={"WWW-Authenticate": CHALLENGE})


def too_many_requests(wait_seconds: int) -> Problem:
    """429: this principal may ask again in so many seconds."""
    return Problem(
        429,
        "rate_limited",
        f"Too many requests. Try again in {wait_seconds} s.",
        headers={"Retry-After": str(wait_seconds)},
    )


def unreachable(**facts: Any) -> Problem:
    """503: the server of the state does not answer."""
    return Problem(
        503,
        "server_unreachable",
        "The server that holds the state does not answer. Try again, a command under the same id.",
        headers={"Retry-After": "1"},
        **facts,
    )


def chart_unavailable(error: Exception) -> Problem:
    """503: a chart that is needed is not registered, or cannot be read here."""
    return Problem(503, "chart_unknown", str(error), headers={"Retry-After": "5"})


def answer_problems(app: FastAPI, answer: Callable[[str, Problem], Response]) -> None:
    """Have every error of ``app`` answered as a problem, none with what happened inside.

    ``answer``: what a problem of a request for this path looks like.
    """

    def handled(read: Callable[[Request, Exception], Problem]) -> Callable[[Request, Exception], Any]:
        async def handle(request: Request, error: Exception) -> Response:
            return answer(request.scope["path"], read(request, error))

        return handle

    app.add_exception_handler(DialectError, _in_dialect)
    app.add_exception_handler(Problem, handled(_problem))
    app.add_exception_handler(RequestValidationError, handled(_invalid))
    app.add_exception_handler(HTTPException, handled(_http))
    for kind in _SERVER_AWAY:
        app.add_exception_handler(kind, handled(_unreachable))
    app.add_exception_handler(Exception, handled(_unexpected))


async def _in_dialect(_request: Request, error: Exception) -> Response:
    assert isinstance(error, DialectError)
    return error.response()


def _problem(_request: Request, error: Exception) -> Problem:
    assert isinstance(error, Problem)
    return error


def _invalid(_request: Request, error: Exception) -> Problem:
    assert isinstance(error, RequestValidationError)
    # Places and reasons only: what was sent may be a secret.
    found = [
        {"place": ".".join(str(part) for part in one["loc"]), "message": one["msg"]} for one in error.errors()
    ]
    detail = "; ".join(f"{one['place']}: {one['message']}" for one in found)
    return Problem(422, "invalid_request", f"{detail}. Correct it.", errors=found)


def _http(request: Request, error: Exception) -> Problem:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = allowed_methods(request.app.openapi(), request.scope["path"])
        headers["Allow"] = ", ".join(allowed) or headers.get("Allow", "")
    code = HTTPStatus(error.status_code).name.lower()
    detail = {404: "There is nothing at this path. GET /openapi.json lists what there is."}
    text = detail.get(error.status_code, f"{error.detail.rstrip('.')}.")
    return Problem(error.status_code, code, text, headers=headers)


def _unreachable(_request: Request, error: Exception) -> Problem:
    log.warning("server_unreachable", error=type(error).__name__)
    return unreachable()


def _unexpected(request: Request, error: Exception) -> Problem:
    log.error("request_failed", method=request.method, path=request.url.path, exc_info=error)
    return Problem(500, "internal", "A fault of ours; the gateway's log tells more.")
