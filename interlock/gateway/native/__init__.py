"""The native API at ``/interlock/v1``: commands in, instances and their histories out."""

from fastapi import FastAPI

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


def mount(app: FastAPI) -> None:
    """Serve it."""
    for part in (
        commands,
        instances,
        explaining,
        charts,
        desk,
        webhooks,
        dead_letters,
        bulk,
        events,
        auditing,
    ):
        app.include_router(
            part.router,
            prefix="/interlock/v1",
            tags=["native"],
            responses=problems(400, 401, 403, 422, 429, 503),
        )
