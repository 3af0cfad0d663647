"""What the work is done with: queues, workbins and agents, each made or changed by a PUT of what it is to be."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from pydantic import BeforeValidator

from interlock.engine.messages import MAX_KEY_LENGTH
from interlock.engine.tokens import Principal
from interlock.gateway.answers import answer, decoded, results, status_of
from interlock.gateway.asking import ask
from interlock.gateway.callers import Caller
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.parameters import json_body
from interlock.gateway.problems import Problem
from interlock.gateway.reading import read
from interlock.gateway.shapes import Instance

_PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"
_KEY = {
    "type": "string",
    "minLength": 1,
    "maxLength": 256,
    "pattern": _PRINTABLE,
}
Name = Annotated[
    str,
    Path(
        description="Its name, percent-encoded.",
        max_length=MAX_KEY_LENGTH,
        json_schema_extra={"pattern": _PRINTABLE},
    ),
    BeforeValidator(decoded),
]
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": Instance, "description": "As it is now."},
    **results(400, 403, 404, 409, 413, 422, 500),
}

router = APIRouter()


def _body(**properties: Any) -> dict[str, Any]:
    """The OpenAPI words for a body with these properties, none of which is required."""
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"requestBody": {"required": False, "content": {"application/json": {"schema": schema}}}}


_TEXT = {"type": "string"}
_NAMES = {"type": "array", "items": _KEY, "maxItems": 1000}
_TEN_YEARS = 315_360_000
"""Seconds: no timer runs longer."""
_SECONDS = {"type": "number", "minimum": 0, "maximum": _TEN_YEARS}
_POSITIVE_SECONDS = {"type": "number", "exclusiveMinimum": 0, "maximum": _TEN_YEARS}
_PLACES = {"type": "integer", "minimum": 0}


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
    return await _defined(deployment, principal, "queue", name, await json_body(request))


@router.put(
    "/workbins/{name}",
    response_model=None,
    responses=_RESPONSES,
    openapi_extra=_body(description={"type": "string", "maxLength": 1000}),
)
async def put_workbin(request: Request, deployment: Deployment, principal: Caller, name: Name) -> Response:
    """Make a workbin. `{}` is enough."""
    return await _defined(deployment, principal, "workbin", name, await json_body(request))


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
    return await _defined(deployment, principal, "agent", name, await json_body(request))


async def _defined(
    deployment: ServedDeployment, principal: Principal, machine: str, key: str, body: dict[str, Any]
) -> Response:
    result = await ask(deployment, principal, machine, key, "define", body)
    if result["error"] is not None:
        return answer(result, status_of(result))
    made = await read(deployment, principal, machine, key)
    if made is None:
        raise Problem(404, "not_found", f"There is no instance {machine}/{key} any more.")
    return answer(made, headers={"ETag": f'"{made["version"]}"'})
