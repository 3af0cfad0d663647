"""The pump: takes commands in, lets what is due go in, and wakes whoever must come.

One pump leads at a time, for economy only: two at once do no harm, because the inboxes take each ingress
entry once and in order (``append.lua``), and a wake-up too many finds nothing to do.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from secrets import token_hex
from typing import cast

import redis
import structlog

from interlock.engine.fencing import Word, run_script
from interlock.engine.ids import next_entry_id
from interlock.engine.ingress import EXCLUSIVE, InboxEntry, admit
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.workers.exclusives import Exclusives

log = structlog.get_logger()

TAKE = 1000
"""Ingress entries taken in at once."""
MAX_TAKE_BYTES = 16 * 1024 * 1024
BLOCK_MS = 100
"""How long the pump waits for a command before it looks at the clock again; timers are no later than this."""
LEAD_MS = 3000
LEAD_SECONDS = 0.5
"""How often the leader says that it still leads."""
DUE_SECONDS = 0.05
"""How often the timers are looked at while commands keep coming."""
WAKE_MS = 2000
SWEEP_SECONDS = 1.0
TRIM_SECONDS = 60.0
"""How often old events leave the event log."""
DUE = 500
RETRY_SECONDS = 0.5


class Pump:
    """Runs in a process of its own. ``wake``: enqueue a drain of a partition; ``wake_deliver``: a delivery."""

    def __init__(
        self, store: Store, settings: Settings, wake: Callable[[int], None], wake_deliver: Callable[[], None]
    ) -> None:
        self._store = store
        self._settings = settings
        self._wake = wake
        self._wake_deliver = wake_deliver
        self._exclusives = Exclusives(store)
        self._token = token_hex(8)
        self._swept = self._looked = self._led = self._trimmed = float("-inf")

    def run(self, stop: threading.Event) -> None:
        """Pump until ``stop`` is set. A server that goes away is waited for."""
        while not stop.is_set():
            try:
                if not self._lead():
                    stop.wait(LEAD_MS / 3000)
                    continue
                self.turn(BLOCK_MS)
            except redis.RedisError as error:
                log.warning("server_lost", error=type(error).__name__)
                stop.wait(RETRY_SECONDS)
        self._resign()

    def turn(self, block_ms: int | None = None) -> int:
        """One turn: take in, let in what is due, sweep when it is time. Returns the commands taken in."""
        taken = self.take_in(block_ms)
        now = time.monotonic()
        if now - self._looked >= DUE_SECONDS:
            self._looked = now
            self.let_in_due()
        if now - self._swept >= SWEEP_SECONDS:
            self._swept = now
            self.sweep()
        if now - self._trimmed >= TRIM_SECONDS:
            self._trimmed = now
            self.trim_event_logs()
        return taken

    def _lead(self) -> bool:
        """Whether this pump leads; says so for a while longer."""
        now = time.monotonic()
        if now - self._led < LEAD_SECONDS:
            return True
        client, key = self._store.client, self._store.keys.pump
        if client.set(key, self._token, nx=True, px=LEAD_MS):
            log.info("pump_leads")
        elif client.get(key) == self._token.encode():
            client.pexpire(key, LEAD_MS)
        else:
            return False
        self._led = now
        return True

    def _resign(self) -> None:
        """Let another pump lead at once."""
        try:
            if self._store.client.get(self._store.keys.pump) == self._token.encode():
                self._store.client.delete(self._store.keys.pump)
        except redis.RedisError:
            log.info("pump_could_not_resign", until_ms=LEAD_MS)

    def take_in(self, block_ms: int | None = None) -> int:
        """Move commands from the ingress stream to the inboxes; returns how many. Waits up to ``block_ms``."""
        client, keys = self._store.client, self._store.keys
        reply = cast(
            "list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes] | None]]]]",
            client.xread({keys.commands: "0"}, count=TAKE, block=block_ms),
        )
        if not reply:
            return 0
        entries = reply[0][1]
        inboxes: dict[int, list[tuple[str, InboxEntry]]] = defaultdict(list)
        machines: set[str] = set()
        for entry_id, fields in entries:
            name = entry_id.decode()
            entry = admit(keys, name, fields or {}, self._settings.max_command_bytes)
            inboxes[entry.partition].append((name, entry))
            if entry.body is not None:
                machines.add(entry.body["machine"])
        self._exclusives.refresh(machines)
        for number, taken in inboxes.items():
            self._append(number, taken)
        client.xtrim(keys.commands, minid=next_entry_id(entries[-1][0].decode()), approximate=False)
        return len(entries)

    def _append(self, number: int, taken: list[tuple[str, InboxEntry]]) -> None:
        keys = self._store.keys.partition(number)
        args: list[Word] = [WAKE_MS]
        for entry_id, entry in taken:
            slot = self._exclusives.slot(entry.body) if entry.body is not None else None
            if slot is None or entry.body is None:
                args += (entry_id, entry.field, entry.payload)
            else:
                args += (entry_id, EXCLUSIVE, entry.payload, slot, entry.body["id"])
        names = [keys.inbox, keys.meta, keys.lease, keys.wake, keys.exclusive]
        if run_script(self._store.client, "append", names, args):
            self._wake(number)

    def let_in_due(self) -> int:
        """Move due timers and delayed commands to the inboxes; returns how many."""
        client = self._store.client
        seconds, micros = client.time()
        now_ms = seconds * 1000 + micros // 1000
        pipeline = client.pipeline(transaction=False)
        partitions = list(self._store.partitions())
        for keys in partitions:
            pipeline.zcount(keys.timers, "-inf", now_ms)
            pipeline.zcount(keys.later, "-inf", now_ms)
        waiting = cast(list[int], pipeline.execute())
        moved = 0
        for number, keys in enumerate(partitions):
            for count, source, field in (
                (waiting[2 * number], keys.timers, "t"),
                (waiting[2 * number + 1], keys.later, "c"),
            ):
                if count:
                    names = [source, keys.inbox, keys.lease, keys.wake]
                    reply = cast(list[int], run_script(client, "due", names, [now_ms, DUE, field, WAKE_MS]))
                    moved += reply[0]
                    if reply[1]:
                        self._wake(number)
        return moved

    def sweep(self) -> None:
        """Wake for every partition with a backlog, no owner and nobody on the way; for deliveries likewise."""
        client = self._store.client
        pipeline = client.pipeline(transaction=False)
        partitions = list(self._store.partitions())
        now_ms = int(time.time() * 1000)
        for keys in partitions:
            pipeline.xlen(keys.inbox)
            pipeline.exists(keys.lease)
            pipeline.hget(keys.meta, "dispatched")
            pipeline.xrevrange(keys.outbox, count=1)
            pipeline.zcount(keys.due, "-inf", now_ms)
        found = pipeline.execute()
        deliver = False
        for number, keys in enumerate(partitions):
            backlog, owned, dispatched, newest, due = found[5 * number : 5 * number + 5]
            if backlog and not owned and client.set(keys.wake, "1", nx=True, px=WAKE_MS):
                log.info("partition_redriven", partition=number, backlog=backlog)
                self._wake(number)
            deliver = deliver or bool(due) or bool(newest and newest[0][0] != dispatched)
        if deliver and client.set(self._store.keys.deliver_wake, "1", nx=True, px=WAKE_MS):
            self._wake_deliver()

    def trim_event_logs(self) -> None:
        """Let go of events that are older than ``event_log_seconds`` and were made into deliveries."""
        client = self._store.client
        partitions = list(self._store.partitions())
        pipeline = client.pipeline(transaction=False)
        pipeline.time()
        for keys in partitions:
            pipeline.hget(keys.meta, "dispatched")
        (seconds, _), *cursors = pipeline.execute()
        oldest_ms = max(0, seconds - int(self._settings.event_log_seconds)) * 1000
        for keys, cursor in zip(partitions, cursors, strict=True):
            if cursor:
                dispatched_ms = int(cursor.partition(b"-")[0])
                client.xtrim(keys.outbox, minid=str(min(oldest_ms, dispatched_ms)), approximate=True)
