"""A refusal is a conflict only for who asked before the same was done."""

from __future__ import annotations

import asyncio
from time import monotonic
from types import SimpleNamespace
from typing import Any

from interlock.engine.tokens import Principal
from interlock.gateway.dialects.engage import interventions
from interlock.gateway.dialects.engage.under_way import _KEPT, Arrival, Done


def test_who_came_before_it_was_done_is_told_of_a_conflict() -> None:
    done = Done()
    arrival = Arrival(monotonic(), done)
    assert arrival.conflict("acme", "i1", "close") is None
    done.note("acme", "i1", "close")
    found = arrival.conflict("acme", "i1", "close")
    assert found is not None
    assert found.status == 409


def test_who_comes_later_or_asks_for_something_else_is_not() -> None:
    done = Done()
    before = Arrival(monotonic(), done)
    done.note("acme", "i1", "close")
    assert Arrival(monotonic(), done).conflict("acme", "i1", "close") is None
    for other in (("acme", "i2", "close"), ("acme", "i1", "cancel"), ("other", "i1", "close")):
        assert before.conflict(*other) is None


def test_the_oldest_are_forgotten() -> None:
    done = Done()
    arrival = Arrival(monotonic(), done)
    for number in range(_KEPT + 1):
        done.note("acme", str(number), "close")
    assert arrival.conflict("acme", "0", "close") is None
    assert arrival.conflict("acme", "1", "close") is not None


def test_until_its_answer_has_gone_out_it_is_under_way() -> None:
    done = Done()
    closed = {"key": "i1", "state": ["closed"], "context": {}, "created_at": None, "updated_at": None}

    async def instance(_result: Any, _by_state: int) -> Any:
        return closed

    async def drop(_message: Any) -> None:
        pass

    async def close() -> Arrival:
        call: Any = SimpleNamespace(principal=Principal("ann", "agent", "acme", ()), instance=instance)
        first = Arrival(monotonic(), done)
        answer = await interventions._once(first, call, "i1", "close", {"error": None})
        second = Arrival(monotonic(), done)
        assert second.conflict("acme", "i1", "close") is not None
        await answer({"type": "http"}, instance, drop)  # type: ignore[arg-type]
        return second

    second = asyncio.run(close())
    assert second.conflict("acme", "i1", "close") is not None
    assert Arrival(monotonic(), done).conflict("acme", "i1", "close") is None, "who has read it knows"
