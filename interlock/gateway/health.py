"""Whether the gateway lives, and whether the deployment behind it does its work. No token is asked for."""

from __future__ import annotations

import asyncio
import time

import redis
from fastapi import APIRouter, Response
from starlette.concurrency import run_in_threadpool

from interlock.engine.messages import format_time, time_from_ms
from interlock.gateway.answers import answer, problems
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.metrics import MEDIA_TYPE
from interlock.gateway.problems import unreachable
from interlock.gateway.shapes import Liveness, Readiness

PROBE_SECONDS = 2.0

router = APIRouter(tags=["health"])


@router.head("/livez", response_model=None, include_in_schema=False)
@router.get(
    "/livez", response_model=None, responses={200: {"model": Liveness}}, openapi_extra={"security": []}
)
async def livez() -> Response:
    """This process answers."""
    return answer({"status": "alive"})


@router.head("/readyz", response_model=None, include_in_schema=False)
@router.get(
    "/readyz",
    response_model=None,
    responses={200: {"model": Readiness}, **problems(503)},
    openapi_extra={"security": []},
)
async def readyz(deployment: Deployment) -> Response:
    """The server of the state answers; how much waits there, and for how long the first timer has been due."""
    await _check_server(deployment)
    return await run_in_threadpool(_readiness, deployment)


def _readiness(deployment: ServedDeployment) -> Response:
    now_ms = time.time() * 1000
    backlog, due_ms = deployment.store.backlog(), deployment.store.earliest_timer_ms()
    pump_leads = deployment.store.pump_leads()
    return answer(
        {
            "status": "ready",
            "server": "up",
            "pump_leads": pump_leads,
            "backlog": backlog,
            "earliest_timer": None if due_ms is None else format_time(time_from_ms(due_ms)),
            "timer_lag_seconds": 0.0 if due_ms is None else max(0.0, round((now_ms - due_ms) / 1000, 3)),
        }
    )


@router.get(
    "/metrics",
    response_model=None,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "For Prometheus."},
        **problems(503),
    },
    openapi_extra={"security": []},
)
async def metrics(deployment: Deployment) -> Response:
    """Counts and times of this gateway, and of the deployment behind it."""
    await _check_server(deployment)
    return Response(await run_in_threadpool(deployment.metrics.text), media_type=MEDIA_TYPE)


async def _check_server(deployment: ServedDeployment) -> None:
    """Raises Problem (503) where the server does not answer soon: who probes waits less long than who asks."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            await deployment.batcher.run("PING")
    except (TimeoutError, redis.ConnectionError, redis.TimeoutError):
        raise unreachable() from None
