"""OneView's answers to what goes wrong: ``{"errorCode", "errorMessage"}``, in version 2 with ``errors`` beside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Response

from interlock.engine.errors import ErrorClass
from interlock.gateway.answers import answer, retry_headers
from interlock.gateway.dialects.refusals import STATUS
from interlock.gateway.problems import Problem

_MESSAGES = {
    400: "bad request",
    401: "not authorize",
    403: "forbidden",
    404: "not found",
    409: "conflict",
    500: "internal server error",
}
"""The documented texts, as they are spelt there."""

_BY_CLASS = {
    **STATUS,
    ErrorClass.MALFORMED: 400,
    ErrorClass.INVALID_DATA: 400,
    ErrorClass.INVALID_TARGET: 400,
}
"""Status of each class of refusal; the others say that the state stands against it (409)."""


def envelope(problem: Problem) -> Response:
    """A problem in OneView's words. It knows no 422: what cannot be read is a bad request."""
    status = 400 if problem.status == 422 else problem.status
    message = _MESSAGES.get(status, problem.detail)
    return answer({"errorCode": status, "errorMessage": message}, status, problem.headers)


def envelope_v2(problem: Problem) -> Response:
    """The same in version 2, whose clients read ``errors``."""
    status = 400 if problem.status == 422 else problem.status
    message = _MESSAGES.get(status, problem.detail)
    body = {
        "errors": [{"status": str(status), "title": message}],
        "errorCode": status,
        "errorMessage": message,
    }
    return answer(body, status, problem.headers)


def refusal(result: Mapping[str, Any]) -> Problem:
    """What a refused command is answered."""
    error = result["error"]
    status = _BY_CLASS.get(error["class"], 409)
    return Problem(status, error["code"], error["message"], headers=retry_headers(status))


def not_found() -> Problem:
    return Problem(404, "not_found", "There is nothing of this id for you.")


def forbidden() -> Problem:
    return Problem(403, "forbidden", "This is another agent's; a supervisor may do it.")
