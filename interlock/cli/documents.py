"""``asyncapi`` and ``openapi``: what goes over Redis, webhooks and HTTP, for programs that read such documents."""

from __future__ import annotations

import typer

from interlock.cli.output import print_json

app = typer.Typer(rich_markup_mode=None)


@app.command()
def asyncapi() -> None:
    """The AsyncAPI 3.0 document: commands, results and events of the shipped and configured charts."""
    from interlock import __version__
    from interlock.cli.inputs import settings
    from interlock.engine.asyncapi import asyncapi_document
    from interlock.statecharts.catalog import Catalog

    used = settings()
    newest = {
        chart.id: chart for chart in sorted(Catalog.load(used.charts).charts, key=lambda one: one.version)
    }
    print_json(asyncapi_document(newest.values(), used.prefix, __version__))


@app.command()
def openapi() -> None:
    """The OpenAPI 3.1 document of the gateway, as `GET /openapi.json` answers it; no server is asked."""
    from interlock.gateway.app import openapi_document

    print_json(openapi_document())
