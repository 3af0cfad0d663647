"""Sunshine's answers to what goes wrong: ``{"errors": [{"code", "title"}]}``.

The codes are the documented ones where there are any (`conversation_not_found`, `switchboard_invalid_target`); the
others follow the words of HTTP. What stands in the chart's refusal is the title.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Response

from interlock.engine.errors import ErrorClass
from interlock.gateway.answers import answer, retry_headers
from interlock.gateway.dialects.refusals import STATUS, WORDS
from interlock.gateway.problems import DialectError, Problem

CODES = {**WORDS, 429: "too_many_requests"}
"""The code of each status where no other is documented."""

_STATUS = {**STATUS, ErrorClass.IN_FLIGHT: 503, ErrorClass.ID_REUSED: 409}
"""The status of each class of refusal; the others are 400."""

_DOCUMENTED = frozenset(
    (
        "switchboard_invalid_target",
        "switchboard_invalid_action",
        "too_many_switchboard_integrations",
        "switchboard_not_found",
        "switchboard_integration_not_found",
        "participant_not_found",
        "user_not_found",
    )
)
"""Codes of charts that are Sunshine's own."""
_MISSING = {
    "switchboard": "conversation_not_found",
    "board": "switchboard_not_found",
    "user": "user_not_found",
}
"""By machine, the code that says that there is no such instance."""


class SunshineError(DialectError):
    """Ends a request. ``code``: the documented word, such as ``conversation_not_found``; ``more``: further titles."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        headers: Mapping[str, str] | None = None,
        more: Sequence[str] = (),
    ) -> None:
        super().__init__(title)
        self.status, self.code, self.titles = status, code, [title, *more]
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """What goes out."""
        errors = [{"code": self.code, "title": title} for title in self.titles]
        return answer({"errors": errors}, self.status, self.headers)


def envelope(problem: Problem) -> Response:
    """A problem in Sunshine's words. What cannot be read is a bad request there (400, not 422)."""
    status = 400 if problem.status == 422 else problem.status
    return SunshineError(status, CODES.get(status, problem.code), problem.detail, problem.headers).response()


def refusal(result: Mapping[str, Any], known: Mapping[str, tuple[int, str]] | None = None) -> SunshineError:
    """What a refused command is answered. ``known``: status and code by the chart's code, where it tells more."""
    error = result["error"]
    code = error["code"]
    if known and code in known:
        return SunshineError(*known[code], error["message"])
    status = _STATUS.get(error["class"], 400)
    if code in _DOCUMENTED:
        word = code
    elif status == 404:
        word = _MISSING.get(str(result["machine"]), CODES[404])
    else:
        word = CODES[status]
    return SunshineError(status, word, error["message"], retry_headers(status))


def missing(kind: str) -> SunshineError:
    """404: there is no such ``app``, ``conversation``, ``switchboard``, ``switchboard_integration``, ``user``, ..."""
    return SunshineError(
        404, f"{kind}_not_found", f"There is no such {kind.replace('_', ' ')}. Check its id."
    )


def bad_request(title: str, *more: str) -> SunshineError:
    """400: what was sent cannot be done."""
    return SunshineError(400, CODES[400], title, more=more)
