"""One call of Genesys' API: who makes it, what its body says, under which id its command goes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Depends, Header, Path, Request, Response
from pydantic import BeforeValidator

from interlock.engine.messages import is_key
from interlock.engine.tokens import Principal
from interlock.gateway.answers import answer
from interlock.gateway.asking import NotAnswered, answered
from interlock.gateway.callers import Caller
from interlock.gateway.deployment import Deployment
from interlock.gateway.dialects.genesys.errors import (
    REFERENCE,
    Accepted,
    invalid,
    missing,
    no_permission,
    refusal,
)
from interlock.gateway.dialects.genesys.sessions import REFUSED, OpenSessions, Sessions
from interlock.gateway.parameters import json_body
from interlock.gateway.repeats import RepeatableCall, Result, call_id
from interlock.gateway.tenants import shown_result

Id = Annotated[str, Path(min_length=1), BeforeValidator(unquote)]
AT_A_DESK = frozenset({"agent", "supervisor", "admin"})
"""Kinds of token that there is a ``/me`` for."""


_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Call(RepeatableCall):
    """``command_id`` is the ``referenceId`` of the answer too; ``is_named``: the client has named the call, so it may
    come again and is answered as the first time. ``base``: where the API is; ``sessions``: of those who listen to
    notifications."""

    body: Mapping[str, Any]
    is_named: bool
    base: str
    sessions: Sessions

    async def send(
        self,
        machine: str,
        key: str,
        name: str,
        data: Mapping[str, Any] | None = None,
        *,
        step: str = "",
        promised: Mapping[str, Any] = _NOTHING,
    ) -> Result:
        """The same. Raises GenesysError where it is refused, and Accepted, with what is ``promised``, where nobody has
        answered the call's last command (``step`` is empty) in time."""
        try:
            result = await RepeatableCall.send(self, machine, key, name, data, step=step)
        except NotAnswered:
            if step:
                raise  # what would follow has not been sent
            hear = partial(_tell_refusal, self.sessions, self.principal)
            self.deployment.commands.when_late(self.command_id, hear)
            raise Accepted(self.command_id, promised) from None
        if result["error"] is not None:
            raise refusal(result["error"])
        return result

    async def came_before(self) -> bool:
        """Whether the call has been made before, and done. Raises GenesysError where it was refused then."""
        result = await answered(self.deployment, self.command_id) if self.is_named else None
        if result is not None and result["error"] is not None:
            raise refusal(result["error"])
        return result is not None

    def done(self, **more: Any) -> Response:
        """0, with what else the operation answers."""
        return answer({"statusCode": 0, "referenceId": self.command_id, **more})

    def operation(self) -> str:
        """The ``operationName``. Raises GenesysError (1, 10)."""
        return self.needed("operationName")

    def text(self, name: str) -> str | None:
        """A member that is a text; None where it is missing. Raises GenesysError (10)."""
        value = self.body.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise invalid(f"{name} is no text. Correct it.")
        return value

    def needed(self, name: str) -> str:
        """A text that has to be there. Raises GenesysError (1, 10)."""
        value = self.text(name)
        if value is None:
            raise missing(name)
        return value

    def name(self, *names: str) -> str | None:
        """The key that the first of these members names, itself or at the end of a URI. Raises GenesysError (10)."""
        for name in names:
            value = self.text(name)
            if value is not None:
                if name.endswith("Uri"):
                    value = unquote(value.rstrip("/").rpartition("/")[2])
                if not is_key(value):
                    raise invalid(f"{name} can be no name. Correct it.")
                return value
        return None

    def needed_name(self, *names: str) -> str:
        """The same, where it has to be there. Raises GenesysError (1, 10)."""
        value = self.name(*names)
        if value is None:
            raise missing(names[0])
        return value

    def object(self, name: str) -> dict[str, Any] | None:
        """A member that is an object; None where it is missing. Raises GenesysError (10)."""
        value = self.body.get(name)
        if value is not None and not isinstance(value, dict):
            raise invalid(f"{name} is no object of values by their keys. Correct it.")
        return value


def _tell_refusal(sessions: Sessions, principal: Principal, result: Mapping[str, Any]) -> None:
    """Have a refusal that came after its call was answered told to whoever listens in the principal's name."""
    found = shown_result(dict(result))
    if found["error"] is not None:
        error = refusal(found["error"]).words()
        sessions.later(sessions.notify(principal, REFUSED, reference=found["id"], error=error))


def api_base(request: Request) -> str:
    """Where the API is, for whoever has sent the request."""
    return f"{str(request.base_url).rstrip('/')}/genesys/api/v2"


async def called(
    request: Request,
    deployment: Deployment,
    caller: Caller,
    sessions: OpenSessions,
    idempotency_key: Annotated[
        str | None, Header(description="Names the call: sent again, it is answered as the first time.")
    ] = None,
) -> Call:
    """The call of a request. Raises Problem: 401, and what `json_body` raises."""
    command_id = call_id(request, caller, idempotency_key)
    REFERENCE.set(command_id)
    body = await json_body(request) if request.method in ("POST", "PUT") else {}
    return Call(deployment, caller, command_id, body, bool(idempotency_key), api_base(request), sessions)


async def called_at_a_desk(call: Annotated[Call, Depends(called)]) -> Call:
    """The same, for ``/me``. Raises GenesysError (5) for who has no desk."""
    if call.principal.kind not in AT_A_DESK:
        raise no_permission("This is for agents. Use a token of an agent.")
    return call


Called = Annotated[Call, Depends(called)]
CalledAtADesk = Annotated[Call, Depends(called_at_a_desk)]
