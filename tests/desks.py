"""A whole desk in memory: several charts that send to one another, under a clock that is moved by hand.

    desk = Desk()                                     # the shipped charts and policies; or Desk(catalog=...)
    desk.send("queue/fr", "define", {"strategy": "round_robin"})
    desk.send("agent/ann", "define", {"queues": ["fr"], "capacity": {"chat": 2}})
    desk.send("agent/ann", "online")
    desk.send("ticket/T-1", "open", {"queue": "fr"})  # each `send` is followed by `run`, unless told otherwise
    assert desk.context("ticket/T-1")["assignee"] == "ann"
    desk.advance(minutes=5)                           # fires what is due, in order of time
    desk.events                                       # every event announced, as JSON, in the order of the commits

What is modelled is what the product promises (`workers/batch.py`, `engine/sending.py`, `workers/pump.py`) and no more:

- A command is decided by `decide`, a timer by `fire`. What a step sends is appended to the inbox of its target when the
  step is committed, so the inbox of one instance holds commands in the order of the commits that sent them.
- Between different instances there is no order: any inbox that is not empty may be next. In the product, instances
  of one partition share an inbox; here each has its own, which allows every order that the product can show.
- A command id is applied at most once: a second one is dropped. ``doubled=True`` doubles everything.
- A send with a delay, and a timer, come to the end of the inbox when they are due; a timer whose state was left
  meanwhile is dropped, a send that was cancelled too.

``choose``: which of the waiting inboxes is next, given their addresses, sorted. Default: first come, first served. Give
``random.Random(seed).choice`` or a Hypothesis draw for other orders: every order has to end well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import orjson

from interlock.engine.decision import decide, fire, replay
from interlock.engine.machine import Machine
from interlock.engine.messages import Actor, Command, Result, format_time, parse_time
from interlock.engine.outcome import Decision
from interlock.engine.snapshot import Snapshot
from interlock.statecharts.catalog import Catalog

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MAX_STEPS = 20_000
"""Steps of one `run`: charts that answer one another without end are stopped here."""

Choose = Callable[[Sequence[str]], str]


@cache
def shipped() -> Catalog:
    """The shipped charts and policies."""
    return Catalog.load()


@dataclass(frozen=True, slots=True)
class _Timer:
    id: str


@dataclass
class Desk:
    """Instances by address, ``<machine>/<key>``.

    ``events``: all announced, as JSON; ``results``: by command id; ``refusals``: results of commands that were refused,
    those of sends too; ``commands``: every command that was decided, in order.
    """

    catalog: Catalog = field(default_factory=shipped)
    choose: Choose | None = None
    doubled: bool = False
    now: datetime = START
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    results: dict[str, Result] = field(default_factory=dict)
    refusals: list[Result] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    _inboxes: dict[str, deque[Command | _Timer]] = field(default_factory=dict)
    _arrivals: deque[str] = field(default_factory=deque)
    _later: list[tuple[datetime, int, Command]] = field(default_factory=list)
    _cancelled: set[str] = field(default_factory=set)
    _let_in: dict[str, set[str]] = field(default_factory=dict)
    _sent: int = 0
    _order: int = 0

    def send(
        self,
        address: str,
        name: str,
        data: Mapping[str, Any] | None = None,
        *,
        actor: Actor | None = None,
        id: str | None = None,
        correlation_id: str | None = None,
        run: bool = True,
    ) -> str:
        """Publish a command (the system's where no actor is given), then `run`. Returns its id, for `result`."""
        self._sent += 1
        machine, _, key = address.partition("/")
        command = Command(
            machine=machine,
            key=key,
            name=name,
            data=dict(data or {}),
            id=id or f"c{self._sent}",
            actor=actor,
            correlation_id=correlation_id,
        )
        self._put(command)
        if run:
            self.run()
        return command.id

    def result(self, command_id: str) -> str:
        """``applied``, ``ignored`` or ``refused CLASS CODE`` of a command that was decided."""
        result = self.results[command_id]
        return (
            f"refused {result.error.error_class} {result.error.code}" if result.error else result.status.value
        )

    def run(self, steps: int = MAX_STEPS) -> int:
        """Take what waits in the inboxes, one at a time, until nothing does or so many were taken; how many."""
        for taken in range(steps):
            address = self._next()
            if address is None:
                return taken
            self._take(address)
        if steps == MAX_STEPS:
            raise AssertionError(f"{MAX_STEPS} steps and no rest: the charts answer one another without end")
        return steps

    @property
    def waiting(self) -> int:
        """Commands and timers in the inboxes."""
        return sum(map(len, self._inboxes.values()))

    def advance(self, *, run: bool = True, **time: float) -> None:
        """Let time pass (`timedelta`'s words). What falls due is taken at its own time, unless ``run`` is false: then
        it waits in the inboxes as after a pause of all workers."""
        end = self.now + timedelta(**time)
        while (due := self.next_due()) is not None and due <= end:
            self.now = max(self.now, due)
            self._let_in_due()
            if run:
                self.run()
        self.now = end

    def next_due(self) -> datetime | None:
        """When the next timer or delayed command is due that was not let in yet."""
        timers = [
            parse_time(timer.due)
            for address, snapshot in self.snapshots.items()
            for timer in snapshot.timers
            if timer.id not in self._let_in.get(address, ())
        ]
        return min([*timers, *(due for due, _, _ in self._later)], default=None)

    def snapshot(self, address: str) -> Snapshot:
        return self.snapshots[address]

    def context(self, address: str) -> dict[str, Any]:
        return self.snapshots[address].context

    def state(self, address: str) -> list[str]:
        return self.snapshots[address].state

    def of(self, machine: str) -> dict[str, Snapshot]:
        """The instances of a machine by key."""
        start = f"{machine}/"
        return {
            address.removeprefix(start): snapshot
            for address, snapshot in self.snapshots.items()
            if address.startswith(start)
        }

    def event_types(self, address: str | None = None) -> list[str]:
        """The types of all events, or of one instance's, in order."""
        return [
            event["type"]
            for event in self.events
            if address is None
            or f"{event['source'].removeprefix('/interlock/')}/{event['subject']}" == address
        ]

    def check_replay(self) -> None:
        """Every history replays to its snapshot, byte for byte."""
        for address, snapshot in self.snapshots.items():
            machine = self.machine(snapshot.machine)
            again = replay(machine, snapshot.key, self.history[address])
            assert again.to_bytes() == snapshot.to_bytes(), address

    def machine(self, name: str) -> Machine:
        machine = self.catalog.machine(name)
        assert machine is not None, f"no chart has the id {name!r}"
        return machine

    # What the product does

    def _put(self, command: Command) -> None:
        address = f"{command.machine}/{command.key}"
        for _ in range(1 + self.doubled):
            self._inboxes.setdefault(address, deque()).append(command)
            self._arrivals.append(address)

    def _next(self) -> str | None:
        if self.choose is None:
            while self._arrivals:
                address = self._arrivals.popleft()
                if self._inboxes.get(address):
                    return address
            return None
        full = sorted(address for address, inbox in self._inboxes.items() if inbox)
        return self.choose(full) if full else None

    def _take(self, address: str) -> None:
        entry = self._inboxes[address].popleft()
        snapshot = self.snapshots.get(address)
        if isinstance(entry, _Timer):
            self._let_in[address].discard(entry.id)
            assert snapshot is not None
            fired = fire(self.machine(snapshot.machine), snapshot, entry.id, self.now)
            if fired is not None:
                self._commit(address, fired)
            return
        if entry.id in self.results or entry.id in self._cancelled:
            return
        self.commands.append(entry)
        decision = decide(self.machine(entry.machine), snapshot, entry, self.now)
        self.results[entry.id] = decision.result
        if decision.result.error:
            self.refusals.append(decision.result)
        if decision.snapshot is not None:
            self._commit(address, decision)

    def _commit(self, address: str, decision: Decision) -> None:
        assert decision.snapshot is not None and decision.entry is not None
        self.snapshots[address] = decision.snapshot
        self.history.setdefault(address, []).append(orjson.loads(decision.entry))
        self.events += map(orjson.loads, decision.events)
        for raw in decision.sends:
            command = Command.model_validate_json(raw)
            if command.not_before is not None and command.not_before > self.now:
                self._order += 1
                self._later.append((command.not_before, self._order, command))
            else:
                self._put(command)
        for gone in decision.cancelled:
            self._cancelled.add(gone.command_id)

    def _let_in_due(self) -> None:
        at = format_time(self.now)
        due = [
            (timer.due, address, timer.id)
            for address, snapshot in self.snapshots.items()
            for timer in snapshot.timers
            if timer.due <= at and timer.id not in self._let_in.get(address, ())
        ]
        for _, address, timer_id in sorted(due, key=lambda each: each[0]):
            self._let_in.setdefault(address, set()).add(timer_id)
            self._inboxes.setdefault(address, deque()).append(_Timer(timer_id))
            self._arrivals.append(address)
        for entry in sorted((each for each in self._later if each[0] <= self.now), key=lambda each: each[:2]):
            self._later.remove(entry)
            self._put(entry[2])
