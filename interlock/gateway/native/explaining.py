"""Why an instance is where it is, where it was, what may be done with it now, and what a command would do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from interlock.engine.decision import ReplayError, decide
from interlock.engine.errors import CommandRefused
from interlock.engine.ingress import parse_command
from interlock.engine.machine import Machine
from interlock.engine.messages import Error, Result, Status
from interlock.engine.migration_command import first_chart_version, replay_versions
from interlock.engine.snapshot import Snapshot
from interlock.engine.tokens import Principal
from interlock.gateway.answers import answer, problems
from interlock.gateway.callers import Caller, Reader, check_readable
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.native.bodies import BODY_PROBLEMS, WHOLE, Body, taken, takes_model
from interlock.gateway.native.instances import Key, MachineId
from interlock.gateway.problems import Problem
from interlock.gateway.reading import accepted, compiled, shown, shown_entry, stored
from interlock.gateway.shapes import Capabilities, Explanation, Replayed, Trial
from interlock.gateway.tenants import key_for
from interlock.statecharts.registered import MachineUnknown

MAX_REPLAYED = 10_000

router = APIRouter()


class Wish(Body):
    """A command to be tried, and not sent."""

    name: str = Field(min_length=1, max_length=128, pattern=r"^[A-Za-z][A-Za-z0-9_.:-]*$")
    data: dict[str, Any] = Field(default_factory=dict)
    expected_version: Annotated[int, Field(ge=0, le=2**53), WHOLE] | None = None


@router.get(
    "/instances/{machine}/{key}/capabilities",
    response_model=None,
    responses={200: {"model": Capabilities}, **problems(404)},
)
def read_capabilities(deployment: Deployment, reader: Reader, machine: MachineId, key: Key) -> Response:
    """The commands that the caller could send now, as far as that can be told without their data."""
    snapshot = _readable(deployment, reader, machine, key)
    return answer({"version": snapshot.version, "commands": accepted(deployment, snapshot, reader)})


@router.get(
    "/instances/{machine}/{key}/why",
    response_model=None,
    responses={200: {"model": Explanation}, **problems(404)},
)
def explain(deployment: Deployment, reader: Reader, machine: MachineId, key: Key) -> Response:
    """Why an instance is where it is: its last step, its timers, and what the caller could do with it now."""
    snapshot = _readable(deployment, reader, machine, key)
    instance = shown(deployment, snapshot)
    last = deployment.store.history(machine, snapshot.key, snapshot.version, private=False)
    fields = {name: instance[name] for name in ("machine", "key", "version", "state", "timers")}
    return answer(
        {
            **fields,
            "last": shown_entry(deployment, snapshot, last[-1]) if last else None,
            "accepts": accepted(deployment, snapshot, reader),
        }
    )


@router.post(
    "/instances/{machine}/{key}/try",
    response_model=None,
    responses={200: {"model": Trial}, **BODY_PROBLEMS, **problems(404)},
    openapi_extra=takes_model(Wish),
)
def try_command(
    deployment: Deployment,
    principal: Caller,
    machine: MachineId,
    key: Key,
    wish: Annotated[Wish, Depends(taken(Wish))],
) -> Response:
    """What a command of the caller's would do now, or why it is refused. Nothing is sent and nothing changes."""
    snapshot = stored(deployment, principal, machine, key)
    if snapshot is not None:
        check_readable(principal, snapshot.context)
    return answer(
        tried(deployment, principal, machine, key, snapshot, wish.name, wish.data, wish.expected_version)
    )


@router.get(
    "/instances/{machine}/{key}/replay",
    response_model=None,
    responses={200: {"model": Replayed}, **problems(404, 409)},
)
def replay(
    deployment: Deployment,
    reader: Reader,
    machine: MachineId,
    key: Key,
    version: Annotated[
        int | None, Query(ge=1, le=2**53, description="Stop there; the newest where not said.")
    ] = None,
) -> Response:
    """An instance as it was at a version, by applying its history again; `same`: whether that gives what is stored
    (null where it stops before)."""
    snapshot = _readable(deployment, reader, machine, key)
    if version is not None and version > snapshot.version:
        raise Problem(
            404, "no_such_version", f"The instance is at version {snapshot.version}. Name an earlier one."
        )
    if (version or snapshot.version) > MAX_REPLAYED:
        raise Problem(
            409, "too_long", f"The history is over {MAX_REPLAYED} versions long: use `interlock replay`."
        )
    entries = deployment.store.history(machine, snapshot.key)
    began = first_chart_version(entries, snapshot.chart_version)
    try:
        again = replay_versions(
            _versions(deployment, machine), snapshot.key, entries[: version or snapshot.version], began
        )
    except ReplayError as error:
        raise Problem(409, "does_not_replay", f"{error}.") from None
    same = again.to_bytes() == snapshot.to_bytes() if again.version == snapshot.version else None
    return answer({"version": again.version, "same": same, "instance": shown(deployment, again)})


def tried(
    deployment: ServedDeployment,
    principal: Principal,
    machine: str,
    key: str,
    snapshot: Snapshot | None,
    name: str,
    data: dict[str, Any],
    expected_version: int | None = None,
) -> dict[str, Any]:
    """What the command would be answered, and in which state the instance would be. Blocks.

    ``key``: the tenant's; ``snapshot``: with its private values, None where there is none.
    """
    try:
        version = snapshot.chart_version if snapshot else deployment.charts.latest(machine).version
    except MachineUnknown as error:
        raise Problem(404, "unknown_machine", str(error)) from None
    body = {
        "machine": machine,
        "key": key_for(principal, key),
        "name": name,
        "data": data,
        "id": "trial",
        "actor": principal.actor(),
        "expected_version": expected_version,
    }
    try:
        command = parse_command(deployment.store.keys, orjson.dumps(body))
        result = decide(
            compiled(deployment, machine, version), snapshot, command, datetime.now(UTC)
        ).result.as_dict()
    except CommandRefused as refusal:
        refused = Error(refusal.error_class, refusal.code, refusal.message, refusal.details)
        result = Result("trial", Status.REFUSED, machine, key, None, None, [], refused).as_dict()
    return {name: result[name] for name in ("status", "state", "version", "events", "error")}


def _versions(deployment: ServedDeployment, machine: str) -> Callable[[int], Machine | None]:
    return lambda version: compiled(deployment, machine, version)


def _readable(deployment: ServedDeployment, reader: Principal, machine: str, key: str) -> Snapshot:
    snapshot = stored(deployment, reader, machine, key)
    if snapshot is None:
        raise Problem(404, "not_found", f"There is no instance {machine}/{key}.")
    check_readable(reader, snapshot.context)
    return snapshot
