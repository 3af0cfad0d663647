"""Genesys' answers to what goes wrong: ``{"statusCode", "statusMessage"}``, and beside them what other clients read."""

from __future__ import annotations

from fastapi import Response

from interlock.gateway.answers import answer
from interlock.gateway.problems import DialectError, Problem

HTTP_STATUS = {0: 200, 1: 400, 2: 409, 3: 403, 4: 500, 5: 403, 6: 404, 10: 400, 20: 401}
"""What a status code is in HTTP."""
_CODES = {400: 10, 401: 20, 403: 5, 404: 6, 405: 3, 409: 2, 413: 10, 415: 10, 422: 10}


class GenesysError(DialectError):
    """Ends a request. ``code``: of the vendor's list; ``status``: its HTTP status where it is not the usual one."""

    def __init__(
        self, code: int, message: str, *, status: int | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.status = HTTP_STATUS.get(code, 500) if status is None else status
        self.headers = headers or {}

    def response(self) -> Response:
        body = {
            "statusCode": self.code,
            "statusMessage": self.message,
            "status": "error",
            "errorDescription": self.message,
        }
        return answer(body, self.status, self.headers)


def envelope(problem: Problem) -> Response:
    """A problem in Genesys' words."""
    code = _CODES.get(problem.status, 4)
    return GenesysError(code, problem.detail, status=problem.status, headers=problem.headers).response()
