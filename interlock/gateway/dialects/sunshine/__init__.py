"""Sunshine Conversations' API at ``/sunshine/v2``: control of conversations, the switchboard, messages and users."""

from __future__ import annotations

from interlock.gateway.dialects.sunshine import (
    control,
    conversations,
    messages,
    participants,
    switchboards,
    users,
)
from interlock.gateway.dialects.sunshine.errors import envelope
from interlock.gateway.dialects.sunshine.words import errors
from interlock.gateway.routers import ApiRouter

__all__ = ["PREFIXES", "envelope", "router"]

PREFIXES = ("/sunshine/v2",)

router = ApiRouter(
    *PREFIXES,
    prefix=f"{PREFIXES[0]}/apps/{{appId}}",
    tags=["sunshine"],
    responses=errors(400, 401, 403, 404, 409, 413, 429, 500, 503),
)
for part in (control, conversations, participants, messages, switchboards, users):
    router.include_router(part.router)
