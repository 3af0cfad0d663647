"""Decide what a command does to an instance. Pure: clock, ids and randomness are arguments or derived.

``decide(machine, snapshot, command, now)`` -> `Decision`; so a history replays to its snapshot byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from interlock.engine.chart import CommandDef, Requirement
from interlock.engine.errors import CommandRefused, ErrorClass, InterlockError
from interlock.engine.expressions import EvaluationError, Scope
from interlock.engine.invoking import is_outcome
from interlock.engine.machine import Arrow, Machine
from interlock.engine.messages import Actor, Command, Error, Result, Status, format_time, parse_time
from interlock.engine.outcome import Cause, Decision, cause_of, finish, refused
from interlock.engine.snapshot import RAISE, Snapshot
from interlock.engine.step import EndlessStep, Step
from interlock.engine.tenancy import plain

SYSTEM: Mapping[str, Any] = {"id": None, "kind": "system", "permissions": []}


class ReplayError(InterlockError):
    """A history does not replay. Compare the chart's version with the one the instance began with."""


def decide(machine: Machine, snapshot: Snapshot | None, command: Command, now: datetime) -> Decision:
    """What ``command`` does at ``now`` to an instance at ``snapshot`` (None: there is none). Never raises for
    what a command or a chart says: that is a refusal."""
    try:
        return _decide(machine, snapshot, command, now)
    except CommandRefused as refusal:
        error = Error(refusal.error_class.value, refusal.code, refusal.message, refusal.details)
    except EvaluationError as failure:
        error = Error(ErrorClass.GUARD_ERROR, "guard_error", f"an expression of the chart failed: {failure}")
    except EndlessStep as failure:
        error = Error(ErrorClass.GUARD_ERROR, "endless_step", str(failure))
    return refused(command.id, error, snapshot, command.machine, command.key)


def hidden(machine: Machine, snapshot: Snapshot | None, command: Command, now: datetime) -> Error | None:
    """Why the sender may not know of the instance at all: the first ``require`` row of the command that fails with
    ``not_found``. None where they may, or where a row cannot be evaluated.

    For who decides before the command is looked at: what is under way is nothing to learn for them either.
    """
    definition = machine.chart.commands.get(command.name)
    if definition is None or snapshot is None:
        return None
    rows = [row for row in definition.require if row.error_class == ErrorClass.NOT_FOUND.value]
    step = step_from(
        machine, snapshot, scope_of(snapshot, cause_of(command), _actor(command.actor), now), now
    )
    try:
        step.look()
        _check_rows(rows, step.scope)
    except CommandRefused as refusal:
        return Error(refusal.error_class.value, refusal.code, refusal.message, refusal.details)
    except EvaluationError:
        return None
    return None


def fire(machine: Machine, snapshot: Snapshot | None, timer_id: str, now: datetime) -> Decision | None:
    """What a due timer does; None where its state was left meanwhile (the timer is dropped).

    A fired timer always makes a version, so that the history tells it even where every guard said no.
    Raises EvaluationError and EndlessStep where the chart fails: the timer stays.
    """
    timer = next((t for t in snapshot.timers if t.id == timer_id), None) if snapshot else None
    if snapshot is None or timer is None:
        return None
    name = f"{RAISE}{timer.event}" if timer.id.startswith(RAISE) else timer.event
    cause = Cause(timer.id, name, {}, None, timer.correlation_id, timer.causation_id, None)
    step = step_from(machine, snapshot, scope_of(snapshot, cause, SYSTEM, now), now)
    step.timers = [t for t in step.timers if t.id != timer_id]
    arrows = [a for a in step.select(timer.event) if all(r.check.evaluate(step.scope) for r in a.require)]
    step.take(arrows)
    return finish(machine, snapshot, step, cause, f"{machine.id}.updated")


def replay(machine: Machine, key: str, history: Sequence[Mapping[str, Any]]) -> Snapshot:
    """The snapshot that a history (entries from version 1, in order) leads to.

    Raises ReplayError where an entry does not apply.
    """
    snapshot: Snapshot | None = None
    for entry in history:
        snapshot = decide_again(machine, key, snapshot, entry).snapshot
    if snapshot is None:
        raise ReplayError(f"{machine.id}/{key} has no history")
    return snapshot


def decide_again(machine: Machine, key: str, snapshot: Snapshot | None, entry: Mapping[str, Any]) -> Decision:
    """The decision that an entry of a history tells of, from the snapshot before; it has one. Raises ReplayError."""
    cause = entry["command"]
    now = parse_time(entry["at"])
    if "." in cause["name"] and not is_outcome(cause["name"]):
        decision = fire(machine, snapshot, cause["id"], now)
    else:
        command = recorded_command(machine.id, key, entry)
        decision = decide(machine, snapshot, command, now)
    if decision is None or decision.snapshot is None or decision.snapshot.version != entry["version"]:
        why = (
            decision.result.error.message if decision and decision.result.error else "its timer does not run"
        )
        raise ReplayError(f"version {entry['version']} of {machine.id}/{key} does not replay: {why}")
    return decision


def recorded_command(machine: str, key: str, entry: Mapping[str, Any]) -> Command:
    """The command that an entry of a history tells of."""
    cause = entry["command"]
    return Command(
        machine=machine,
        key=key,
        name=cause["name"],
        data=cause["data"],
        id=cause["id"],
        actor=Actor(**entry["actor"]) if entry["actor"] else None,
        correlation_id=entry["correlation_id"],
        causation_id=entry["causation_id"],
    )


def capabilities(machine: Machine, snapshot: Snapshot, actor: Actor | None, now: datetime) -> list[str]:
    """The commands that ``actor`` could send now, as far as that can be told without data: each finds a transition, and
    no row of ``require`` stands against it.

    A row that reads the command's data, and a guard that fails for want of it, count as passed: only the state, the
    context and the actor decide.
    """
    found = []
    for definition in machine.chart.commands.values():
        if (definition.creates and not definition.if_missing) or snapshot.done:
            continue
        cause = Cause("", definition.name, {}, None, None, None, None)
        step = step_from(machine, snapshot, scope_of(snapshot, cause, _actor(actor), now), now)
        try:
            _check_actor(definition, _actor(actor))
            step.look()
            _check_rows(_without_data(definition.require), step.scope)
            arrows = step.select(definition.name)
            for arrow in arrows:
                _check_rows(_without_data(arrow.require), step.scope)
            if arrows:
                found.append(definition.name)
        except CommandRefused:
            continue
        except EvaluationError:
            found.append(definition.name)
    return found


def _decide(machine: Machine, snapshot: Snapshot | None, command: Command, now: datetime) -> Decision:
    definition = machine.chart.commands.get(command.name)
    if definition is None and is_outcome(command.name):
        return _come_back(machine, snapshot, command, now)
    if definition is None:
        known = ", ".join(sorted(machine.chart.commands))
        raise CommandRefused(
            ErrorClass.UNKNOWN_COMMAND,
            "unknown_command",
            f"{machine.id} has no command {command.name!r}; it has {known}",
        )
    actor = _actor(command.actor)
    _check_existence(definition, snapshot, command)
    _check_data(machine, command)
    _check_actor(definition, actor)
    cause = cause_of(command)
    if snapshot is None:
        return _create(machine, definition, command, cause, actor, now)
    step = step_from(machine, snapshot, scope_of(snapshot, cause, actor, now), now)
    step.look()
    _check_rows(definition.require, step.scope)
    arrows = [] if snapshot.done else step.select(command.name)
    if not arrows:
        raise CommandRefused(
            ErrorClass.NOT_ACCEPTED,
            "settled" if snapshot.done else "not_accepted",
            f"{command.name} is not accepted in {', '.join(snapshot.state)}",
            {"state": snapshot.state},
        )
    _check_arrows(arrows, step)
    if all(arrow.ignore for arrow in arrows):
        return Decision(
            Result(
                command.id, Status.IGNORED, machine.id, snapshot.key, snapshot.version, snapshot.state, []
            ),
            taken=arrows,
        )
    step.take(arrows)
    return finish(machine, snapshot, step, cause, f"{machine.id}.updated")


def _come_back(machine: Machine, snapshot: Snapshot | None, command: Command, now: datetime) -> Decision:
    """What the outcome of an invoked function does: nothing where its state was left meanwhile."""
    run = next((one for one in snapshot.running if one.id == command.id), None) if snapshot else None
    if snapshot is None or run is None or command.name.split(".", 2)[2] != run.name:
        version, state = (snapshot.version, snapshot.state) if snapshot else (None, None)
        return Decision(Result(command.id, Status.IGNORED, machine.id, command.key, version, state, []))
    cause = cause_of(command)
    step = step_from(machine, snapshot, scope_of(snapshot, cause, SYSTEM, now), now)
    step.running = [one for one in step.running if one is not run]
    step.take(step.select(command.name))
    return finish(machine, snapshot, step, cause, f"{machine.id}.updated")


def _check_existence(definition: CommandDef, snapshot: Snapshot | None, command: Command) -> None:
    if snapshot is None:
        if not definition.creates:
            raise CommandRefused(
                ErrorClass.NOT_FOUND,
                "not_found",
                f"there is no {command.machine}/{plain(command.key)}; create it first",
            )
    elif definition.creates and not definition.if_missing:
        raise CommandRefused(
            ErrorClass.ALREADY_EXISTS,
            "already_exists",
            f"{command.machine}/{plain(command.key)} exists since {snapshot.created_at}",
        )
    version = snapshot.version if snapshot else 0
    if command.expected_version is not None and command.expected_version != version:
        raise CommandRefused(
            ErrorClass.STALE_VERSION,
            "stale_version",
            f"version {command.expected_version} was expected, it is {version}: read it again",
            {"expected_version": command.expected_version, "version": version},
        )


def _check_data(machine: Machine, command: Command) -> None:
    validator = machine.commands[command.name]
    if validator.is_valid(command.data):
        return
    private = machine.chart.commands[command.name].private
    problems = []
    for problem in validator.iter_errors(command.data):
        path = "/".join(str(part) for part in problem.instance_path)
        secret = path.partition("/")[0] in private
        problems.append({"path": path, "message": "is not as declared" if secret else problem.message[:500]})
        if len(problems) == 20:
            break
    first = problems[0]
    place = f"data/{first['path']}" if first["path"] else "data"
    raise CommandRefused(
        ErrorClass.INVALID_DATA, "invalid_data", f"{place}: {first['message']}", {"problems": problems}
    )


def _check_actor(definition: CommandDef, actor: Mapping[str, Any]) -> None:
    if definition.by and actor["kind"] not in definition.by:
        raise CommandRefused(
            ErrorClass.FORBIDDEN,
            "actor_kind",
            f"{definition.name} is for {', '.join(definition.by)}, not for {actor['kind']}",
            {"by": list(definition.by)},
        )


def _check_arrows(arrows: Sequence[Arrow], step: Step) -> None:
    for arrow in arrows:
        _check_rows(arrow.require, step.scope)


def _check_rows(rows: Sequence[Requirement], scope: Scope) -> None:
    for row in rows:
        if not row.check.evaluate(scope):
            raise CommandRefused(
                ErrorClass(row.error_class), row.code, row.message or row.code.replace("_", " ")
            )


def _without_data(rows: Sequence[Requirement]) -> list[Requirement]:
    """The rows that do not read the command's data."""
    return [row for row in rows if not any(name.split(".")[0] == "data" for name in row.check.names)]


def _actor(actor: Actor | None) -> Mapping[str, Any]:
    if actor is None:
        return SYSTEM
    return {"id": actor.id, "kind": actor.kind, "permissions": actor.permissions}


def scope_of(snapshot: Snapshot, cause: Cause, actor: Mapping[str, Any], now: datetime) -> Scope:
    """What the expressions of a step see."""
    return Scope(
        context=snapshot.context,
        data=cause.data,
        actor=actor,
        now=format_time(now),
        key=plain(snapshot.key),
        version=snapshot.version,
        command=cause.name,
        states=frozenset(),
    )


def step_from(machine: Machine, snapshot: Snapshot, scope: Scope, now: datetime) -> Step:
    """A step that begins at ``snapshot``."""
    return Step(
        machine,
        active=machine.mask_of(snapshot.state),
        context=snapshot.context,
        recorded=snapshot.recorded,
        timers=snapshot.timers,
        scope=scope,
        now=now,
        version=snapshot.version + 1,
        entered=snapshot.entered,
        delayed=snapshot.sends,
        running=snapshot.running,
    )


def _create(
    machine: Machine,
    definition: CommandDef,
    command: Command,
    cause: Cause,
    actor: Mapping[str, Any],
    now: datetime,
) -> Decision:
    at = format_time(now)
    filled = {name: value for name, value in command.data.items() if name in machine.defaults}
    for name, value in filled.items():
        if not machine.context_validators[name].is_valid(value):
            raise CommandRefused(
                ErrorClass.INVALID_DATA,
                "invalid_data",
                f"data/{name}: breaks the schema of the context field that it fills",
                {
                    "problems": [
                        {"path": name, "message": "breaks the schema of the context field that it fills"}
                    ]
                },
            )
    context = {**machine.defaults, **filled}
    blank = Snapshot(machine.id, command.key, machine.version, 0, [], context, [], at, at)
    step = step_from(machine, blank, scope_of(blank, cause, actor, now), now)
    _check_rows(definition.require, step.scope)
    step.start()
    if definition.if_missing and not step.done:
        step.scope.data = cause.data
        arrows = step.select(definition.name)
        _check_arrows(arrows, step)
        step.take(arrows)
    return finish(machine, blank, step, cause, f"{machine.id}.created")
