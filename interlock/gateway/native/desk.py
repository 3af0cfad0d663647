"""What the work is done with: queues, workbins and agents, each made or changed by a PUT of what it is to be.

They are read as any instances are; the paths here are where whoever has put one looks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BeforeValidator

from interlock.engine.messages import MAX_KEY_LENGTH, PRINTABLE, text_schema
from interlock.engine.tokens import Principal
from interlock.gateway.answers import answer, decoded, problems, retry_headers, status_of
from interlock.gateway.asking import ask
from interlock.gateway.callers import Caller, Reader
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.native.bodies import BODY_PROBLEMS, json_object
from interlock.gateway.native.headers import IF_MATCH, expected_version, header_words, idempotency_key
from interlock.gateway.native.instances import MAX_PAGE, list_instances, read_instance
from interlock.gateway.parameters import takes
from interlock.gateway.problems import Problem
from interlock.gateway.reading import read
from interlock.gateway.shapes import Instance, InstancePage

_KEY = text_schema(MAX_KEY_LENGTH)
Name = Annotated[
    str,
    Path(
        description="Its name, percent-encoded.",
        max_length=MAX_KEY_LENGTH,
        json_schema_extra={"pattern": PRINTABLE},
    ),
    BeforeValidator(decoded),
]
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": Instance, "description": "As it is now; `ETag` is its version."},
    **BODY_PROBLEMS,
    **problems(403, 404, 409, 500),
}

router = APIRouter()


def _body(**properties: Any) -> dict[str, Any]:
    """The OpenAPI words for such an operation; none of the properties of its body is required."""
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    key = header_words("Idempotency-Key", "Sent again under the same key, the request counts once.")
    return {**takes(schema), "parameters": [key, IF_MATCH]}


_TEXT = {"type": "string"}
_NAMES = {"type": "array", "items": _KEY, "maxItems": 1000}
_TEN_YEARS = 315_360_000
"""Seconds: no timer runs longer."""
_SECONDS = {"type": "number", "minimum": 0, "maximum": _TEN_YEARS}
_POSITIVE_SECONDS = {"type": "number", "exclusiveMinimum": 0, "maximum": _TEN_YEARS}
_PLACES = {"type": "integer", "minimum": 0, "maximum": 1_000_000}


@router.put(
    "/queues/{name}",
    response_model=None,
    responses=_RESPONSES,
    openapi_extra=_body(
        strategy={"enum": ["longest_idle", "round_robin"]},
        order={"enum": ["priority_then_age", "oldest_first"]},
        prefer_last_agent={"type": "boolean"},
        raise_seconds=_POSITIVE_SECONDS,
        breach_seconds=_SECONDS,
        overflow_to=_KEY,
        overflow_seconds=_SECONDS,
        calendar={"type": "string", "minLength": 1},
        max_waiting={"type": "integer", "minimum": 1, "maximum": 10000},
    ),
)
async def put_queue(request: Request, deployment: Deployment, principal: Caller, name: Name) -> Response:
    """Make a queue, or change how it works; what is not named stays as it is. `{}` is enough."""
    return await _defined(request, deployment, principal, "queue", name)


@router.put(
    "/workbins/{name}",
    response_model=None,
    responses=_RESPONSES,
    openapi_extra=_body(description={"type": "string", "maxLength": 1000}),
)
async def put_workbin(request: Request, deployment: Deployment, principal: Caller, name: Name) -> Response:
    """Make a workbin. `{}` is enough."""
    return await _defined(request, deployment, principal, "workbin", name)


@router.put(
    "/agents/{name}",
    response_model=None,
    responses=_RESPONSES,
    openapi_extra=_body(
        name=_TEXT,
        queues=_NAMES,
        skills={"type": "array", "items": _TEXT, "maxItems": 1000},
        capacity={
            "type": "object",
            "maxProperties": 100,
            "description": "Places by channel.",
            "additionalProperties": {
                "anyOf": [
                    _PLACES,
                    {
                        "type": "object",
                        "properties": {"soft": _PLACES, "hard": _PLACES},
                        "minProperties": 1,
                        "additionalProperties": False,
                    },
                ]
            },
        },
        offline_policy={"enum": ["keep", "grace", "requeue"]},
        grace_seconds=_SECONDS,
        heartbeat_seconds=_POSITIVE_SECONDS,
    ),
)
async def put_agent(request: Request, deployment: Deployment, principal: Caller, name: Name) -> Response:
    """Make an agent, or change who they are and what they can take; they begin offline and not ready."""
    return await _defined(request, deployment, principal, "agent", name)


async def _defined(
    request: Request, deployment: ServedDeployment, principal: Principal, machine: str, key: str
) -> Response:
    result = await ask(
        deployment,
        principal,
        machine,
        key,
        "define",
        await json_object(request),
        idempotency_key=idempotency_key(request),
        expected_version=expected_version(request),
    )
    error = result["error"]
    if error is not None:
        status = status_of(result)
        facts = {"class": error["class"], "details": error["details"]}
        raise Problem(status, error["code"], error["message"], headers=retry_headers(status), **facts)
    made = await read(deployment, principal, machine, key)
    if made is None:
        raise Problem(404, "not_found", f"There is no instance {machine}/{key} any more.")
    return answer(made, headers={"ETag": f'"{made["version"]}"'})


def _reader_of(machine: str) -> Callable[..., Response]:
    def read_one(deployment: Deployment, reader: Reader, name: Name) -> Response:
        return read_instance(deployment, reader, machine, name)

    return read_one


def _lister_of(machine: str) -> Callable[..., Response]:
    def list_all(
        deployment: Deployment,
        reader: Reader,
        limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
        cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
    ) -> Response:
        return list_instances(deployment, reader, machine, limit=limit, cursor=cursor)

    return list_all


for _machine in ("queue", "workbin", "agent"):
    router.add_api_route(
        f"/{_machine}s",
        _lister_of(_machine),
        methods=["GET"],
        name=f"list_{_machine}s",
        description=f"By name. `GET /interlock/v1/instances/{_machine}` filters and sorts too.",
        response_model=None,
        responses={200: {"model": InstancePage}, **problems(404)},
    )
    router.add_api_route(
        f"/{_machine}s/{{name}}",
        _reader_of(_machine),
        methods=["GET"],
        name=f"read_{_machine}",
        description="As it is now; `ETag` is its version.",
        response_model=None,
        responses={200: {"model": Instance}, **problems(404)},
    )
