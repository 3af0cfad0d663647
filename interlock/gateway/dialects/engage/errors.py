"""What Engage's clients are told when something is refused: ``{error, message, status}``.

The vendor documents statuses, and of the identifiers one alone (`rate_limit_exceeded`); the others follow the words
of HTTP. What stands in the chart's refusal is the message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Response

from interlock.engine.errors import ErrorClass
from interlock.gateway.dialects.engage.answering import answer
from interlock.gateway.dialects.refusals import STATUS, WORDS, retry_headers
from interlock.gateway.problems import Problem

IDENTIFIERS = {**WORDS, 422: "unprocessable_entity", 429: "rate_limit_exceeded"}
"""Engage's ``error`` of each status."""
_DOCUMENTED = frozenset({"disconnected"})
"""Codes that are identifiers of Engage's, and say more than the status."""

_BY_CLASS = {
    **STATUS,
    ErrorClass.IN_FLIGHT: 409,
    ErrorClass.STALE_VERSION: 409,
    ErrorClass.MALFORMED: 422,
    ErrorClass.INVALID_DATA: 422,
    ErrorClass.ID_REUSED: 422,
    ErrorClass.INVALID_TARGET: 422,
}
"""Status of each class of refusal; the others say that the state stands against it."""

_GONE = ("cancelled",)


def envelope(problem: Problem) -> Response:
    """A problem as Engage answers it."""
    body = {
        "error": problem.code
        if problem.code in _DOCUMENTED
        else IDENTIFIERS.get(problem.status, problem.code),
        "message": problem.detail,
        "status": problem.status,
    }
    return answer(body, problem.status, problem.headers)


def refusal(result: Mapping[str, Any], by_state: int) -> Problem:
    """What a refused command is answered. ``by_state``: the status that says that the state stands against it."""
    error = result["error"]
    if error["class"] == ErrorClass.MALFORMED and error["details"].get("field") == "key":
        return Problem(404, "not_found", "No intervention has such an id. Check it.")
    if any(name in _GONE for name in result["state"] or ()):
        return Problem(404, "not_found", "It was cancelled, so there is no such intervention any more.")
    status = _BY_CLASS.get(error["class"], by_state)
    return Problem(status, error["code"], error["message"], headers=retry_headers(status))


def not_found(kind: str, key: str) -> Problem:
    """404, the same for what does not exist and for what may not be read."""
    return Problem(404, "not_found", f"There is no {kind} {key[:64]!r} for you. Check its id.")


def unprocessable(message: str) -> Problem:
    """422: what was sent cannot be done."""
    return Problem(422, "unprocessable_entity", message)
