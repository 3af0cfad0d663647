"""What a finished step leaves behind: the next snapshot, the entry of the history, the events. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from operator import is_not
from typing import Any

import orjson

from interlock.engine.errors import CommandRefused, ErrorClass
from interlock.engine.ids import event_id
from interlock.engine.invoking import Run, runs_of
from interlock.engine.machine import Arrow, Machine
from interlock.engine.messages import Command, Error, Result, Status
from interlock.engine.sending import Sender, outgoing
from interlock.engine.snapshot import DelayedSend, Running, Snapshot, Timer, public_context
from interlock.engine.step import Step


@dataclass(frozen=True, slots=True)
class Decision:
    """What a command does. Only an applied one has ``snapshot``, ``entry`` (of the history) and ``events``.

    ``entry``, ``events`` and ``sends`` (commands to other instances) are JSON, ready to be stored; so that one
    is encoded once. ``cancelled``: commands sent earlier, with a delay, that are not to be applied. ``runs``:
    of invoked functions, to be begun; ``stopped``: those whose outcome is not wanted any more. ``taken``: the
    transitions, in order; of an ignored command those that say so. ``visited``: mask of the states that were
    entered, those that were left again within the step too.
    """

    result: Result
    snapshot: Snapshot | None = None
    entry: bytes | None = None
    events: tuple[bytes, ...] = ()
    sends: tuple[bytes, ...] = ()
    cancelled: Sequence[DelayedSend] = ()
    runs: Sequence[Run] = ()
    stopped: Sequence[Running] = ()
    taken: Sequence[Arrow] = ()
    visited: int = 0


@dataclass(frozen=True, slots=True)
class Cause:
    """What a step is taken for: a command, or a timer that fired."""

    id: str
    name: str
    data: dict[str, Any]
    actor: dict[str, Any] | None
    correlation_id: str | None
    causation_id: str | None
    traceparent: str | None


def cause_of(command: Command) -> Cause:
    """The cause of the step that a command takes; where it names no correlation, it begins one."""
    return Cause(
        command.id,
        command.name,
        command.data,
        command.actor.model_dump() if command.actor else None,
        command.correlation_id or command.id,
        command.causation_id,
        command.traceparent,
    )


def refused(
    command_id: str | None, error: Error, snapshot: Snapshot | None, machine: str | None, key: str | None
) -> Decision:
    """A refusal: nothing changes."""
    return Decision(
        Result(
            id=command_id,
            status=Status.REFUSED,
            machine=machine,
            key=key,
            version=snapshot.version if snapshot else None,
            state=snapshot.state if snapshot else None,
            events=[],
            error=error,
        )
    )


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The context fields that a step may have changed: actions replace values, they never edit them."""
    if before is after:
        return []
    if list(before) == list(after):
        # The same fields in the same order, as after every step of one chart: compared without a look-up each.
        return list(compress(after, map(is_not, before.values(), after.values())))
    return [name for name, value in after.items() if value is not before.get(name, before)]


def _check_context(machine: Machine, names: Sequence[str], context: Mapping[str, Any]) -> None:
    for name in names:
        value = context[name]
        if value is None and machine.defaults[name] is None:
            continue
        if not machine.context_validators[name].is_valid(value):
            shown = (
                "a private value"
                if name in machine.private
                else orjson.dumps(value)[:200].decode(errors="replace")
            )
            raise CommandRefused(
                ErrorClass.GUARD_ERROR,
                "context_type",
                f"the chart would set context.{name} to {shown}, against its own schema",
                {"field": name},
            )


def _armed(before: Snapshot, step: Step, cause: Cause) -> list[Timer]:
    """The timers that run now; those that this step armed know what they go back to."""
    if step.timers is before.timers:
        return before.timers
    known = {timer.id for timer in before.timers}
    return [
        timer
        if timer.causation_id is not None or timer.id in known
        else replace(timer, correlation_id=cause.correlation_id, causation_id=cause.id)
        for timer in step.timers
    ]


def finish(machine: Machine, before: Snapshot, step: Step, cause: Cause, default_event: str) -> Decision:
    """Everything that a finished step leaves behind."""
    new = before.version == 0
    touched = list(step.context) if new else _changed(before.context, step.context)
    _check_context(machine, touched, step.context)
    at = step.scope.now
    types = step.emitted or [default_event]
    if machine.rules:
        step.follow([rule for name in types for rule in machine.rules.get(name, ())], cause.data)
    state = machine.atomic_paths(step.active)
    sends = outgoing(_sender(machine, before, step, cause), step.sent) if step.sent else None
    runs, running = (
        runs_of(machine, step, _sender(machine, before, step, cause)) if step.starting else ((), ())
    )
    after = Snapshot(
        machine=machine.id,
        key=before.key,
        chart_version=machine.version,
        version=before.version + 1,
        state=state,
        context=step.context,
        timers=_armed(before, step, cause),
        created_at=before.created_at,
        updated_at=at,
        recorded=step.recorded,
        done=step.done,
        entered=step.entered(),
        sends=[*step.delayed, *sends.delayed] if sends else step.delayed,
        running=[*step.running, *running] if running else step.running,
    )
    entry = {
        "version": after.version,
        "at": at,
        "command": {"id": cause.id, "name": cause.name, "data": cause.data},
        "actor": cause.actor,
        "from": before.state,
        "to": state,
        "events": types,
        "correlation_id": cause.correlation_id,
        "causation_id": cause.causation_id,
    }
    if sends:
        entry["sends"] = sends.told
    result = Result(cause.id, Status.APPLIED, machine.id, before.key, after.version, state, types)
    return Decision(
        result,
        after,
        orjson.dumps(entry),
        tuple(_events(machine, before, after, touched, types, cause)),
        sends.commands if sends else (),
        step.cancelled,
        runs,
        step.stopped,
        step.taken,
        step.visited,
    )


def _sender(machine: Machine, before: Snapshot, step: Step, cause: Cause) -> Sender:
    return Sender(
        machine.id, before.key, step.version, step.now, cause.id, cause.correlation_id, cause.traceparent
    )


def _events(
    machine: Machine,
    before: Snapshot,
    after: Snapshot,
    touched: Sequence[str],
    types: Sequence[str],
    cause: Cause,
) -> list[bytes]:
    """CloudEvents 1.0 in JSON, one for each type."""
    new, old, context = before.version == 0, before.context, after.context
    changed = {
        name: {"from": None if new else old.get(name), "to": context[name]}
        for name in touched
        if name not in machine.private and (new or name not in old or context[name] != old[name])
    }
    data = {
        "version": after.version,
        "from": before.state,
        "to": after.state,
        "command": {"id": cause.id, "name": cause.name},
        "actor": {"id": cause.actor["id"], "kind": cause.actor["kind"]} if cause.actor else None,
        "changed": changed,
        "context": public_context(machine.chart, after.context),
        "correlation_id": cause.correlation_id,
        "causation_id": cause.causation_id,
    }
    made = []
    for ordinal, event_type in enumerate(types):
        event: dict[str, Any] = {
            "specversion": "1.0",
            "id": event_id(machine.id, after.key, after.version, ordinal, cause.id),
            "source": f"/interlock/{machine.id}",
            "type": event_type,
            "subject": after.key,
            "time": after.updated_at,
            "datacontenttype": "application/json",
            "data": data,
            "sequence": after.version,
        }
        if cause.correlation_id:
            event["correlationid"] = cause.correlation_id
        if cause.traceparent:
            event["traceparent"] = cause.traceparent
        made.append(orjson.dumps(event))
    return made
