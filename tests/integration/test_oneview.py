"""OneView's API on a running deployment: presence, an agent's tickets, escalation, and who may do what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import orjson
import pytest

from tests.integration.gateway_setup import KEYS, Gateway
from tests.integration.http_client import Answer, Client, wait_until

METADATA = {"ccr": "late", "agentJwt": "jwt-of-ann", "roomSubscriptionToken": "room-of-ann", "hidden": "x"}


@dataclass(frozen=True)
class Floor:
    """A desk with one queue. ``ann`` and ``bob``: agents; ``lead``: a supervisor who reads its channel."""

    admin: Client
    queue: str
    channel: str
    agents: dict[str, str]
    ann: Client
    bob: Client
    lead: Client
    make: Callable[..., Client]

    def open(self, **data: Any) -> str:
        key = f"T-{token_hex(4)}"
        given = {"queue": self.queue, "channel": self.channel, "metadata": METADATA, **data}
        assert self.admin.command(f"ticket/{key}", "open", data=given).status == 200
        return key

    def assigned(self, **data: Any) -> str:
        """A ticket that ann has, by hand."""
        key = self.open(queue=f"nobody-{token_hex(3)}", **data)
        assert self.admin.command(f"ticket/{key}", "assign", data={"agent": self.agents["ann"]}).status == 200
        return key

    def tickets(self, client: Client) -> list[dict[str, Any]]:
        return list(done(client.get("/oneview/v1/tickets")))


def done(answer: Answer) -> Any:
    assert answer.status == 200, (answer.status, answer.raw)
    return answer.body


def refused(answer: Answer, status: int, message: str) -> None:
    assert answer.status == status, answer.raw
    assert answer.body == {"errorCode": status, "errorMessage": message}


def refused_v2(answer: Answer, status: int, title: str) -> None:
    assert answer.status == status, answer.raw
    assert answer.body["errors"] == [{"status": str(status), "title": title}]
    assert (answer.body["errorCode"], answer.body["errorMessage"]) == (status, title)


def put(client: Client, path: str) -> Answer:
    return client.send("PUT", f"/oneview/v1/{path}", b"", content_type="application/json")


def escalate(client: Client, key: str, body: Any, **headers: str) -> Answer:
    path = f"/oneview/v2/tickets/{key}/escalate"
    return client.send("POST", path, orjson.dumps(body), content_type="application/json", **headers)


@pytest.fixture(scope="module")
def floor(gateway: Gateway) -> Floor:
    wait_until(lambda: any(name.startswith(b"ticket") for name in gateway.client.hkeys(KEYS.charts)))
    queue, channel = f"english-{token_hex(3)}", f"chat-{token_hex(3)}"
    admin = gateway.admin
    wide = {"timeout_seconds": 70.0}
    assert admin.command(f"queue/{queue}", "define", wait=60, headers=wide).status == 200
    agents = {name: f"{name}-{token_hex(4)}" for name in ("ann", "bob")}
    for name, key in agents.items():
        given = {"name": name.title(), "queues": [queue], "capacity": {channel: 20}}
        assert admin.command(f"agent/{key}", "define", data=given).status == 200

    def make(kind: str, **wish: Any) -> Client:
        return gateway.with_token(kind, **wish)

    return Floor(
        admin=admin,
        queue=queue,
        channel=channel,
        agents=agents,
        ann=make("agent", id=agents["ann"]),
        bob=make("agent", id=agents["bob"]),
        lead=make("supervisor", permissions=(f"read:{channel}",)),
        make=make,
    )


def test_an_online_agent_gets_tickets_and_an_offline_one_no_new_ones(floor: Floor) -> None:
    ann = floor.agents["ann"]
    before = done(floor.ann.get("/oneview/v1/info"))
    assert (before["id"], before["name"]) == (ann, "Ann")
    assert "lastLoginTime" not in before
    online = done(put(floor.ann, f"{ann}/online"))
    assert online["lastLoginTime"] == online["updatedAt"] >= before["updatedAt"]
    assert online["agentTimeInStatus"] >= 0
    again = done(put(floor.ann, "online"))
    assert again["updatedAt"] == online["updatedAt"], "repeated, nothing changes"
    key = floor.open(priority=2)
    wait_until(lambda: [one["id"] for one in floor.tickets(floor.ann)] == [key])
    offline = done(put(floor.ann, "offline"))
    assert done(put(floor.ann, f"{ann}/offline"))["updatedAt"] == offline["updatedAt"]
    late = floor.open(priority=1)
    assert [one["id"] for one in floor.tickets(floor.ann)] == [key], "what is held stays"
    for each in (key, late):
        assert floor.admin.command(f"ticket/{each}", "close").status == 200
    assert floor.tickets(floor.ann) == [], "closed tickets leave the list"


def test_a_ticket_is_shown_to_its_agent_with_the_tokens_and_without_them_to_a_supervisor(
    floor: Floor,
) -> None:
    key = floor.assigned(content={"text": "Hello"}, customer={"id": "c", "firstName": "Hugo", "email": "x"})
    path = f"/oneview/v1/{floor.agents['ann']}/tickets"
    (mine,) = done(floor.ann.get(path))
    assert (mine["id"], mine["ticketStatus"], mine["channel"]) == (key, "ASSIGNED", floor.channel)
    assert (mine["content"], mine["customer"]) == ({"text": "Hello"}, {"id": "c", "firstName": "Hugo"})
    assert mine["assignedTime"] >= mine["createdAt"] > 1_500_000_000
    tokens = {"agentJwt": "jwt-of-ann", "roomSubscriptionToken": "room-of-ann"}
    assert mine["metadata"] == {"ccr": "late", **tokens}
    (others,) = done(floor.lead.get(path))
    assert others == {**mine, "metadata": {"ccr": "late"}}
    assert done(floor.make("supervisor").get(path)) == [], "without read on the channel there is nothing"
    floor.admin.command(f"ticket/{key}", "close")


def test_the_most_urgent_is_first(floor: Floor) -> None:
    keys = {priority: floor.assigned(priority=priority) for priority in (3, 1, 2)}
    assert [one["id"] for one in floor.tickets(floor.ann)] == [keys[1], keys[2], keys[3]]
    for key in keys.values():
        floor.admin.command(f"ticket/{key}", "close")


@pytest.mark.parametrize("operation", ["tickets", "online", "offline"])
def test_who_may_ask_about_an_agent(floor: Floor, operation: str) -> None:
    def ask(client: Client, agent: str) -> Answer:
        path = f"{agent}/{operation}"
        return client.get(f"/oneview/v1/{path}") if operation == "tickets" else put(client, path)

    ann = floor.agents["ann"]
    refused(ask(Client(floor.ann.url), ann), 401, "not authorize")
    refused(ask(floor.bob, ann), 403, "forbidden")
    refused(ask(floor.bob, "nobody"), 403, "forbidden")
    refused(ask(floor.make("integration", id=ann), ann), 403, "forbidden")
    refused(ask(floor.lead, "nobody"), 404, "not found")
    refused(ask(floor.make("agent", id="unknown-agent"), "unknown-agent"), 404, "not found")
    refused(ask(floor.lead, "x" * 129), 400, "bad request")
    refused(ask(floor.lead, "a%0Ab"), 400, "bad request")
    refused(ask(floor.make("supervisor", tenant="acme"), ann), 404, "not found")
    done(ask(floor.lead, ann))


def test_escalation(floor: Floor) -> None:
    key = floor.assigned()
    refused_v2(escalate(floor.ann, key, {}), 400, "bad request")
    refused_v2(escalate(floor.ann, key, {"department": 7}), 400, "bad request")
    refused_v2(escalate(floor.ann, key, []), 400, "bad request")
    refused_v2(escalate(floor.ann, key, {"department": "a\0"}), 400, "bad request")
    refused_v2(escalate(floor.ann, "nothing", {"department": "billing"}), 404, "not found")
    refused_v2(escalate(floor.bob, key, {"department": "billing"}), 404, "not found")
    reader = floor.make("agent", id=floor.agents["bob"], permissions=(f"read:{floor.channel}",))
    refused_v2(escalate(reader, key, {"department": "billing"}), 403, "forbidden")
    refused_v2(escalate(Client(floor.ann.url), key, {}), 401, "not authorize")
    other = {"x_agent_user_id": floor.agents["bob"]}
    refused_v2(escalate(floor.ann, key, {"department": "billing"}, **other), 403, "forbidden")
    own = {"x_agent_user_id": floor.agents["ann"]}
    wish = {"department": "billing", "notes": "too hard"}
    shown = done(escalate(floor.ann, key, wish, idempotency_key="once", **own))
    assert (shown["id"], shown["ticketStatus"], shown["statusReason"]) == (key, "ESCALATED", "too hard")
    assert done(escalate(floor.ann, key, wish, idempotency_key="once", **own)) == shown
    refused_v2(escalate(floor.ann, key, wish), 409, "conflict")
    refused_v2(escalate(floor.lead, key, wish), 409, "conflict")
    assert done(escalate(floor.lead, key, {"department": "legal"}))["ticketStatus"] == "ESCALATED"
    floor.admin.command(f"ticket/{key}", "close")
    refused_v2(escalate(floor.lead, key, wish), 409, "conflict")


def test_a_supervisor_escalates_in_the_name_of_the_agent(floor: Floor) -> None:
    key = floor.assigned()
    acting = {"x_agent_user_id": floor.agents["ann"]}
    shown = done(escalate(floor.lead, key, {"department": "billing"}, **acting))
    assert "agentJwt" not in shown["metadata"]
    history = done(floor.admin.get(f"/interlock/v1/instances/ticket/{key}/history"))["history"]
    assert history[-1]["actor"]["id"] == floor.agents["ann"]
    floor.admin.command(f"ticket/{key}", "close")


def test_departments_are_the_queues(floor: Floor) -> None:
    found = done(floor.ann.get("/oneview/v2/escalation/departments"))
    assert {"id": floor.queue, "name": floor.queue} in found
    refused_v2(floor.make("bot").get("/oneview/v2/escalation/departments"), 403, "forbidden")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_what_is_not_there_is_told_in_oneviews_words(floor: Floor, version: str) -> None:
    answer = floor.ann.get(f"/oneview/{version}/nothing/at/all")
    (refused if version == "v1" else refused_v2)(answer, 404, "not found")


def test_the_document_tells_all_that_an_operation_answers(floor: Floor) -> None:
    document = floor.admin.get("/openapi.json").body
    operations = [
        (path, operation)
        for path, item in document["paths"].items()
        if path.startswith("/oneview/")
        for operation in item.values()
    ]
    assert len(operations) == 9
    for path, operation in operations:
        assert operation["security"]
        model = "OneViewErrors" if "/v2/" in path else "OneViewError"
        for status in ("400", "401", "403", "404", "409", "413", "429", "500", "503"):
            schema = operation["responses"][status]["content"]["application/json"]["schema"]
            assert schema == {"$ref": f"#/components/schemas/{model}"}
