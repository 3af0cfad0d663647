"""The pump: takes commands in, lets what is due go in, and wakes whoever must come.

One pump leads at a time, for economy only: two at once do no harm, because the inboxes take each ingress
entry once and in order (``append.lua``), and a wake-up too many finds nothing to do.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from secrets import token_hex
from typing import cast

import redis
import structlog

from interlock.engine.fencing import Word, run_script, run_scripts, take_marker
from interlock.engine.ids import next_entry_id
from interlock.engine.ingress import EXCLUSIVE, InboxEntry, admit
from interlock.engine.keys import PartitionKeys
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.workers.exclusives import Exclusives

log = structlog.get_logger()

TAKE = 1000
"""Ingress entries taken in at once, at the most."""
FIRST_TAKE = 16
MAX_TAKE_BYTES = 8 * 1024 * 1024
"""Bytes taken in at once, as far as the sizes just before tell: memory is bounded where entries are huge."""
BLOCK_MS = 100
"""How long the pump waits for a command before it looks at the clock again; timers are no later than this."""
LEAD_MS = 3000
OUTAGE_MS = 10_000
"""No pump led for longer than this: an outage, which some timers do not count."""
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
BLOCKED_SECONDS = 5.0
"""How long entries wait that a partition could not take, because somebody else wrote to its keys."""
COMPLAIN_SECONDS = 60.0


class Pump:
    """Runs in a process of its own. ``wake``: enqueue a drain of a partition; ``wake_deliver``: a delivery;
    ``wake_invoke``: a run of an invoked function."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        wake: Callable[[int], None],
        wake_deliver: Callable[[], None],
        wake_invoke: Callable[[], None] = lambda: None,
    ) -> None:
        self._store = store
        self._settings = settings
        self._wake = wake
        self._wake_deliver = wake_deliver
        self._wake_invoke = wake_invoke
        self._exclusives = Exclusives(store)
        self._token = token_hex(8)
        self._take = FIRST_TAKE
        self._blocked: set[int] = set()
        self._retry_at = float("-inf")
        self._read_up_to = "0"
        self._complained: dict[str, float] = {}
        self._swept = self._looked = self._led = self._trimmed = float("-inf")

    def run(self, stop: threading.Event) -> None:
        """Pump until ``stop`` is set. A server that goes away is waited for."""
        while not stop.is_set():
            try:
                if not self._lead():
                    stop.wait(LEAD_MS / 3000)
                    continue
                if self.turn(BLOCK_MS) is None:
                    stop.wait(RETRY_SECONDS)
            except (redis.ConnectionError, redis.TimeoutError) as error:
                log.warning("server_lost", error=type(error).__name__)
                stop.wait(RETRY_SECONDS)
            except redis.RedisError:
                log.exception("pump_failed")
                stop.wait(RETRY_SECONDS)
        self._resign()

    def turn(self, block_ms: int | None = None) -> int | None:
        """One turn: take in, let in what is due, sweep and trim when it is time.

        Returns the commands taken in, None where the ingress stream cannot be read; the rest is done even so.
        """
        try:
            taken: int | None = self.take_in(block_ms)
        except redis.ResponseError as error:
            log.error("foreign_data", key=self._store.keys.commands, reason=str(error))
            taken = None
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
            if client.pttl(key) == -1:  # without expiry it is no pump's
                client.delete(key)
            return False
        self._led = now
        self._watch_time()
        return True

    def _watch_time(self) -> None:
        """Before anything that is due is let in: timers may ask how long nobody did."""
        try:
            outage = self._store.note_outage(self._now_ms(), OUTAGE_MS)
        except redis.ResponseError as error:
            self._complain(self._store.keys.outages, error)
            return
        if outage:
            log.warning("outage_over", seconds=(outage[1] - outage[0]) // 1000)

    def _resign(self) -> None:
        """Let another pump lead at once."""
        try:
            if self._store.client.get(self._store.keys.pump) == self._token.encode():
                self._store.client.delete(self._store.keys.pump)
        except redis.RedisError:
            log.info("pump_could_not_resign", until_ms=LEAD_MS)

    def take_in(self, block_ms: int | None = None) -> int:
        """Move commands from the ingress stream to the inboxes; returns how many. Waits up to ``block_ms``.

        What a blocked partition cannot take stays in the stream, in its order, and is tried again by and by.
        """
        client, stream = self._store.client, self._store.keys.commands
        if self._blocked and time.monotonic() >= self._retry_at:
            self._blocked.clear()
            self._read_up_to = "0"
        reply = cast(
            "list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes] | None]]]]",
            client.xread({stream: self._read_up_to}, count=self._take, block=block_ms),
        )
        if not reply:
            return 0
        entries = reply[0][1]
        size = sum(len(value) for _, fields in entries for value in (fields or {}).values())
        self._take = max(1, min(TAKE, 2 * self._take, MAX_TAKE_BYTES * len(entries) // max(1, size)))
        inboxes: dict[int, list[tuple[str, InboxEntry]]] = defaultdict(list)
        machines: set[str] = set()
        for entry_id, fields in entries:
            name = entry_id.decode()
            entry = admit(self._store.keys, name, fields or {}, self._settings.max_command_bytes)
            inboxes[entry.partition].append((name, entry))
            if entry.body is not None:
                machines.add(entry.body["machine"])
        self._exclusives.refresh(machines)
        gone = self._append(inboxes)
        if self._blocked:
            self._read_up_to = entries[-1][0].decode()
            if gone:
                client.xdel(stream, *gone)
        else:
            client.xtrim(stream, minid=next_entry_id(entries[-1][0].decode()), approximate=False)
        return len(gone)

    def _append(self, inboxes: Mapping[int, Sequence[tuple[str, InboxEntry]]]) -> list[str]:
        """The ingress ids that partitions took. Once one did not, later entries wait too: their order must hold."""
        numbers = [number for number in inboxes if number not in self._blocked]
        calls = [self._append_call(number, inboxes[number]) for number in numbers]
        gone: list[str] = []
        for number, reply in zip(numbers, run_scripts(self._store.client, "append", calls), strict=True):
            if isinstance(reply, redis.ResponseError):
                tag = self._store.keys.partition(number).tag
                log.error("foreign_data", partition=number, keys=tag, reason=str(reply))
                self._blocked.add(number)
                self._retry_at = time.monotonic() + BLOCKED_SECONDS
                continue
            gone += (name for name, _ in inboxes[number])
            if reply:
                self._wake(number)
        return gone

    def _append_call(
        self, number: int, taken: Sequence[tuple[str, InboxEntry]]
    ) -> tuple[list[str], list[Word]]:
        """Keys and arguments of ``append.lua``, which answers whether somebody must be woken: nobody owns the
        partition and nobody is on the way."""
        keys = self._store.keys.partition(number)
        args: list[Word] = [WAKE_MS]
        for entry_id, entry in taken:
            slot = self._exclusives.slot(entry.body) if entry.body is not None else None
            if slot is None or entry.body is None:
                args += (entry_id, entry.field, entry.payload)
            else:
                args += (entry_id, EXCLUSIVE, entry.payload, slot, entry.body["id"])
        return [keys.inbox, keys.meta, keys.lease, keys.wake, keys.exclusive], args

    def _now_ms(self) -> int:
        """The server's clock, Unix milliseconds: one for all."""
        seconds, micros = self._store.client.time()
        return seconds * 1000 + micros // 1000

    def let_in_due(self) -> int:
        """Move due timers and delayed commands to the inboxes; returns how many."""
        client = self._store.client
        now_ms = self._now_ms()
        places = [
            (number, keys, source, field)
            for number, keys in enumerate(self._store.partitions())
            for source, field in ((keys.timers, "t"), (keys.later, "c"))
        ]
        pipeline = client.pipeline(transaction=False)
        for _, _, source, _ in places:
            pipeline.zcount(source, "-inf", now_ms)
        waiting = pipeline.execute(raise_on_error=False)
        moved = 0
        for (number, keys, source, field), count in zip(places, waiting, strict=True):
            if count == 0:
                continue
            try:
                names = [source, keys.inbox, keys.lease, keys.wake]
                reply = cast(list[int], run_script(client, "due", names, [now_ms, DUE, field, WAKE_MS]))
            except redis.ResponseError as error:
                self._complain(source, error)
                continue
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
            pipeline.pttl(keys.lease)
            pipeline.hget(keys.meta, "dispatched")
            pipeline.xrevrange(keys.outbox, count=1)
            pipeline.zcount(keys.due, "-inf", now_ms)
        found = pipeline.execute(raise_on_error=False)
        deliver = False
        for number, keys in enumerate(partitions):
            backlog, owned_ms, dispatched, newest, due = found[5 * number : 5 * number + 5]
            for answer in (backlog, dispatched, newest, due):
                if isinstance(answer, redis.ResponseError):
                    self._complain(keys.tag, answer)
            if isinstance(backlog, int) and backlog and owned_ms <= 0:
                self._drive_again(number, keys, backlog)
            behind = isinstance(newest, list) and newest and newest[0][0] != dispatched
            deliver = deliver or bool(behind) or (isinstance(due, int) and due > 0)
        if deliver and take_marker(client, self._store.keys.deliver_wake, WAKE_MS):
            self._wake_deliver()
        self._sweep_runs(partitions, now_ms)

    def _sweep_runs(self, partitions: list[PartitionKeys], now_ms: int) -> None:
        """Wake for runs of invoked functions that are due: a later attempt, or one whose wake-up was lost."""
        client = self._store.client
        pipeline = client.pipeline(transaction=False)
        for keys in partitions:
            pipeline.zcount(keys.runs_due, "-inf", now_ms)
        due = [answer for answer in pipeline.execute(raise_on_error=False) if isinstance(answer, int)]
        if any(due) and take_marker(client, self._store.keys.invoke_wake, WAKE_MS):
            self._wake_invoke()

    def _drive_again(self, number: int, keys: PartitionKeys, backlog: int) -> None:
        try:
            if run_script(self._store.client, "append", *self._append_call(number, ())):
                log.info("partition_redriven", partition=number, backlog=backlog)
                self._wake(number)
        except redis.ResponseError as error:
            self._complain(keys.tag, error)

    def _complain(self, key: str, error: Exception) -> None:
        """Say that somebody else wrote to a key; once in a while, for it stays so until it is mended."""
        now = time.monotonic()
        if now - self._complained.get(key, float("-inf")) >= COMPLAIN_SECONDS:
            self._complained[key] = now
            log.error("foreign_data", key=key, reason=str(error))

    def trim_event_logs(self) -> None:
        """Let go of events that are older than ``event_log_seconds`` and were made into deliveries."""
        client = self._store.client
        partitions = list(self._store.partitions())
        pipeline = client.pipeline(transaction=False)
        pipeline.time()
        for keys in partitions:
            pipeline.hget(keys.meta, "dispatched")
        (seconds, _), *cursors = pipeline.execute(raise_on_error=False)
        oldest_ms = max(0, seconds - int(self._settings.event_log_seconds)) * 1000
        for keys, cursor in zip(partitions, cursors, strict=True):
            try:
                if isinstance(cursor, bytes):
                    dispatched_ms = int(cursor.partition(b"-")[0])
                    client.xtrim(keys.outbox, minid=str(min(oldest_ms, dispatched_ms)), approximate=True)
            except (ValueError, redis.ResponseError) as error:
                self._complain(keys.tag, error)
