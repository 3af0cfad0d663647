"""OneView's API at ``/oneview/v1``, and at ``/oneview/v2`` what only that has."""

from fastapi import APIRouter

from interlock.gateway.dialects.oneview.errors import envelope

PREFIXES = ("/oneview/v1", "/oneview/v2")

router = APIRouter(tags=["oneview"])

__all__ = ["PREFIXES", "envelope", "router"]
