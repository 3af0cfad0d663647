"""Engage Digital's API at ``/engage/1.0``."""

from fastapi import APIRouter

from interlock.gateway.dialects.engage.errors import envelope

PREFIXES = ("/engage/1.0",)

router = APIRouter(tags=["engage"])

__all__ = ["PREFIXES", "envelope", "router"]
