"""The deployment that a command works on: its store, and the charts as the workers registered them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from interlock.cli.exits import CliError, Exit
from interlock.cli.inputs import settings
from interlock.engine.chart import Chart
from interlock.engine.clients import connect
from interlock.engine.errors import ChartError
from interlock.engine.loader import parse_chart
from interlock.engine.settings import Settings
from interlock.engine.snapshot import Snapshot
from interlock.engine.store import Store


class Server:
    """A connected deployment. Raises ServerUnreachable when made and nothing answers."""

    def __init__(self, used: Settings | None = None) -> None:
        self.settings = used or settings()
        self.store = Store.open(connect(self.settings), self.settings)
        self._parsed: dict[tuple[str, int], Chart] = {}

    @cached_property
    def charts(self) -> dict[tuple[str, int], str]:
        """The text of every registered chart by id and version."""
        return self.store.charts()

    def chart(self, machine: str, version: int) -> Chart:
        """A registered chart. Raises CliError where it is unknown or cannot be read here."""
        known = (machine, version)
        if known not in self._parsed:
            if known not in self.charts:
                raise CliError(
                    Exit.INVALID,
                    f"No chart {machine}@{version} is registered, so what may be shown is unknown. "
                    "Start a worker that has it.",
                )
            self._parsed[known] = self._parse(machine, version)
        return self._parsed[known]

    def latest(self, machine: str) -> Chart:
        """The newest registered version of a machine's chart. Raises CliError (not found)."""
        versions = [version for name, version in self.charts if name == machine]
        if not versions:
            names = ", ".join(sorted({name for name, _ in self.charts})) or "none; start `interlock worker`"
            raise CliError(Exit.NOT_FOUND, f"No machine {machine!r} is registered. Registered: {names}.")
        return self.chart(machine, max(versions))

    def _parse(self, machine: str, version: int) -> Chart:
        from interlock.statecharts.functions import FUNCTIONS

        try:
            return parse_chart(self.charts[machine, version], f"{machine}@{version}", functions=FUNCTIONS)
        except ChartError as error:
            raise CliError(
                Exit.INVALID, f"The registered chart cannot be read here: {error.findings[0]}"
            ) from None

    def snapshot(self, machine: str, key: str) -> Snapshot:
        """An instance's snapshot. Raises CliError (not found)."""
        found = self.store.snapshot(machine, key)
        if found is None:
            raise CliError(
                Exit.NOT_FOUND,
                f"No instance {machine}/{key}. `interlock list {machine}` names those there are.",
            )
        return found

    def shown(self, snapshot: Snapshot) -> dict[str, Any]:
        """The instance as it may be shown: private context fields cut."""
        return snapshot.shown(self.chart(snapshot.machine, snapshot.chart_version))

    def shown_entry(self, snapshot: Snapshot, entry: dict[str, Any]) -> dict[str, Any]:
        """A history entry as it may be shown: private data fields cut."""
        chart = self.chart(snapshot.machine, snapshot.chart_version)
        command = entry["command"]
        declared = chart.commands.get(command["name"]) if command else None
        shown = {name: entry[name] for name in ENTRY_FIELDS if name in entry}
        if command:
            private = declared.private if declared else frozenset()
            data = {name: value for name, value in (command["data"] or {}).items() if name not in private}
            shown["command"] = {"id": command["id"], "name": command["name"], "data": data}
        return shown


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
