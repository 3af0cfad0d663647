"""The audit: who has changed what beside commands (webhooks, dead letters, tokens), in the stream ``<prefix>:audit``.

What commands do stands in the histories, each with its actor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import orjson
import redis
import structlog

from interlock.engine.keys import Keys
from interlock.engine.messages import format_time

MAX_ENTRIES = 100_000
"""The newest are kept."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Deed:
    """``actor``: ``{id, kind, tenant}``; ``action``: ``webhook.added``; ``target``: what it was done to; ``details``:
    JSON, no secrets."""

    actor: Mapping[str, Any]
    action: str
    target: str
    details: Mapping[str, Any] = field(default_factory=dict)


def record(client: redis.Redis, keys: Keys, deed: Deed) -> None:
    """Keep it, and log it. Raises redis.RedisError; what was done is done then, and the log tells it."""
    at = format_time(datetime.now(UTC))
    log.info("audit", **asdict(deed))
    client.xadd(
        keys.audit, {"deed": orjson.dumps({"at": at, **asdict(deed)})}, maxlen=MAX_ENTRIES, approximate=True
    )


def newest(
    client: redis.Redis, keys: Keys, limit: int, before: str | None = None
) -> tuple[list[dict[str, Any]], str | None]:
    """The newest deeds behind the cursor ``before``, newest first: ``{at, actor, action, target, details}``; and the
    next cursor."""
    end = f"({before}" if before else "+"
    found = cast(list[tuple[bytes, dict[bytes, bytes]]], client.xrevrange(keys.audit, end, "-", limit))
    deeds = [orjson.loads(fields[b"deed"]) for _, fields in found if b"deed" in fields]
    return deeds, found[-1][0].decode() if len(found) == limit else None
