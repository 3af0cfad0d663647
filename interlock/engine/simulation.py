"""One life of an instance under a virtual clock, without a server. Pure: the clock is where it is moved to.

What it does is decided by the functions of the product, `decide` and `fire`: who is refused there is refused here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from interlock.engine.chart import INVOKE_DONE, INVOKE_ERROR
from interlock.engine.decision import capabilities, decide
from interlock.engine.durations import MAX_DELAY_MS, delay_ms
from interlock.engine.errors import InterlockError
from interlock.engine.machine import Machine
from interlock.engine.messages import Actor, Command, Error, format_time, parse_time
from interlock.engine.outcome import Decision
from interlock.engine.snapshot import Snapshot
from interlock.engine.virtual_time import advance


class NotSimulated(InterlockError):
    """What was asked for cannot be simulated. Correct what the message names."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one command, or one timer that fired, has done.

    ``cause``: the command's name or the timer's event; ``at``: RFC 3339; ``status``: of the result; ``state``,
    ``version``: afterwards, None where there is no instance; ``events``: types announced; ``sends``: commands to other
    instances, ``{machine, key, name, id}``; ``runs``: ids of functions begun.
    """

    cause: str
    at: str
    status: str
    version: int | None
    state: list[str] | None
    events: Sequence[str] = ()
    error: Error | None = None
    sends: Sequence[Mapping[str, Any]] = ()
    runs: Sequence[str] = ()

    def shown(self) -> dict[str, Any]:
        """As JSON; what says nothing is left out but for ``events``."""
        made: dict[str, Any] = {
            "cause": self.cause,
            "at": self.at,
            "status": self.status,
            "version": self.version,
            "state": self.state,
            "events": list(self.events),
        }
        if self.error:
            made["error"] = self.error.as_dict()
        if self.sends:
            made["sends"] = list(self.sends)
        if self.runs:
            made["runs"] = list(self.runs)
        return made


@dataclass(slots=True)
class Simulation:
    """An instance that lives in memory. ``now`` moves by `advance` only.

    ``actor``: who asks where a command does not say; None: the system.
    """

    machine: Machine
    now: datetime
    key: str = "1"
    actor: Actor | None = None
    snapshot: Snapshot | None = None
    _before: list[tuple[Snapshot | None, datetime]] = field(default_factory=list)
    _sent: int = 0

    def send(self, name: str, data: Mapping[str, Any] | None = None, actor: Actor | None = None) -> Told:
        """Send a command, or ``done.invoke.<id>`` and ``error.invoke.<id>`` of a function that runs.

        A refusal is told, not raised.
        """
        self._remember()
        self._sent += 1
        command = Command(
            machine=self.machine.id,
            key=self.key,
            name=name,
            data=dict(data or {}),
            id=self._running(name) or f"simulated-{self._sent}",
            actor=actor or self.actor,
        )
        return self._keep(name, decide(self.machine, self.snapshot, command, self.now))

    def advance(self, milliseconds: float) -> list[Told]:
        """Let time pass; what each timer that falls due meanwhile does, in order.

        Raises NotSimulated where it is no time, AdvanceError where a timer fails or timers have no end.
        """
        if not 0 <= milliseconds <= MAX_DELAY_MS:
            raise NotSimulated("time passes by 0 milliseconds to ten years")
        self._remember()
        end = self.now + timedelta(milliseconds=milliseconds)
        told: list[Told] = []
        fired = advance(self.machine, self.snapshot, self.now, milliseconds) if self.snapshot else ()
        for decision in fired:
            if decision.snapshot and decision.entry:
                self.now = parse_time(decision.snapshot.updated_at)
                told.append(self._keep(orjson.loads(decision.entry)["command"]["name"], decision))
        self.now = end
        return told

    def undo(self) -> bool:
        """Take back the last command or passing of time; whether there was one."""
        if not self._before:
            return False
        self.snapshot, self.now = self._before.pop()
        return True

    def can(self) -> list[str]:
        """The commands that may be sent now, as far as state and actor tell."""
        if self.snapshot is None:
            return sorted(c.name for c in self.machine.chart.commands.values() if c.creates)
        return sorted(capabilities(self.machine, self.snapshot, self.actor, self.now))

    def _remember(self) -> None:
        self._before.append((self.snapshot, self.now))

    def _running(self, name: str) -> str | None:
        """The id of the run whose outcome this is."""
        if self.snapshot is None or not name.startswith((INVOKE_DONE, INVOKE_ERROR)):
            return None
        wanted = name.split(".", 2)[2]
        return next((run.id for run in self.snapshot.running if run.name == wanted), None)

    def _keep(self, cause: str, decision: Decision) -> Told:
        result = decision.result
        entry = orjson.loads(decision.entry) if decision.entry else {}
        if decision.snapshot:
            self.snapshot = decision.snapshot
        return Told(
            cause,
            format_time(self.now),
            result.status.value,
            result.version,
            result.state,
            result.events,
            result.error,
            entry.get("sends", ()),
            [run.id for run in decision.runs],
        )


def passing(written: Any) -> float:
    """Milliseconds of an ``advance``: a number of them, or a delay as charts write it. Raises NotSimulated."""
    if isinstance(written, (int, float)) and not isinstance(written, bool):
        return written
    if isinstance(written, str):
        try:
            return delay_ms(written)
        except ValueError as error:
            raise NotSimulated(f"{written[:64]!r} is no time: {error}") from None
    raise NotSimulated("time passes by milliseconds, or by a text such as 30m")
