"""Genesys' answers to what goes wrong: ``{"statusCode", "statusMessage"}``, and beside them what other clients read."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

import uuid_utils
from fastapi import Response

from interlock.gateway.answers import answer, retry_headers
from interlock.gateway.dialects.refusals import UNSERVED
from interlock.gateway.problems import DialectError, Problem
from interlock.statecharts.genesys import status_code

OK, MISSING, INVALID_STATE, FORBIDDEN, INTERNAL, NO_PERMISSION, NOT_FOUND, INVALID, UNAUTHENTICATED = (
    *(0, 1, 2, 3, 4, 5, 6),
    *(10, 20),
)
HTTP_STATUS = {
    OK: 200,
    MISSING: 400,
    INVALID_STATE: 409,
    FORBIDDEN: 403,
    INTERNAL: 500,
    NO_PERMISSION: 403,
    NOT_FOUND: 404,
    INVALID: 400,
    18: 409,
    19: 409,
    UNAUTHENTICATED: 401,
}
"""What a status code is in HTTP."""
_CODES = {400: 10, 401: 20, 403: 5, 404: 6, 405: 3, 409: 2, 413: 10, 415: 10, 422: 10}


REFERENCE: ContextVar[str | None] = ContextVar("genesys_reference", default=None)
"""The ``referenceId`` of the call that is being answered; None before it is known who calls."""


class GenesysError(DialectError):
    """Ends a request. ``code``: of the vendor's list; ``status``: its HTTP status where it is not the usual one."""

    def __init__(
        self, code: int, message: str, *, status: int | None = None, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.status = HTTP_STATUS.get(code, 500) if status is None else status
        self.headers = headers or {}

    def words(self) -> dict[str, Any]:
        """The code and the message, under the names of older and newer clients."""
        return {
            "statusCode": self.code,
            "statusMessage": self.message,
            "status": "error",
            "errorDescription": self.message,
        }

    def response(self) -> Response:
        reference = REFERENCE.get() or str(uuid_utils.uuid7())
        return answer({**self.words(), "referenceId": reference}, self.status, self.headers)


class Accepted(DialectError):
    """Ends a request whose command waits for a worker: 202 with the command's id. It is applied once, whatever the
    client does; what comes of it is told where notifications are."""

    def __init__(self, command_id: str, promised: Mapping[str, Any]) -> None:
        """``promised``: what the answer says besides."""
        super().__init__(command_id)
        self.command_id, self.promised = command_id, promised

    def response(self) -> Response:
        return answer({"statusCode": OK, "referenceId": self.command_id, **self.promised}, 202)


def envelope(problem: Problem) -> Response:
    """A problem in Genesys' words. It knows no 422: what cannot be read is a bad request."""
    code = _CODES.get(problem.status, INTERNAL)
    status = 400 if problem.status == 422 else problem.status
    return GenesysError(code, problem.detail, status=status, headers=problem.headers).response()


def refusal(error: Mapping[str, Any]) -> GenesysError:
    """What a refused command is answered. ``error``: of its result."""
    status = UNSERVED.get(error["class"])  # says more than the code does
    code = INTERNAL if status == 503 else status_code(error)
    return GenesysError(code, error["message"], status=status, headers=retry_headers(status))


def missing(name: str) -> GenesysError:
    """1: a parameter that has to be there."""
    return GenesysError(MISSING, f"{name} is missing. Send it.")


def invalid(message: str) -> GenesysError:
    """10: what was sent cannot be meant."""
    return GenesysError(INVALID, message)


def not_found(what: str) -> GenesysError:
    """6: the same for what does not exist and for what the caller has no part in."""
    return GenesysError(NOT_FOUND, f"There is no such {what} for you. Check its id.")


def no_permission(message: str) -> GenesysError:
    """5: not for this caller."""
    return GenesysError(NO_PERMISSION, message)


def invalid_state(message: str) -> GenesysError:
    """2: not as things stand."""
    return GenesysError(INVALID_STATE, message)
