"""The native API beside commands and instances: a real deployment behind it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.integration.gateway_setup import Gateway, read
from tests.integration.http_client import Answer, Client, wait_until


def put(client: Client, path: str, body: Any = None) -> Answer:
    raw = b"" if body is None else orjson.dumps(body)
    return client.send("PUT", f"/interlock/v1/{path}", raw, content_type="application/json")


# Queues, workbins and agents


def test_a_queue_and_an_agent_are_made_and_a_ticket_is_routed(gateway: Gateway) -> None:
    assert put(gateway.admin, "queues/chat-desk", {}).body["state"] == ["open"]
    agent = {"name": "Ann", "queues": ["chat-desk"], "capacity": {"chat": 20}, "skills": []}
    made = put(gateway.admin, "agents/desk-ann", agent)
    assert (made.status, made.body["context"]["name"], made.body["context"]["ready"]) == (200, "Ann", [])
    assert made.body["state"][0].startswith("offline")
    ann = gateway.with_token("agent", id="desk-ann")
    assert ann.command("agent/desk-ann", "online").status == 200
    ticket = {"queue": "chat-desk", "channel": "chat", "priority": 1, "content": {"text": "help"}}
    assert gateway.admin.command("ticket/desk-1", "open", data=ticket).status == 200
    wait_until(lambda: read(gateway.admin, "ticket/desk-1")["context"]["assignee"] == "desk-ann")


def test_the_same_queue_of_another_tenant_is_another_one(gateway: Gateway) -> None:
    acme = gateway.with_token("admin", tenant="deskacme")
    put(gateway.admin, "queues/same", {})
    for client, name in ((gateway.admin, "here"), (acme, "there")):
        put(client, "queues/same", {})
        put(client, f"agents/same-{name}", {"queues": ["same"], "capacity": {"chat": 1}})
        assert client.command(f"agent/same-{name}", "online").status == 200
    ticket = {"queue": "same", "channel": "chat", "priority": 1}
    assert acme.command("ticket/same-1", "open", data=ticket).status == 200
    wait_until(lambda: read(acme, "ticket/same-1")["context"]["assignee"] == "same-there")
    assert read(gateway.admin, "agent/same-here")["context"]["load"] == {}
    assert gateway.admin.get("/interlock/v1/instances/ticket/same-1").status == 404


def test_a_workbin_is_made_twice_without_harm(gateway: Gateway) -> None:
    first, again = (put(gateway.admin, "workbins/later") for _ in range(2))
    assert [first.status, again.status, again.body["version"]] == [200, 200, 1]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("queues/bad", {"strategy": "loudest"}, 422),
        ("queues/bad", {"unknown": 1}, 422),
        ("queues/bad", [], 400),
        ("agents/bad", {"capacity": {"chat": -1}}, 422),
        ("queues/" + "q" * 300, {}, 422),
        ("queues/%00", {}, 400),
    ],
)
def test_what_cannot_be_made_is_refused(gateway: Gateway, path: str, body: Any, status: int) -> None:
    assert put(gateway.admin, path, body).status == status


def test_an_agent_makes_no_queue(gateway: Gateway) -> None:
    refused = put(gateway.with_token("agent"), "queues/theirs", {})
    assert (refused.status, refused.body["error"]["code"]) == (403, "actor_kind")
