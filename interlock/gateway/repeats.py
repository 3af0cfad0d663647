"""Calls that a client may send again: the id of the command that a call comes to, and ids that are made from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import uuid_utils
from fastapi import Request

from interlock.engine.tokens import Principal
from interlock.gateway.asking import ask
from interlock.gateway.deployment import ServedDeployment
from interlock.gateway.tenants import idempotent_id

Result = Mapping[str, Any]
"""The engine's result of a command (wire contract)."""


@dataclass(frozen=True, slots=True)
class RepeatableCall:
    """A call in a principal's name. ``command_id``: of the command that it comes to; the others that it needs have ids
    made from it."""

    deployment: ServedDeployment
    principal: Principal
    command_id: str

    async def send(
        self, machine: str, key: str, name: str, data: Mapping[str, Any] | None = None, *, step: str = ""
    ) -> Result:
        """Send one command and wait for its result. ``step``: tells the commands of one call apart."""
        return await ask(
            self.deployment, self.principal, machine, key, name, data, command_id=self.command_id + step
        )


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
