"""Closes and cancels that overlap: who asks while another's is under way is told so (409), not that it is done (403).

The engine refuses the second of two that wait in one inbox. Here it is quick: the second may come to the engine when
the first is committed, although both were on their way at the same time. So the gateway keeps when each was answered,
and a refusal of one that had arrived before that is a conflict: until then nobody could know that it was done.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from time import monotonic
from typing import Annotated

from fastapi import Depends, Request

from interlock.gateway.problems import Problem

_KEPT = 10_000
"""Operations that are remembered; the oldest give way."""

_ANSWERING_SECONDS = 1.0
"""How long an answer may be on its way; longer only where it never goes out."""


@dataclass(slots=True)
class Done:
    """When operations were done, by tenant, intervention and operation; the moment is that of `monotonic`."""

    _moments: OrderedDict[tuple[str, ...], float] = field(default_factory=OrderedDict)

    def note(self, *operation: str, within: float = 0.0) -> None:
        """This operation is done now, or when it is noted again, ``within`` so many seconds."""
        self._moments[operation] = monotonic() + within
        self._moments.move_to_end(operation)
        if len(self._moments) > _KEPT:
            self._moments.popitem(last=False)

    def since(self, moment: float, *operation: str) -> bool:
        """Whether this operation was done after a moment."""
        return self._moments.get(operation, float("-inf")) > moment


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a request has arrived, and what was done since."""

    moment: float
    done: Done

    def answers(self, *operation: str) -> None:
        """The engine has done this operation; its answer is on its way."""
        self.done.note(*operation, within=_ANSWERING_SECONDS)

    async def answered(self, *operation: str) -> None:
        """Its answer has gone out."""
        self.done.note(*operation)

    def conflict(self, *operation: str) -> Problem | None:
        """409 where this operation was under way when the request arrived, and has been done meanwhile."""
        if not self.done.since(self.moment, *operation):
            return None
        return Problem(409, "in_flight", "The same was under way when this was asked for. It is done.")


async def arrived(request: Request) -> Arrival:
    """The arrival of a request: the first thing that an operation depends on, before its token is looked up."""
    state = request.app.state
    if not hasattr(state, "engage_done"):
        state.engage_done = Done()
    return Arrival(monotonic(), state.engage_done)


Arrived = Annotated[Arrival, Depends(arrived)]
