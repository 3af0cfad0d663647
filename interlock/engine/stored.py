"""What stands under the keys, read as nobody's word: anybody may have written it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from interlock.engine.snapshot import CorruptSnapshot, Snapshot

_ENTRY_FIELDS = frozenset({"version", "at", "command", "actor", "from", "to", "events"})
_LETTER_FIELDS = frozenset({"at", "id", "machine", "key", "error", "raw"})


def is_foreign(error: Exception) -> bool:
    """Whether a server's error says that a key holds another type than ours."""
    return str(error).startswith("WRONGTYPE")


def read_snapshot(name: str, machine: str, key: str, raw: bytes) -> Snapshot:
    """The instance's snapshot, found under the Redis key ``name``. Raises CorruptSnapshot, which names that."""
    try:
        snapshot = Snapshot.from_bytes(raw)
    except CorruptSnapshot as error:
        raise CorruptSnapshot(f"the key {name!r} holds no snapshot") from error
    if (snapshot.machine, snapshot.key) != (machine, key):
        raise CorruptSnapshot(f"the key {name!r} holds the snapshot of another instance")
    shapes: tuple[tuple[object, type], ...] = (
        (snapshot.version, int),
        (snapshot.chart_version, int),
        (snapshot.state, list),
        (snapshot.context, dict),
        (snapshot.timers, list),
    )
    if not all(isinstance(value, kind) for value, kind in shapes):
        raise CorruptSnapshot(f"the key {name!r} holds no snapshot")
    return snapshot


def read_entry(raw: bytes) -> dict[str, Any] | None:
    """A history entry; None where it is something else."""
    found = _read_object(raw)
    if found is None or not found.keys() >= _ENTRY_FIELDS or not isinstance(found["version"], int):
        return None
    command = found["command"]
    if command is None or (isinstance(command, dict) and command.keys() >= {"id", "name", "data"}):
        return found
    return None


def read_letter(letter_id: str, fields: Mapping[bytes, bytes]) -> dict[str, Any] | None:
    """A dead letter with its ``letter_id``; None where it is something else."""
    found = _read_object(fields.get(b"letter", b""))
    if found is None or not found.keys() >= _LETTER_FIELDS or not isinstance(found["raw"], str):
        return None
    error = found["error"]
    if isinstance(error, dict) and error.keys() >= {"class", "code", "message"}:
        return {"letter_id": letter_id, **found}
    return None


def _read_object(raw: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(raw)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
