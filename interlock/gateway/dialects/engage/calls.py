"""One call of Engage's API: in whose name, with which parameters, under which id its command goes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from starlette.concurrency import run_in_threadpool

from interlock.engine.messages import is_printable
from interlock.gateway.asking import answered
from interlock.gateway.callers import Caller
from interlock.gateway.deployment import Deployment
from interlock.gateway.dialects.engage.errors import refusal, unprocessable
from interlock.gateway.dialects.engage.impersonation import impersonated
from interlock.gateway.dialects.engage.tokens import token_from_query
from interlock.gateway.dialects.engage.versions import at_version
from interlock.gateway.dialects.engage.words import MAX_TEXT
from interlock.gateway.parameters import parameters
from interlock.gateway.reading import Instance, read
from interlock.gateway.repeats import RepeatableCall, Result, call_id


@dataclass(frozen=True, slots=True)
class Call(RepeatableCall):
    """``is_named``: the client has named the call, so it may come again and is answered as the first time."""

    parameters: Mapping[str, Any]
    is_named: bool

    async def answered(self, step: str = "") -> Result | None:
        """The result that this step had when the call came before; None where it did not."""
        if not self.is_named:
            return None
        return await answered(self.deployment, self.command_id + step)

    async def instance(self, result: Result, by_state: int) -> Instance:
        """The instance that a result tells of, of a repeated call as it was the first time.

        Raises Problem where the command was refused; ``by_state``: the status where the state stands against it.
        """
        if result["error"] is not None:
            raise refusal(result, by_state)
        found = await read(self.deployment, self.principal, result["machine"], result["key"])
        assert found is not None, "instances are never deleted"
        if result.get("duplicate") and found["version"] != result["version"]:
            return await run_in_threadpool(
                at_version, self.deployment, self.principal, found, result["version"]
            )
        return found

    def text(self, name: str, longest: int = MAX_TEXT) -> str | None:
        """A parameter that is a text; None where it is missing or empty. Raises Problem (422)."""
        value = self.parameters.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str) or len(value) > longest:
            raise unprocessable(f"{name} is no text of at most {longest} characters. Correct it.")
        return value

    def id(self, name: str, longest: int = MAX_TEXT) -> str:
        """An id that has to be there: printable. Raises Problem (422)."""
        value = self.needed(name, longest)
        if not is_printable(value):
            raise unprocessable(f"{name} holds what cannot be printed. Correct it.")
        return value

    def needed(self, name: str, longest: int = MAX_TEXT) -> str:
        """A text that has to be there. Raises Problem (422)."""
        value = self.text(name, longest)
        if value is None:
            raise unprocessable(f"{name} is missing. Send it.")
        return value

    def texts(self, name: str) -> list[str] | None:
        """A parameter that is a text or a list of them, each once; None where it is missing. Raises Problem (422)."""
        value = self.parameters.get(name)
        if value is None:
            return None
        values = value if isinstance(value, list) else [value]
        if any(not isinstance(each, str) or len(each) > MAX_TEXT for each in values):
            raise unprocessable(
                f"{name} is no list of texts of at most {MAX_TEXT} characters each. Correct it."
            )
        return [each for each in dict.fromkeys(values) if each]

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number between bounds. Raises Problem (422)."""
        value = self.parameters.get(name, default)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
        if type(value) is not int or not least <= value <= most:
            raise unprocessable(f"{name} is no whole number from {least} to {most}. Correct it.")
        return value

    def flag(self, name: str) -> bool:
        """Yes or no; no where it is missing. Raises Problem (422)."""
        value = self.parameters.get(name, False)
        told = _FLAGS.get(value) if isinstance(value, str) else value
        if not isinstance(told, bool):
            raise unprocessable(f"{name} is neither true nor false. Correct it.")
        return told


_FLAGS = {"true": True, "True": True, "1": True, "false": False, "False": False, "0": False, "": False}


async def called(
    request: Request,
    deployment: Deployment,
    _token: Annotated[None, Depends(token_from_query)],
    caller: Caller,
    idempotency_key: Annotated[
        str | None, Header(description="Names the call: sent again, it is answered as the first time.")
    ] = None,
) -> Call:
    """The call of a request. Raises Problem: 401, 400 for who may not impersonate, and what `parameters` raises."""
    sent = _with_repeated(await parameters(request), request)
    command_id = call_id(request, caller, idempotency_key)
    principal = await impersonated(deployment, caller, sent.get("impersonated_user_id"))
    return Call(deployment, principal, command_id, sent, bool(idempotency_key))


def _with_repeated(sent: dict[str, Any], request: Request) -> dict[str, Any]:
    """The same, with the names of the query that come several times without brackets as lists too.

    Clients made by generators send ``identity_id=1&identity_id=2`` for a list.
    """
    for name, value in sent.items():
        if isinstance(value, str) and len(values := request.query_params.getlist(name)) > 1:
            sent[name] = values
    return sent


Called = Annotated[Call, Depends(called)]
