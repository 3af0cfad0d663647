"""The application: routes, the answers to what goes wrong, and the shield around both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Lifespan

from interlock import __version__
from interlock.gateway import dialects, health, native
from interlock.gateway.deployment import ServedDeployment
from interlock.gateway.document import finished
from interlock.gateway.envelopes import Envelopes
from interlock.gateway.problems import answer_problems
from interlock.gateway.shield import Shield


def make_app(deployment: ServedDeployment) -> ASGIApp:
    """The whole gateway as an ASGI application; it closes the deployment's connections when it ends."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await deployment.close()

    app, envelopes = _routes(lifespan)
    app.state.deployment = deployment
    return Shield(app, deployment.settings.max_command_bytes, envelopes, deployment.metrics)


def openapi_document() -> dict[str, Any]:
    """What ``GET /openapi.json`` answers; no server is asked."""
    return _routes()[0].openapi()


def _routes(lifespan: Lifespan[FastAPI] | None = None) -> tuple[FastAPI, Envelopes]:
    """Every operation, and how problems are answered; what they work on comes with the deployment."""
    app = FastAPI(
        title="Interlock",
        version=__version__,
        description="Commands to statecharts, and what became of them.",
        lifespan=lifespan,
        # Pages of documentation would load scripts from elsewhere; the document itself is enough.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
    )
    app.openapi = partial(_document, app, app.openapi)  # type: ignore[method-assign]
    envelopes = Envelopes()
    answer_problems(app, envelopes.response)
    native.mount_commands(app)
    dialects.mount(app, envelopes)
    native.mount(app)
    app.include_router(health.router)
    return app, envelopes


def _operation_id(route: APIRoute) -> str:
    return f"{route.tags[0]}_{route.name}"


def _document(app: FastAPI, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The OpenAPI document, made once."""
    return app.openapi_schema or finished(make())
