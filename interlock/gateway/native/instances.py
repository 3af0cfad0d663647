"""Where instances are and how they came there; what a chart calls private is cut."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Response
from pydantic import BeforeValidator

from interlock.engine.messages import MAX_ID_LENGTH, MAX_KEY_LENGTH
from interlock.engine.snapshot import Snapshot
from interlock.engine.store import InvalidCursor
from interlock.engine.tokens import Principal
from interlock.gateway.answers import answer, decoded, problems
from interlock.gateway.callers import Reader, check_readable
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.problems import Problem
from interlock.gateway.reading import shown, shown_entry, visible
from interlock.gateway.shapes import HistoryPage, Instance, InstancePage
from interlock.gateway.tenants import key_for
from interlock.statecharts.registered import MachineUnknown

MAX_PAGE = 1000

Machine = Annotated[
    str, Path(description="Id of the chart.", max_length=MAX_ID_LENGTH), BeforeValidator(decoded)
]
Key = Annotated[
    str,
    Path(description="Key of the instance, percent-encoded.", max_length=MAX_KEY_LENGTH),
    BeforeValidator(decoded),
]

router = APIRouter()


@router.get(
    "/instances/{machine}",
    response_model=None,
    responses={200: {"model": InstancePage}, **problems(400, 404)},
)
def list_instances(
    deployment: Deployment,
    reader: Reader,
    machine: Machine,
    state: Annotated[str | None, Query(description="Only those in this state, a compound one too.")] = None,
    where: Annotated[
        list[str] | None,
        Query(
            description="`FIELD=VALUE`, VALUE as JSON or text; FIELD is in the chart's index. All must hold."
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> Response:
    """The instances of a machine, by key."""
    try:
        chart = deployment.charts.latest(machine)
    except MachineUnknown as error:
        raise Problem(404, "unknown_machine", str(error)) from None
    if state is not None and not chart.states.get(state):
        raise Problem(
            400,
            "unknown_state",
            f"The chart has no state {state!r}. It has: {', '.join(filter(None, chart.states))}.",
        )
    conditions = dict(_condition(text, chart.listed_by) for text in where or [])
    try:
        instances, after = visible(
            deployment,
            reader,
            lambda size, start: deployment.store.page(
                machine, state=state, where=conditions, limit=size, cursor=start, private=False
            ),
            limit,
            cursor,
        )
    except InvalidCursor as error:
        raise Problem(400, "invalid_cursor", f"{error}.") from None
    return answer({"instances": instances, "next": after})


def _condition(text: str, index: tuple[str, ...]) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or name not in index:
        raise Problem(
            400,
            "invalid_where",
            f"where: write FIELD=VALUE; the chart lists by {', '.join(index) or 'no field'}.",
        )
    try:
        return name, orjson.loads(value)
    except ValueError:
        return name, value


@router.get(
    "/instances/{machine}/{key}",
    response_model=None,
    responses={200: {"model": Instance, "description": "`ETag` is its version."}, **problems(404)},
)
def read_instance(deployment: Deployment, reader: Reader, machine: Machine, key: Key) -> Response:
    """An instance as it is now."""
    snapshot = _snapshot(deployment, reader, machine, key)
    return answer(shown(deployment, snapshot), headers={"ETag": f'"{snapshot.version}"'})


@router.get(
    "/instances/{machine}/{key}/history",
    response_model=None,
    responses={200: {"model": HistoryPage}, **problems(404)},
)
def read_history(
    deployment: Deployment,
    reader: Reader,
    machine: Machine,
    key: Key,
    first: Annotated[int, Query(ge=1, le=2**53, description="The first version.")] = 1,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> Response:
    """What happened to an instance, version by version."""
    snapshot = _snapshot(deployment, reader, machine, key)
    entries = deployment.store.history(machine, snapshot.key, first, limit, private=False)
    told = [shown_entry(deployment, snapshot, entry) for entry in entries]
    after = entries[-1]["version"] + 1 if entries else first
    return answer({"history": told, "next": after if entries and after <= snapshot.version else None})


def _snapshot(deployment: ServedDeployment, reader: Principal, machine: str, key: str) -> Snapshot:
    snapshot = deployment.store.snapshot(machine, key_for(reader, key), private=False)
    if snapshot is None:
        raise Problem(404, "not_found", f"There is no instance {machine}/{key}.")
    check_readable(reader, snapshot.context)
    return snapshot
