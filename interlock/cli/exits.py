"""Exit codes, and the one exception that a command of the CLI ends with when it cannot do its work."""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """How a command ended (contract of the command line)."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    INVALID = 4
    """The chart or the data breaks its rules."""
    UNREACHABLE = 5
    REFUSED = 6
    INTERRUPTED = 130
    TERMINATED = 143


class CliError(Exception):
    """Ends the command: ``message`` goes to stderr as one line that ends with the next step."""

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code


_BY_CLASS = {
    "not_found": Exit.NOT_FOUND,
    "malformed": Exit.INVALID,
    "invalid_data": Exit.INVALID,
    "too_large": Exit.INVALID,
    "internal": Exit.FAILED,
}


def exit_of_result(result: dict[str, Any]) -> Exit:
    """The exit code of a command's result (wire contract)."""
    if result["status"] in ("applied", "ignored"):
        return Exit.DONE
    return _BY_CLASS.get((result.get("error") or {}).get("class", ""), Exit.REFUSED)
