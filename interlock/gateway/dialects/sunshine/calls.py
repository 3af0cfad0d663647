"""One call of Sunshine's API: in whose name, for which app, under which id its command goes out.

``appId`` is the tenant. Integrations and bots have the scope `integration`; admins and the system have the scope
`app`. Nobody else calls here: agents work at their desk, and end users have no part in this API.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Depends, Header, Path, Request
from pydantic import BeforeValidator

from interlock.gateway.callers import Caller
from interlock.gateway.deployment import Deployment
from interlock.gateway.dialects.sunshine.errors import SunshineError, missing, refusal
from interlock.gateway.repeats import RepeatableCall, call_id, made_id

_APP_SCOPE = frozenset({"admin", "system"})
_INTEGRATION_SCOPE = frozenset({"integration", "bot"})

AppId = Annotated[str, Path(alias="appId", min_length=1), BeforeValidator(unquote)]


@dataclass(frozen=True, slots=True)
class Call(RepeatableCall):
    """A call of an integration, or of the app itself."""

    def as_system(self) -> Call:
        """The same call in the name of the app's own machinery, for what follows from it."""
        return replace(self, principal=replace(self.principal, id="sunshine", kind="system", permissions=()))

    async def do(
        self,
        machine: str,
        key: str,
        name: str,
        data: Mapping[str, Any] | None = None,
        *,
        step: str = "",
        known: Mapping[str, tuple[int, str]] | None = None,
        done: str | None = None,
    ) -> None:
        """Send one command that has to be taken. ``known``: as of `refusal`; ``done``: the code of a refusal that says
        that it was done before. Raises SunshineError."""
        result = await self.send(machine, key, name, data, step=step)
        if result["error"] is not None and result["error"]["code"] != done:
            raise refusal(result, known)

    def new_id(self, kind: str) -> str:
        """An id for what the call makes."""
        return made_id(self.command_id, kind)


async def called(
    request: Request,
    deployment: Deployment,
    caller: Caller,
    app_id: AppId,
    idempotency_key: Annotated[
        str | None, Header(description="Names the call: sent again, it is answered as the first time.")
    ] = None,
) -> Call:
    """The call of a request. Raises Problem (401), SunshineError: 404 for another's app, 403 for who has no scope."""
    if caller.tenant != app_id:
        raise missing("app")
    if caller.kind not in _APP_SCOPE | _INTEGRATION_SCOPE:
        raise SunshineError(
            403, "forbidden", "This API is for integrations and for the app. Use a token of one of these."
        )
    return Call(deployment, caller, call_id(request, caller, idempotency_key))


Called = Annotated[Call, Depends(called)]


async def of_the_app(call: Called) -> Call:
    """A call in the scope of the app. Raises SunshineError (403)."""
    if call.principal.kind not in _APP_SCOPE:
        raise SunshineError(403, "forbidden", "An integration may not do this. Use a token of the app.")
    return call


AppCalled = Annotated[Call, Depends(of_the_app)]
