"""Publish commands from Python. Any language does the same with one XADD of JSON to the ingress stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from secrets import token_urlsafe
from time import monotonic
from typing import Any, cast

import orjson
import redis
import uuid_utils

from interlock.engine.keys import Keys
from interlock.engine.messages import format_time

_WAIT_SLICE_SECONDS = 2.0


SealData = Callable[[str, str, str, Mapping[str, Any]], Mapping[str, Any]]
"""``(machine, key, name, data)`` -> the data with its private fields sealed."""


class Publisher:
    """Publishes to one deployment. Safe to share between threads, as its client is."""

    def __init__(
        self, client: redis.Redis, keys: Keys | None = None, seal_data: SealData | None = None
    ) -> None:
        """``seal_data``: seals what is private before it leaves the process (`sealing_publisher`); without it data
        stands in the ingress as it is given."""
        self._client = client
        self._keys = keys or Keys()
        self._seal_data = seal_data

    def publish(
        self,
        machine: str,
        key: str,
        name: str,
        data: Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        actor: Mapping[str, Any] | None = None,
        expected_version: int | None = None,
        not_before: datetime | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
        traceparent: str | None = None,
        reply_to: str | None = None,
    ) -> str:
        """Publish a command; returns its id (a new UUIDv7 where ``id`` is None).

        Name an ``id`` of your own to publish again after a failure: it is applied once. ``actor``:
        ``{"id", "kind", "permissions"}``. Raises redis.RedisError where the server does not take it,
        and what ``seal_data`` raises.
        """
        if data and self._seal_data:
            data = self._seal_data(machine, key, name, data)
        command_id = id if id is not None else str(uuid_utils.uuid7())
        command: dict[str, Any] = {"machine": machine, "key": key, "name": name, "id": command_id}
        optional = {
            "data": data or None,
            "actor": actor,
            "expected_version": expected_version,
            "not_before": format_time(not_before) if not_before else None,
            "correlation_id": correlation_id,
            "causation_id": causation_id,
            "traceparent": traceparent,
            "reply_to": reply_to,
        }
        command.update({name: value for name, value in optional.items() if value is not None})
        self._client.xadd(self._keys.commands, {"command": orjson.dumps(command)})
        return command_id

    def request(
        self,
        machine: str,
        key: str,
        name: str,
        data: Mapping[str, Any] | None = None,
        *,
        timeout_seconds: float = 5.0,
        **options: Any,
    ) -> dict[str, Any] | None:
        """Publish a command and wait for its result; None where none came within ``timeout_seconds``.

        The command is not withdrawn then: ask for its result later, or publish it again under its id.
        ``options`` are those of `publish`, without ``reply_to``.
        """
        reply_to = self._keys.reply(token_urlsafe(16))
        self.publish(machine, key, name, data, reply_to=reply_to, **options)
        deadline = monotonic() + timeout_seconds
        while (left := deadline - monotonic()) > 0:
            # In slices: a client's own socket timeout (redis-py: 5 s) would end one longer wait with an error.
            answer = cast(
                "tuple[bytes, bytes] | None",
                self._client.blpop([reply_to], timeout=max(min(left, _WAIT_SLICE_SECONDS), 0.001)),
            )
            if answer is not None:
                return cast(dict[str, Any], orjson.loads(answer[1]))
        return None
