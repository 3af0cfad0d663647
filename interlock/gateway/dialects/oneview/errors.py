"""OneView's answers to what goes wrong: ``{"errorCode", "errorMessage"}``."""

from __future__ import annotations

from fastapi import Response

from interlock.gateway.answers import answer
from interlock.gateway.problems import DialectError, Problem

_MESSAGES = {
    400: "bad request",
    401: "not authorize",
    403: "forbidden",
    404: "not found",
    500: "internal server error",
}
"""The documented texts, as they are spelt there."""


class OneViewError(DialectError):
    """Ends a request. ``message``: the documented one of the status where there is none."""

    def __init__(self, status: int, message: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message = status, message or _MESSAGES.get(status, "")
        self.headers = headers or {}

    def response(self) -> Response:
        return answer({"errorCode": self.status, "errorMessage": self.message}, self.status, self.headers)


def envelope(problem: Problem) -> Response:
    """A problem in OneView's words."""
    message = _MESSAGES.get(problem.status, problem.detail)
    return OneViewError(problem.status, message, problem.headers).response()
