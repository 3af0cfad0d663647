"""Genesys Web Services' API at ``/genesys/api/v2``."""

from interlock.gateway.dialects.genesys import interactions, notifications, operations, session, workbins
from interlock.gateway.dialects.genesys.errors import envelope
from interlock.gateway.routers import ApiRouter

PREFIXES = ("/genesys/api/v2", "/genesys/cometd")

router = ApiRouter(*PREFIXES, tags=["genesys"])
for _part in (session, interactions, operations, workbins):
    router.include_router(_part.router, prefix=PREFIXES[0])
router.include_router(notifications.router)

__all__ = ["PREFIXES", "envelope", "router"]
