"""Engage's answers to what goes wrong: ``{"error", "message", "status"}``."""

from __future__ import annotations

from fastapi import Response

from interlock.gateway.answers import answer
from interlock.gateway.problems import DialectError, Problem

_IDENTIFIERS = {429: "rate_limit_exceeded"}
"""What the documents name."""


class EngageError(DialectError):
    """Ends a request. ``identifier``: a stable word for programs."""

    def __init__(
        self, status: int, identifier: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.identifier, self.message = status, identifier, message
        self.headers = headers or {}

    def response(self) -> Response:
        body = {"error": self.identifier, "message": self.message, "status": self.status}
        return answer(body, self.status, self.headers)


def envelope(problem: Problem) -> Response:
    """A problem in Engage's words."""
    identifier = _IDENTIFIERS.get(problem.status, problem.code)
    return EngageError(problem.status, identifier, problem.detail, problem.headers).response()
