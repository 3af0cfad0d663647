"""The audit: who has changed what beside commands (webhooks, dead letters, tokens), in the stream ``<prefix>:audit``.

What commands do stands in the histories, each with its actor. What the command line does goes into the same audit as
what the gateway does.
"""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
import redis

from interlock.engine.errors import InterlockError
from interlock.engine.keys import Keys
from interlock.engine.messages import format_time
from interlock.engine.tenancy import DEFAULT_TENANT

MAX_ENTRIES = 100_000
"""The newest are kept."""


class AuditNotKept(InterlockError):
    """What was done is done, but the server did not take its record: write it down by hand."""

    def __init__(self, deed: Deed, cause: Exception) -> None:
        super().__init__(
            f"{deed.action} {deed.target} is done, but not in the audit ({type(cause).__name__})"
        )


class Action(StrEnum):
    """What can be done."""

    TOKEN_CREATED = "token.created"  # noqa: S105  # the name of a deed
    """Somebody may come in; the target is the key id."""
    TOKEN_REVOKED = "token.revoked"  # noqa: S105
    """Somebody may not any more; the target is a key id, or a principal's id for all of theirs."""
    WEBHOOK_ADDED = "webhook.added"
    """A URL is told what happens."""
    WEBHOOK_UPDATED = "webhook.updated"
    """It is told other things, or elsewhere; ``changed`` names what is different."""
    WEBHOOK_REMOVED = "webhook.removed"
    """It is told nothing any more."""
    WEBHOOK_ENABLED = "webhook.enabled"
    """Deliveries go on."""
    WEBHOOK_DISABLED = "webhook.disabled"
    """Nothing is delivered."""
    WEBHOOK_ROTATED = "webhook.rotated"
    """It has a new secret."""
    WEBHOOK_TESTED = "webhook.tested"
    """One attempt was made with a test event."""
    WEBHOOK_REDELIVERED = "webhook.redelivered"
    """Deliveries are made again, ``requested`` of them."""
    DEAD_LETTER_RETRIED = "dead_letter.retried"
    """Its command was published again, under the id ``command``."""
    DEAD_LETTER_DISCARDED = "dead_letter.discarded"
    """It is gone."""
    BULK_SENT = "bulk.sent"
    """One command went to many instances; the number by status."""
    CHART_REGISTERED = "chart.registered"
    """A version of a chart is known from now on."""
    INSTANCES_MIGRATED = "instances.migrated"
    """Live instances were moved to the version that is the target, or back (``undo``)."""
    INDEXES_CORRECTED = "indexes.corrected"
    """The indexes behind lists were compared with the instances, and written anew where they differed."""


@dataclass(frozen=True, slots=True)
class Deed:
    """``actor``: ``{id, kind, tenant}``; ``target``: what it was done to; ``details``: JSON, no secrets."""

    actor: Mapping[str, Any]
    action: Action
    target: str
    details: Mapping[str, Any] = field(default_factory=dict)


def at_the_shell() -> dict[str, Any]:
    """The actor of what is done by a process of ours: the user of the operating system and the host, kind ``cli``."""
    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container may run as a number that has no name
        user = str(os.geteuid())
    return {"id": f"{user}@{socket.gethostname()}", "kind": "cli", "tenant": DEFAULT_TENANT}


def origin_of(url: str) -> str:
    """``https://hooks.example.com:8443``: of a URL, what is no secret. Paths and queries of webhooks often are."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def record(client: redis.Redis, keys: Keys, deed: Deed) -> None:
    """Keep it. Raises AuditNotKept."""
    told = orjson.dumps({"at": format_time(datetime.now(UTC)), **asdict(deed)})
    try:
        client.xadd(keys.audit, {"deed": told}, maxlen=MAX_ENTRIES, approximate=True)
    except redis.RedisError as error:
        raise AuditNotKept(deed, error) from error


def newest(
    client: redis.Redis, keys: Keys, limit: int, before: str | None = None
) -> tuple[list[dict[str, Any]], str | None]:
    """The newest deeds behind the cursor ``before``, newest first: ``{at, actor, action, target, details}``; and the
    next cursor."""
    end = f"({before}" if before else "+"
    found = cast(list[tuple[bytes, dict[bytes, bytes]]], client.xrevrange(keys.audit, end, "-", limit))
    deeds = [orjson.loads(fields[b"deed"]) for _, fields in found if b"deed" in fields]
    return deeds, found[-1][0].decode() if len(found) == limit else None
