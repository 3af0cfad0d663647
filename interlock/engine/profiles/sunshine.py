"""Sunshine Conversations v2: envelope with app and webhook, ``X-API-Key``, no retry on five statuses. Pure.

Source: Zendesk's OpenAPI document of the Sunshine Conversations API.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from interlock.engine.profiles import sunshine_resources as resources
from interlock.engine.profiles.announced import Announced, camel, post, read
from interlock.engine.profiles.outgoing import Outgoing, Verdict, judge
from interlock.engine.shared_secrets import shared_text

_FINAL = frozenset({400, 401, 403, 404, 406})

Payload = Callable[[Announced], dict[str, Any]]
"""What an event tells under ``payload``."""


class Sunshine:
    """Events of conversations, messages and users under Sunshine's names; the others as ``<machine>:<verb>``."""

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
    kind, payload = _KNOWN.get(event.type, (f"{event.machine}:{camel(event.verb)}", _other))
    return {"id": event.id, "type": kind, "createdAt": event.time, "payload": payload(event)}


def _other(event: Announced) -> dict[str, Any]:
    if event.machine == "switchboard":
        return _conversation(event)
    return {camel(event.machine): {"id": event.key, "state": event.state} | event.context}


def _conversation(event: Announced) -> dict[str, Any]:
    board = event.get("integrations")
    integrations = {
        each["id"]: each
        for each in (board if isinstance(board, list) else ())
        if isinstance(each, dict) and isinstance(each.get("id"), str)
    }
    return {"conversation": resources.truncated_conversation(event.key, event.context, integrations)}


def _told(*names: str) -> Payload:
    """The conversation, and these fields of the context where they say something."""

    def payload(event: Announced) -> dict[str, Any]:
        return _conversation(event) | {name: event.get(name) for name in names if event.get(name)}

    return payload


def _failed(event: Announced) -> dict[str, Any]:
    failure = event.part("failure")
    error = {name: failure.get(name) for name in ("code", "message")}
    metadata = {"metadata": failure["metadata"]} if failure.get("metadata") else {}
    return _conversation(event) | metadata | {"error": error}


def _participant(event: Announced) -> dict[str, Any]:
    before, after = (side if isinstance(side, list) else [] for side in _change(event, "participants"))
    users = [each for each in (*before, *after) if (each in before) != (each in after)]
    return _conversation(event) | ({"user": {"id": users[0]}} if users else {})


def _was_read(event: Announced) -> dict[str, Any]:
    before, after = (side if isinstance(side, dict) else {} for side in _change(event, "last_read"))
    readers = [each for each, at in after.items() if before.get(each) != at]
    author = {"type": "user", "userId": readers[0]} if readers else {"type": "business"}
    activity = {"type": "conversation:read", "source": {"type": "api"}, "author": author}
    return _conversation(event) | {"activity": activity}


def _change(event: Announced, field: str) -> tuple[Any, Any]:
    """What the field was before the step, and what it is after it."""
    found = event.changed.get(field)
    return (found.get("from"), found.get("to")) if isinstance(found, dict) else (None, None)


def _message(event: Announced) -> dict[str, Any]:
    conversation = {"id": event.get("conversation")} | event.part("shown_conversation")
    return {"conversation": conversation, "message": resources.message(event.key, event.time, event.context)}


def _user(event: Announced) -> dict[str, Any]:
    return {"user": resources.user(event.key, event.context)}


def _gone_user(event: Announced) -> dict[str, Any]:
    known, _ = _change(event, "external_id")
    return {"user": resources.filled({"id": event.key, "authenticated": False, "externalId": known})}


_KNOWN: Mapping[str, tuple[str, Payload]] = {
    "switchboard.control_passed": ("switchboard:passControl", _told("metadata", "reason")),
    "switchboard.control_offered": ("switchboard:offerControl", _told("metadata")),
    "switchboard.control_accepted": ("switchboard:acceptControl", _told("metadata")),
    "switchboard.control_released": ("switchboard:releaseControl", _told("metadata", "reason")),
    "switchboard.control_pass_failed": ("switchboard:passControl:failure", _failed),
    "switchboard.control_offer_failed": ("switchboard:offerControl:failure", _failed),
    "switchboard.control_accept_failed": ("switchboard:acceptControl:failure", _failed),
    "switchboard.created": ("conversation:create", _conversation),
    "switchboard.conversation_deleted": ("conversation:remove", _conversation),
    "switchboard.participant_joined": ("conversation:join", _participant),
    "switchboard.participant_left": ("conversation:leave", _participant),
    "switchboard.conversation_read": ("conversation:read", _was_read),
    "message.posted": ("conversation:message", _message),
    "user.updated": ("user:update", _user),
    "user.deleted": ("user:remove", _gone_user),
}
"""Our event to Sunshine's type, and its payload."""
