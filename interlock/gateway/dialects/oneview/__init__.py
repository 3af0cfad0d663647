"""OneView's API at ``/oneview/v1``, and at ``/oneview/v2`` what only that has."""

from fastapi import APIRouter

from interlock.gateway.dialects.oneview import agents, escalation
from interlock.gateway.dialects.oneview.errors import envelope, envelope_v2

PREFIXES = ("/oneview/v1", "/oneview/v2")

router = APIRouter(tags=["oneview"])
router.include_router(agents.router)
router.include_router(escalation.router)

__all__ = ["PREFIXES", "envelope", "envelope_v2", "router"]
