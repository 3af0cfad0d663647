"""Sunshine's answers to what goes wrong: ``{"errors": [{"code", "title"}]}``."""

from __future__ import annotations

from fastapi import Response

from interlock.gateway.answers import answer
from interlock.gateway.problems import DialectError, Problem


class SunshineError(DialectError):
    """Ends a request. ``code``: the documented word, such as ``conversation_not_found``."""

    def __init__(self, status: int, code: str, title: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(title)
        self.status, self.code, self.title = status, code, title
        self.headers = headers or {}

    def response(self) -> Response:
        return answer({"errors": [{"code": self.code, "title": self.title}]}, self.status, self.headers)


def envelope(problem: Problem) -> Response:
    """A problem in Sunshine's words."""
    return SunshineError(problem.status, problem.code, problem.detail, problem.headers).response()
