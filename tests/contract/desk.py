"""A small deployment for the contract suite: a chart, a store, a pump and a drainer over one server."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import redis

from interlock.engine.keys import PartitionKeys
from interlock.engine.machine import Machine
from interlock.engine.private_fields import PrivateFields
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.workers.drain import Drainer
from interlock.workers.pump import Pump
from tests.charting import compile_chart

CHART = """
id: ticket
version: 1
index: [queue]
context:
  queue: {type: string, default: general}
  notes: {type: integer, default: 0}
  level: {type: integer, default: 1, minimum: 1}
  assignee: {type: [string, "null"], default: null}
  token: {type: [string, "null"], default: null, public: false}
commands:
  open: {creates: true, data: {queue: {type: string}, token: {type: string}, level: {type: integer}}}
  assign: {data: {agent: {type: string}}, required: [agent]}
  note: {}
  break: {}
  again: {}
  close: {by: [supervisor, system]}
initial: open
states:
  open:
    initial: queued
    on:
      note: {actions: {assign: {notes: context.notes + 1}}}
      break: {guard: "context.notes / 0 > 1", target: closed}
      again: {ignore: true}
      close: closed
    states:
      queued:
        after: {30m: {actions: {emit: ticket.sla_breached}}}
        on: {assign: {target: assigned, actions: [{assign: {assignee: data.agent}}, {emit: ticket.assigned}]}}
      assigned: {}
  closed: {entry: {emit: ticket.closed}, type: final}
"""


SECRET_KEY = "A" * 43 + "="


class OneChart:
    """A catalog of the one chart above."""

    def __init__(self) -> None:
        self.only = compile_chart(CHART)

    @property
    def private(self) -> PrivateFields:
        return PrivateFields([self.only.chart])

    def machine(self, name: str, version: int | None = None) -> Machine | None:
        return self.only if name == "ticket" and version in (None, 1) else None


class AheadDrainer(Drainer):
    """Drains as if the server's clock were ``ahead``."""

    ahead = timedelta(0)

    def _read(self, keys: PartitionKeys) -> Any:
        read = super()._read(keys)
        return read and replace(read, now=read.now + self.ahead)


class AheadPump(Pump):
    """Lets in what is due as if the server's clock were ``ahead``."""

    ahead = timedelta(0)

    def _now_ms(self) -> int:
        return super()._now_ms() + int(self.ahead.total_seconds() * 1000)


class Desk:
    """`publish`, then `work`: everything up to the last commit happens in this process."""

    def __init__(self, client: redis.Redis, **settings: Any) -> None:
        self.client = client
        self.settings = Settings(**{"partitions": 4, "secret_key": SECRET_KEY, **settings})
        self.store = Store.open(client, self.settings, found=True)
        self.keys = self.store.keys
        self.woken: list[int] = []
        self.pump = AheadPump(self.store, self.settings, self.woken.append, lambda: None)
        self.catalog = OneChart()
        self.drainer = AheadDrainer(self.store, self.catalog, self.settings)  # type: ignore[arg-type]

    def publish(self, key: str, name: str, **fields: Any) -> None:
        self.publish_raw(orjson.dumps({"machine": "ticket", "key": key, "name": name, **fields}))

    def publish_raw(self, raw: bytes) -> None:
        self.client.xadd(self.keys.commands, {"command": raw})

    def work(self) -> None:
        """Take in and drain until nothing is left."""
        while self.pump.take_in():
            pass
        for number in range(self.keys.partitions):
            self.drainer.drain(number)

    def send(self, key: str, name: str, **fields: Any) -> dict[str, Any]:
        """Publish one command, work, and answer its result as ``reply_to`` got it."""
        reply = self.keys.reply("test")
        self.publish(key, name, reply_to=reply, **fields)
        self.work()
        raw = self.client.lpop(reply)
        assert raw is not None, "no reply"
        answer: dict[str, Any] = orjson.loads(raw)
        return answer

    def let_timers_run(self, **time: float) -> int:
        """Let so much time go by, let in the timers that are due then, and work; how many were let in."""
        self.drainer.ahead = self.pump.ahead = self.pump.ahead + timedelta(**time)
        moved = self.pump.let_in_due()
        self.work()
        return moved

    def events(self) -> list[dict[str, Any]]:
        """Everything announced so far, partition by partition."""
        return [
            orjson.loads(fields[b"event"])
            for keys in self.store.partitions()
            for _, fields in self.client.xrange(keys.outbox)
        ]

    def dump(self) -> dict[bytes, bytes | None]:
        """Every key with its serialised value; what only carries (streams, leases, wake-ups, counters) aside."""
        skipped = (b":lease", b":wake", b":meta", b":counters", b":pump", b":inbox", b":commands")
        return {key: self.client.dump(key) for key in self.client.keys("*") if not key.endswith(skipped)}
