"""How Engage answers: JSON in UTF-8, and its media type says so."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from fastapi import Response

MEDIA_TYPE = "application/json; charset=utf-8"


def answer(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON as Engage sends it."""
    return Response(orjson.dumps(body), status, headers, MEDIA_TYPE)
