"""Send a command, read its result."""

from __future__ import annotations

from secrets import token_urlsafe
from typing import Annotated, Any
from urllib.parse import quote

import orjson
import redis
import structlog
import uuid_utils
from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic import BeforeValidator
from starlette.concurrency import run_in_threadpool

from interlock.engine.errors import CommandRefused
from interlock.engine.ingress import MAX_DEPTH, parse_command, read_object
from interlock.engine.messages import MAX_ID_LENGTH
from interlock.engine.secrets import KEY_FAULTS
from interlock.engine.tokens import Principal
from interlock.gateway.answers import HTTP_STATUS, answer, decoded, problems, results, status_of
from interlock.gateway.callers import Caller, Reader
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.problems import Problem, unreachable
from interlock.gateway.shapes import NOT_OVER_HTTP, CommandResult, Pending, command_body

log = structlog.get_logger()

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
        headers = {"Location": f"{request.url.path}/{quote(body['id'], safe='')}"}
        return answer({"id": body["id"], "status": "pending"}, 202, headers)
    return answer(result, status_of(result))


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
    if body.get("data"):
        command = await run_in_threadpool(_sealed, deployment, body)
    try:
        if wait:
            return await deployment.commands.request(command, reply_to, wait)
        await deployment.commands.publish(command)
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise unreachable(id=body["id"]) from error
    return None


def _sealed(deployment: ServedDeployment, body: dict[str, Any]) -> bytes:
    """The command with its private data sealed. Blocks."""
    try:
        data = deployment.sealer(body["machine"], body["key"], body["name"], body["data"])
    except KEY_FAULTS as fault:
        log.error("secret_key_unusable", reason=str(fault))
        message = (
            "The gateway has not the deployment's secret key; its log says which setting. Try again later."
        )
        raise Problem(503, "secret_key", message, headers={"Retry-After": "5"}) from None
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise unreachable(id=body["id"]) from error
    return orjson.dumps({**body, "data": data})


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
    command_id: Annotated[str, Path(max_length=MAX_ID_LENGTH), BeforeValidator(decoded)],
) -> Response:
    """The result of a command, while it is kept."""
    result = deployment.store.result(command_id)
    if result is None:
        raise Problem(
            404, "not_found", "No result is kept under this id: not yet, not any more, or never sent."
        )
    return answer(result)
