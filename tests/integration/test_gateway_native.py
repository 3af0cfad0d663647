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
    made = put(gateway.admin, "queues/chat-desk", {})
    assert made.body.get("state") == ["open"], made
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


# Why, what next, what was


def test_what_may_be_done_depends_on_who_asks(gateway: Gateway) -> None:
    gateway.admin.command("parcel/able", "post", data={"owner": "ann"})
    bot = gateway.with_token("bot", permissions=["read:*"])
    path = "/interlock/v1/instances/parcel/able"
    assert "send" in gateway.admin.get(f"{path}/capabilities").body["commands"]
    assert "send" not in bot.get(f"{path}/capabilities").body["commands"]
    why = gateway.admin.get(f"{path}/why").body
    assert (why["state"], why["last"]["command"]["name"], why["timers"][0]["state"]) == (
        ["posted"],
        "post",
        "posted",
    )


def test_why_a_command_is_refused_is_told_without_sending_it(gateway: Gateway) -> None:
    gateway.admin.command("parcel/tried", "post", data={"owner": "ann"})

    def tried(body: Any, client: Client = gateway.admin, key: str = "tried") -> Answer:
        path = f"/interlock/v1/instances/parcel/{key}/try"
        return client.send("POST", path, orjson.dumps(body), content_type="application/json")

    assert tried({"name": "lose"}).body["error"]["code"] == "insured"
    applied = tried({"name": "send"}).body
    assert (applied["status"], applied["state"], applied["version"]) == ("applied", ["sent"], 2)
    assert tried({"name": "send", "expected_version": 7}).body["error"]["class"] == "stale_version"
    assert tried({"name": "weigh", "data": {"grams": "x"}}).body["error"]["class"] == "invalid_data"
    made = tried({"name": "post", "data": {"owner": "ann"}}, key="never-made").body
    assert (made["status"], made["version"]) == ("applied", 1)
    bot = gateway.with_token("bot", permissions=["read:*"])
    assert tried({"name": "send"}, bot).body["error"]["class"] == "forbidden"
    assert tried({"name": "send"}, gateway.with_token("bot")).status == 403
    assert tried({"name": "send", "more": 1}).status == 422
    assert read(gateway.admin, "parcel/tried")["version"] == 1
    assert gateway.admin.get("/interlock/v1/instances/parcel/never-made").status == 404


def test_an_instance_is_shown_as_it_was(gateway: Gateway) -> None:
    gateway.admin.command("parcel/was", "post", data={"owner": "ann", "pin": "secret-pin"})
    gateway.admin.command("parcel/was", "weigh", data={"grams": 5})
    gateway.admin.command("parcel/was", "send")
    path = "/interlock/v1/instances/parcel/was/replay"
    now, then = gateway.admin.get(path), gateway.admin.get(f"{path}?version=1")
    assert (now.body["same"], now.body["instance"]["state"], now.body["version"]) == (True, ["sent"], 3)
    assert (then.body["same"], then.body["instance"]["context"]) == (None, {"owner": "ann", "weight": 0})
    assert b"secret-pin" not in now.raw + then.raw
    assert gateway.admin.get(f"{path}?version=9").status == 404
    for name in ("replay", "why", "capabilities", "diagram"):
        gone = gateway.admin.get(f"/interlock/v1/instances/parcel/nobody/{name}")
        unread = gateway.with_token("agent", permissions=["read:web"]).get(
            f"/interlock/v1/instances/parcel/was/{name}"
        )
        assert (gone.status, unread.status) == (404, 403), name


# Charts


def test_the_charts_are_listed_shown_and_drawn(gateway: Gateway) -> None:
    listed = gateway.admin.get("/interlock/v1/charts").body["charts"]
    assert {"id": "parcel", "versions": [1]} in listed
    chart = gateway.admin.get("/interlock/v1/charts/parcel").body
    assert (chart["version"], chart["index"], "send" in chart["commands"]) == (1, ["owner"], True)
    assert "Something on its way." in chart["source"]
    for path in ("charts/none", "charts/parcel?version=7", "charts/none/diagram"):
        assert gateway.admin.get(f"/interlock/v1/{path}").status == 404
    gateway.admin.command("parcel/drawn", "post", data={"owner": "ann"})
    for start in ("charts/parcel", "instances/parcel/drawn"):
        text = gateway.admin.get(f"/interlock/v1/{start}/diagram?format=mermaid")
        assert (text.status, text.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert b"stateDiagram" in text.raw
    assert gateway.admin.get("/interlock/v1/charts/parcel/diagram?format=gif").status == 422
