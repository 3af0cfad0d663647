"""Genesys Web Services' API at ``/genesys/api/v2``."""

from fastapi import APIRouter

from interlock.gateway.dialects.genesys import interactions, notifications, operations, session, workbins
from interlock.gateway.dialects.genesys.errors import envelope

PREFIXES = ("/genesys/api/v2",)

router = APIRouter(prefix="/genesys/api/v2", tags=["genesys"])
for _part in (session, interactions, operations, workbins, notifications):
    router.include_router(_part.router)

__all__ = ["PREFIXES", "envelope", "router"]
