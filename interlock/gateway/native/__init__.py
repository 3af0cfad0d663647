"""The native API at ``/interlock/v1``: commands in, instances and their histories out."""

from fastapi import APIRouter

from interlock.gateway.answers import problems
from interlock.gateway.native import (
    auditing,
    bulk,
    charts,
    commands,
    dead_letters,
    desk,
    events,
    explaining,
    instances,
    webhooks,
)

router = APIRouter(prefix="/interlock/v1", tags=["native"], responses=problems(400, 401, 403, 422, 429, 503))
router.include_router(commands.router)
router.include_router(instances.router)
router.include_router(explaining.router)
router.include_router(charts.router)
router.include_router(desk.router)
router.include_router(webhooks.router)
router.include_router(dead_letters.router)
router.include_router(bulk.router)
router.include_router(events.router)
router.include_router(auditing.router)
