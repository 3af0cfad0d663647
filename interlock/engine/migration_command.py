"""The one command that every instance takes and no chart declares: ``interlock.migrate``, from the system only.

Its data: ``from`` and ``to`` (chart versions) and the words of a mapping (`migration_map`), or ``undo``. It
goes the way of all commands, so order, fencing and exactly-once hold for it too. Its history entry keeps the
snapshot from before (``before``, never shown), for an undo. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import jsonschema_rs
import orjson

from interlock.engine.decision import SYSTEM, ReplayError, decide_again, recorded_command, scope_of, step_from
from interlock.engine.errors import CommandRefused, ErrorClass
from interlock.engine.expressions import EvaluationError
from interlock.engine.machine import Machine
from interlock.engine.messages import Command, Error, Result, Status, parse_time
from interlock.engine.migration import Unmovable, move
from interlock.engine.migration_map import WORDS, MappingError, read_map
from interlock.engine.outcome import Cause, Decision, cause_of, finish, refused
from interlock.engine.snapshot import Snapshot, public_context
from interlock.engine.step import EndlessStep, Step

MIGRATE = "interlock.migrate"
FindVersion = Callable[[int], Machine | None]
"""The compiled chart of a version of the instance's machine, or None where there is none."""

_VERSION = {"type": "integer", "minimum": 1}
_DATA = jsonschema_rs.validator_for(
    {
        "type": "object",
        "properties": {
            "from": _VERSION,
            "to": _VERSION,
            "undo": {"const": True},
            "states": {"type": "object", "additionalProperties": {"type": "string"}},
            "context": {"type": "object"},
            "drop": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["from", "to"],
        "additionalProperties": False,
    }
)


def is_undo(command: Command) -> bool:
    """Whether a command asks to take a migration back."""
    return command.name == MIGRATE and command.data.get("undo") is True


def versions_of(command: Command, snapshot: Snapshot | None) -> set[int]:
    """The chart versions that `migrate` asks for."""
    asked = command.data.get("to")
    return {asked} | ({snapshot.chart_version} if snapshot else set()) if isinstance(asked, int) else set()


def migrate(
    find: FindVersion,
    snapshot: Snapshot | None,
    command: Command,
    now: datetime,
    last: Mapping[str, Any] | None = None,
) -> Decision:
    """What ``interlock.migrate`` does at ``now``. Never raises for what the command or a chart says.

    ``last``: the instance's last history entry; only an undo asks for it.
    """
    try:
        return _migrate(find, snapshot, command, now, last)
    except CommandRefused as refusal:
        error = Error(refusal.error_class.value, refusal.code, refusal.message, refusal.details)
    except MappingError as fault:
        error = Error(ErrorClass.INVALID_DATA, "invalid_mapping", str(fault))
    except Unmovable as unmovable:
        problems = [{"what": p.what, "name": p.name, "message": p.message} for p in unmovable.problems]
        error = Error(ErrorClass.INVALID_TARGET, "no_mapping", str(unmovable), {"problems": problems})
    except EvaluationError as failure:
        error = Error(ErrorClass.GUARD_ERROR, "guard_error", f"an expression of the chart failed: {failure}")
    except EndlessStep as failure:
        error = Error(ErrorClass.GUARD_ERROR, "endless_step", str(failure))
    return refused(command.id, error, snapshot, command.machine, command.key)


def _migrate(
    find: FindVersion,
    snapshot: Snapshot | None,
    command: Command,
    now: datetime,
    last: Mapping[str, Any] | None,
) -> Decision:
    current = _checked(snapshot, command)
    if current.chart_version == command.data["to"]:
        return Decision(
            Result(
                command.id, Status.IGNORED, current.machine, current.key, current.version, current.state, []
            )
        )
    if current.chart_version != command.data["from"]:
        message = f"it is at chart version {current.chart_version}, not {command.data['from']}: look again"
        raise CommandRefused(ErrorClass.STALE_VERSION, "other_chart_version", message)
    if not is_undo(command):
        return _moved(find, current, command, now)
    return _undone(find, current, _before(current, command, last), command, now)


def _checked(snapshot: Snapshot | None, command: Command) -> Snapshot:
    if command.actor is not None and command.actor.kind != "system":
        message = f"{MIGRATE} is for the system, not for {command.actor.kind}"
        raise CommandRefused(ErrorClass.FORBIDDEN, "actor_kind", message, {"by": ["system"]})
    problem = next(_DATA.iter_errors(command.data), None)
    if problem is not None:
        raise CommandRefused(ErrorClass.INVALID_DATA, "invalid_data", f"data: {problem.message[:500]}")
    if snapshot is None:
        message = f"there is no {command.machine}/{command.key}"
        raise CommandRefused(ErrorClass.NOT_FOUND, "not_found", message)
    if command.expected_version not in (None, snapshot.version):
        message = f"version {command.expected_version} was expected, it is {snapshot.version}: read it again"
        details = {"expected_version": command.expected_version, "version": snapshot.version}
        raise CommandRefused(ErrorClass.STALE_VERSION, "stale_version", message, details)
    return snapshot


def _moved(find: FindVersion, current: Snapshot, command: Command, now: datetime) -> Decision:
    if current.done:
        message = "it is at its end and stays with its version"
        raise CommandRefused(ErrorClass.NOT_ACCEPTED, "settled", message)
    old, new = _version(find, current.chart_version), _version(find, command.data["to"])
    given = {word: command.data[word] for word in WORDS if word in command.data}
    cause = cause_of(command)
    step = move(old, new, current, read_map(given, old.chart, new.chart), cause, now)
    return _finished(old, new, current, step, cause)


def _undone(
    find: FindVersion, current: Snapshot, before: Snapshot, command: Command, now: datetime
) -> Decision:
    old, new = _version(find, current.chart_version), _version(find, command.data["to"])
    cause = cause_of(command)
    # What was sent meanwhile is on its way, so the sends stay as they are now.
    begin = replace(before, version=current.version, sends=current.sends)
    step = step_from(new, begin, scope_of(begin, cause, SYSTEM, now), now)
    _run_again(step, before, current)
    step.emitted.append(f"{new.id}.migrated")
    return _finished(old, new, current, step, cause)


def _run_again(step: Step, before: Snapshot, current: Snapshot) -> None:
    """Functions that ran before and were stopped by the migration begin again; those that it began are stopped."""
    alive = {run.id for run in current.running}
    lost = {run.state for run in before.running if run.id not in alive}
    step.running = [run for run in before.running if run.state not in lost]
    goes_on = {run.id for run in step.running}
    step.stopped = [run for run in current.running if run.id not in goes_on]
    for path in lost:
        step.starting |= step.machine.by_path[path].bit


def _before(current: Snapshot, command: Command, last: Mapping[str, Any] | None) -> Snapshot:
    """The snapshot that an undo goes back to."""
    if not last or last["version"] != current.version or "before" not in last:
        message = "it has moved on since it was migrated, or never was: it stays"
        raise CommandRefused(ErrorClass.NOT_ACCEPTED, "moved_on", message)
    before = Snapshot.from_bytes(orjson.dumps(last["before"]))
    if before.chart_version != command.data["to"]:
        message = f"it came from chart version {before.chart_version}, not {command.data['to']}"
        raise CommandRefused(ErrorClass.STALE_VERSION, "other_chart_version", message)
    return before


def _finished(old: Machine, new: Machine, current: Snapshot, step: Step, cause: Cause) -> Decision:
    # So that no event tells the old value of a field that was private.
    shown = replace(current, context=public_context(old.chart, current.context))
    decision = finish(new, shown, step, cause, f"{new.id}.migrated")
    assert decision.entry is not None
    if cause.data.get("undo"):
        return decision
    entry = {**orjson.loads(decision.entry), "before": orjson.Fragment(current.to_bytes())}
    return replace(decision, entry=orjson.dumps(entry))


def _version(find: FindVersion, version: int) -> Machine:
    machine = find(version)
    if machine is None:
        message = f"version {version} of its chart is not loaded and not registered"
        details = {"chart_version": version}
        raise CommandRefused(ErrorClass.UNKNOWN_MACHINE, "unknown_chart_version", message, details)
    return machine


def first_chart_version(history: Sequence[Mapping[str, Any]], current: int) -> int:
    """The chart version that an instance began with. ``history``: all of it; ``current``: where it is now."""
    moves = (entry["command"]["data"]["from"] for entry in history if entry["command"]["name"] == MIGRATE)
    return int(next(moves, current))


def replay_versions(
    find: FindVersion, key: str, history: Sequence[Mapping[str, Any]], chart_version: int
) -> Snapshot:
    """The snapshot that a history leads to, across all migrations in it.

    ``history``: entries from version 1, in order; ``chart_version``: the one the instance began with
    (`first_chart_version`). Raises ReplayError where an entry does not apply or a version is not found.
    """
    snapshot: Snapshot | None = None
    for decision in decisions_again(find, key, history, chart_version):
        snapshot = decision.snapshot
    if snapshot is None:
        raise ReplayError(f"{key} has no history")
    return snapshot


def decisions_again(
    find: FindVersion, key: str, history: Sequence[Mapping[str, Any]], chart_version: int
) -> Iterator[Decision]:
    """The decision of each entry of a history, in order; the arguments and errors are those of `replay_versions`."""
    snapshot: Snapshot | None = None
    before: Snapshot | None = None
    for entry in history:
        try:
            if entry["command"]["name"] == MIGRATE:
                decision = _move_again(find, key, snapshot, before, entry)
                before = snapshot
            else:
                decision = decide_again(_version(find, chart_version), key, snapshot, entry)
        except (CommandRefused, MappingError, Unmovable, EvaluationError, EndlessStep) as fault:
            raise ReplayError(f"version {entry['version']} of {key} does not replay: {fault}") from None
        snapshot = decision.snapshot
        assert snapshot is not None
        chart_version = snapshot.chart_version
        yield decision


def _move_again(
    find: FindVersion,
    key: str,
    snapshot: Snapshot | None,
    before: Snapshot | None,
    entry: Mapping[str, Any],
) -> Decision:
    if snapshot is None:
        raise ReplayError(f"version {entry['version']} of {key} does not replay: nothing was there to move")
    command, now = recorded_command(snapshot.machine, key, entry), parse_time(entry["at"])
    if is_undo(command) and before is not None:
        return _undone(find, snapshot, before, command, now)
    return _moved(find, snapshot, command, now)
