"""Sunshine Conversations v2: envelope with app and webhook, ``X-API-Key``, no retry on five statuses. Pure.

Source: Zendesk's OpenAPI document of the Sunshine Conversations API.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from interlock.engine.profiles.announced import Announced, camel, post, read
from interlock.engine.profiles.outgoing import Outgoing, Verdict, judge
from interlock.engine.shared_secrets import shared_text

_FINAL = frozenset({400, 401, 403, 404, 406})
_CONVERSATION_TYPE = "sdkGroup"
"""The type of conversation that the API makes; charts know no other."""


class Sunshine:
    """``switchboard.control_*`` events under Sunshine's names; the others as ``<machine>:<verb>``."""

    name = "sunshine"
    schedule: tuple[float, ...] | None = (15.0, 45.0, 135.0, 405.0)
    """Five attempts, three times longer from one to the next: with jitter and each attempt's deadline, within
    15 minutes."""
    timeout_seconds: float | None = 20.0

    def request(
        self, event: bytes, *, message: str, webhook_id: str, secrets: Sequence[bytes], at: datetime
    ) -> Outgoing:
        told = read(event)
        body = orjson.dumps(
            {
                "app": {"id": told.tenant},
                "webhook": {"id": webhook_id, "version": "v2"},
                "events": [_event(told)],
            }
        )
        vendor = {"X-API-Key": shared_text(secrets[0])}
        return post(body, vendor, message=message, secrets=secrets, at=at)

    def verdict(self, status: int | None, headers: Mapping[str, str]) -> Verdict:  # noqa: ARG002
        return Verdict.DEAD if status in _FINAL else judge(status)


def _event(event: Announced) -> dict[str, Any]:
    known = _SWITCHBOARD.get(event.verb) if event.machine == "switchboard" else None
    if known is not None:
        kind, more = known
        payload = {"conversation": _conversation(event)} | more(event)
    else:
        kind = f"{event.machine}:{camel(event.verb)}"
        payload = (
            {"conversation": _conversation(event)}
            if event.machine == "switchboard"
            else {camel(event.machine): {"id": event.key, "state": event.state} | event.context}
        )
    return {"id": event.id, "type": kind, "createdAt": event.time, "payload": payload}


def _conversation(event: Announced) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": event.key, "type": _CONVERSATION_TYPE}
    for name, field in (
        ("activeSwitchboardIntegration", "active"),
        ("pendingSwitchboardIntegration", "pending"),
    ):
        if event.get(field) is not None:
            shown[name] = {"id": event.get(field)}
    return shown


def _metadata(event: Announced) -> dict[str, Any]:
    return {"metadata": event.get("metadata")} if event.get("metadata") else {}


def _metadata_and_reason(event: Announced) -> dict[str, Any]:
    return _metadata(event) | ({"reason": event.get("reason")} if event.get("reason") else {})


def _error(event: Announced) -> dict[str, Any]:
    return {"error": event.get("failure")}


_SWITCHBOARD: Mapping[str, tuple[str, Callable[[Announced], dict[str, Any]]]] = {
    "control_passed": ("switchboard:passControl", _metadata_and_reason),
    "control_offered": ("switchboard:offerControl", _metadata),
    "control_accepted": ("switchboard:acceptControl", _metadata),
    "control_released": ("switchboard:releaseControl", _metadata_and_reason),
    "control_pass_failed": ("switchboard:passControl:failure", _error),
    "control_offer_failed": ("switchboard:offerControl:failure", _error),
    "control_accept_failed": ("switchboard:acceptControl:failure", _error),
}
"""Our verb to Sunshine's type, and what its payload has beside the conversation."""
