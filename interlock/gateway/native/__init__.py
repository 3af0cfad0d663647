"""The native API at ``/interlock/v1``: commands in, instances and their histories out."""

from fastapi import FastAPI

from interlock.gateway.answers import problems
from interlock.gateway.native import (
    auditing,
    bulk,
    charts,
    commands,
    dead_letters,
    deliveries,
    desk,
    events,
    explaining,
    instances,
    webhooks,
)

_PREFIX = "/interlock/v1"


def mount_commands(app: FastAPI) -> None:
    """Serve `commands.send_command` by a route of Starlette's, before any other; `mount` puts it into the document.

    It needs nothing of FastAPI, whose way to it takes longer than all else that the gateway does for a command.
    """
    app.router.add_route(f"{_PREFIX}/commands", commands.send_command, ["POST"], include_in_schema=False)


def mount(app: FastAPI) -> None:
    """Serve it."""
    for part in (
        commands,
        instances,
        explaining,
        charts,
        desk,
        webhooks,
        deliveries,
        dead_letters,
        bulk,
        events,
        auditing,
    ):
        app.include_router(
            part.router,
            prefix=_PREFIX,
            tags=["native"],
            responses=problems(400, 401, 403, 422, 429, 503),
        )
