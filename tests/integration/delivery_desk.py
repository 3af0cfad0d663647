"""A deployment of the test's own that only delivers."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import redis

from interlock.engine import delivery_log, subscriptions
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.workers.delivery import DeliverySummary, deliver

PROCESS = """
from interlock.engine.clients import connect
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.workers.delivery import deliver
settings = Settings()
store = Store.open(connect(settings), settings)
while True:
    deliver(store, settings, shift_seconds=30)
"""
"""A delivery process of its own, for `sys.executable -c`; it ends by a signal.

Shift after shift, as the pump would wake them: one that finds a dead process's leases has nothing to do yet.
"""


class Desk:
    """A deployment of the test's own."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self.client, self.settings = client, settings
        self.store = Store.open(client, settings)
        self.keys = self.store.keys

    @classmethod
    def open(cls, client: redis.Redis, url: str, directory: Path, **fields: Any) -> Desk:
        defaults: dict[str, Any] = {
            "redis_url": url,
            "partitions": 4,
            "secret_key_file": directory / "secret.key",
            "webhook_allow_cidrs": "127.0.0.0/8",
            "webhook_retry_schedule": "0.05,0.05",
            "webhook_timeout_seconds": 5,
            "lease_seconds": 10,
        }
        return cls(client, Settings(**{**defaults, **fields}))

    def environment(self, **fields: Any) -> dict[str, str]:
        """What a delivery process of this deployment sees."""
        names = ("redis_url", "secret_key_file", "webhook_timeout_seconds", "lease_seconds", "partitions")
        chosen = {name: getattr(self.settings, name) for name in names} | fields
        schedule = ",".join(map(str, self.settings.webhook_retry_schedule))
        return {f"INTERLOCK_{name.upper()}": str(value) for name, value in chosen.items()} | {
            "INTERLOCK_WEBHOOK_ALLOW_CIDRS": "127.0.0.0/8",
            "INTERLOCK_WEBHOOK_RETRY_SCHEDULE": schedule,
            "INTERLOCK_LOG_LEVEL": "error",
        }

    def subscribe(self, url: str, *events: str, **options: Any) -> tuple[subscriptions.Subscription, str]:
        return subscriptions.add(
            self.client, self.keys, self.settings, url, events=events or ("*",), **options
        )

    def tell(self, key: str, *versions: int, **fields: Any) -> list[str]:
        """Events of one ticket, one a version, in its partition; their ids."""
        ids = []
        for version in versions:
            event = {
                "specversion": "1.0",
                "id": f"{key}:{version}",
                "source": "/interlock/ticket",
                "type": "ticket.noted",
                "subject": key,
                "sequence": version,
                "data": {"context": {}},
                **fields,
            }
            outbox = self.keys.of_instance("ticket", key).outbox
            self.client.xadd(outbox, {"event": orjson.dumps(event)})
            ids.append(f"{key}:{version}")
        return ids

    def announce(self, count: int, event_type: str = "ticket.assigned", **fields: Any) -> list[bytes]:
        bodies = []
        for number in range(count):
            event = {
                "specversion": "1.0",
                "id": f"e-{number}",
                "type": event_type,
                "data": {"text": "Zoë"},
                **fields,
            }
            bodies.append(orjson.dumps(event))
            outbox = self.keys.partition(number % self.keys.partitions).outbox
            self.client.xadd(outbox, {"event": bodies[-1]})
        return bodies

    def log(self, webhook: subscriptions.Subscription) -> list[dict[str, Any]]:
        return delivery_log.deliveries(self.client, self.keys, webhook.id, 1000)["deliveries"]

    def deliver(self, shift_seconds: float = 5) -> DeliverySummary:
        return deliver(self.store, self.settings, shift_seconds=shift_seconds)

    def deliver_until(self, done: Callable[[], bool], seconds: float = 60.0) -> None:
        """Shifts, one after the other, as the pump would wake them."""
        limit = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < limit, "not delivered in time"
            self.deliver()

    def settled(self, webhook: subscriptions.Subscription, count: int = 1) -> Callable[[], bool]:
        def done() -> bool:
            log = self.log(webhook)
            return len(log) >= count and all(one["status"] != "pending" for one in log)

        return done
