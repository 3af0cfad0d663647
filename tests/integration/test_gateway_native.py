"""The native API beside commands and instances: a real deployment behind it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson
import pytest

from tests.integration.gateway_setup import KEYS, Gateway, read
from tests.integration.http_client import Answer, Client, wait_until


def put(client: Client, path: str, body: Any = None, **headers: str) -> Answer:
    raw = b"" if body is None else orjson.dumps(body)
    return client.send("PUT", f"/interlock/v1/{path}", raw, content_type="application/json", **headers)


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
        ("queues/bad", {"overflow_to": "\x07"}, 422),
        ("agents/bad", {"queues": ["\x0c"]}, 422),
    ],
)
def test_what_cannot_be_made_is_refused(gateway: Gateway, path: str, body: Any, status: int) -> None:
    refused = put(gateway.admin, path, body)
    assert (refused.status, refused.is_problem) == (status, True)


def test_an_agent_makes_no_queue(gateway: Gateway) -> None:
    refused = put(gateway.with_token("agent"), "queues/theirs", {})
    assert (refused.status, refused.is_problem) == (403, True)
    assert (refused.body["class"], refused.body["code"]) == ("forbidden", "actor_kind")


def test_a_put_sent_again_under_its_key_counts_once_and_one_for_another_body_is_refused(
    gateway: Gateway,
) -> None:
    def name(text: str, key: str) -> Answer:
        return put(gateway.admin, "agents/keyed", {"name": text}, idempotency_key=key)

    first, again = name("Ann", "put-1"), name("Ann", "put-1")
    assert [first.status, again.status, again.body["version"]] == [200, 200, first.body["version"]]
    reused = name("Bob", "put-1")
    assert (reused.status, reused.body["code"], reused.is_problem) == (409, "id_reused", True)
    assert name("Bob", "put-2").body["version"] == first.body["version"] + 1


def test_a_put_for_a_version_that_is_gone_is_refused(gateway: Gateway) -> None:
    made = put(gateway.admin, "queues/versioned", {})
    changed = put(gateway.admin, "queues/versioned", {"max_waiting": 5}, if_match=made.headers["etag"])
    assert (changed.status, changed.body["context"]["max_waiting"]) == (200, 5)
    stale = put(gateway.admin, "queues/versioned", {"max_waiting": 6}, if_match=made.headers["etag"])
    assert (stale.status, stale.body["code"]) == (409, "stale_version")


def test_what_was_put_is_read_at_its_path_by_those_who_may(gateway: Gateway) -> None:
    own = gateway.with_token("admin", tenant="deskread")
    for kind in ("queue", "workbin", "agent"):
        made = [put(own, f"{kind}s/{name}", {}) for name in ("a%20b", "c")]
        one = own.get(f"/interlock/v1/{kind}s/a%20b")
        assert (one.status, one.body, one.headers["etag"]) == (200, made[0].body, '"1"')
        first = own.get(f"/interlock/v1/{kind}s?limit=1").body
        rest = own.get(f"/interlock/v1/{kind}s?cursor={quote(first['next'])}").body
        assert [each["key"] for each in first["instances"] + rest["instances"]] == ["a b", "c"]
        assert own.get(f"/interlock/v1/{kind}s/none").status == 404
        assert gateway.admin.get(f"/interlock/v1/{kind}s/a%20b").status == 404
        agent = gateway.with_token("agent", tenant="deskread")
        assert agent.get(f"/interlock/v1/{kind}s").status == 403


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
    assert tried({"name": "send"}, key="%07").body["error"]["class"] == "malformed"
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


# Looking after it


def send(client: Client, method: str, path: str, body: Any = None) -> Answer:
    raw = b"" if body is None else orjson.dumps(body)
    return client.send(method, f"/interlock/v1/{path}", raw, content_type="application/json")


def test_a_webhook_is_added_seen_switched_tested_and_removed(gateway: Gateway) -> None:
    admin = gateway.admin
    refused = send(admin, "POST", "webhooks", {"url": "http://127.0.0.1:1/hook"})
    assert (refused.status, refused.body["code"]) == (422, "url_refused")
    made = send(admin, "POST", "webhooks", {"url": "https://example.com/hook", "events": ["never.*"]})
    assert (made.status, made.body["secret"][:6]) == (201, "whsec_")
    path = "webhooks/" + made.body["id"]
    assert made.headers["location"] == "/interlock/v1/" + path
    assert made.body["secret"].encode() not in send(admin, "GET", path).raw
    assert made.body["id"] in [one["id"] for one in send(admin, "GET", "webhooks").body["webhooks"]]
    assert send(admin, "POST", f"{path}/disable").body["enabled"] is False
    assert send(admin, "POST", f"{path}/redeliver", {}).status == 409
    changed = send(admin, "PATCH", path, {"events": ["never.ever"], "description": "For nobody."})
    assert (changed.body["events"], changed.body["description"]) == (["never.ever"], "For nobody.")
    assert send(admin, "PATCH", path, {"url": "http://127.0.0.1:1/"}).body["code"] == "url_refused"
    assert send(admin, "POST", f"{path}/enable").body["enabled"] is True
    assert send(admin, "POST", f"{path}/redeliver", {}).body == {"id": made.body["id"], "requested": 0}
    assert send(admin, "POST", f"{path}/rotate", {"grace_seconds": 5}).body["secret"] != made.body["secret"]
    assert send(admin, "GET", f"{path}/deliveries").body == {"deliveries": [], "next": None}
    assert send(admin, "DELETE", path).status == 204
    for method, gone in (("GET", path), ("DELETE", path), ("POST", f"{path}/enable")):
        assert send(admin, method, gone).status == 404
    audit = send(admin, "GET", "audit?limit=50").body["audit"]
    deeds = [deed["action"] for deed in audit if deed["target"] == made.body["id"]]
    assert deeds == [
        f"webhook.{word}"
        for word in ("removed", "rotated", "redelivered", "enabled", "updated", "disabled", "added")
    ]
    assert audit[0]["actor"] == {"id": "root", "kind": "admin", "tenant": "default"}


@pytest.mark.parametrize(
    "body",
    [
        {"url": "https://example.com/", "events": ["no such!"]},
        {"url": "https://example.com/", "profile": "none"},
        {"url": "https://example.com/", "signature": "none"},
        {"url": "https://example.com/", "rate": "fast"},
        {"url": "https://example.com/", "secret": "short"},
        {"url": "https://example.com/", "verify_token": "x"},
        {"url": "ftp://example.com/"},
        {"url": "https://example.com/", "more": 1},
        {},
    ],
)
def test_a_webhook_that_cannot_be_is_refused(gateway: Gateway, body: Any) -> None:
    answer = send(gateway.admin, "POST", "webhooks", body)
    assert (answer.status, answer.is_problem) == (422, True)


def test_only_those_who_look_after_the_deployment_may(gateway: Gateway) -> None:
    paths = ("webhooks", "webhooks/x", "audit", "dead-letters", "dead-letters/0:1-1")
    others = [gateway.with_token(kind, permissions=["read:*"]) for kind in ("agent", "supervisor", "bot")]
    for client in [*others, gateway.with_token("admin", tenant="elsewhere")]:
        assert {send(client, "GET", path).status for path in paths} == {403}


def test_a_dead_letter_is_seen_sent_again_and_thrown_away(gateway: Gateway) -> None:
    place = KEYS.of_instance("parcel", "dead").instance("parcel", "dead")
    gateway.client.set(place, "what somebody else wrote")
    gateway.client.xadd("interlock:commands", {"command": b'{"machine": "parcel", "key": "d'})
    died = gateway.admin.command("parcel/dead", "post", data={"owner": "ann", "pin": "secret-pin"})
    assert died.body["status"] == "dead"

    def letters() -> list[Any]:
        return list(send(gateway.admin, "GET", "dead-letters").body["letters"])

    found = wait_until(lambda: len(letters()) >= 2 and letters())
    broken = next(one for one in found if one["machine"] is None)
    whole = next(one for one in found if one["machine"] == "parcel")
    assert whole["command"] == {"name": "post", "data": {"owner": "ann"}}
    assert send(gateway.admin, "GET", f"dead-letters/{whole['letter_id']}").body == whole
    assert send(gateway.admin, "POST", f"dead-letters/{broken['letter_id']}/retry").status == 409
    gateway.client.delete(place)
    again = send(gateway.admin, "POST", f"dead-letters/{whole['letter_id']}/retry")
    assert (again.status, again.body["command"]) == (202, f"retry-{whole['letter_id']}")
    path = f"/interlock/v1/commands/{again.body['command']}"
    result = wait_until(lambda: (found := gateway.admin.get(path)).status == 200 and found.body)
    assert (result["status"], result["key"]) == ("applied", "dead")
    assert send(gateway.admin, "DELETE", f"dead-letters/{broken['letter_id']}").status == 204
    for letter_id in (broken["letter_id"], whole["letter_id"], "x", "99:1-1", "0:1-1"):
        for method, end in (("GET", ""), ("DELETE", ""), ("POST", "/retry")):
            assert send(gateway.admin, method, f"dead-letters/{letter_id}{end}").status == 404


def test_many_get_one_command_after_it_was_tried(gateway: Gateway) -> None:
    for number in range(4):
        owner = {"data": {"owner": "bulk"}}
        gateway.admin.command(f"parcel/bulk-{number}", "post", **owner)
    gateway.admin.command("parcel/bulk-0", "send")
    wish = {"machine": "parcel", "name": "send", "where": {"owner": "bulk"}}
    tried = send(gateway.admin, "POST", "bulk", wish).body
    assert (tried["dry_run"], tried["counts"]) == (True, {"applied": 3, "refused": 1})
    assert read(gateway.admin, "parcel/bulk-1")["version"] == 1
    sent = send(gateway.admin, "POST", "bulk", {**wish, "dry_run": False, "id": "b1"}).body
    assert sent["counts"] == {"applied": 3, "refused": 1}
    again = send(gateway.admin, "POST", "bulk", {**wish, "dry_run": False, "id": "b1"}).body
    assert again["counts"] == {"applied": 3, "refused": 1}
    assert read(gateway.admin, "parcel/bulk-1")["version"] == 2
    unknown = send(gateway.admin, "POST", "bulk", {**wish, "machine": "parcle"})
    assert (unknown.status, unknown.is_problem, unknown.body["code"]) == (404, True, "unknown_machine")
    named = {"machine": "parcel", "name": "deliver", "keys": ["bulk-1", "bulk-none"], "dry_run": False}
    outcome = send(gateway.admin, "POST", "bulk", named).body["instances"]
    assert [(one["key"], one["status"]) for one in outcome] == [
        ("bulk-1", "applied"),
        ("bulk-none", "refused"),
    ]
    stranger = gateway.with_token("admin", tenant="elsewhere")
    assert send(stranger, "POST", "bulk", wish).body["instances"] == []
    blind = gateway.with_token("agent", permissions=["read:web"])
    assert send(blind, "POST", "bulk", {**named, "keys": ["bulk-2"]}).body["counts"] == {"refused": 1}
    assert send(gateway.admin, "POST", "bulk", {**named, "states": ["sent"]}).status == 400
