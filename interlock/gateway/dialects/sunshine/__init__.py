"""Sunshine Conversations' API at ``/sunshine/v2``."""

from fastapi import APIRouter

from interlock.gateway.dialects.sunshine.errors import envelope

PREFIXES = ("/sunshine/v2",)

router = APIRouter(tags=["sunshine"])

__all__ = ["PREFIXES", "envelope", "router"]
