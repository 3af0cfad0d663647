"""A token in the parameter ``access_token``: the other way that Engage's clients send it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request, Security
from fastapi.security import APIKeyQuery

from interlock.gateway.problems import unauthorized

PARAMETER = "access_token"

_IN_QUERY = APIKeyQuery(
    name=PARAMETER,
    auto_error=False,
    scheme_name=PARAMETER,
    description="The same token as a parameter. A header is better: addresses are written into logs on the way.",
)


async def token_from_query(request: Request, token: Annotated[str | None, Security(_IN_QUERY)]) -> None:
    """Have a token of the query count as the bearer's. Raises Problem (401) where a header has another one."""
    if token is None:
        return
    header = request.headers.get("authorization")
    if header is None and token.isascii():
        request.scope["headers"].append((b"authorization", b"Bearer " + token.encode()))
    elif header != f"Bearer {token}":
        raise unauthorized(
            f"The header Authorization and the parameter {PARAMETER} differ. Send one of them."
        )
