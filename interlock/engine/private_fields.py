"""Which data fields of commands are private, over all versions of a chart that a process knows. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from interlock.engine.chart import Chart
from interlock.engine.invoking import is_outcome
from interlock.engine.migration_command import MIGRATE

_NONE: frozenset[str] = frozenset()


def has_private(chart: Chart) -> bool:
    """Whether a chart keeps anything private."""
    return any(not field.public for field in chart.context.values()) or any(
        command.private for command in chart.commands.values()
    )


class PrivateFields:
    """What some charts keep private."""

    def __init__(self, charts: Iterable[Chart]) -> None:
        self._versions: dict[str, list[Chart]] = {}
        for chart in charts:
            self._versions.setdefault(chart.id, []).append(chart)
        self._secretive = {
            machine for machine, versions in self._versions.items() if any(map(has_private, versions))
        }
        self._declared: dict[tuple[str, str], tuple[frozenset[str], frozenset[str]]] = {}

    @property
    def any(self) -> bool:
        """Whether there is a private field at all."""
        return bool(self._secretive)

    def keeps_secrets(self, machine: str) -> bool:
        """Whether a version of the machine's chart keeps anything private; of an unknown one, whether any does."""
        return machine in self._secretive or (machine not in self._versions and self.any)

    def of_data(self, machine: str, command: str, fields: Iterable[str]) -> Collection[str]:
        """Those of a command's data fields that are to be sealed: that a version calls private or that none declares,
        and all that an invoked function answers. Empty where no version keeps anything private."""
        if not self.keeps_secrets(machine):
            return _NONE
        if command == MIGRATE:
            return {"context"}  # its expressions may hold values of private fields
        if is_outcome(command):
            return set(fields)
        private, declared = self._of_command(machine, command)
        return {name for name in fields if name in private or name not in declared}

    def _of_command(self, machine: str, command: str) -> tuple[frozenset[str], frozenset[str]]:
        found = self._declared.get((machine, command))
        if found is None:
            versions = self._versions.get(machine, ())
            takers = [chart.commands[command] for chart in versions if command in chart.commands]
            found = self._declared[machine, command] = (
                _NONE.union(*(taker.private for taker in takers)),
                _NONE.union(*(taker.schema["properties"] for taker in takers)),
            )
        return found
