"""Tickets and agents in OneView's words: seconds, three statuses, and who sees which metadata."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from interlock.engine.messages import Actor
from interlock.gateway.dialects.oneview.shapes import agent_info, ticket, urgency
from interlock.gateway.dialects.oneview.words import OneViewAgent, OneViewTicket
from tests.desks import START, Desk

ANN = Actor(id="ann", kind="agent")
METADATA = {
    "ccr": "delivery - wrong address",
    "agentJwt": "secret-1",
    "roomId": "r",
    "roomName": "R",
    "roomSubscriptionToken": "secret-2",
    "orderId": "o",
    "agentAccesses": ["a"],
    "internalNote": "secret-3",
}
SHOWN = {"ccr", "roomId", "roomName", "orderId", "agentAccesses"}


def stored(made: Desk, address: str) -> dict[str, Any]:
    """As the gateway reads it with its private fields."""
    snapshot = made.snapshots[address]
    machine = made.catalog.machine(snapshot.machine)
    assert machine is not None
    return {**snapshot.shown(machine.chart), "context": snapshot.context}


def assigned(**data: Any) -> Desk:
    made = Desk()
    opened = {"queue": "fr", "metadata": METADATA, "customer": {"id": "c", "firstName": "H", "email": "x"}}
    made.send("ticket/T-1", "open", {**opened, **data})
    made.advance(seconds=5)
    made.send("ticket/T-1", "assign", {"agent": "ann"})
    return made


def test_times_are_seconds_and_nothing_is_null() -> None:
    shown = ticket(stored(assigned(), "ticket/T-1"), to_its_agent=True)
    assert shown["createdAt"] == int(START.timestamp())
    assert shown["assignedTime"] == int(START.timestamp()) + 5
    assert None not in shown.values()
    declared = OneViewTicket.model_json_schema()
    assert set(declared["required"]) <= shown.keys() <= declared["properties"].keys()


def test_only_the_agent_in_charge_sees_the_tokens_and_nobody_anything_else() -> None:
    instance = stored(assigned(), "ticket/T-1")
    mine, others = (ticket(instance, to_its_agent=own) for own in (True, False))
    assert set(mine["metadata"]) == SHOWN | {"agentJwt", "roomSubscriptionToken"}
    assert set(others["metadata"]) == SHOWN
    assert mine["customer"] == {"id": "c", "firstName": "H"}


def test_the_three_statuses() -> None:
    made = assigned()

    def status() -> str:
        return str(ticket(stored(made, "ticket/T-1"), to_its_agent=False)["ticketStatus"])

    assert status() == "ASSIGNED"
    made.send("ticket/T-1", "escalate", {"department": "billing"})
    assert status() == "ESCALATED"
    made.send("ticket/T-1", "close")
    assert status() == "CLOSED"


def test_the_most_urgent_is_first_then_who_was_assigned_first() -> None:
    made = Desk()
    for key, priority in (("B", 2), ("A", 2), ("C", 1)):
        made.send(f"ticket/{key}", "open", {"queue": "fr", "priority": priority})
        made.send(f"ticket/{key}", "assign", {"agent": "ann"})
        made.advance(seconds=1)
    instances = [stored(made, f"ticket/{key}") for key in "ABC"]
    assert [each["key"] for each in sorted(instances, key=urgency)] == ["C", "B", "A"]


def test_an_agent_tells_since_when() -> None:
    made = Desk()
    made.send("agent/ann", "define", {"name": "Ann"})
    made.advance(minutes=1)
    made.send("agent/ann", "online")
    made.advance(seconds=30)
    made.send("agent/ann", "online")
    shown = agent_info(stored(made, "agent/ann"), made.now + timedelta(seconds=2))
    online = int(START.timestamp()) + 60
    times = {"lastLoginTime": online, "updatedAt": online, "agentTimeInStatus": 32}
    assert shown == {"id": "ann", "name": "Ann", **times}
    made.send("agent/ann", "login")
    assert agent_info(stored(made, "agent/ann"), made.now)["lastLoginTime"] == online + 30
    declared = OneViewAgent.model_json_schema()
    assert set(declared["required"]) <= shown.keys() <= declared["properties"].keys()
