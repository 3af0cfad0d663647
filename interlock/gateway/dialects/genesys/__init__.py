"""Genesys Web Services' API at ``/genesys/api/v2``."""

from fastapi import APIRouter

from interlock.gateway.dialects.genesys import interactions, notifications, operations, session, workbins
from interlock.gateway.dialects.genesys.errors import envelope

PREFIXES = ("/genesys/api/v2", "/genesys/cometd")

router = APIRouter(tags=["genesys"])
for _part in (session, interactions, operations, workbins):
    router.include_router(_part.router, prefix="/genesys/api/v2")
router.include_router(notifications.router)

__all__ = ["PREFIXES", "envelope", "router"]
