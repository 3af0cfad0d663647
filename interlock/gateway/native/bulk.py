"""One command to many instances: to those that are named, or to those of a list; or only tried on them."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import ConfigDict, Field
from pydantic.config import JsonDict
from starlette.concurrency import run_in_threadpool

from interlock.engine.audit import Action
from interlock.engine.messages import MAX_ID_LENGTH, MAX_KEY_LENGTH
from interlock.engine.tokens import Principal
from interlock.gateway.answers import answer, problems
from interlock.gateway.asking import NotAnswered, ask
from interlock.gateway.callers import Caller
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.native.auditing import write_down
from interlock.gateway.native.bodies import BODY_PROBLEMS, WHOLE, Body, taken, takes_model
from interlock.gateway.native.charts import chart_of
from interlock.gateway.native.explaining import tried
from interlock.gateway.permissions import may_read, readable_sources
from interlock.gateway.problems import Problem
from interlock.gateway.reading import listed, stored
from interlock.gateway.shapes import BulkOutcome
from interlock.gateway.tenants import idempotent_id

MAX_INSTANCES = 1000
_AT_ONCE = 32
_WAIT_SECONDS = 30.0

router = APIRouter()

_Name = Annotated[str, Field(min_length=1, max_length=MAX_ID_LENGTH, pattern=r"^[A-Za-z][A-Za-z0-9_.:-]*$")]
_Key = Annotated[str, Field(min_length=1, max_length=MAX_KEY_LENGTH)]
_NAMED: JsonDict = {"properties": {"states": {"maxItems": 0}, "where": {"maxProperties": 0}}}
_LISTED: JsonDict = {"properties": {"keys": {"type": "null"}}}
"""One or the other, for the OpenAPI document."""


class Bulk(Body):
    """``keys``, or else ``states`` and ``where``, say which instances of the machine."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [_NAMED, _LISTED]})

    machine: _Name
    name: _Name = Field(description="Of the command.")
    data: dict[str, Any] = Field(default={})
    keys: list[_Key] | None = Field(default=None, min_length=1, max_length=MAX_INSTANCES)
    states: list[Annotated[str, Field(max_length=1000)]] = Field(default=[], max_length=100)
    where: dict[str, Any] = Field(default={}, description="Values of context fields; all must hold.")
    limit: Annotated[int, Field(ge=1, le=MAX_INSTANCES), WHOLE] = 100
    dry_run: bool = Field(default=True, description="Only tell what would become of each.")
    id: str | None = Field(
        default=None, min_length=1, max_length=MAX_ID_LENGTH, description="Sent again, it counts once."
    )


@router.post(
    "/bulk",
    response_model=None,
    responses={200: {"model": BulkOutcome}, **BODY_PROBLEMS, **problems(404)},
    openapi_extra=takes_model(Bulk),
)
async def send_to_many(
    deployment: Deployment, principal: Caller, wish: Annotated[Bulk, Depends(taken(Bulk))]
) -> Response:
    """Send one command to many instances that the caller may read, and tell what became of each.

    It is tried only, and nothing is sent, unless `dry_run` is false.
    """
    if wish.keys is not None and (wish.states or wish.where):
        raise Problem(400, "contradiction", "Name keys, or states and where: not both.")
    await run_in_threadpool(chart_of, deployment, wish.machine)
    keys = (
        list(dict.fromkeys(wish.keys))
        if wish.keys is not None
        else await _chosen(deployment, principal, wish)
    )
    places = asyncio.Semaphore(_AT_ONCE)

    async def one(key: str) -> dict[str, Any]:
        async with places:
            act = _tried if wish.dry_run else _sent
            return {"key": key, **await act(deployment, principal, wish, key)}

    outcomes = await asyncio.gather(*(one(key) for key in keys))
    counted = Counter(outcome["status"] for outcome in outcomes)
    if not wish.dry_run:
        target = f"{wish.machine} {wish.name}"
        await run_in_threadpool(
            lambda: write_down(deployment, principal, Action.BULK_SENT, target, **dict(counted))
        )
    return answer({"dry_run": wish.dry_run, "counts": dict(counted), "instances": outcomes})


async def _chosen(deployment: ServedDeployment, principal: Principal, wish: Bulk) -> list[str]:
    found = await listed(
        deployment,
        principal,
        wish.machine,
        where=wish.where,
        states=wish.states,
        sources=readable_sources(principal),
        limit=wish.limit,
    )
    return [instance["key"] for instance in found.instances]


async def _tried(deployment: ServedDeployment, principal: Principal, wish: Bulk, key: str) -> dict[str, Any]:
    def work() -> dict[str, Any]:
        snapshot = stored(deployment, principal, wish.machine, key)
        if snapshot is None or not may_read(principal, snapshot.context):
            return _NOT_FOUND
        return tried(deployment, principal, wish.machine, key, snapshot, wish.name, wish.data)

    found = await run_in_threadpool(work)
    return {name: found[name] for name in ("status", "error")}


async def _sent(deployment: ServedDeployment, principal: Principal, wish: Bulk, key: str) -> dict[str, Any]:
    snapshot = await run_in_threadpool(
        lambda: stored(deployment, principal, wish.machine, key, private=False)
    )
    if snapshot is None or not may_read(principal, snapshot.context):
        return _NOT_FOUND
    command_id = idempotent_id(principal, f"{wish.id}\n{wish.machine}/{key}") if wish.id else None
    try:
        result = await ask(
            deployment,
            principal,
            wish.machine,
            key,
            wish.name,
            wish.data,
            command_id=command_id,
            wait=_WAIT_SECONDS,
        )
    except NotAnswered:
        return {"status": "pending", "error": None}
    return {name: result[name] for name in ("status", "error")}


_NOT_FOUND: dict[str, Any] = {
    "status": "refused",
    "error": {
        "class": "not_found",
        "code": "not_found",
        "message": "There is no such instance for you.",
        "details": {},
    },
}
