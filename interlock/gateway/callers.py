"""Who calls: a token, as a bearer or as Basic ``key_id:secret``, and what its principal may do here."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from time import monotonic
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBasic, HTTPBearer

from interlock.engine import tokens
from interlock.engine.sources import source_of
from interlock.engine.tenancy import DEFAULT_TENANT
from interlock.engine.tokens import Principal
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.jwt_tokens import JwtRefused
from interlock.gateway.key_sets import KeySetUnavailable
from interlock.gateway.permissions import EVERY_SOURCE, READ_ALL, may_read, reads_something
from interlock.gateway.problems import Problem, too_many_requests, unauthorized


class _Declared(HTTPBasic):
    """Says in the OpenAPI document that Basic is taken; reading the header is done by `caller`."""

    async def __call__(self, request: Request) -> None:  # type: ignore[override]
        del request


_BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="bearer",
    description="A token of `interlock token create`, or a JWT.",
)
_BASIC = _Declared(auto_error=False, scheme_name="basic", description="Its `key_id` and `secret`.")


async def caller(
    request: Request,
    deployment: Deployment,
    _bearer: Annotated[object, Security(_BEARER)],
    _basic: Annotated[object, Security(_BASIC)],
) -> Principal:
    """The principal of the request's token. Raises Problem: 401, and 429 where it asks too often."""
    return await caller_of(request, deployment)


async def caller_of(request: Request, deployment: ServedDeployment) -> Principal:
    """The same, for operations that do without FastAPI's dependencies, which cost more than all else."""
    principal = await _principal(deployment, request.headers.get("authorization", ""))
    wait = deployment.rate_limit.wait_seconds((principal.tenant, principal.kind, principal.id), monotonic())
    if wait:
        raise too_many_requests(wait)
    return principal


async def _principal(deployment: ServedDeployment, header: str) -> Principal:
    token = _bearer_of(header)
    if deployment.jwt.enabled and token.count(".") == 2:
        try:
            return await deployment.jwt.principal(token)
        except JwtRefused as refusal:
            raise unauthorized(f"This JWT is not taken: {refusal}.") from None
        except KeySetUnavailable:
            message = "The keys of the identity provider cannot be read now. Try again."
            raise Problem(503, "keys_unavailable", message, headers={"Retry-After": "10"}) from None
    credentials = _credentials(header)
    if credentials is None:
        raise unauthorized(
            "Send a token: `Authorization: Bearer TOKEN`, or Basic with its key id and secret."
        )
    key_id, secret = credentials
    principal = tokens.verify(await deployment.token(key_id), secret)
    if principal is None:
        raise unauthorized("This token is unknown or revoked. Make one with `interlock token create`.")
    return principal


async def still_valid(deployment: ServedDeployment, request: Request) -> bool:
    """Whether the request's token is still good, for answers that take long."""
    try:
        await _principal(deployment, request.headers.get("authorization", ""))
    except Problem:
        return False
    return True


SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"basic": []}]
"""What the OpenAPI document says of such an operation."""

Caller = Annotated[Principal, Depends(caller)]


async def reader(principal: Caller) -> Principal:
    """The principal, where there is anything that it may read. Raises Problem (403)."""
    if not reads_something(principal):
        raise Problem(403, "forbidden", "Reading needs the permission read:SOURCE, or read:* for all.")
    return principal


async def operator(principal: Caller) -> Principal:
    """The principal, where it may look after the deployment. Raises Problem (403).

    Webhooks, dead letters and the audit belong to no tenant: so they are for the default tenant's.
    """
    if principal.kind not in READ_ALL or principal.tenant != DEFAULT_TENANT:
        raise Problem(
            403,
            "forbidden",
            f"This needs a token of kind {' or '.join(sorted(READ_ALL))} of the tenant {DEFAULT_TENANT!r}.",
        )
    return principal


Operator = Annotated[Principal, Depends(operator)]


def check_readable(principal: Principal, context: Mapping[str, Any]) -> None:
    """Raises Problem (403) where the principal may not read an instance with this context."""
    if not may_read(principal, context):
        source = source_of(context) or EVERY_SOURCE
        raise Problem(403, "forbidden", f"Reading this needs the permission read:{source}.")


Reader = Annotated[Principal, Depends(reader)]


def _bearer_of(header: str) -> str:
    scheme, _, rest = header.strip().partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else ""


def _credentials(header: str) -> tuple[str, str] | None:
    """Key id and secret of an Authorization header, or None where it holds none."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() == "bearer" and rest:
        return tokens.split(rest.strip())
    if scheme.lower() == "basic":
        try:
            key_id, colon, secret = b64decode(rest.strip(), validate=True).decode().partition(":")
        except ValueError:
            return None
        return (key_id, secret) if colon else None
    return None
