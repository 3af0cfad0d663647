"""``Idempotency-Key`` and ``If-Match``: how requests that change something say which request, and of what, they are."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from interlock.gateway.problems import Problem


def header_words(name: str, description: str, **schema: Any) -> dict[str, Any]:
    """The OpenAPI words for a header that may be left out. ``schema``: what its text has to be besides."""
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string", **schema},
    }


IF_MATCH = header_words(
    "If-Match", "`expected_version`, as in `ETag`.", pattern=r'^([0-9]{1,15}|"[0-9]{1,15}")$'
)


def idempotency_key(request: Request) -> str | None:
    """The key that the client has given the request; a structured field's string is taken without its quotes."""
    return _unquoted(request.headers.get("idempotency-key"))


def expected_version(request: Request) -> int | None:
    """The version that ``If-Match`` names. Raises Problem (400) where it names no single one."""
    header = request.headers.get("if-match")
    if header is None:
        return None
    text = _unquoted(header.strip()) or ""
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise Problem(
            400, "invalid_if_match", 'If-Match: name one version, as in "3". The instance\'s ETag is it.'
        )
    return int(text)


def _unquoted(header: str | None) -> str | None:
    if header and len(header) > 1 and header[0] == header[-1] == '"':
        return header[1:-1]
    return header
