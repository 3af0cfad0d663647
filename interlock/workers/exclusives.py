"""Which commands are exclusive, as the pump knows it: from the charts that the workers have registered.

What counts is the newest registered version of a machine's chart, for all its instances. A chart that is
new to the pump is read before the first command to it goes in, a new version within a second.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import structlog

from interlock.engine.errors import ChartError
from interlock.engine.keys import exclusive_slot
from interlock.engine.loader import exclusive_commands
from interlock.engine.store import Store

log = structlog.get_logger()

_FRESH_SECONDS = 1.0


class Exclusives:
    """The exclusive commands of every machine that is registered."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._names: dict[str, frozenset[str]] = {}
        self._registered = -1
        self._read_at = float("-inf")

    def slot(self, body: Mapping[str, Any]) -> bytes | None:
        """The slot in ``:exclusive`` that a command takes; None where it needs none."""
        names = self._names.get(body["machine"])
        if not names:
            return None
        name = body.get("name")
        if not isinstance(name, str) or name not in names or not isinstance(body.get("id"), str):
            return None
        return exclusive_slot(body["machine"], body["key"], name)

    def refresh(self, machines: set[str]) -> None:
        """Read the registered charts again, where that is due or one of ``machines`` is unknown."""
        due = time.monotonic() - self._read_at > _FRESH_SECONDS
        if not due and machines <= self._names.keys():
            return
        self._read_at = time.monotonic()
        registered = self._store.registered_charts()
        if registered != self._registered:
            self._names = _newest(self._store.charts())
            self._registered = registered


def _newest(charts: Mapping[tuple[str, int], str]) -> dict[str, frozenset[str]]:
    newest = {machine: (version, text) for (machine, version), text in sorted(charts.items())}
    found = {}
    for machine, (version, text) in newest.items():
        try:
            found[machine] = exclusive_commands(text)
        except ChartError as error:
            log.error("chart_unreadable", machine=machine, version=version, error=str(error)[:500])
            found[machine] = frozenset()
    return found
