"""The vendors' APIs, one package each: other words for the same commands and instances.

A package offers ``router`` (its operations, with their whole paths, under one tag), ``PREFIXES`` (the paths that are
its own) and ``envelope`` (how a problem under these is answered: 401, 404, 405, 413, 422, 429 and 5xx too).
"""

from __future__ import annotations

from fastapi import FastAPI

from interlock.gateway.dialects import engage, genesys, oneview, sunshine
from interlock.gateway.envelopes import Envelopes


def mount(app: FastAPI, envelopes: Envelopes) -> None:
    """Serve all of them."""
    for dialect in (engage, oneview, sunshine, genesys):
        for prefix in dialect.PREFIXES:
            envelopes.add(prefix, dialect.envelope)
        app.include_router(dialect.router)
    envelopes.add("/oneview/v2", oneview.envelope_v2)
