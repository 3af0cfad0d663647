"""The event that `interlock webhook test` sends, with what its caller wants in it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from interlock.engine.errors import InterlockError
from interlock.engine.messages import format_time

TYPE = "interlock.webhook.tested"
_SETTABLE = ("type", "source", "subject", "sequence", "data")
MAX_BYTES = 256 * 1024
MAX_DEPTH = 20


class TrialInvalid(InterlockError):
    """What is to stand in the test event cannot. Correct what the message names."""


def trial_event(event_id: str, webhook_id: str, now: datetime, changes: Sequence[str] = ()) -> bytes:
    """A CloudEvent in JSON. ``changes``: each ``data.x=1``, a path and a JSON value, or else text.

    Raises TrialInvalid.
    """
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id,
        "source": "/interlock/webhooks",
        "type": TYPE,
        "subject": webhook_id,
        "time": format_time(now),
        "datacontenttype": "application/json",
        "data": {},
    }
    for change in changes:
        _set(event, change)
    body = orjson.dumps(event)
    if len(body) > MAX_BYTES:
        raise TrialInvalid(f"the test event has {len(body)} bytes: use at most {MAX_BYTES}")
    return body


def _set(event: dict[str, Any], change: str) -> None:
    path, equals, text = change.partition("=")
    names = path.split(".")
    if not equals or not all(names) or len(names) > MAX_DEPTH:
        raise TrialInvalid(f"{change[:100]!r} sets nothing: write data.x=1")
    if names[0] not in _SETTABLE:
        raise TrialInvalid(f"{names[0][:50]!r} cannot be set: use {', '.join(_SETTABLE)}")
    place = event
    for name in names[:-1]:
        below = place.setdefault(name, {})
        if not isinstance(below, dict):
            raise TrialInvalid(f"{change[:100]!r}: {name[:50]!r} is no object")
        place = below
    place[names[-1]] = _value(text)
    for name in ("type", "source", "subject"):
        if not isinstance(event[name], str) or not event[name]:
            raise TrialInvalid(f"{name} is a text that is not empty")


def _value(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        text.encode()
    except UnicodeEncodeError:
        raise TrialInvalid("a value that is no UTF-8 text: correct it") from None
    return text
