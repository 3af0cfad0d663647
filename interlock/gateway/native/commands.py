"""Send a command, read its result."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import uuid_utils
from fastapi import APIRouter, Path, Request, Response
from pydantic import BeforeValidator

from interlock.engine.errors import CommandRefused
from interlock.engine.messages import MAX_ID_LENGTH
from interlock.engine.tokens import Principal
from interlock.gateway.answers import (
    HTTP_STATUS,
    answer,
    decoded,
    problems,
    results,
    retry_headers,
    status_of,
)
from interlock.gateway.asking import send
from interlock.gateway.callers import SECURITY, Reader, caller_of, check_readable
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.native.bodies import json_object
from interlock.gateway.native.headers import IF_MATCH, expected_version, header_words, idempotency_key
from interlock.gateway.parameters import takes
from interlock.gateway.problems import Problem
from interlock.gateway.shapes import NOT_OVER_HTTP, CommandResult, Pending, command_body
from interlock.gateway.tenants import command_id_for, key_for, shown_result

MAX_WAIT_SECONDS = 60

router = APIRouter()


@router.post(
    "/commands",
    response_model=None,
    responses={
        200: {"model": CommandResult, "description": "Applied or ignored."},
        202: {"model": Pending, "description": "Published; no answer within `wait`."},
        **results(400, 403, 404, 409, 413, 422, 500),
        **problems(415),
    },
    openapi_extra={
        **takes(command_body()),
        "security": SECURITY,
        "parameters": [
            {
                "name": "wait",
                "in": "query",
                "required": False,
                "description": "Seconds to wait for the result.",
                "schema": {"type": "number", "minimum": 0, "maximum": MAX_WAIT_SECONDS, "default": 0},
            },
            header_words(
                "Idempotency-Key",
                "Id of the command: sent again, it counts once.",
                minLength=1,
                maxLength=MAX_ID_LENGTH,
            ),
            IF_MATCH,
        ],
    },
)
async def send_command(request: Request) -> Response:
    """Send a command. It is published whatever happens then; what the engine answers is its result."""
    deployment: ServedDeployment = request.app.state.deployment
    principal = await caller_of(request, deployment)
    wait = _wait(request.query_params.get("wait", "0"))
    body = await _read(request)
    _take(body, "id", idempotency_key(request), "Idempotency-Key")
    _take(body, "expected_version", expected_version(request), "If-Match")
    if body.get("id") is None:
        body["id"] = str(uuid_utils.uuid7())
    command_id = body["id"]
    result = await _sent(deployment, body, principal, wait)
    if result is None:
        headers = {"Location": f"{request.url.path}/{quote(command_id, safe='')}"}
        return answer({"id": command_id, "status": "pending"}, 202, headers)
    status = status_of(result)
    return answer(shown_result(result), status, retry_headers(status))


def _wait(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= MAX_WAIT_SECONDS:
        message = f"a number from 0 to {MAX_WAIT_SECONDS} is required"
        found = [{"place": "query.wait", "message": message}]
        raise Problem(422, "invalid_request", f"query.wait: {message}. Correct it.", errors=found)
    return seconds


async def _sent(
    deployment: ServedDeployment, body: dict[str, Any], principal: Principal, wait: float
) -> dict[str, Any] | None:
    body["id"] = command_id_for(principal, body["id"]) if isinstance(body["id"], str) else body["id"]
    if isinstance(body.get("key"), str):
        body["key"] = key_for(principal, body["key"])
    try:
        return await send(deployment, principal, body, wait)
    except CommandRefused as refusal:
        raise _refused(refusal) from None


def _refused(refusal: CommandRefused) -> Problem:
    facts: dict[str, Any] = {"class": refusal.error_class, "details": refusal.details}
    status = HTTP_STATUS[refusal.error_class]
    return Problem(status, refusal.code, refusal.message, headers=retry_headers(status), **facts)


async def _read(request: Request) -> dict[str, Any]:
    body = await json_object(request)
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
    said = body.get(name)
    if said is not None and (type(said) is not type(value) or said != value):
        raise Problem(
            400, "contradiction", f"The header {header} and the field {name!r} differ. Send one of them."
        )
    body[name] = value


@router.get(
    "/commands/{command_id}", response_model=None, responses={200: {"model": CommandResult}, **problems(404)}
)
def read_result(
    deployment: Deployment,
    reader: Reader,
    command_id: Annotated[str, Path(max_length=MAX_ID_LENGTH), BeforeValidator(decoded)],
) -> Response:
    """The result of a command, while it is kept."""
    result = deployment.store.result(command_id_for(reader, command_id))
    if result is None:
        raise Problem(
            404, "not_found", "No result is kept under this id: not yet, not any more, or never sent."
        )
    if result["machine"] and result["key"]:
        snapshot = deployment.store.snapshot(result["machine"], result["key"], private=False)
        check_readable(reader, snapshot.context if snapshot else {})
    return answer(shown_result(result))
