"""Interactions in the words of Genesys Web Services: operations, capabilities, states of a leg, status codes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

OPERATIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "accept": ("Accept",),
        "reject": ("Reject",),
        "complete": ("Complete",),
        "place_in_queue": ("PlaceInQueue",),
        "transfer": ("Transfer", "SingleStepTransfer"),
        "place_in_workbin": ("PlaceInWorkbin",),
        "pull": ("PullInteraction",),
        "update_user_data": ("UpdateUserData",),
        "attach_user_data": ("AttachUserData",),
        "delete_user_data": ("DeleteUserData",),
        "set_in_focus": ("SetInFocus",),
        "set_comment": ("SetComment",),
        "send": ("Send",),
        "cancel": ("Cancel",),
    }
)
"""The commands of ``interaction`` that agents give, each with its ``operationName``s, in the order of the documents."""

_COMMANDS = {name: command for command, names in OPERATIONS.items() for name in names}
_COMMANDS["PullFromWorkbin"] = "pull"

LEG_STATES: Mapping[str, str] = MappingProxyType(
    {
        "invited": "Invited",
        "processing": "Processing",
        "composing": "Composing",
        "in_workbin": "InWorkbin",
        "completed": "Completed",
        "revoked": "Revoked",
        "rescinded": "Rescinded",
        "sent": "Sent",
        "canceled": "Canceled",
    }
)
"""The states of a leg, each with the name that an agent sees. `leg_state` knows the one that depends on the channel."""

STATUS_CODES: Mapping[str, int] = MappingProxyType(
    {
        "malformed": 10,
        "unknown_machine": 6,
        "unknown_command": 3,
        "invalid_data": 10,
        "not_found": 6,
        "already_exists": 18,
        "forbidden": 5,
        "guard_failed": 2,
        "in_flight": 19,
        "invalid_target": 2,
        "stale_version": 2,
        "not_accepted": 2,
        "guard_error": 4,
        "id_reused": 18,
        "too_large": 10,
        "too_busy": 4,
        "expired": 2,
        "internal": 4,
    }
)
"""The classes of refusals, each with its ``statusCode``; 0 is none. A required parameter that is missing: 1."""

MISSING_PARAMETER = 1
_ONE_IS_NEEDED = ("one_target",)


def command_of(operation: str) -> str | None:
    """The command that an ``operationName`` means; None where there is none."""
    return _COMMANDS.get(operation)


def operations(capabilities: Iterable[str]) -> list[str]:
    """The operations among the commands that `interlock.engine.decision.capabilities` tells of, in order."""
    enabled = set(capabilities)
    return [name for command, names in OPERATIONS.items() if command in enabled for name in names]


def leg_state(state: str, channel: str) -> str:
    """What an agent sees of a leg in this state: a chat in hand is ``Chatting``. Raises KeyError for no such state."""
    return "Chatting" if (state, channel) == ("processing", "chat") else LEG_STATES[state]


def status_code(error: Mapping[str, Any] | None) -> int:
    """The ``statusCode`` of a result with this ``error`` (its ``class``, ``code``, ``message``, ``details``); 0
    without one. A class that is not known is an internal error: 4."""
    if error is None:
        return 0
    if error["class"] == "invalid_data" and _is_missing(error):
        return MISSING_PARAMETER
    return STATUS_CODES.get(error["class"], STATUS_CODES["internal"])


def _is_missing(error: Mapping[str, Any]) -> bool:
    problems = (error.get("details") or {}).get("problems") or [{}]
    first = str(problems[0].get("message", ""))
    return error["code"] in _ONE_IS_NEEDED or first.endswith("is a required property")
