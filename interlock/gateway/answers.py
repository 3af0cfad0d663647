"""How answers are made and declared: the engine's JSON, its HTTP statuses, the words of the OpenAPI document."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import orjson
from fastapi import Response

from interlock.engine.errors import ErrorClass
from interlock.gateway.problems import MEDIA_TYPE
from interlock.gateway.shapes import PROBLEM_SCHEMA, CommandResult, ProblemDetails

HTTP_STATUS = {
    ErrorClass.MALFORMED: 400,
    ErrorClass.UNKNOWN_MACHINE: 422,
    ErrorClass.UNKNOWN_COMMAND: 422,
    ErrorClass.INVALID_DATA: 422,
    ErrorClass.INVALID_TARGET: 422,
    ErrorClass.NOT_FOUND: 404,
    ErrorClass.FORBIDDEN: 403,
    ErrorClass.ALREADY_EXISTS: 409,
    ErrorClass.GUARD_FAILED: 409,
    ErrorClass.IN_FLIGHT: 409,
    ErrorClass.STALE_VERSION: 409,
    ErrorClass.NOT_ACCEPTED: 409,
    ErrorClass.ID_REUSED: 409,
    ErrorClass.EXPIRED: 409,
    ErrorClass.TOO_LARGE: 413,
    ErrorClass.TOO_BUSY: 503,
    ErrorClass.GUARD_ERROR: 500,
    ErrorClass.INTERNAL: 500,
}
"""What a refusal of each class is in HTTP. `guard_error`: the chart is at fault, not the request."""

_RETRY_SECONDS = "2"


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON."""
    return Response(orjson.dumps(body), status, headers, "application/json")


def status_of(result: dict[str, Any]) -> int:
    """The HTTP status that says what a result says."""
    error = result.get("error")
    return 200 if error is None else HTTP_STATUS.get(error["class"], 500)


def retry_headers(status: int | None) -> dict[str, str] | None:
    """The headers of a refusal: of a 503, when to try again."""
    return {"Retry-After": _RETRY_SECONDS} if status == 503 else None


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI words for these statuses, each a problem."""
    return {status: {"model": ProblemDetails, "description": "A problem."} for status in statuses}


def results(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The same for what the engine refuses; the gateway may have refused it before, with a problem."""
    problem = {MEDIA_TYPE: {"schema": PROBLEM_SCHEMA}}
    words = {"model": CommandResult, "content": problem, "description": "Refused; `error` says why."}
    return dict.fromkeys(statuses, words)


def decoded(segment: str) -> str:
    """The text of a percent-encoded path segment. Raises ValueError where it is no UTF-8."""
    return unquote(segment, errors="strict")
