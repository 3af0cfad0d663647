"""Engage Digital: envelope, ``X-Dimelo-Secret``, only 200 counts, five retries. Pure.

Source: RingCentral's "Event Types", "Registering a Webhook" and "Receiving Events via a Webhook".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from interlock.engine.profiles.announced import Announced, post, read
from interlock.engine.profiles.outgoing import Outgoing, Verdict, only_200
from interlock.engine.shared_secrets import shared_text

SECRET_HEADER = "X-Dimelo-Secret"  # noqa: S105 - a header's name
_METADATA = {
    "intervention": (
        "source_id",
        "thread_id",
        "user_id",
        "identity_id",
        "category_ids",
        "closed_at",
        "deferred_at",
        "custom_field_values",
    )
}
"""Machine to the context fields that its resource shows; of other machines, all that are public."""
_PEOPLE = frozenset({"agent", "supervisor"})


class Engage:
    """``intervention.*`` events under Engage's names, which are ours; those of other machines likewise."""

    name = "engage"
    schedule: tuple[float, ...] | None = (32.0, 240.0, 1020.0, 3120.0, 7200.0)
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
        told = read(event)
        body = orjson.dumps({"id": message, "domain_id": told.tenant, "events": [_event(told)]})
        vendor = {SECRET_HEADER: shared_text(secrets[0])}
        return post(body, vendor, message=message, secrets=secrets, at=at)

    def verdict(self, status: int | None, headers: Mapping[str, str]) -> Verdict:  # noqa: ARG002
        """Only 200 counts."""
        return only_200(status)


def _event(event: Announced) -> dict[str, Any]:
    shown = _METADATA.get(event.machine)
    made: dict[str, Any] = {
        "type": event.type,
        "id": event.id,
        "resource": {
            "type": event.machine,
            "id": event.key,
            "metadata": event.context if shown is None else {name: event.get(name) for name in shown},
        },
        "issued_at": event.time,
    }
    if event.actor_kind in _PEOPLE:
        made["user_id"] = event.actor_id
    return made
