"""A batch of inbox entries, decided: from what was read to the operations of one commit. No I/O.

The commands of one instance build on one another within the batch; the instance is written once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

import orjson
import structlog

from interlock.engine.decision import decide, fire, hidden
from interlock.engine.errors import CommandRefused, ErrorClass, InterlockError
from interlock.engine.expressions import EvaluationError
from interlock.engine.fencing import Operation
from interlock.engine.indexing import row_of
from interlock.engine.keys import Keys, PartitionKeys
from interlock.engine.machine import Machine
from interlock.engine.messages import Command, Error, Result, Status, format_time, parse_time, time_to_ms
from interlock.engine.migration_command import MIGRATE, is_undo, migrate, versions_of
from interlock.engine.outages import due_despite
from interlock.engine.outcome import Decision, refused
from interlock.engine.private_fields import PrivateFields
from interlock.engine.sealing import FindSealer, Known, NotOpened
from interlock.engine.snapshot import CorruptSnapshot, DelayedSend, Snapshot, Timer
from interlock.engine.step import EndlessStep
from interlock.engine.stored_forms import (
    open_entry,
    open_snapshot,
    sealed_body,
    stored_command,
    stored_entry,
    stored_letter,
    stored_move,
    stored_run,
    stored_snapshot,
)
from interlock.workers.items import Address, Item

log = structlog.get_logger()

MAX_DEAD_LETTERS = 10_000
REPLY_TTL_MS = 300_000
TIMER_RETRY = timedelta(minutes=1)
MAX_TIMER_RETRIES = 6
"""How long a timer waits whose step failed (the chart is at fault, and may be mended): twice as long each time, at
most an hour."""
MAX_BATCH_BYTES = 4 * 1024 * 1024
"""Bytes of one commit, but for its last command's: the server does nothing else meanwhile."""
CANCELLED = "cancelled"
"""Stands in place of a fingerprint under the id of a delayed send that was cancelled."""

FOREIGN_MARK = "foreign"
"""Stands in place of a fingerprint that cannot be read, because its key holds another type."""

FindMachine = Callable[[str, int | None], Machine | None]
"""The compiled chart of a machine's version (None: the newest), or None where there is none."""


@dataclass(slots=True)
class _Instance:
    """An instance within the batch: what was stored, what it is now, what the batch adds to it.

    ``before`` and ``now`` are in clear, ``entries`` as they are stored; ``known``: context fields that are sealed.
    """

    before: Snapshot | None
    now: Snapshot | None
    broken: str = ""
    entries: list[bytes] = field(default_factory=list)
    known: Known = field(default_factory=dict)


@dataclass(slots=True)
class Batch:
    """What one commit will do: `decide_all`, then commit the operations that it returns.

    ``snapshots``: stored bytes by address; ``marks``: fingerprints already stored, by command id;
    ``results``: their first results; ``last_entries``: of the histories of those that a migration is to be
    undone for; ``broken``: addresses whose keys somebody else has written to; ``outages``: (begin, end) in Unix
    milliseconds, where a timer is among the items; ``find_sealer``: asked where something private is to be opened
    or sealed, by what ``private`` says; ``out_of_time``: asked after each item. What ``find_sealer`` raises ends the
    batch: it is no fault of a command. ``taken``: how many items were decided.
    """

    keys: Keys
    partition: PartitionKeys
    items: Sequence[Item]
    find_machine: FindMachine
    now: datetime
    result_ttl_seconds: int
    max_snapshot_bytes: int
    find_sealer: FindSealer
    private: PrivateFields
    snapshots: Mapping[Address, bytes | None] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    results: dict[str, bytes] = field(default_factory=dict)
    last_entries: Mapping[Address, bytes | None] = field(default_factory=dict)
    broken: frozenset[Address] = frozenset()
    outages: Sequence[tuple[int, int]] = ()
    out_of_time: Callable[[], bool] = lambda: False
    taken: int = 0
    fresh: dict[str, str] = field(default_factory=dict)
    """Keys that must be new, with the command id that each stands for."""
    counters: Counter[str] = field(default_factory=Counter)
    events: int = 0
    runs: int = 0
    _operations: list[Operation] = field(default_factory=list)
    _instances: dict[Address, _Instance] = field(default_factory=dict)

    def decide_all(self) -> list[Operation]:
        """Decide the items in order, as many as time and bytes allow, at least one. Returns the operations."""
        size = 0
        for item in self.items:
            before = len(self._operations)
            self._decide_one(item)
            self.taken += 1
            size += sum(
                len(word) for op in self._operations[before:] for word in op if isinstance(word, bytes)
            )
            if size > MAX_BATCH_BYTES or self.out_of_time():
                break
        for address, instance in self._instances.items():
            if instance.entries:
                self._write(address, instance)
        for name, number in self.counters.items():
            self._operations.append(("?HINCRBY", self.keys.counters, name, number))
        return self._operations

    def _decide_one(self, item: Item) -> None:
        if item.slot is not None:
            self._operations.append(("HDEL", self.partition.exclusive, item.slot))
        if item.timer:
            self._fire(item, item.timer)
        elif item.id is not None and item.id in self.marks:
            self._resent(item, item.id)
        elif item.command:
            self._command(item, item.command)
        else:
            self._rejected(item)

    def _instance(self, address: Address) -> _Instance:
        known = self._instances.get(address)
        if known is None:
            raw = self.snapshots.get(address)
            known = self._instances[address] = _Instance(None, None)
            try:
                if raw is not None:
                    stored = Snapshot.from_bytes(raw)
                    known.before = known.now = open_snapshot(self.find_sealer, stored, raw, known.known)
            except (CorruptSnapshot, NotOpened) as error:
                known.broken = str(error)
            if address in self.broken:
                known.broken = "a key of this instance holds a foreign type"
        return known

    def _command(self, item: Item, command: Command) -> None:
        if command.not_before and command.not_before > self.now:
            score = time_to_ms(command.not_before) + 1
            self._operations.append(("ZADD", self.partition.later, score, self._stored_raw(item, command)))
            return
        instance = self._instance((command.machine, command.key))
        decision = self._decision(item, command, instance)
        if decision.snapshot is not None:
            self._apply(instance, decision, self._stored_entry(item, command, instance, decision))
        self._answer(item, decision.result, command.reply_to)

    def _decision(self, item: Item, command: Command, instance: _Instance) -> Decision:
        # Outside of the `try`: a server that goes away while a chart is looked up is no fault of the command.
        machine = self.find_machine(command.machine, instance.now.chart_version if instance.now else None)
        versions, last = self._versions(command, instance), self._last_entry(command, instance)
        if instance.broken:
            log.error("instance_broken", machine=command.machine, key=command.key, reason=instance.broken)
            return self._dead_command(item, command, f"{command.machine}/{command.key}: {instance.broken}")
        try:
            if machine is None:
                return refused(
                    command.id,
                    self._unknown_machine(command, instance),
                    instance.now,
                    command.machine,
                    command.key,
                )
            if item.in_flight:
                error = hidden(machine, instance.now, command, self.now) or _in_flight(command)
                return refused(command.id, error, instance.now, command.machine, command.key)
            if command.name == MIGRATE:
                decision = migrate(versions.get, instance.now, command, self.now, last)
            else:
                decision = decide(machine, instance.now, command, self.now)
            self._check_size(decision)
            return decision
        except CommandRefused as refusal:
            error = Error(refusal.error_class, refusal.code, refusal.message)
            return refused(command.id, error, instance.now, command.machine, command.key)
        except Exception as fault:  # whatever it is, the partition goes on: the command becomes a dead letter
            log.exception("command_failed", machine=command.machine, key=command.key, command_id=command.id)
            # Its text may quote a private value: that is for the log's reader, who has the place too.
            return self._dead_command(
                item, command, f"a fault of ours, {type(fault).__name__}: see the worker's log"
            )

    def _dead_command(self, item: Item, command: Command, why: str) -> Decision:
        error = Error(ErrorClass.INTERNAL, "internal", why[:500])
        self._dead(item, error)
        return Decision(Result(command.id, Status.DEAD, command.machine, command.key, None, None, [], error))

    def _versions(self, command: Command, instance: _Instance) -> dict[int, Machine | None]:
        wanted = versions_of(command, instance.now) if command.name == MIGRATE else ()
        return {version: self.find_machine(command.machine, version) for version in wanted}

    def _last_entry(self, command: Command, instance: _Instance) -> Mapping[str, object] | None:
        if not is_undo(command):
            return None
        stored = self.last_entries.get((command.machine, command.key))
        raw = instance.entries[-1] if instance.entries else stored
        try:
            entry = orjson.loads(raw) if raw else None
            return open_entry(self.find_sealer, command.machine, command.key, entry) if entry else None
        except (ValueError, TypeError, KeyError, AttributeError, NotOpened) as error:
            instance.broken = (
                instance.broken or f"its last history entry cannot be read: {type(error).__name__}"
            )
            return None

    def _stored_entry(self, item: Item, command: Command, instance: _Instance, decision: Decision) -> bytes:
        """The history entry of what ``command`` did to ``instance``, which is not there yet."""
        assert decision.entry is not None
        names = self._private_data(command)
        entry = stored_entry(self.find_sealer, command, decision.entry, names, item.known)
        old = self._machine_of(instance.now) if command.name == MIGRATE and instance.now else None
        if old is None or instance.now is None:
            return entry
        return stored_move(self.find_sealer, old, instance.now, entry, instance.known)

    def _stored_raw(self, item: Item, command: Command) -> bytes:
        """A command that is not applied yet, as it is kept."""
        return stored_command(self.find_sealer, command, item.raw, self._private_data(command), item.known)

    def _private_data(self, command: Command) -> Collection[str]:
        return self.private.of_data(command.machine, command.name, command.data) if command.data else ()

    def _machine_of(self, snapshot: Snapshot) -> Machine | None:
        return self.find_machine(snapshot.machine, snapshot.chart_version)

    def _unknown_machine(self, command: Command, instance: _Instance) -> Error:
        if instance.now:
            version = instance.now.chart_version
            message = (
                f"{command.machine}/{command.key} began with version {version}, whose chart is not loaded"
            )
            return Error(
                ErrorClass.UNKNOWN_MACHINE, "unknown_chart_version", message, {"chart_version": version}
            )
        return Error(
            ErrorClass.UNKNOWN_MACHINE, "unknown_machine", f"no chart has the id {command.machine!r}"
        )

    def _apply(self, instance: _Instance, decision: Decision, entry: bytes | None) -> None:
        """``entry``: of the history, as it is stored."""
        assert entry is not None
        instance.now = decision.snapshot
        instance.entries.append(entry)
        for event in decision.events:
            self._operations.append(("XADD", self.partition.outbox, "*", "event", event))
        self.events += len(decision.events)
        for command in decision.sends:
            self._operations.append(("XADD", self.keys.commands, "*", "command", self._stored_send(command)))
        for send in decision.cancelled:
            self._withdraw(send)
        for run in decision.runs:
            secret = self.private.keeps_secrets(run.machine)
            stored = stored_run(self.find_sealer, run, secret=secret)
            self._operations.append(("HSET", self.partition.runs, run.id, stored))
            self._operations.append(("ZADD", self.partition.runs_due, time_to_ms(self.now), run.id))
        for stopped in decision.stopped:
            for name in (self.partition.runs, self.partition.run_attempts):
                self._operations.append(("HDEL", name, stopped.id))
            self._operations.append(("ZREM", self.partition.runs_due, stopped.id))
        self.runs += len(decision.runs)

    def _stored_send(self, raw: bytes) -> bytes:
        """A command that a step sends, as it goes on the stream."""
        if not self.private.any:
            return raw
        body = orjson.loads(raw)
        names = self.private.of_data(body["machine"], body["name"], body.get("data", ()))
        return sealed_body(self.find_sealer, raw, names) if names else raw

    def _withdraw(self, send: DelayedSend) -> None:
        """Take the id of a command that waits elsewhere, unless it was applied meanwhile: it comes as a duplicate."""
        wait = parse_time(send.due) - self.now
        seconds = max(int(wait.total_seconds()) + 1, 1) + self.result_ttl_seconds
        error = Error(ErrorClass.EXPIRED, "cancelled", "who sent it has cancelled it")
        result = Result(send.command_id, Status.REFUSED, send.machine, send.key, None, None, [], error)
        for name, value in (
            (self.keys.fingerprint(send.command_id), CANCELLED),
            (self.keys.result(send.command_id), orjson.dumps(result.as_dict())),
        ):
            self._operations.append(("SET", name, value, "EX", seconds, "NX"))

    def _fire(self, item: Item, address: tuple[str, str, str]) -> None:
        machine_id, key, timer_id = address
        instance = self._instance((machine_id, key))
        current = instance.now
        if current is None:
            return
        machine = self.find_machine(machine_id, current.chart_version)
        timer = next((timer for timer in current.timers if timer.id == timer_id), None)
        due_ms = self._due_ms(machine, timer) if timer else 0
        if due_ms > time_to_ms(self.now):
            # An outage does not count for it. Or it was let in too early, by a clock that was set back or by
            # somebody else. It waits for its time.
            self._operations.append(("ZADD", self.partition.timers, due_ms, item.raw))
            return
        try:
            if machine is None or instance.broken:
                raise InterlockError(
                    instance.broken or f"version {current.chart_version} of its chart is not loaded"
                )
            if timer:
                self._fire_before(machine, instance, timer, due_ms)
                current = instance.now or current
            decision = fire(machine, current, timer_id, self.now)
            if decision is not None:
                self._check_size(decision)
        except Exception as fault:  # a chart at fault must not hold up its neighbours: the timer comes again
            self._timer_failed(item, address, fault)
            return
        if decision:
            self._apply(instance, decision, decision.entry)
            self.counters["timers"] += 1

    def _fire_before(self, machine: Machine, instance: _Instance, timer: Timer, due_ms: int) -> None:
        """Fire what is due in the same millisecond as ``timer`` and was armed before it.

        The rows of one millisecond come in the order of their ids; XState fires in the order of arming, which the
        snapshot keeps. Their own entries find them gone. One that fails is told when its own entry comes.
        """
        assert instance.now is not None
        for earlier in takewhile(lambda each: each.id != timer.id, instance.now.timers):
            if self._due_ms(machine, earlier) != due_ms:
                continue
            with suppress(EvaluationError, EndlessStep, CommandRefused):
                decision = fire(machine, instance.now, earlier.id, self.now)
                if decision is not None:
                    self._check_size(decision)
                    self._apply(instance, decision, decision.entry)
                    self.counters["timers"] += 1

    def _due_ms(self, machine: Machine | None, timer: Timer) -> int:
        due_ms = time_to_ms(parse_time(timer.due))
        made = machine.timer_of(timer.state, timer.event) if machine and self.outages else None
        if made is None or made.delay_ms is None:
            return due_ms
        return due_despite(due_ms, made.delay_ms, made.outage, self.outages)

    def _timer_failed(self, item: Item, address: tuple[str, str, str], fault: Exception) -> None:
        if not item.failures:
            machine_id, key, timer_id = address
            log.error("timer_failed", machine=machine_id, key=key, timer=timer_id, exc_info=fault)
            self._dead(
                item,
                Error(ErrorClass.INTERNAL, "timer_failed", f"{type(fault).__name__}: see the worker's log"),
            )
        again = self.now + TIMER_RETRY * 2 ** min(item.failures, MAX_TIMER_RETRIES)
        member = orjson.dumps([*address, item.failures + 1])
        self._operations.append(("ZADD", self.partition.timers, time_to_ms(again), member))

    def _check_size(self, decision: Decision) -> None:
        """Raises CommandRefused where the instance would grow too large."""
        if decision.snapshot and len(decision.snapshot.to_bytes()) > self.max_snapshot_bytes:
            message = f"the instance would grow over {self.max_snapshot_bytes} bytes"
            raise CommandRefused(ErrorClass.TOO_LARGE, "instance_too_large", message)

    def _rejected(self, item: Item) -> None:
        assert item.rejected is not None
        fields = item.rejected
        told = fields["error"]
        error = Error(told["class"], told["code"], told["message"], told.get("details", {}))
        status = Status.REFUSED if item.id else Status.DEAD
        if not item.id:
            self._dead(item, error)
        result = Result(item.id, status, fields.get("machine"), fields.get("key"), None, None, [], error)
        self._answer(item, result, fields.get("reply_to"))

    def _resent(self, item: Item, command_id: str) -> None:
        """The same id again: the first answer, or a refusal where the body is another one."""
        if self.marks[command_id] == CANCELLED:
            return
        reply_to = item.command.reply_to if item.command else (item.rejected or {}).get("reply_to")
        if self.marks[command_id] == item.mark:
            self.counters["duplicate"] += 1
            answer = orjson.dumps({**self._first_answer(item, command_id), "duplicate": True})
        else:
            error = Error(
                ErrorClass.ID_REUSED, "id_reused", "this id was used with another body: name a new one"
            )
            self.counters["refused:id_reused"] += 1
            machine, key = item.address or (None, None)
            answer = orjson.dumps(
                Result(command_id, Status.REFUSED, machine, key, None, None, [], error).as_dict()
            )
        self._reply(reply_to, answer)

    def _first_answer(self, item: Item, command_id: str) -> dict[str, Any]:
        """What was answered first; where somebody else removed or broke it, only that the command has counted."""
        try:
            first = orjson.loads(self.results.get(command_id, b""))
            if isinstance(first, dict):
                return first
        except ValueError:
            log.error("foreign_data", key=self.keys.result(command_id))
        machine, key = item.address or (None, None)
        return Result(command_id, Status.IGNORED, machine, key, None, None, []).as_dict()

    def _answer(self, item: Item, result: Result, reply_to: str | None) -> None:
        self.counters[
            f"{result.status}:{result.error.error_class}" if result.error else result.status.value
        ] += 1
        raw = orjson.dumps(result.as_dict())
        if item.id is not None:
            mark_key = self.keys.fingerprint(item.id)
            self.marks[item.id] = item.mark
            self.results[item.id] = raw
            self.fresh[mark_key] = item.id
            self._operations.append(("SET", mark_key, item.mark, "EX", self.result_ttl_seconds))
            self._operations.append(("?SET", self.keys.result(item.id), raw, "EX", self.result_ttl_seconds))
        self._reply(reply_to, raw)

    def _reply(self, reply_to: str | None, raw: bytes) -> None:
        if reply_to:
            self._operations.append(("?RPUSH", reply_to, raw))
            self._operations.append(("?PEXPIRE", reply_to, REPLY_TTL_MS))

    def _dead(self, item: Item, error: Error) -> None:
        machine, key = item.address or (None, None)
        raw = item.raw[:65_536].decode("utf-8", "replace")
        letter = {
            "at": format_time(self.now),
            "id": item.id,
            "machine": machine,
            "key": key,
            "error": error.as_dict(),
            "raw": stored_letter(self.find_sealer, raw, secret=self.private.any and not item.timer),
        }
        dead = self.partition.dead
        self._operations.append(
            ("?XADD", dead, "MAXLEN", "~", MAX_DEAD_LETTERS, "*", "letter", orjson.dumps(letter))
        )

    def _write(self, address: Address, instance: _Instance) -> None:
        machine, key = address
        before, now = instance.before, instance.now
        assert now is not None
        ops, partition = self._operations, self.partition
        compiled = self._machine_of(now)
        assert compiled is not None
        stored = stored_snapshot(self.find_sealer, compiled, now, instance.known)
        ops.append(("SET", partition.instance(machine, key), stored))
        # A snapshot and a history that do not fit together are no ground to build on: see `ForeignData`.
        ops.append(("=LLEN", partition.history(machine, key), before.version if before else 0))
        ops.append(("RPUSH", partition.history(machine, key), *instance.entries))
        old_timers = {timer.id: timer for timer in before.timers} if before else {}
        new_timers = {timer.id: timer for timer in now.timers}
        for timer_id in old_timers.keys() - new_timers.keys():
            ops.append(("ZREM", partition.timers, orjson.dumps([machine, key, timer_id])))
        for timer_id in new_timers.keys() - old_timers.keys():
            due = time_to_ms(parse_time(new_timers[timer_id].due))
            ops.append(("ZADD", partition.timers, due, orjson.dumps([machine, key, timer_id])))
        self._index(machine, key, before, now)

    def _index(self, machine: str, key: str, before: Snapshot | None, now: Snapshot) -> None:
        compiled = self._machine_of(now)
        assert compiled is not None
        row = row_of(compiled.chart, now)
        old = self._entries_of(before) if before else set()
        new = row.entries(self.partition, machine, key)
        self._operations += [("ZREM", name, member) for name, member in sorted(old - new)]
        self._operations += [("ZADD", name, 0, member) for name, member in sorted(new - old)]
        self._operations.append(("HSET", self.partition.rows(machine), key, row.to_bytes()))

    def _entries_of(self, snapshot: Snapshot) -> set[tuple[str, str]]:
        """What an instance has in the indexes; also by private fields, as versions of ours did that sealed nothing."""
        compiled = self._machine_of(snapshot)
        assert compiled is not None
        chart, partition = compiled.chart, self.partition
        entries = row_of(chart, snapshot).entries(partition, snapshot.machine, snapshot.key)
        in_clear = {
            (partition.field_index(chart.id, name, snapshot.context.get(name)), snapshot.key)
            for name in chart.index
            if name not in chart.listed_by
        }
        return entries | in_clear


def _in_flight(command: Command) -> Error:
    message = f"{command.name} is under way on {command.machine}/{command.key}: wait for its result"
    return Error(ErrorClass.IN_FLIGHT, f"{command.name}_in_flight", message)
