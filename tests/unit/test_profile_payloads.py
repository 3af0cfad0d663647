"""What each vendor's receivers are told, from events that our charts really announce.

The expected names stand in the vendors' documents; the events come out of the shipped charts.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import orjson
import pytest
from standardwebhooks.webhooks import Webhook

from interlock.engine.messages import Actor
from interlock.engine.profiles import PROFILES, Outgoing, Verdict, profile_of
from tests.charting import Bench
from tests.desks import shipped

SECRETS = (b"n" * 32, b"o" * 32)
PRINTED = "whsec_" + base64.b64encode(SECRETS[0]).decode()
AGENT = Actor(id="ann", kind="agent", permissions=["read:*", "reply:*", "update_intervention"])
BOT = Actor(id="B-1", kind="integration")
CATALOG = shipped()


class Desk:
    """One instance of a shipped chart, and how its events look in a profile."""

    def __init__(self, machine: str, profile: str, **data: Any) -> None:
        self.profile = profile
        compiled = CATALOG.machine(machine)
        assert compiled is not None
        self.bench = Bench(compiled, **data)

    def told(self) -> list[Any]:
        """The bodies for the events of the last step, in order."""
        assert self.bench.decision
        return [orjson.loads(outgoing(self.profile, event).body) for event in self.bench.decision.events]

    def send(self, name: str, actor: Actor | None = None, **data: Any) -> list[Any]:
        result = self.bench.send(name, actor, **data)
        assert result.status == "applied", result.error
        return self.told()


def outgoing(profile: str, event: bytes) -> Outgoing:
    return profile_of(profile).request(
        event, message="msg_1", webhook_id="wh_1", secrets=SECRETS, at=datetime.now(UTC)
    )


def engage_desk() -> Desk:
    return Desk(
        "intervention",
        "engage",
        content_id="c-1",
        source_id="s-1",
        thread_id="t-1",
        identity_id="i-1",
        user_id="ann",
        category_ids=["cat-1"],
        custom_field_values={"sample_field": None},
    )


def test_engage_wraps_an_intervention_as_its_documentation_shows() -> None:
    opened, assigned = engage_desk().told()
    assert set(opened) == {"id", "domain_id", "events"}
    assert opened["id"] == "msg_1"
    [event] = opened["events"]
    assert event["type"] == "intervention.opened"
    assert assigned["events"][0]["type"] == "intervention.assigned"
    assert event["id"] != assigned["events"][0]["id"]
    assert event["issued_at"] == "2026-01-01T09:00:00.000Z"
    assert event["resource"] == {
        "type": "intervention",
        "id": "k",
        "metadata": {
            "source_id": "s-1",
            "thread_id": "t-1",
            "user_id": "ann",
            "identity_id": "i-1",
            "category_ids": ["cat-1"],
            "closed_at": None,
            "deferred_at": None,
            "custom_field_values": {"sample_field": None},
        },
    }
    assert "user_id" not in event, "no agent triggered it"


def test_engage_names_the_agent_who_triggered_an_event() -> None:
    desk = engage_desk()
    [told] = desk.send("reassign", AGENT, user_id="bob")
    [event] = told["events"]
    assert (event["type"], event["user_id"]) == ("intervention.user_updated", "ann")
    assert event["resource"]["metadata"]["user_id"] == "bob"


def test_engage_shows_another_machine_with_its_public_context_and_nothing_else() -> None:
    desk = Desk("ticket", "engage", queue="fr", metadata={"agentJwt": "canary"})
    [told] = desk.told()
    [event] = told["events"]
    assert (event["type"], event["resource"]["type"]) == ("ticket.created", "ticket")
    assert event["resource"]["metadata"]["queue"] == "fr"
    assert "metadata" not in event["resource"]["metadata"]
    assert "canary" not in str(told)


BOARD = [
    {"id": "B-1", "name": "bot", "integration_id": "I-1", "next_id": "B-2"},
    {"id": "B-2", "name": "desk", "integration_id": "I-2", "integration_type": "custom"},
]
ON_BOARD = [
    {"id": "B-1", "name": "bot", "integrationId": "I-1", "integrationType": "custom"},
    {"id": "B-2", "name": "desk", "integrationId": "I-2", "integrationType": "custom"},
]
"""The same, as Sunshine's payloads show them."""


def switchboard(**data: Any) -> Desk:
    return Desk("switchboard", "sunshine", integrations=BOARD, default_integration="B-1", **data)


def test_sunshine_wraps_switchboard_events_in_its_envelope() -> None:
    desk = switchboard()
    [told] = desk.send(
        "pass_control",
        BOT,
        switchboard_integration="next",
        metadata={"first_message_id": "m-1"},
        reason="ticketClosed",
    )
    assert told["app"] == {"id": "default"}
    assert told["webhook"] == {"id": "wh_1", "version": "v2"}
    [event] = told["events"]
    assert set(event) == {"id", "type", "createdAt", "payload"}
    assert event["type"] == "switchboard:passControl"
    assert event["createdAt"] == "2026-01-01T09:00:00.000Z"
    assert event["payload"] == {
        "conversation": {"id": "k", "type": "sdkGroup", "activeSwitchboardIntegration": ON_BOARD[1]},
        "metadata": {"first_message_id": "m-1"},
        "reason": "ticketClosed",
    }


def test_sunshine_names_each_action_and_each_failure() -> None:
    desk = switchboard()
    [offered] = desk.send("offer_control", BOT, switchboard_integration="desk")
    assert offered["events"][0]["type"] == "switchboard:offerControl"
    assert offered["events"][0]["payload"]["conversation"] == {
        "id": "k",
        "type": "sdkGroup",
        "activeSwitchboardIntegration": ON_BOARD[0],
        "pendingSwitchboardIntegration": ON_BOARD[1],
    }
    assert "reason" not in offered["events"][0]["payload"]
    [accepted] = desk.send("accept_control", Actor(id="B-2", kind="integration"))
    assert accepted["events"][0]["type"] == "switchboard:acceptControl"
    [released] = desk.send("release_control", Actor(id="B-2", kind="integration"))
    assert released["events"][0]["type"] == "switchboard:releaseControl"
    for operation in ("pass", "offer", "accept"):
        [failed] = desk.send(
            "report_failure",
            operation=f"{operation}_control",
            code="switchboard_invalid_action",
            message="No control to accept.",
        )
        [event] = failed["events"]
        assert event["type"] == f"switchboard:{operation}Control:failure"
        assert event["payload"]["error"] == {
            "code": "switchboard_invalid_action",
            "message": "No control to accept.",
        }


def test_sunshine_tells_the_metadata_of_what_failed() -> None:
    metadata = {"first_message_id": "m-1"}
    desk = switchboard(details={"type": "personal", "metadata": {"vip": True}})
    [told] = desk.send("pass_control", BOT, switchboard_integration="nobody", metadata=metadata)
    [event] = told["events"]
    assert event["type"] == "switchboard:passControl:failure"
    assert event["payload"] == {
        "conversation": {
            "id": "k",
            "type": "personal",
            "metadata": {"vip": True},
            "activeSwitchboardIntegration": ON_BOARD[0],
        },
        "metadata": metadata,
        "error": {
            "code": "switchboard_invalid_target",
            "message": "No integration on the board is meant by this.",
        },
    }


def test_sunshine_tells_a_conversation_from_its_beginning_to_its_end() -> None:
    desk = switchboard()
    [created] = [told["events"][0] for told in desk.told()]
    there = {"conversation": {"id": "k", "type": "sdkGroup", "activeSwitchboardIntegration": ON_BOARD[0]}}
    assert (created["type"], created["payload"]) == ("conversation:create", there)
    read = {"type": "conversation:read", "source": {"type": "api"}}
    for name, data, kind, more in (
        ("join", {"user": "u-1"}, "conversation:join", {"user": {"id": "u-1"}}),
        ("join", {"user": "u-2"}, "conversation:join", {"user": {"id": "u-2"}}),
        ("read", {}, "conversation:read", {"activity": {**read, "author": {"type": "business"}}}),
        (
            "read",
            {"user": "u-2"},
            "conversation:read",
            {"activity": {**read, "author": {"type": "user", "userId": "u-2"}}},
        ),
        ("leave", {"user": "u-1"}, "conversation:leave", {"user": {"id": "u-1"}}),
    ):
        [told] = desk.send(name, BOT, **data)
        assert (told["events"][0]["type"], told["events"][0]["payload"]) == (kind, {**there, **more})
    [told] = desk.send("delete", BOT)
    [event] = told["events"]
    assert event["type"] == "conversation:remove"
    assert event["payload"] == {"conversation": {"id": "k", "type": "sdkGroup"}}


def test_sunshine_tells_what_is_said_and_who_was_in_control() -> None:
    said = {"author": {"type": "user", "userId": "u-1"}, "content": {"type": "text", "text": "Hello"}}
    conversation = {"id": "C-1", "type": "sdkGroup", "activeSwitchboardIntegration": ON_BOARD[0]}
    source = {"type": "api"}
    desk = Desk(
        "message", "sunshine", conversation="C-1", shown_conversation=conversation, source=source, **said
    )
    [told] = desk.told()
    [event] = told["events"]
    assert event["type"] == "conversation:message"
    message = {"id": "k", "received": "2026-01-01T09:00:00.000Z", "source": source, **said}
    assert event["payload"] == {"conversation": conversation, "message": message}


def test_sunshine_tells_how_users_change_and_that_they_are_gone() -> None:
    desk = Desk("user", "sunshine", external_id="cust-1")
    [told] = desk.send("update", BOT, profile={"givenName": "Ada"})
    [event] = told["events"]
    assert event["type"] == "user:update"
    user = {"id": "k", "authenticated": False, "externalId": "cust-1"}
    assert event["payload"]["user"].items() >= {**user, "profile": {"givenName": "Ada"}}.items()
    [told] = desk.send("delete", BOT)
    [event] = told["events"]
    assert (event["type"], event["payload"]) == ("user:remove", {"user": user})


def test_sunshine_spells_what_it_does_not_know_in_its_own_way() -> None:
    [told] = switchboard().send("describe", BOT, changes={"displayName": "Shoes"})
    assert told["events"][0]["type"] == "switchboard:conversationUpdated"
    [told] = Desk("interaction", "sunshine", queue="mail").told()
    [event] = told["events"]
    assert event["type"] == "interaction:created"
    assert event["payload"]["interaction"]["queue"] == "mail"


def test_genesys_tells_each_state_of_an_interaction() -> None:
    desk = Desk("interaction", "genesys", channel="chat", queue="sales", user_data={"a": "1"})
    [created] = desk.told()
    assert created["messageType"] == "InteractionStateChanged"
    assert created["notificationType"] == "StatusChange"
    shown = created["interaction"]
    assert (shown["id"], shown["mediatype"], shown["state"]) == ("k", "chat", "Queued")
    assert (shown["userData"], shown["currentQueue"], shown["capabilities"]) == ({"a": "1"}, "sales", [])
    states = []
    ann = Actor(id="ann", kind="agent")
    for name, actor, data in [
        ("route", None, {}),
        ("invite", None, {"agent": "ann"}),
        ("accept", ann, {}),
        ("place_in_workbin", ann, {"workbin": "later"}),
        ("pull", ann, {}),
        ("transfer", ann, {"agent": "bob"}),
        ("reject", Actor(id="bob", kind="agent"), {}),
        ("invite", None, {"agent": "cat"}),
        ("accept", Actor(id="cat", kind="agent"), {}),
        ("place_in_queue", Actor(id="cat", kind="agent"), {"queue": "back office"}),
    ]:
        [told] = desk.send(name, actor, **data)
        assert told["operationId"].startswith("c")
        one = told["interaction"]
        states.append((name, one["state"], one["workflowState"], one.get("assignedTo")))
    assert states == [
        ("route", "Routing", "Routing", None),
        ("invite", "Invited", "Delivering", "ann"),
        ("accept", "Chatting", "Handling", "ann"),
        ("place_in_workbin", "InWorkbin", "InWorkbin", "ann"),
        ("pull", "Chatting", "Handling", "ann"),
        ("transfer", "Invited", "Delivering", "bob"),
        ("reject", "Completed", "Routing", None),
        ("invite", "Invited", "Delivering", "cat"),
        ("accept", "Chatting", "Handling", "cat"),
        ("place_in_queue", "Completed", "Queued", None),
    ]


def test_genesys_tells_changed_user_data_apart_and_what_may_be_done_now() -> None:
    desk = Desk("interaction", "genesys", queue="sales")
    desk.send("invite", agent="ann")
    ann = Actor(id="ann", kind="agent")
    assert desk.told()[0]["interaction"]["capabilities"] == ["Accept", "Reject"]
    desk.send("accept", ann)
    [told] = desk.send("update_user_data", ann, user_data={"b": "2"})
    assert (told["messageType"], told["notificationType"]) == ("InteractionStateChanged", "PropertiesUpdated")
    assert told["interaction"]["userData"] == {"b": "2"}
    assert told["interaction"]["state"] == "Processing"
    assert {"Complete", "Transfer", "PlaceInQueue"} <= set(told["interaction"]["capabilities"])
    [done] = desk.send("complete", ann)
    assert (done["interaction"]["state"], done["interaction"]["capabilities"]) == ("Completed", [])


def test_genesys_puts_other_machines_into_the_same_envelope() -> None:
    [told] = Desk("ticket", "genesys", queue="fr").told()
    assert (told["messageType"], told["eventType"]) == ("TicketStateChanged", "ticket.created")
    assert told["ticket"]["queue"] == "fr"


def test_plain_tells_a_ticket_in_zammads_words() -> None:
    desk = Desk("ticket", "plain", queue="fr", priority=2, customer={"name": "Zoë"})
    [created] = desk.told()
    assert created["event"] == "ticket.created"
    assert created["ticket"]["state"] == "new"
    [assigned] = desk.send("assign", agent="ann")
    shown = assigned["ticket"]
    assert (shown["id"], shown["state"], shown["lifecycle_state"]) == ("k", "open", "assigned")
    assert (shown["group"], shown["owner"], shown["priority"]) == ("fr", "ann", 2)
    assert shown["customer"] == {"name": "Zoë"}
    [closed] = desk.send("close", Actor(id="m", kind="admin"))
    assert closed["ticket"]["state"] == "closed"


def test_plain_tells_other_machines_by_their_public_context() -> None:
    [told] = Desk("interaction", "plain", queue="mail").told()
    assert told["interaction"]["queue"] == "mail"
    assert told["interaction"]["state"] == "queued"


EVENT = orjson.dumps({"id": "e-1", "type": "ticket.assigned", "subject": "T-1", "data": {"context": {}}})


@pytest.mark.parametrize("name", ["engage", "sunshine", "genesys", "plain"])
def test_every_profile_is_json_with_the_vendors_header_and_our_own_signature(name: str) -> None:
    made = outgoing(name, EVENT)
    vendors = {
        "engage": {"X-Dimelo-Secret": PRINTED},
        "sunshine": {"X-API-Key": PRINTED},
        "genesys": {"X-Hub-Signature": hub(made.body)},
        "plain": {
            "X-Hub-Signature": hub(made.body),
            "X-Zammad-Delivery": "msg_1",
            "X-Zammad-Trigger": "ticket.assigned",
        },
    }[name]
    assert made.headers.items() >= vendors.items()
    assert made.headers["Content-Type"] == "application/json"
    Webhook(PRINTED).verify(made.body, dict(made.headers))
    assert outgoing(name, EVENT).body == made.body, "attempts must not differ"
    assert PRINTED not in repr(made)


def hub(body: bytes) -> str:
    return "sha1=" + hmac.new(PRINTED.encode(), body, hashlib.sha1).hexdigest()


@pytest.mark.parametrize("name", sorted(PROFILES))
@pytest.mark.parametrize(
    "event",
    [
        b'{"id":"e","type":"t"}',
        b'{"id":7,"type":["x"],"data":7}',
        b'{"id":"e","type":"switchboard.participant_joined","data":{"changed":{"participants":[7]},"context":{"integrations":[7,{"id":7},{"id":"a"}],"active":"a","details":7}}}',
        b'{"id":"e","type":"switchboard.conversation_read","data":{"changed":{"last_read":{"from":7,"to":"x"}}}}',
        b'{"id":"e","type":"switchboard.control_pass_failed","data":{"context":{"failure":"x"}}}',
        b'{"id":"e","type":"message.posted","data":{"context":{"shown_conversation":7}}}',
        b'{"id":"e","type":"user.deleted","data":{"changed":7}}',
        b'{"id":"e","type":"a.b","data":{"to":"x","from":[7],"context":[],"actor":"x","command":null}}',
        b'{"id":"e","type":"a\\r\\nX-Injected: yes","source":7,"subject":{},"data":{"version":"x"}}',
        b"[]",
        b"null",
    ],
)
def test_whatever_stands_in_the_outbox_no_profile_breaks_on_it(name: str, event: bytes) -> None:
    made = outgoing(name, event)
    assert orjson.loads(made.body) is not None or event == b"null"
    assert all("\r" not in value and "\n" not in value for value in made.headers.values())


@pytest.mark.parametrize(
    ("name", "verdicts"),
    [
        ("engage", {200: "delivered", 201: "retry", 204: "retry", 302: "retry", 404: "retry", 500: "retry"}),
        (
            "sunshine",
            {200: "delivered", 204: "delivered", 400: "dead", 401: "dead", 403: "dead", 404: "dead"}
            | {405: "retry", 406: "dead", 409: "retry", 429: "retry", 500: "retry", 503: "retry"},
        ),
        ("genesys", {200: "delivered", 202: "retry", 400: "retry", 500: "retry"}),
        ("plain", {200: "delivered", 201: "delivered", 302: "retry", 404: "retry", 500: "retry"}),
    ],
)
def test_the_vendors_tables_of_answers(name: str, verdicts: dict[int, str]) -> None:
    profile = profile_of(name)
    assert {status: profile.verdict(status, {}).value for status in verdicts} == verdicts
    assert profile.verdict(None, {}) is Verdict.RETRY
    assert profile.verdict(410, {}) is Verdict.DISABLE


def test_the_vendors_schedules() -> None:
    assert profile_of("engage").schedule == (32, 4 * 60, 17 * 60, 52 * 60, 2 * 3600)
    sunshine = profile_of("sunshine")
    assert sunshine.timeout_seconds == 20
    assert sunshine.schedule is not None
    assert len(sunshine.schedule) + 1 == 5
    assert all(later == 3 * earlier for earlier, later in pairwise(sunshine.schedule))
    assert 1.1 * sum(sunshine.schedule) + 5 * 20 <= 15 * 60, "jitter and every deadline included"
    assert profile_of("plain").schedule == (10, 20, 30, 40)
    assert profile_of("standard").schedule is None


@pytest.mark.parametrize("profile", ["engage", "sunshine", "genesys", "plain"])
def test_a_vendors_payload_names_the_tenant_and_its_key_as_it_knows_it(profile: str) -> None:
    desk = {"sunshine": switchboard, "engage": engage_desk}.get(profile, engage_desk)()
    assert desk.bench.decision
    event = orjson.loads(desk.bench.decision.events[0]) | {"subject": "~acme~C-1"}
    body = outgoing(profile, orjson.dumps(event)).body
    assert b"C-1" in body
    assert b"~" not in body
    if profile in ("engage", "sunshine"):
        told = orjson.loads(body)
        assert told.get("domain_id", told.get("app", {}).get("id")) == "acme"
