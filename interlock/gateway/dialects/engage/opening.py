"""Opening an intervention on a content, and answering it: the commands that one call of Engage comes to.

Two may do so at once, and the thread may have gone on meanwhile. A step that was overtaken is taken again, under an
id of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from interlock.gateway.dialects.engage.calls import Call
from interlock.gateway.dialects.engage.finding import latest, opening, place_of
from interlock.gateway.reading import Instance
from interlock.gateway.repeats import Result

_Attempt = Callable[[Call, Instance, str], Awaitable[Result]]
_ATTEMPTS = 4
_OVERTAKEN = frozenset({"already_exists", "followed", "settled"})
"""Codes of refusals that say: another intervention is the latest now."""


async def opened(call: Call, content: Instance) -> Result:
    """Create or reopen the latest intervention of a content's thread, in the name of the call's principal."""
    return await _attempted(call, content, _open)


async def engaged(call: Call, content: Instance) -> Result:
    """The same for a virtual agent."""
    return await _attempted(call, content, _engage)


async def replied(call: Call, content: Instance, reply_id: str) -> Result:
    """Count an answer, after opening or reopening what it belongs to."""

    async def reply(call: Call, content: Instance, step: str) -> Result:
        found = await latest(call.deployment, call.principal, content["context"]["thread"])
        if found.is_closed:
            taken_up = await call.send("intervention", found.id, "reopen", {}, step=f"{step}.reopen")
            if taken_up["error"] is not None and taken_up["error"]["code"] != "already_open":
                return taken_up
        data = {**opening(content, found), "content_id": reply_id} if found.instance is None else None
        return await call.send("intervention", found.id, "reply", data or {"content_id": reply_id}, step=step)

    return await _attempted(call, content, reply)


async def told(call: Call, content: Instance, message_id: str) -> Result | None:
    """Tell the latest intervention of a content's thread that the customer has written; None where there is none."""

    async def tell(call: Call, content: Instance, step: str) -> Result:
        found = await latest(call.deployment, call.principal, content["context"]["thread"])
        if found.instance is None:
            return _NOBODY
        return await call.send(
            "intervention", found.id, "customer_message", {"content_id": message_id}, step=step
        )

    result = await _attempted(call, content, tell)
    return None if result is _NOBODY else result


_NOBODY: Result = {"error": None}


async def _open(call: Call, content: Instance, step: str) -> Result:
    found = await latest(call.deployment, call.principal, content["context"]["thread"])
    if found.instance is None:
        return await call.send("intervention", found.id, "open", opening(content, found), step=step)
    return await call.send("intervention", found.id, "reopen", {"content_id": content["key"]}, step=step)


async def _engage(call: Call, content: Instance, step: str) -> Result:
    found = await latest(call.deployment, call.principal, content["context"]["thread"])
    data = {
        "content_id": content["key"],
        "thread": found.thread,
        "number": found.number,
        **place_of(content),
    }
    return await call.send("intervention", found.id, "engage", data, step=step)


async def _attempted(call: Call, content: Instance, attempt: _Attempt) -> Result:
    """The first result that was not overtaken. A step that a repeated call took before is not taken again."""
    for number in range(_ATTEMPTS):
        step = f".{number}" if number else ""
        result = await call.answered(step) or await attempt(call, content, step)
        if result["error"] is None or result["error"]["code"] not in _OVERTAKEN:
            break
    return result
