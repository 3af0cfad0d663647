"""Which API's routes a request is compared with: those of its own, by the start of its path."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.routing import Match
from starlette.types import Scope


class ApiRouter(APIRouter):
    """The routes below ``paths``. FastAPI tries an included router's routes one by one, and again when one fits:
    with five APIs that took longer than all else of a request."""

    def __init__(self, *paths: str, **options: Any) -> None:
        super().__init__(**options)
        self._paths = paths

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """What Starlette asks a router for; at once where the path is of another API."""
        return super().matches(scope) if scope["path"].startswith(self._paths) else (Match.NONE, {})
