"""The deployment that a command works on: its store, and the charts as the workers registered them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from interlock.cli.exits import CliError, Exit
from interlock.cli.inputs import settings
from interlock.engine import dead_letters, logs
from interlock.engine.chart import Chart
from interlock.engine.clients import connect
from interlock.engine.errors import ChartError
from interlock.engine.settings import Settings
from interlock.engine.snapshot import CorruptSnapshot, Snapshot
from interlock.engine.store import Store
from interlock.statecharts.calendars import functions_over_later
from interlock.statecharts.functions import FUNCTIONS
from interlock.statecharts.letters import machine_of, shown_letter
from interlock.statecharts.registered import ChartUnknown, MachineUnknown, RegisteredCharts
from interlock.statecharts.sealed_commands import CommandSealer

if TYPE_CHECKING:
    from interlock.engine.machine import Machine


class Server:
    """A connected deployment. Raises ServerUnreachable when made and nothing answers."""

    def __init__(self, used: Settings | None = None) -> None:
        self.settings = used or settings()
        self.store = Store.open(connect(self.settings), self.settings)
        logs.configure(self.settings)  # what is found foreign is told on stderr
        self.functions: Mapping[str, Callable[..., Any]] = {
            **FUNCTIONS,
            **functions_over_later(self.settings.charts),
        }
        self._registered = RegisteredCharts(self.store, self.functions)

    def chart(self, machine: str, version: int) -> Chart:
        """A registered chart. Raises CliError where it is unknown or cannot be read here."""
        try:
            return self._registered.chart(machine, version)
        except ChartUnknown as error:
            raise CliError(Exit.INVALID, str(error)) from None
        except ChartError as error:
            raise CliError(
                Exit.INVALID, f"The registered chart cannot be read here: {error.findings[0]}"
            ) from None

    def latest(self, machine: str) -> Chart:
        """The newest registered version of a machine's chart. Raises CliError (not found)."""
        try:
            newest = self._registered.latest(machine)
        except MachineUnknown as error:
            raise CliError(Exit.NOT_FOUND, str(error)) from None
        except ChartError as error:
            raise CliError(
                Exit.INVALID, f"The registered chart cannot be read here: {error.findings[0]}"
            ) from None
        return newest

    def versions(self, machine: str) -> Callable[[int], Machine | None]:
        """The compiled charts of a machine by their version. What it gives raises CliError as `chart` does."""
        from interlock.engine.machine import Machine

        return cache(lambda version: Machine(self.chart(machine, version)))

    def registered_chart(self, machine: str, version: int) -> Chart:
        """A registered chart, for those who can do without it: raises ChartUnknown and ChartError."""
        return self._registered.chart(machine, version)

    def all_versions(self, machine: str) -> list[Chart]:
        """Every registered version of a machine's chart, the newest first. Raises as `latest` does."""
        self.latest(machine)
        return self._registered.versions(machine)

    def snapshot(self, machine: str, key: str, *, private: bool = False) -> Snapshot:
        """An instance's snapshot; ``private``: with its private fields opened. Raises CliError: not found, or failed
        where it is corrupt."""
        try:
            return self.stored(machine, key, private=private)
        except CorruptSnapshot as error:
            raise CliError(
                Exit.FAILED,
                f"{machine}/{key} cannot be read: {error}, somebody else wrote it. "
                f"`interlock replay {machine}/{key}` shows what its history makes of it.",
            ) from None

    def stored(self, machine: str, key: str, *, private: bool = True) -> Snapshot:
        """The same, for those who can do without it: raises CorruptSnapshot, and CliError (not found)."""
        found = self.store.snapshot(machine, key, private=private)
        if found is None:
            raise CliError(
                Exit.NOT_FOUND,
                f"No instance {machine}/{key}. `interlock list {machine}` names those there are.",
            )
        return found

    def dead_letters(self, limit: int) -> list[dict[str, Any]]:
        """The newest dead letters as they may be shown."""
        return self._shown_letters(self.store.dead_letters(limit))

    def dead_letter(self, letter_id: str) -> dict[str, Any]:
        """A dead letter as it may be shown. Raises LetterNotFound."""
        return self._shown_letters([dead_letters.find(self.store, letter_id)])[0]

    def retry_letter(self, letter_id: str) -> str:
        """Publish a dead letter's command again, its private data sealed; the new command's id.

        Raises LetterNotFound, RetryRefused, and a fault of the secret key.
        """
        return dead_letters.retry(self.store, letter_id, CommandSealer(self.store, self._registered))

    def _shown_letters(self, letters: list[dict[str, Any]]) -> list[dict[str, Any]]:
        registered = sorted(self.store.charts())

        @cache
        def versions(machine: str | None) -> list[Chart]:
            try:
                return [
                    self._registered.chart(name, number) for name, number in registered if name == machine
                ]
            except ChartError:  # of what cannot be read here, nobody knows what is private
                return []

        return [shown_letter(letter, versions(machine_of(letter))) for letter in letters]

    def shown(self, snapshot: Snapshot) -> dict[str, Any]:
        """The instance as it may be shown: private context fields cut."""
        self.chart(snapshot.machine, snapshot.chart_version)
        return self._registered.shown(snapshot)

    def shown_entry(self, snapshot: Snapshot, entry: dict[str, Any]) -> dict[str, Any]:
        """A history entry as it may be shown: private data fields cut."""
        self.chart(snapshot.machine, snapshot.chart_version)
        return self._registered.shown_entry(snapshot, entry)
