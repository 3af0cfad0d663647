"""OneView's API at ``/oneview/v1``, and at ``/oneview/v2`` what only that has."""

from interlock.gateway.dialects.oneview import agents, escalation
from interlock.gateway.dialects.oneview.errors import envelope, envelope_v2
from interlock.gateway.routers import ApiRouter

PREFIXES = ("/oneview/v1", "/oneview/v2")

router = ApiRouter(*PREFIXES, tags=["oneview"])
router.include_router(agents.router)
router.include_router(escalation.router)

__all__ = ["PREFIXES", "envelope", "envelope_v2", "router"]
