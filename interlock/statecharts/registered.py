"""The charts as the workers registered them, and what of an instance they let be shown.

Whoever shows an instance reads the chart from here, not from his own disk: the workers' text is what ran.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import Any

from interlock.engine.chart import Chart
from interlock.engine.errors import ChartError, InterlockError
from interlock.engine.loader import parse_chart
from interlock.engine.machine import Machine
from interlock.engine.migration_command import MIGRATE
from interlock.engine.private_fields import has_private
from interlock.engine.snapshot import Snapshot
from interlock.engine.store import Store
from interlock.statecharts.functions import FUNCTIONS

ENTRY_FIELDS = (
    "version",
    "at",
    "command",
    "actor",
    "from",
    "to",
    "events",
    "correlation_id",
    "causation_id",
)
"""What a history entry shows (wire contract)."""
_FRESH_SECONDS = 5.0
_MAX_PUBLIC = 1000


class ChartUnknown(InterlockError):
    """No worker has registered this chart, so what may be shown is unknown. Start a worker that has it."""


class MachineUnknown(InterlockError):
    """No chart of this name is registered. ``registered``: the names that are."""

    def __init__(self, machine: str, registered: list[str]) -> None:
        self.machine, self.registered = machine, registered
        names = ", ".join(registered) or "none; start `interlock worker`"
        super().__init__(f"No machine {machine!r} is registered. Registered: {names}.")


class RegisteredCharts:
    """The registered charts of one deployment, each parsed once. Safe to share between threads."""

    def __init__(self, store: Store, functions: Mapping[str, Callable[..., Any]] = FUNCTIONS) -> None:
        """``functions``: what the charts' expressions may call."""
        self._store = store
        self._functions = functions
        self._texts: Mapping[tuple[str, int], str] = {}
        self._read_at = float("-inf")
        self._parsed: dict[tuple[str, int], Chart] = {}
        self._machines: dict[tuple[str, int], Machine] = {}
        self._public: dict[tuple[str, str], tuple[Mapping[tuple[str, int], str], set[str]]] = {}
        """By machine and command: the texts by which these fields of its data were found public."""

    def chart(self, machine: str, version: int) -> Chart:
        """A registered chart. Raises ChartUnknown, and ChartError where it cannot be read here."""
        known = (machine, version)
        if known not in self._parsed:
            text = self._current(known).get(known)
            if text is None:
                raise ChartUnknown(
                    f"No chart {machine}@{version} is registered, so what may be shown is unknown. "
                    "Start a worker that has it."
                )
            self._parsed[known] = parse_chart(text, f"{machine}@{version}", functions=self._functions)
        return self._parsed[known]

    def machine(self, machine: str, version: int) -> Machine:
        """A registered chart, compiled once. Raises as `chart` does."""
        known = (machine, version)
        if known not in self._machines:
            self._machines[known] = Machine(self.chart(machine, version))
        return self._machines[known]

    def latest(self, machine: str) -> Chart:
        """The newest registered version of a machine's chart. Raises MachineUnknown and ChartError."""
        texts = self._current(None)
        versions = [version for name, version in texts if name == machine]
        if not versions:
            raise MachineUnknown(machine, sorted({name for name, _ in texts}))
        return self.chart(machine, max(versions))

    def versions(self, machine: str) -> list[Chart]:
        """Every registered version of a machine's chart, the newest first; of the older ones those that can be read
        here. Raises as `latest` does."""
        found = [self.latest(machine)]
        for name, version in sorted(self._current(None), reverse=True):
            if name == machine and version != found[0].version:
                with suppress(ChartError):
                    found.append(self.chart(name, version))
        return found

    def shown(self, snapshot: Snapshot) -> dict[str, Any]:
        """The instance as it may be shown: private context fields cut. Raises as `chart` does."""
        return snapshot.shown(self.chart(snapshot.machine, snapshot.chart_version))

    def shown_entry(self, snapshot: Snapshot, entry: Mapping[str, Any]) -> dict[str, Any]:
        """A history entry as it may be shown: private data fields cut. Raises as `chart` does."""
        self.chart(snapshot.machine, snapshot.chart_version)
        shown = {name: entry[name] for name in ENTRY_FIELDS if name in entry}
        command = entry["command"]
        if command:
            name, given = command["name"], command["data"] or {}
            hidden = self._private_data(snapshot.machine, name, given)
            data = {field: value for field, value in given.items() if field not in hidden}
            shown["command"] = {"id": command["id"], "name": name, "data": data}
        return shown

    def is_known_public(self, machine: str, command: str, fields: Collection[str]) -> bool:
        """Whether `private_data` has lately found none of these fields private. Does not block."""
        public = self._public.get((machine, command))
        fresh = time.monotonic() - self._read_at <= _FRESH_SECONDS
        return fresh and public is not None and public[0] is self._texts and public[1].issuperset(fields)

    def private_data(self, machine: str, command: str, fields: Iterable[str]) -> Collection[str]:
        """Those of a command's data fields that are to be sealed; none where no version keeps anything private."""
        given = set(fields)
        private = self._lookup_private(machine, command, given)
        if given.isdisjoint(private):
            known = self._public.get((machine, command))
            found = known[1] if known and known[0] is self._texts else set()
            if len(self._public) < _MAX_PUBLIC and len(found) < _MAX_PUBLIC:
                self._public[machine, command] = (self._texts, found | given)
        return private

    def _lookup_private(self, machine: str, command: str, fields: set[str]) -> Collection[str]:
        versions = [
            name for name, text in self._current(None).items() if name[0] == machine and "public" in text
        ]
        try:
            if not any(has_private(self.chart(*name)) for name in versions):
                return ()
        except ChartError:  # of what cannot be read here, nobody knows what is private
            return fields
        return self._private_data(machine, command, fields)

    def _private_data(self, machine: str, command: str, fields: Iterable[str]) -> set[str]:
        """Those of a command's data fields that some version of the chart calls private, or that none declares.

        All versions count, because an entry may be older than the instance's last migration.
        """
        if command == MIGRATE:
            return {"context"}  # its expressions may hold values of private fields
        known: set[str] = set()
        private: set[str] = set()
        for name, version in sorted(self._current(None)):
            if name != machine:
                continue
            try:
                declared = self.chart(name, version).commands.get(command)
            except ChartError:  # of what cannot be read here, nobody knows what is private
                return set(fields)
            if declared:
                known |= declared.schema["properties"].keys()
                private |= declared.private
        return private | (set(fields) - known)

    def _current(self, wanted: tuple[str, int] | None) -> Mapping[tuple[str, int], str]:
        """The texts, a few seconds old at most, and never without one that is there now."""
        missing = wanted is not None and wanted not in self._texts
        if missing or time.monotonic() - self._read_at > _FRESH_SECONDS:
            self._texts = self._store.charts()
            self._read_at = time.monotonic()
        return self._texts
