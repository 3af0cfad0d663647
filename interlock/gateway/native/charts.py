"""The registered charts, and pictures of them and of where instances stand."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from interlock.engine.chart import Chart
from interlock.engine.diagrams import DiagramError, draw
from interlock.engine.errors import ChartError
from interlock.engine.picture_format import Format
from interlock.engine.snapshot import Snapshot
from interlock.gateway.answers import answer, problems
from interlock.gateway.callers import Caller, Reader, check_readable
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.native.instances import Key, MachineId
from interlock.gateway.problems import Problem, chart_unavailable
from interlock.gateway.reading import compiled, stored
from interlock.gateway.shapes import ChartList, ChartText
from interlock.statecharts.registered import MachineUnknown

router = APIRouter()


_MEDIA_TYPES = {
    Format.SVG: "image/svg+xml",
    Format.PNG: "image/png",
    Format.SCXML: "application/scxml+xml",
    Format.XSTATE: "application/json",
}
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture.",
        "content": {
            "text/plain": {"schema": {"type": "string"}},
            **{media: {"schema": {"type": "string"}} for media in _MEDIA_TYPES.values()},
            "application/json": {"schema": {"type": "object"}},
        },
    }
}
Version = Annotated[int | None, Query(ge=1, le=2**31, description="The newest where not said.")]
Wanted = Annotated[Format, Query(alias="format")]


@router.get("/charts", response_model=None, responses={200: {"model": ChartList}})
def list_charts(deployment: Deployment, _principal: Caller) -> Response:
    """The registered charts, each with its versions."""
    found: dict[str, list[int]] = {}
    for name, version in sorted(deployment.store.charts()):
        found.setdefault(name, []).append(version)
    return answer({"charts": [{"id": name, "versions": versions} for name, versions in found.items()]})


@router.get("/charts/{machine}", response_model=None, responses={200: {"model": ChartText}, **problems(404)})
def read_chart(
    deployment: Deployment, _principal: Caller, machine: MachineId, version: Version = None
) -> Response:
    """A chart: what it declares, and its text."""
    chart = chart_of(deployment, machine, version)
    return answer(
        {
            "id": chart.id,
            "version": chart.version,
            "description": chart.description,
            "states": [path for path in chart.states if path],
            "commands": sorted(chart.commands),
            "index": list(chart.index),
            "source": chart.source,
        }
    )


@router.get("/charts/{machine}/diagram", response_model=None, responses={**_PICTURE, **problems(404, 501)})
def draw_chart(
    deployment: Deployment,
    _principal: Caller,
    machine: MachineId,
    format_: Wanted = Format.SVG,
    version: Version = None,
    brief: Annotated[bool, Query(description="Leave out guards, refusals and actions.")] = False,
) -> Response:
    """A chart as a picture."""
    return _picture(chart_of(deployment, machine, version), format_, brief)


@router.get(
    "/instances/{machine}/{key}/diagram", response_model=None, responses={**_PICTURE, **problems(404, 501)}
)
def draw_instance(
    deployment: Deployment,
    reader: Reader,
    machine: MachineId,
    key: Key,
    format_: Wanted = Format.SVG,
    brief: Annotated[bool, Query(description="Leave out guards, refusals and actions.")] = False,
) -> Response:
    """Where an instance stands in its chart."""
    snapshot = stored(deployment, reader, machine, key, private=False)
    if snapshot is None:
        raise Problem(404, "not_found", f"There is no instance {machine}/{key}.")
    check_readable(reader, snapshot.context)
    chart = compiled(deployment, machine, snapshot.chart_version).chart
    return _picture(chart, format_, brief, snapshot)


def chart_of(deployment: ServedDeployment, machine: str, version: int | None = None) -> Chart:
    """A registered chart, the newest where no version is named. Blocks. Raises Problem: 404, 503."""
    try:
        newest = deployment.charts.latest(machine)
    except MachineUnknown as error:
        raise Problem(404, "unknown_machine", str(error)) from None
    except ChartError as error:
        raise chart_unavailable(error) from None
    if version is None or version == newest.version:
        return newest
    if (machine, version) not in deployment.store.charts():
        raise Problem(404, "no_such_version", f"No chart {machine}@{version} is registered.")
    return compiled(deployment, machine, version).chart


def _picture(chart: Chart, wanted: Format, brief: bool, snapshot: Snapshot | None = None) -> Response:
    latest_first = sorted(snapshot.timers, key=lambda timer: timer.due, reverse=True) if snapshot else []
    due = {timer.state: timer.due for timer in latest_first if timer.state}
    try:
        picture = draw(
            chart, wanted.value, active=snapshot.state if snapshot else (), timers=due, brief=brief
        )
    except DiagramError as error:
        raise Problem(501, "cannot_draw", f"{error}") from None
    return Response(picture, media_type=_MEDIA_TYPES.get(wanted, "text/plain; charset=utf-8"))
