"""Calls that a client may send again: the id of the command that a call comes to, and ids that are made from it."""

from __future__ import annotations

import hashlib

import uuid_utils
from fastapi import Request

from interlock.engine.tokens import Principal
from interlock.gateway.tenants import idempotent_id


def call_id(request: Request, principal: Principal, idempotency_key: str | None) -> str:
    """The command id of a call: a new one, or of a call that the client has named (``Idempotency-Key``) the same again.

    A name counts for one operation on one thing.
    """
    if not idempotency_key:
        return str(uuid_utils.uuid7())
    return idempotent_id(principal, f"{request.method} {request.scope['path']}\n{idempotency_key}")


def made_id(command_id: str, kind: str) -> str:
    """A new id of 24 hexadecimal digits for what a call makes; of a call that is repeated, the same."""
    return hashlib.sha256(f"{command_id}/{kind}".encode()).hexdigest()[:24]
