"""What is stored of an instance, with its private values sealed, and the way back. Pure.

Everything between reading and writing is plain; only here one form becomes the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from interlock.engine.invoking import Run
from interlock.engine.machine import Machine
from interlock.engine.messages import Command
from interlock.engine.sealing import (
    FindSealer,
    Known,
    Place,
    is_sealed,
    may_hold_sealed,
    open_fields,
    seal_fields,
)
from interlock.engine.snapshot import Snapshot

_LETTER = Place("", "", "letter")


def open_snapshot(find: FindSealer, snapshot: Snapshot, raw: bytes, known: Known | None = None) -> Snapshot:
    """The snapshot that was read from ``raw``, in clear. Raises NotOpened."""
    if not may_hold_sealed(raw):
        return snapshot
    place = Place(snapshot.machine, snapshot.key, "context")
    return replace(snapshot, context=open_fields(find, place, snapshot.context, known))


def stored_snapshot(
    find: FindSealer, machine: Machine, snapshot: Snapshot, known: Known | None = None
) -> bytes:
    """A snapshot as it is stored. ``machine``: of its chart version."""
    return replace(snapshot, context=_stored_context(find, machine, snapshot, known)).to_bytes()


def _stored_context(
    find: FindSealer, machine: Machine, snapshot: Snapshot, known: Known | None
) -> dict[str, Any]:
    context, defaults = snapshot.context, machine.defaults
    # What the chart's own text says of everybody is nobody's secret.
    private = [name for name in machine.private if name in context and context[name] != defaults[name]]
    return seal_fields(find, Place(snapshot.machine, snapshot.key, "context"), context, private, known)


def open_entry(find: FindSealer, machine: str, key: str, entry: dict[str, Any]) -> dict[str, Any]:
    """A history entry, in clear. Raises NotOpened."""
    cause, before = entry["command"], entry.get("before")
    if cause and isinstance(cause["data"], dict):
        data = open_fields(find, Place(machine, key, "data"), cause["data"])
        entry = {**entry, "command": {**cause, "data": data}}
    if isinstance(before, dict) and isinstance(before.get("context"), dict):
        context = open_fields(find, Place(machine, key, "context"), before["context"])
        entry = {**entry, "before": {**before, "context": context}}
    return entry


def stored_entry(
    find: FindSealer, command: Command, raw: bytes, private: Iterable[str], known: Known
) -> bytes:
    """The history entry of a step that ``command`` took, as it is stored. ``private``: of its data fields."""
    data = seal_fields(find, _of_data(command), command.data, private, known)
    if data is command.data:
        return raw
    entry = orjson.loads(raw)
    entry["command"]["data"] = data
    return orjson.dumps(entry)


def stored_move(find: FindSealer, old: Machine, before: Snapshot, raw: bytes, known: Known) -> bytes:
    """The history entry of a migration, as it is stored. ``before``: the snapshot that it keeps; ``old``: its chart."""
    context = _stored_context(find, old, before, known)
    entry = orjson.loads(raw)
    if context is before.context or "before" not in entry:
        return raw
    entry["before"]["context"] = context
    return orjson.dumps(entry)


def open_command(find: FindSealer, command: Command, known: Known) -> Command:
    """A command, in clear; ``known`` is filled. Raises NotOpened."""
    if not any(map(is_sealed, command.data.values())):
        return command
    return command.model_copy(update={"data": open_fields(find, _of_data(command), command.data, known)})


def stored_command(
    find: FindSealer, command: Command, raw: bytes, private: Iterable[str], known: Known | None = None
) -> bytes:
    """The JSON of a command, ``raw``, as it is stored. ``private``: of its data fields."""
    data = seal_fields(find, _of_data(command), command.data, private, known)
    if data is command.data:
        return raw
    return orjson.dumps({**orjson.loads(raw), "data": data})


def sealed_body(find: FindSealer, raw: bytes, private: Iterable[str]) -> bytes:
    """The JSON of a command that we made, with those of its data fields sealed."""
    body = orjson.loads(raw)
    place = Place(body["machine"], body["key"], "data")
    return orjson.dumps({**body, "data": seal_fields(find, place, body["data"], private)})


def stored_run(find: FindSealer, run: Run, *, secret: bool) -> bytes:
    """A run as it is stored; where its chart keeps anything private its whole input is sealed."""
    place = Place(run.machine, run.key, "run")
    return replace(run, input=find().seal(run.input, place, run.id)).to_bytes() if secret else run.to_bytes()


def open_run(find: FindSealer, run: Run) -> Run:
    """A run with its input in clear. Raises NotOpened."""
    if not isinstance(run.input, str):
        return run
    return replace(run, input=find().open(run.input, Place(run.machine, run.key, "run"), run.id))


def stored_letter(find: FindSealer, raw: str, *, secret: bool) -> str:
    """What was published, as a dead letter keeps it: sealed as a whole, for it may be no command at all."""
    return find().seal(raw, _LETTER, "raw") if secret or is_sealed(raw) else raw


def open_letter(find: FindSealer, letter: Mapping[str, Any]) -> dict[str, Any]:
    """A dead letter, in clear. Raises NotOpened."""
    raw = letter["raw"]
    return {**letter, "raw": find().open(raw, _LETTER, "raw") if is_sealed(raw) else raw}


def _of_data(command: Command) -> Place:
    return Place(command.machine, command.key, "data")
