"""Genesys Web Services' API at ``/genesys/api/v2``."""

from fastapi import APIRouter

from interlock.gateway.dialects.genesys.errors import envelope

PREFIXES = ("/genesys/api/v2",)

router = APIRouter(tags=["genesys"])

__all__ = ["PREFIXES", "envelope", "router"]
