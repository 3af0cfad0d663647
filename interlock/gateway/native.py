"""The native API at ``/interlock/v1``: commands in, instances and their histories out."""

from __future__ import annotations

from secrets import token_urlsafe
from typing import Annotated, Any
from urllib.parse import quote, unquote

import orjson
import redis
import uuid_utils
from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BeforeValidator

from interlock.engine.errors import CommandRefused, ErrorClass
from interlock.engine.ingress import MAX_DEPTH, parse_command, read_object
from interlock.engine.messages import MAX_ID_LENGTH, MAX_KEY_LENGTH
from interlock.engine.snapshot import Snapshot
from interlock.engine.store import InvalidCursor
from interlock.engine.tokens import Principal
from interlock.gateway.callers import Caller, Reader
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.problems import MEDIA_TYPE, Problem, unreachable
from interlock.gateway.shapes import (
    NOT_OVER_HTTP,
    PROBLEM_SCHEMA,
    CommandResult,
    HistoryPage,
    Instance,
    InstancePage,
    Pending,
    ProblemDetails,
    command_body,
)
from interlock.statecharts.registered import ChartUnknown, MachineUnknown

PREFIX = "/interlock/v1"
MAX_WAIT_SECONDS = 60
MAX_PAGE = 1000

HTTP_STATUS = {
    ErrorClass.MALFORMED: 400,
    ErrorClass.UNKNOWN_MACHINE: 422,
    ErrorClass.UNKNOWN_COMMAND: 422,
    ErrorClass.INVALID_DATA: 422,
    ErrorClass.INVALID_TARGET: 422,
    ErrorClass.NOT_FOUND: 404,
    ErrorClass.FORBIDDEN: 403,
    ErrorClass.ALREADY_EXISTS: 409,
    ErrorClass.GUARD_FAILED: 409,
    ErrorClass.IN_FLIGHT: 409,
    ErrorClass.STALE_VERSION: 409,
    ErrorClass.NOT_ACCEPTED: 409,
    ErrorClass.ID_REUSED: 409,
    ErrorClass.EXPIRED: 409,
    ErrorClass.TOO_LARGE: 413,
    ErrorClass.TOO_BUSY: 503,
    ErrorClass.GUARD_ERROR: 500,
    ErrorClass.INTERNAL: 500,
}
"""What a refusal of each class is in HTTP. `guard_error`: the chart is at fault, not the request."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI words for these statuses, each a problem."""
    return {status: {"model": ProblemDetails, "description": "A problem."} for status in statuses}


def _results(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The same for what the engine refuses; the gateway may have refused it before, with a problem."""
    problem = {MEDIA_TYPE: {"schema": PROBLEM_SCHEMA}}
    words = {"model": CommandResult, "content": problem, "description": "Refused; `error` says why."}
    return dict.fromkeys(statuses, words)


def _decoded(segment: str) -> str:
    """The text of a percent-encoded path segment. Raises ValueError where it is no UTF-8."""
    return unquote(segment, errors="strict")


router = APIRouter(prefix=PREFIX, tags=["native"], responses=problems(401, 403, 422, 503))

Machine = Annotated[
    str, Path(description="Id of the chart.", max_length=MAX_ID_LENGTH), BeforeValidator(_decoded)
]
Key = Annotated[
    str,
    Path(description="Key of the instance, percent-encoded.", max_length=MAX_KEY_LENGTH),
    BeforeValidator(_decoded),
]


def answer(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON."""
    return Response(orjson.dumps(body), status, headers, "application/json")


@router.post(
    "/commands",
    response_model=None,
    responses={
        200: {"model": CommandResult, "description": "Applied or ignored."},
        202: {"model": Pending, "description": "Published; no answer within `wait`."},
        **_results(400, 403, 404, 409, 413, 422, 500),
        **problems(415),
    },
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/json": {"schema": command_body()}}}
    },
)
async def send_command(
    request: Request,
    deployment: Deployment,
    principal: Caller,
    wait: Annotated[
        float, Query(ge=0, le=MAX_WAIT_SECONDS, description="Seconds to wait for the result.")
    ] = 0,
    idempotency_key: Annotated[
        str | None, Header(description="Id of the command: sent again, it counts once.")
    ] = None,
    if_match: Annotated[str | None, Header(description="`expected_version`, as in `ETag`.")] = None,
) -> Response:
    """Send a command. It is published whatever happens then; what the engine answers is its result."""
    _check_content_type(request.headers.get("content-type", ""))
    body = _read(await request.body())
    _take(body, "id", _unquoted(idempotency_key), "Idempotency-Key")
    _take(body, "expected_version", _version(if_match), "If-Match")
    if body.get("id") is None:
        body["id"] = str(uuid_utils.uuid7())
    result = await _sent(deployment, body, principal, wait)
    if result is None:
        headers = {"Location": f"{PREFIX}/commands/{quote(body['id'], safe='')}"}
        return answer({"id": body["id"], "status": "pending"}, 202, headers)
    return answer(result, status_of(result))


def status_of(result: dict[str, Any]) -> int:
    """The HTTP status that says what a result says."""
    error = result.get("error")
    return 200 if error is None else HTTP_STATUS.get(error["class"], 500)


async def _sent(
    deployment: ServedDeployment, body: dict[str, Any], principal: Principal, wait: float
) -> dict[str, Any] | None:
    reply_to = deployment.store.keys.reply(token_urlsafe(16))
    body["actor"] = principal.actor()
    if wait:
        body["reply_to"] = reply_to
    command = orjson.dumps(body)
    try:
        parse_command(deployment.store.keys, command)
    except CommandRefused as refusal:
        raise _refused(refusal) from None
    try:
        if wait:
            return await deployment.commands.request(command, reply_to, wait)
        await deployment.commands.publish(command)
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise unreachable(id=body["id"]) from error
    return None


def _refused(refusal: CommandRefused) -> Problem:
    facts: dict[str, Any] = {"class": refusal.error_class, "details": refusal.details}
    return Problem(HTTP_STATUS[refusal.error_class], refusal.code, refusal.message, **facts)


def _check_content_type(header: str) -> None:
    media_type = header.partition(";")[0].strip().lower()
    if media_type and media_type != "application/json" and not media_type.endswith("+json"):
        raise Problem(415, "not_json", "Send the command as application/json.")


def _read(raw: bytes) -> dict[str, Any]:
    body = read_object(raw)
    if body is None:
        raise Problem(
            400,
            "not_an_object",
            f"The body is no JSON object in UTF-8, at most {MAX_DEPTH} levels deep. Correct it.",
        )
    for name, reason in NOT_OVER_HTTP.items():
        if name in body:
            raise Problem(
                400,
                "unknown_field",
                f"{name!r} cannot be sent: {reason}. Leave it out.",
                details={"field": name},
            )
    return body


def _take(body: dict[str, Any], name: str, value: object, header: str) -> None:
    if value is None:
        return
    if body.get(name) not in (None, value):
        raise Problem(
            400, "contradiction", f"The header {header} and the field {name!r} differ. Send one of them."
        )
    body[name] = value


def _unquoted(header: str | None) -> str | None:
    """The text of a header that may be written as a structured field's string."""
    if header and len(header) > 1 and header[0] == header[-1] == '"':
        return header[1:-1]
    return header


def _version(header: str | None) -> int | None:
    if header is None:
        return None
    text = _unquoted(header.strip()) or ""
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Problem(
            400, "invalid_if_match", 'If-Match: name one version, as in "3". The instance\'s ETag is it.'
        )
    return int(text)


@router.get(
    "/commands/{command_id}", response_model=None, responses={200: {"model": CommandResult}, **problems(404)}
)
def read_result(
    deployment: Deployment,
    _reader: Reader,
    command_id: Annotated[str, Path(max_length=MAX_ID_LENGTH), BeforeValidator(_decoded)],
) -> Response:
    """The result of a command, while it is kept."""
    result = deployment.store.result(command_id)
    if result is None:
        raise Problem(
            404, "not_found", "No result is kept under this id: not yet, not any more, or never sent."
        )
    return answer(result)


@router.get(
    "/instances/{machine}",
    response_model=None,
    responses={200: {"model": InstancePage}, **problems(400, 404)},
)
def list_instances(
    deployment: Deployment,
    _reader: Reader,
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
    conditions = dict(_condition(text, chart.index) for text in where or [])
    try:
        page = deployment.store.page(machine, state=state, where=conditions, limit=limit, cursor=cursor)
    except InvalidCursor as error:
        raise Problem(400, "invalid_cursor", f"{error}.") from None
    shown = [_shown(deployment, snapshot) for snapshot in page.instances]
    return answer({"instances": shown, "next": page.next})


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
def read_instance(deployment: Deployment, _reader: Reader, machine: Machine, key: Key) -> Response:
    """An instance as it is now."""
    snapshot = _snapshot(deployment, machine, key)
    return answer(_shown(deployment, snapshot), headers={"ETag": f'"{snapshot.version}"'})


@router.get(
    "/instances/{machine}/{key}/history",
    response_model=None,
    responses={200: {"model": HistoryPage}, **problems(404)},
)
def read_history(
    deployment: Deployment,
    _reader: Reader,
    machine: Machine,
    key: Key,
    first: Annotated[int, Query(ge=1, le=2**53, description="The first version.")] = 1,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> Response:
    """What happened to an instance, version by version."""
    snapshot = _snapshot(deployment, machine, key)
    entries = deployment.store.history(machine, key, first, limit)
    try:
        shown = [deployment.charts.shown_entry(snapshot, entry) for entry in entries]
    except ChartUnknown as error:
        raise _unshowable(error) from None
    after = first + len(entries)
    return answer({"history": shown, "next": after if entries and after <= snapshot.version else None})


def _snapshot(deployment: ServedDeployment, machine: str, key: str) -> Snapshot:
    snapshot = deployment.store.snapshot(machine, key)
    if snapshot is None:
        raise Problem(404, "not_found", f"There is no instance {machine}/{key}.")
    return snapshot


def _shown(deployment: ServedDeployment, snapshot: Snapshot) -> dict[str, Any]:
    try:
        return deployment.charts.shown(snapshot)
    except ChartUnknown as error:
        raise _unshowable(error) from None


def _unshowable(error: ChartUnknown) -> Problem:
    return Problem(503, "chart_unknown", str(error), headers={"Retry-After": "5"})
