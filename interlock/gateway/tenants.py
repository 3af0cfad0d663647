"""A principal's keys and command ids as they stand in the deployment, and back: each tenant sees its own alone."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from interlock.engine.tenancy import plain, qualified
from interlock.engine.tokens import Principal


def key_for(principal: Principal, key: str) -> str:
    """The key in the deployment of what the principal's tenant calls ``key``."""
    return qualified(principal.tenant, key)


def command_id_for(principal: Principal, command_id: str) -> str:
    """The id in the deployment of the tenant's command ``command_id``."""
    return qualified(principal.tenant, command_id)


def idempotent_id(principal: Principal, idempotency_key: str) -> str:
    """The id of the command that this principal sends under an ``Idempotency-Key``; no two principals share one."""
    told = [principal.tenant, principal.kind, principal.id, idempotency_key]
    return f"i-{hashlib.sha256(orjson.dumps(told)).hexdigest()[:40]}"


def shown_result(result: Mapping[str, Any]) -> dict[str, Any]:
    """A result as its tenant knows it."""
    shown = dict(result)
    for name in ("id", "key"):
        if isinstance(shown.get(name), str):
            shown[name] = plain(shown[name])
    return shown
