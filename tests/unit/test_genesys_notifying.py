"""Which events and notices an agent hears of."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.engine.tokens import Principal
from interlock.gateway.dialects.genesys.notifying import concerns

ANN = Principal("ann", "agent", "default", ())
Legs = dict[str, str]


def step(legs: Legs, before: Legs | None = None, actor: str | None = None, **more: Any) -> dict[str, Any]:
    """An interaction's event. ``before``: its legs before, where the step changed them."""
    changed = {} if before is None else {"legs": {"from": before, "to": legs}}
    data = {"context": {"legs": legs}, "changed": changed, "actor": actor and {"id": actor, "kind": "agent"}}
    return {"type": "interaction.moved", "subject": "I-1", "data": data, **more}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (step({"ann": "invited"}, {}), True),
        (step({"ann": "processing"}), True),
        (step({"ann": "in_workbin"}), True),
        (step({"bob": "processing"}), False),
        (step({"ann": "completed", "bob": "invited"}, {"ann": "processing"}), True),
        (step({"ann": "completed", "bob": "processing"}, {"ann": "completed", "bob": "invited"}), False),
        (step({"ann": "revoked", "bob": "processing"}, actor="bob"), False),
        (step({"ann": "completed"}, actor="ann"), True),
        (step({"ann": "invited"}, {}, subject="~acme~I-1"), False),
        (step({"ann": "invited"}, {}, type="leg.invited"), False),
        (step({"ann": "invited"}, {}, data={}), False),
        (step({"ann": "invited"}, {}, data=None), False),
        ({"type": "notice/refused", "subject": "ann", "data": {"kind": "agent"}}, True),
        ({"type": "notice/refused", "subject": "ann", "data": {"kind": "supervisor"}}, False),
        ({"type": "notice/refused", "subject": "bob", "data": {"kind": "agent"}}, False),
        ({"type": "notice/refused", "subject": "~acme~ann", "data": {"kind": "agent"}}, False),
    ],
)
def test_what_an_agent_hears_of(event: dict[str, Any], expected: bool) -> None:
    assert concerns(ANN)(event) is expected
