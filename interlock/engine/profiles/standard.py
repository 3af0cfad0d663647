"""The profile of our own: CloudEvents 1.0 in JSON, signed as Standard Webhooks 1.0 says. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

import orjson

from interlock.engine.profiles.outgoing import Outgoing, Verdict, judge
from interlock.engine.signing import signed_headers

CONTENT_TYPE = "application/cloudevents+json"
_TRACEPARENT = re.compile(r"\A[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}\Z")


class Standard:
    """The event's bytes as they are, with a fresh timestamp in each attempt."""

    name = "standard"
    schedule: tuple[float, ...] | None = None
    timeout_seconds: float | None = None

    def request(
        self,
        event: bytes,
        *,
        message: str,
        webhook_id: str,  # noqa: ARG002  of every profile's signature
        secrets: Sequence[bytes],
        at: datetime,
    ) -> Outgoing:
        headers = signed_headers(secrets, message, int(at.timestamp()), event)
        headers["Content-Type"] = CONTENT_TYPE
        trace = _trace(event)
        if trace is not None:
            headers["traceparent"] = trace
        return Outgoing(event, headers)

    def verdict(self, status: int | None, headers: Mapping[str, str]) -> Verdict:  # noqa: ARG002
        return judge(status)


def _trace(event: bytes) -> str | None:
    """The event's ``traceparent``, where it is one that may stand in a header."""
    if b'"traceparent"' not in event:  # most events have none: parse those that may
        return None
    trace = orjson.loads(event).get("traceparent")
    return trace if isinstance(trace, str) and _TRACEPARENT.match(trace) else None
