"""What of a dead letter may be shown: what was published is as private as its chart says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from interlock.engine.chart import Chart
from interlock.engine.ingress import read_object

SHOWN_FIELDS = ("letter_id", "at", "id", "machine", "key", "error")
"""What a dead letter shows as it stands."""


def shown_letter(letter: Mapping[str, Any], versions: Iterable[Chart]) -> dict[str, Any]:
    """A dead letter as it may be shown. ``versions``: of its machine's chart, all that are registered.

    ``command`` is ``{name, data}`` without private fields, None where no chart says what of it is private;
    ``raw_bytes`` is the size of what was published, as far as it is kept.
    """
    raw = letter["raw"].encode()
    shown = {name: letter[name] for name in SHOWN_FIELDS}
    return {**shown, "raw_bytes": len(raw), "command": _shown_command(raw, list(versions))}


def machine_of(letter: Mapping[str, Any]) -> str | None:
    """The machine that a dead letter's command was for, as far as that can be told."""
    machine = (read_object(letter["raw"].encode()) or {}).get("machine")
    return machine if isinstance(machine, str) else None


def _shown_command(raw: bytes, versions: list[Chart]) -> dict[str, Any] | None:
    body = read_object(raw) or {}
    name = body.get("name")
    declared = [
        chart.commands[name] for chart in versions if isinstance(name, str) and name in chart.commands
    ]
    if not declared:
        return None
    # Nobody knows for which version it was meant: what any of them keeps private is private.
    private = frozenset().union(*(command.private for command in declared))
    known = frozenset().union(*(command.schema["properties"] for command in declared))
    given = body.get("data")
    data = given if isinstance(given, dict) else {}
    return {"name": name, "data": {field: data[field] for field in data if field in known - private}}
