"""Errors, grouped by what the caller must do: correct the command, correct the chart, or try again.

Each carries its data as attributes; its text ends with the next step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ErrorClass(StrEnum):
    """Why a command was not applied: the ``class`` of a result's ``error`` (wire contract)."""

    MALFORMED = "malformed"
    """The message is not a command: not JSON, not an object, an unknown or missing field."""
    UNKNOWN_MACHINE = "unknown_machine"
    """No chart with this id is loaded."""
    UNKNOWN_COMMAND = "unknown_command"
    """The chart declares no such command."""
    INVALID_DATA = "invalid_data"
    """``data`` breaks the chart's schema of this command."""
    NOT_FOUND = "not_found"
    """No instance has this key."""
    ALREADY_EXISTS = "already_exists"
    """A creating command met an instance that exists."""
    FORBIDDEN = "forbidden"
    """This actor may not do this."""
    GUARD_FAILED = "guard_failed"
    """A ``require`` row of the chart does not hold."""
    IN_FLIGHT = "in_flight"
    """The same exclusive command is queued or running."""
    INVALID_TARGET = "invalid_target"
    """What the command points at cannot be pointed at."""
    STALE_VERSION = "stale_version"
    """``expected_version`` is not the instance's version."""
    NOT_ACCEPTED = "not_accepted"
    """No transition for this command in this state."""
    GUARD_ERROR = "guard_error"
    """An expression or a named guard failed while it ran; never taken for a yes."""
    ID_REUSED = "id_reused"
    """The command id was used before with another body."""
    TOO_LARGE = "too_large"
    """The command is over the size limit."""
    TOO_BUSY = "too_busy"
    """The backlog is over its limit."""
    EXPIRED = "expired"
    """The command came after its time."""
    INTERNAL = "internal"
    """A fault of ours; the command is kept as a dead letter."""


class InterlockError(Exception):
    """Base of every error that this package raises on purpose."""


class CommandRefused(InterlockError):
    """The command is refused; nothing but its own result changes. Correct the command.

    ``error_class``: one of `ErrorClass`; ``code``: a stable word for programs; ``message``: a sentence
    for people; ``details``: JSON-serialisable facts.
    """

    def __init__(
        self, error_class: ErrorClass, code: str, message: str, details: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.error_class = error_class
        self.code = code
        self.message = message
        self.details = details or {}


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a chart file. ``line`` and ``column`` count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake in a chart: where, which (a stable code), why, and what to do about it.

    ``severity`` is ``error`` (the chart does not load) or ``warning``.
    """

    mark: Mark
    code: str
    message: str
    suggestion: str = ""
    severity: str = "error"

    def __str__(self) -> str:
        hint = f" {self.suggestion}" if self.suggestion else ""
        return f"{self.mark}: {self.code}: {self.message}{hint}"


class ChartError(InterlockError):
    """A chart cannot be loaded. Correct the chart; ``findings`` names each place."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


class ServerUnreachable(InterlockError):
    """The Redis server does not answer. Start it, or correct INTERLOCK_REDIS_URL, then try again."""


class LeaseLost(InterlockError):
    """Another worker owns the partition now; what this one was about to commit is void."""
