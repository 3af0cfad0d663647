"""Ask the engine for something: one command, and its answer. Every API of the gateway sends its commands here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import redis
import uuid_utils
from starlette.concurrency import run_in_threadpool

from interlock.engine.errors import CommandRefused
from interlock.engine.ingress import parse_command
from interlock.engine.messages import Error, Result, Status
from interlock.engine.tokens import Principal
from interlock.gateway.deployment import ServedDeployment
from interlock.gateway.problems import Problem, unreachable
from interlock.gateway.tenants import idempotent_id, key_for, shown_result

DIALECT_WAIT = 5.0
"""Seconds that a vendor's client is let wait for the answer to a command."""


class NotAnswered(Problem):
    """No answer in time: nobody works, or the server is away. The command is not withdrawn, and may be applied later.

    503 with ``Retry-After`` where nobody answers otherwise. ``command_id``: sent again under it, it counts once.
    """

    def __init__(self, command_id: str) -> None:
        super().__init__(
            503,
            "not_answered",
            "No worker has answered in time. The command may still be applied: try again under the same id.",
            headers={"Retry-After": "2"},
            id=command_id,
        )
        self.command_id = command_id


async def ask(
    deployment: ServedDeployment,
    principal: Principal,
    machine: str,
    key: str,
    name: str,
    data: Mapping[str, Any] | None = None,
    *,
    command_id: str | None = None,
    idempotency_key: str | None = None,
    expected_version: int | None = None,
    correlation_id: str | None = None,
    wait: float = DIALECT_WAIT,
) -> dict[str, Any]:
    """Send one command as ``principal`` and wait for its result (wire contract), as the principal's tenant knows it.

    ``key``: the tenant's. ``idempotency_key``: of the request's header, gives the command's id where ``command_id``
    is None: the same principal's second command under it gets the first one's answer, with ``duplicate``.
    What is malformed is answered as the engine would: ``refused``, unsent.

    Raises NotAnswered, and Problem (503) where the server is away.
    """
    if command_id is None:
        command_id = idempotent_id(principal, idempotency_key) if idempotency_key else str(uuid_utils.uuid7())
    body: dict[str, Any] = {
        "machine": machine,
        "key": key_for(principal, key),
        "name": name,
        "id": command_id,
    }
    if data:
        body["data"] = dict(data)
    if expected_version is not None:
        body["expected_version"] = expected_version
    if correlation_id is not None:
        body["correlation_id"] = correlation_id
    try:
        result = await send(deployment, principal, body, wait)
    except CommandRefused as refusal:
        error = Error(refusal.error_class, refusal.code, refusal.message, refusal.details)
        return Result(command_id, Status.REFUSED, machine, key, None, None, [], error).as_dict()
    if result is None:
        raise NotAnswered(command_id)
    return shown_result(result)


async def answered(deployment: ServedDeployment, command_id: str) -> dict[str, Any] | None:
    """The result that the command of this id has had, marked as a ``duplicate``; None where there is none (yet)."""
    result = await run_in_threadpool(deployment.store.result, command_id)
    return None if result is None else {**shown_result(result), "duplicate": True}


async def send(
    deployment: ServedDeployment, principal: Principal, body: dict[str, Any], wait: float
) -> dict[str, Any] | None:
    """Publish a command as the wire has it, with its keys and id as they stand in the deployment, and as ``principal``.

    The result as it came, or None where none came within ``wait`` seconds. Raises CommandRefused (malformed)
    where it cannot be published, and Problem (503) where the server is away.
    """
    body["actor"] = principal.actor()
    parse_command(deployment.store.keys, orjson.dumps(body))
    if body.get("data"):
        body = await _sealed(deployment, body)
    try:
        if wait:
            return await deployment.commands.request(body, wait)
        await deployment.commands.publish(orjson.dumps(body))
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise unreachable(id=body["id"]) from error
    return None


async def _sealed(deployment: ServedDeployment, body: dict[str, Any]) -> dict[str, Any]:
    """The command with its private data sealed."""
    if deployment.sealer.is_known_public(body["machine"], body["name"], body["data"]):
        return body
    return await run_in_threadpool(_seal, deployment, body)


def _seal(deployment: ServedDeployment, body: dict[str, Any]) -> dict[str, Any]:
    try:
        data = deployment.sealer(body["machine"], body["key"], body["name"], body["data"])
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise unreachable(id=body["id"]) from error
    return {**body, "data": data}
