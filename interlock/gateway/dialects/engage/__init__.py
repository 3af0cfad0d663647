"""Engage Digital's API at ``/engage/1.0``: interventions, their comments and contents, virtual agents, statuses."""

from __future__ import annotations

from interlock.gateway.dialects.engage import bots, comments, contents, interventions, statuses
from interlock.gateway.dialects.engage.errors import envelope
from interlock.gateway.dialects.engage.words import errors
from interlock.gateway.routers import ApiRouter

__all__ = ["PREFIXES", "envelope", "router"]

PREFIXES = ("/engage/1.0",)

router = ApiRouter(
    *PREFIXES,
    prefix=PREFIXES[0],
    tags=["engage"],
    responses=errors(400, 401, 403, 413, 415, 422, 429, 500, 503),
)
router.include_router(interventions.router)
router.include_router(contents.router)
router.include_router(bots.router)
router.include_router(comments.router)
router.include_router(statuses.router)
