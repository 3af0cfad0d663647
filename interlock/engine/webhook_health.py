"""The health of endpoints, kept for all delivery processes: one string an endpoint, none where it is well.

It is advice: a value that is lost or none of ours stands for a healthy endpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import orjson
import redis
from pydantic import TypeAdapter
from redis.client import Pipeline

from interlock.engine.breaker import HEALTHY, Health
from interlock.engine.keys import Keys

_STORED = TypeAdapter(Health)


def read(client: redis.Redis, keys: Keys, webhook_ids: Sequence[str]) -> Mapping[str, Health]:
    """The health of each endpoint. One round trip."""
    if not webhook_ids:
        return {}
    raws = cast("list[bytes | None]", client.mget([keys.webhook_health(one) for one in webhook_ids]))
    return {webhook_id: _parse(raw) for webhook_id, raw in zip(webhook_ids, raws, strict=True)}


def change(
    client: redis.Redis, keys: Keys, webhook_id: str, step: Callable[[Health], Health | None]
) -> Health | None:
    """Read, change and write back, again where another process wrote meanwhile; returns what was written.

    ``step``: the health to the next one, None to leave it; then None is returned.
    """
    key = keys.webhook_health(webhook_id)

    def rewrite(pipe: Pipeline) -> Any:
        before = _parse(cast("bytes | None", pipe.get(key)) if pipe.type(key) == b"string" else None)
        health = step(before)
        pipe.multi()
        if health == HEALTHY:
            pipe.delete(key)
        elif health is not None and health != before:
            pipe.set(key, orjson.dumps(health))
        return health

    return cast("Health | None", client.transaction(rewrite, key, value_from_callable=True))


def forget(client: redis.Redis, keys: Keys, webhook_id: str) -> None:
    """Begin anew: the endpoint counts as healthy."""
    client.delete(keys.webhook_health(webhook_id))


def _parse(raw: bytes | None) -> Health:
    if raw is None:
        return HEALTHY
    try:
        return _STORED.validate_json(raw, strict=True)
    except ValueError:
        return HEALTHY
