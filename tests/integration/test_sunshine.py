"""Sunshine's API on a running deployment, by the vendor's own client and by one that sends what that never would."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from secrets import token_hex
from typing import Any
from urllib.parse import quote

import jwt
import orjson
import pytest
import redis
from starlette.types import ASGIApp

from interlock.engine import tokens
from interlock.gateway import asking
from interlock.gateway.deployment import ServedDeployment
from tests.integration.asgi import in_gateway, over_http
from tests.integration.gateway_setup import KEYS, Gateway
from tests.integration.http_client import Answer, Client, basic, environment, wait_until

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import sunshine_conversations_client as vendor
    from sunshine_conversations_client import exceptions as failures

BASE = "/sunshine/v2/apps"


@dataclass(frozen=True)
class App:
    """An app with a board: a bot in control first, a desk behind it. ``keys``: of each, what Basic takes."""

    url: str
    id: str
    admin: Client
    keys: dict[str, dict[str, str]]
    board: str
    integrations: dict[str, str]

    def call(self, method: str, path: str, body: Any = None, client: Client | None = None) -> Answer:
        raw = None if body is None else orjson.dumps(body)
        sent = {} if raw is None else {"content_type": "application/json"}
        return (client or self.admin).send(method, f"{BASE}/{self.id}{path}", raw, **sent)

    def by(self, name: str) -> Client:
        return Client(self.url, self.keys[name]["token"])

    def api(self, name: str, url: str | None = None) -> vendor.ApiClient:
        keys = self.keys[name]
        return api_of(url or self.url, username=keys["key_id"], password=keys["secret"])

    def begun(self, **body: Any) -> str:
        answer = self.call("POST", "/conversations", {"type": "sdkGroup", **body})
        assert answer.status == 201, answer.raw
        return str(answer.body["conversation"]["id"])

    def conversation(self, key: str) -> dict[str, Any]:
        answer = self.call("GET", f"/conversations/{key}")
        assert answer.status == 200, answer.raw
        return dict(answer.body["conversation"])

    def active(self, key: str) -> str | None:
        found = self.conversation(key).get("activeSwitchboardIntegration")
        return found["name"] if found else None

    def says(self, key: str, external_id: str, text: str = "Hello") -> Answer:
        author = {"type": "user", "userExternalId": external_id}
        return self.call(
            "POST",
            f"/conversations/{key}/messages",
            {"author": author, "content": {"type": "text", "text": text}},
        )


def api_of(url: str, **credentials: str) -> vendor.ApiClient:
    """The vendor's client: ``username`` and ``password``, or ``access_token``."""
    configuration = vendor.Configuration(host=f"{url}/sunshine", **credentials)
    return vendor.ApiClient(configuration)


def made(answer: Answer) -> Any:
    assert answer.status == 201, (answer.status, answer.raw)
    return answer.body


def refused(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.body["errors"][0]["code"]) == (status, code), answer.raw
    assert all(error.keys() == {"code", "title"} for error in answer.body["errors"])
    assert answer.body.keys() == {"errors"}


def seen(app: App, machine: str, key: str) -> dict[str, Any]:
    """An instance by the native API; empty where there is none."""
    answer = app.admin.get(f"/interlock/v1/instances/{machine}/{quote(key, safe='')}")
    return dict(answer.body) if answer.status == 200 else {}


def with_board(gateway: Gateway) -> App:
    app = f"app-{token_hex(4)}"
    keys = {
        name: tokens.create(gateway.client, KEYS, kind, id=f"{name}-{token_hex(3)}", tenant=app)
        for name, kind in {
            "admin": "admin",
            "bot": "integration",
            "hub": "integration",
            "stranger": "integration",
            "agent": "agent",
        }.items()
    }
    found = App(gateway.url, app, Client(gateway.url, keys["admin"]["token"]), keys, "", {})
    board = made(found.call("POST", "/switchboards"))["switchboard"]
    assert board["enabled"] is False
    path = f"/switchboards/{board['id']}"
    integrations = {}
    for name in ("hub", "bot"):
        body = {"name": name, "integrationId": keys[name]["id"]}
        if name == "bot":
            body["nextSwitchboardIntegrationId"] = integrations["hub"]
        one = made(found.call("POST", f"{path}/switchboardIntegrations", body))["switchboardIntegration"]
        assert one["integrationType"] == "custom"
        integrations[name] = one["id"]
    enabled = {"enabled": True, "defaultSwitchboardIntegrationId": integrations["bot"]}
    assert found.call("PATCH", path, enabled).body["switchboard"]["enabled"] is True
    return App(gateway.url, app, found.admin, keys, board["id"], integrations)


@pytest.fixture(scope="module")
def app(gateway: Gateway) -> Iterator[App]:
    yield with_board(gateway)


# The vendor's client


def test_a_whole_hand_over_by_the_vendors_client(app: App) -> None:
    bot, hub, stranger = (vendor.SwitchboardActionsApi(app.api(name)) for name in ("bot", "hub", "stranger"))
    conversations = vendor.ConversationsApi(app.api("admin"))
    messages = vendor.MessagesApi(app.api("admin"))
    begun = conversations.create_conversation(app.id, vendor.ConversationCreateBody(type="sdkGroup"))
    key = begun.conversation.id

    def active() -> str | None:
        found = conversations.get_conversation(app.id, key).conversation.active_switchboard_integration
        return found.name if found else None

    assert begun.conversation.active_switchboard_integration.name == "bot"
    assert bot.pass_control(app.id, key, vendor.PassControlBody(switchboardIntegration="next")) == {}
    assert active() == "hub"
    offer = vendor.OfferControlBody(switchboardIntegration="bot", metadata={"first_message_id": "m1"})
    assert hub.offer_control(app.id, key, offer) == {}
    pending = conversations.get_conversation(app.id, key).conversation.pending_switchboard_integration
    assert (pending.name, active()) == ("bot", "hub")
    with pytest.raises(failures.ForbiddenException) as forbidden:
        stranger.accept_control(app.id, key, vendor.AcceptControlBody())
    assert forbidden.value.data.errors[0].code == "forbidden"
    assert bot.accept_control(app.id, key, vendor.AcceptControlBody()) == {}
    assert active() == "bot"
    with pytest.raises(failures.ForbiddenException):
        hub.release_control(app.id, key)
    assert bot.release_control(app.id, key) == {}
    assert active() is None
    with pytest.raises(failures.NotFoundException) as missing:
        bot.release_control(app.id, "0" * 24)
    assert missing.value.data.errors[0].code == "conversation_not_found"
    author = vendor.Author(type="user", userExternalId=f"cust-{token_hex(4)}")
    content = vendor.Content(vendor.TextMessage(type="text", text="Still there?"))
    posted = messages.post_message(app.id, key, vendor.MessagePost(author=author, content=content))
    assert posted.messages[0].content.actual_instance.text == "Still there?"
    assert active() == "bot"


def test_the_vendors_client_manages_the_board(app: App) -> None:
    boards = vendor.SwitchboardsApi(app.api("admin"))
    integrations = vendor.SwitchboardIntegrationsApi(app.api("admin"))
    assert [each.id for each in boards.list_switchboards(app.id).switchboards] == [app.board]
    wish = vendor.SwitchboardIntegrationCreateBody(name="desk", integrationType="zd:agentWorkspace")
    one = integrations.create_switchboard_integration(app.id, app.board, wish).switchboard_integration
    assert (one.integration_type, one.deliver_standby_events) == ("zd:agentWorkspace", True)
    change = vendor.SwitchboardIntegrationUpdateBody(messageHistoryCount=5)
    changed = integrations.update_switchboard_integration(app.id, app.board, one.id, change)
    assert changed.switchboard_integration.message_history_count == 5
    listed = integrations.list_switchboard_integrations(app.id, app.board).switchboard_integrations
    assert [each.name for each in listed] == ["hub", "bot", "desk"]
    integrations.delete_switchboard_integration(app.id, app.board, one.id)
    with pytest.raises(failures.NotFoundException):
        integrations.delete_switchboard_integration(app.id, app.board, one.id)
    with pytest.raises(failures.BadRequestException):
        boards.create_switchboard(app.id)
    with pytest.raises(failures.ForbiddenException):
        vendor.SwitchboardsApi(app.api("bot")).list_switchboards(app.id)


def test_the_vendors_client_lists(app: App) -> None:
    person = f"cust-{token_hex(4)}"
    keys = [app.begun() for _ in range(3)]
    for key in keys:
        made(app.says(key, person))
    conversations = vendor.ConversationsApi(app.api("bot"))
    wish = vendor.ConversationListFilter(userExternalId=person)
    first = conversations.list_conversations(app.id, wish, page=vendor.Page(size=2))
    assert [each.id for each in first.conversations] == keys[:2]
    assert first.meta.has_more is True
    rest = conversations.list_conversations(
        app.id, wish, page=vendor.Page(size=2, after=first.meta.after_cursor)
    )
    assert [each.id for each in rest.conversations] == keys[2:]
    for text in ("two", "three"):
        made(app.says(keys[0], person, text))
    found = vendor.MessagesApi(app.api("bot")).list_messages(app.id, keys[0])
    assert [each.content.actual_instance.text for each in found.messages] == ["Hello", "two", "three"]
    people = vendor.ParticipantsApi(app.api("bot")).list_participants(app.id, keys[0]).participants
    assert [each.user_external_id for each in people] == [person]


def test_users_by_the_vendors_client(app: App) -> None:
    users = vendor.UsersApi(app.api("bot"))
    wish = vendor.UserCreateBody(externalId=f"cust-{token_hex(4)}", profile=vendor.Profile(givenName="Ada"))
    one = users.create_user(app.id, wish).user
    with pytest.raises(failures.ConflictException):
        users.create_user(app.id, wish)
    change = vendor.UserUpdateBody(profile=vendor.Profile(surname="Lovelace"))
    assert users.update_user(app.id, one.external_id, change).user.profile.given_name == "Ada"
    assert users.get_user(app.id, one.id).user.profile.surname == "Lovelace"
    users.delete_user(app.id, one.id)
    with pytest.raises(failures.NotFoundException):
        users.get_user(app.id, one.external_id)


def said_by(api: vendor.ApiClient, app: App, key: str, text: str, person: str | None = None) -> str:
    author = vendor.Author(type="user", userExternalId=person) if person else vendor.Author(type="business")
    content = vendor.Content(vendor.TextMessage(type="text", text=text))
    posted = vendor.MessagesApi(api).post_message(
        app.id, key, vendor.MessagePost(author=author, content=content)
    )
    return str(posted.messages[0].id)


def test_the_vendors_client_deletes_what_was_said_and_conversations(app: App) -> None:
    api = app.api("bot")
    messages, conversations = vendor.MessagesApi(api), vendor.ConversationsApi(api)
    key, other = app.begun(), app.begun()
    ids = [said_by(api, app, key, text) for text in ("one", "two", "three")]
    with pytest.raises(failures.NotFoundException):
        messages.delete_message(app.id, other, ids[0])
    assert messages.delete_message(app.id, key, ids[0]) == {}
    assert [each.id for each in messages.list_messages(app.id, key).messages] == ids[1:]
    with pytest.raises(failures.NotFoundException):
        messages.delete_message(app.id, key, ids[0])
    assert messages.delete_all_messages(app.id, key) == {}
    assert messages.list_messages(app.id, key).messages == []
    last = said_by(api, app, key, "four")
    assert conversations.delete_conversation(app.id, key) == {}
    with pytest.raises(failures.NotFoundException) as missing:
        conversations.delete_conversation(app.id, key)
    assert missing.value.data.errors[0].code == "conversation_not_found"
    left = seen(app, "message", last)
    assert (left["state"], left["context"]["content"]) == (["deleted"], {})
    for operation in ("passControl", "offerControl", "acceptControl", "releaseControl"):
        body = {"switchboardIntegration": "hub"} if operation[:4] in ("pass", "offe") else {}
        answer = app.call("POST", f"/conversations/{key}/{operation}", body)
        refused(answer, 404, "conversation_not_found")
    refused(app.says(key, "cust"), 404, "conversation_not_found")


def test_a_users_default_conversation_is_not_deleted(app: App) -> None:
    participants = [{"userExternalId": f"cust-{token_hex(4)}"}]
    first, second = (app.begun(type="personal", participants=participants) for _ in range(2))
    made(app.says(first, participants[0]["userExternalId"]))
    refused(app.call("DELETE", f"/conversations/{first}"), 400, "bad_request")
    path = f"/conversations/{first}/messages"
    assert len(app.call("GET", path).body["messages"]) == 1, "what was said in it stands"
    assert app.call("DELETE", path).body == {}
    assert app.call("DELETE", f"/conversations/{second}").body == {}


def test_the_vendors_client_tells_who_has_read(app: App) -> None:
    api, person = app.api("bot"), f"cust-{token_hex(4)}"
    activities, participants = vendor.ActivitiesApi(api), vendor.ParticipantsApi(api)
    key = app.begun()
    said_by(api, app, key, "Hello", person)
    business = vendor.Author(type="business")
    for kind in ("typing:start", "typing:stop"):
        assert activities.post_activity(app.id, key, vendor.ActivityPost(type=kind, author=business)) == {}
    for text in ("Good day", "How can we help?"):
        said_by(api, app, key, text)
    [before] = participants.list_participants(app.id, key).participants
    assert (before.unread_count, before.last_read) == (2, None)
    customer = vendor.Author(type="user", userExternalId=person)
    for author in (customer, business):
        read = vendor.ActivityPost(type="conversation:read", author=author)
        assert activities.post_activity(app.id, key, read) == {}
    [after] = participants.list_participants(app.id, key).participants
    assert after.unread_count == 0
    assert after.last_read is not None
    found = vendor.ConversationsApi(api).get_conversation(app.id, key).conversation
    assert found.business_last_read >= after.last_read
    with pytest.raises(failures.BadRequestException):  # only the business is typing
        activities.post_activity(app.id, key, vendor.ActivityPost(type="typing:start", author=customer))
    with pytest.raises(failures.NotFoundException):
        activities.post_activity(app.id, app.begun(), read_by(person))
    with pytest.raises(failures.NotFoundException):
        activities.post_activity(app.id, key, read_by("nobody-at-all"))


def read_by(person: str) -> vendor.ActivityPost:
    author = vendor.Author(type="user", userExternalId=person)
    return vendor.ActivityPost(type="conversation:read", author=author)


# Control


def test_an_empty_body_releases(app: App) -> None:
    key = app.begun()
    answer = app.by("bot").send(
        "POST", f"{BASE}/{app.id}/conversations/{key}/releaseControl", b"", content_type="application/json"
    )
    assert (answer.status, answer.body, app.active(key)) == (200, {}, None)
    again = app.call("POST", f"/conversations/{key}/releaseControl")
    assert (again.status, again.body) == (200, {})


def _version(app: App, key: str) -> int:
    return int(app.admin.get(f"/interlock/v1/instances/switchboard/{key}").body["version"])


def test_a_pass_to_the_one_in_control_changes_nothing(app: App) -> None:
    key = app.begun()
    before = _version(app, key)
    answer = app.call("POST", f"/conversations/{key}/passControl", {"switchboardIntegration": "bot"})
    assert (answer.status, answer.body, _version(app, key)) == (200, {}, before)


@pytest.mark.parametrize(
    ("operation", "body", "event"),
    [
        ("passControl", {"switchboardIntegration": "nobody"}, "switchboard.control_pass_failed"),
        ("offerControl", {"switchboardIntegration": "bot"}, "switchboard.control_offer_failed"),
        ("acceptControl", {}, "switchboard.control_accept_failed"),
    ],
)
def test_what_fails_by_the_control_is_announced(app: App, operation: str, body: Any, event: str) -> None:
    key = app.begun()
    answer = app.call("POST", f"/conversations/{key}/{operation}", body)
    assert (answer.status, answer.body, app.active(key)) == (200, {}, "bot")
    history = app.admin.get(f"/interlock/v1/instances/switchboard/{key}/history").raw
    assert event.encode() in history


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"switchboardIntegration": 7},
        {"switchboardIntegration": "hub", "metadata": {"a": {"b": 1}}},
        {"switchboardIntegration": "hub", "metadata": {"a": "x" * 4097}},
        {"switchboardIntegration": "hub", "reason": "bored"},
        {"switchboardIntegration": "hub", "surprise": 1},
    ],
)
def test_a_bad_body_is_a_bad_request(app: App, body: Any) -> None:
    key = app.begun()
    refused(app.call("POST", f"/conversations/{key}/passControl", body), 400, "bad_request")
    assert app.active(key) == "bot"


# The board


def test_what_a_board_refuses(app: App) -> None:
    path = f"/switchboards/{app.board}"
    more = f"{path}/switchboardIntegrations"
    for body in (
        {"name": "a b", "integrationId": "x"},
        {"name": "next", "integrationId": "x"},
        {"name": "x" * 129, "integrationId": "x"},
        {"name": "both", "integrationId": "x", "integrationType": "y"},
        {"name": "neither"},
        {"name": "hub", "integrationId": "x"},
        {"name": "many", "integrationId": "x", "messageHistoryCount": 11},
        {"integrationId": "x"},
    ):
        refused(app.call("POST", more, body), 400, "bad_request")
    for name in ("bot", "hub"):  # the default, and the next of another
        refused(app.call("DELETE", f"{more}/{app.integrations[name]}"), 400, "bad_request")
    refused(app.call("PATCH", f"/switchboards/{'0' * 24}", {}), 404, "switchboard_not_found")
    refused(app.call("PATCH", path, {"enabled": "yes"}), 400, "bad_request")
    for method, where in (("POST", "/switchboards"), ("PATCH", path), ("DELETE", path), ("GET", more)):
        refused(app.call(method, where, {}, client=app.by("bot")), 403, "forbidden")


def test_a_board_has_ten_integrations_and_changes_reach_conversations(gateway: Gateway) -> None:
    app = with_board(gateway)
    path = f"/switchboards/{app.board}"
    key = app.begun()
    for number in range(8):
        body = {"name": f"more-{number}", "integrationId": f"int-{number}"}
        last = made(app.call("POST", f"{path}/switchboardIntegrations", body))["switchboardIntegration"]
    eleventh = {"name": "eleventh", "integrationId": "x"}
    refused(
        app.call("POST", f"{path}/switchboardIntegrations", eleventh),
        400,
        "too_many_switchboard_integrations",
    )
    app.call("POST", f"/conversations/{key}/passControl", {"switchboardIntegration": last["id"]})
    assert app.active(key) == "more-7"
    assert app.call("DELETE", f"{path}/switchboardIntegrations/{last['id']}").body == {}
    assert app.active(key) is None
    made(app.says(key, "cust"))
    assert app.active(key) == "bot"
    assert app.call("DELETE", path).body == {}
    assert app.active(key) is None
    refused(app.call("DELETE", path), 404, "switchboard_not_found")
    board = made(app.call("POST", "/switchboards"))["switchboard"]
    refused(
        app.call("PATCH", f"/switchboards/{board['id']}", {"enabled": True}),
        404,
        "switchboard_integration_not_found",
    )


# Conversations and messages


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"type": "public"},
        {"type": "personal"},
        {"type": "sdkGroup", "metadata": {"a": "x" * 4097}},
        {"type": "sdkGroup", "displayName": 7},
    ],
)
def test_a_conversation_that_cannot_begin(app: App, body: Any) -> None:
    refused(app.call("POST", "/conversations", body), 400, "bad_request")


def test_a_conversation_has_words_and_participants(app: App) -> None:
    person = f"cust-{token_hex(4)}"
    key = app.begun(
        type="personal", participants=[{"userExternalId": person}], metadata={"a": 1}, displayName="Shoes"
    )
    found = app.conversation(key)
    assert (found["type"], found["isDefault"], found["metadata"]) == ("personal", True, {"a": 1})
    changed = app.call("PATCH", f"/conversations/{key}", {"displayName": "Boots"}).body["conversation"]
    assert (changed["displayName"], changed["metadata"]) == ("Boots", {"a": 1})
    other = {"userExternalId": "nobody-at-all"}
    refused(app.call("POST", f"/conversations/{key}/join", other), 404, "user_not_found")
    assert app.call("POST", f"/conversations/{key}/leave", {"userExternalId": person}).body == {}
    refused(
        app.call("POST", f"/conversations/{key}/leave", {"userExternalId": person}),
        404,
        "participant_not_found",
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"author": {"type": "user"}, "content": {"type": "text", "text": "x"}},
        {"author": {"type": "user", "userExternalId": "c"}, "content": {"type": "text"}},
        {"author": {"type": "robot"}, "content": {"type": "text", "text": "x"}},
        {"author": {"type": "business"}, "content": {"type": "text", "text": "x"}, "metadata": {"a": [1]}},
        {"author": {"type": "business"}, "content": {"type": "image"}},
        {"author": {"type": "business"}, "content": {"type": "carousel", "items": []}},
        {"author": {"type": "business"}, "content": {"type": "location", "coordinates": {"lat": 1}}},
    ],
)
def test_a_message_that_cannot_be_posted(app: App, body: Any) -> None:
    refused(app.call("POST", f"/conversations/{app.begun()}/messages", body), 400, "bad_request")


def test_a_message_with_too_large_metadata_does_nothing(app: App) -> None:
    key, person = app.begun(), f"cust-{token_hex(4)}"
    app.call("POST", f"/conversations/{key}/releaseControl")
    author = {"type": "user", "userExternalId": person}
    body = {"author": author, "content": {"type": "text", "text": "x"}, "metadata": {"a": "x" * 4097}}
    refused(app.call("POST", f"/conversations/{key}/messages", body), 400, "bad_request")
    assert app.active(key) is None
    refused(app.call("GET", f"/users/{person}"), 404, "user_not_found")


def test_nobody_else_speaks_in_a_personal_conversation(app: App) -> None:
    people = [f"cust-{token_hex(4)}" for _ in range(2)]
    key = app.begun(type="personal", participants=[{"userExternalId": people[0]}])
    refused(app.says(key, people[1]), 400, "bad_request")
    refused(app.call("POST", f"/conversations/{key}/join", {"userExternalId": people[1]}), 400, "bad_request")
    assert app.call("GET", f"/conversations/{key}/messages").body["messages"] == []


def test_a_user_signs_up_at_a_time(app: App) -> None:
    person = {"externalId": f"cust-{token_hex(4)}"}
    refused(app.call("POST", "/users", {**person, "signedUpAt": "yesterday"}), 400, "bad_request")
    made(app.call("POST", "/users", {**person, "signedUpAt": "2026-01-01T00:00:00.000Z"}))


def test_a_business_message_gives_control_to_nobody(app: App) -> None:
    key = app.begun()
    app.call("POST", f"/conversations/{key}/releaseControl")
    body = {"author": {"type": "business"}, "content": {"type": "text", "text": "Good day"}}
    made(app.call("POST", f"/conversations/{key}/messages", body))
    assert app.active(key) is None
    made(app.says(key, "cust"))
    assert app.active(key) == "bot"


def test_the_same_call_again_begins_one_conversation(app: App) -> None:
    name = token_hex(8)
    answers = [
        app.admin.send(
            "POST", f"{BASE}/{app.id}/conversations", b'{"type": "sdkGroup"}', idempotency_key=name
        )
        for _ in range(2)
    ]
    assert made(answers[0])["conversation"]["id"] == made(answers[1])["conversation"]["id"]


# The desk


def test_the_desk_hears_customers_where_it_is_on_board(gateway: Gateway) -> None:
    app, person = with_board(gateway), "cust-1"
    apart = app.begun()
    made(app.says(apart, person))
    desk = f"/switchboards/{app.board}/switchboardIntegrations/{app.integrations['hub']}"
    assert app.call("PATCH", desk, {"name": "interlock-desk"}).status == 200
    key = app.begun()
    message = made(app.says(key, person))["messages"][0]
    there = seen(app, "conversation", key)
    assert (there["state"], there["context"]["identity_id"]) == (["idle"], message["author"]["userId"])
    thread = wait_until(lambda: seen(app, "thread", key))
    assert thread["context"]["source_id"] == "sunshine"
    passed = {"switchboardIntegration": "next", "metadata": {"reason": "refund"}}
    app.call("POST", f"/conversations/{key}/passControl", passed, client=app.by("bot"))
    ticket = wait_until(lambda: seen(app, "ticket", f"{key}/1"))
    assert ticket["context"]["customer"] == {"id": message["author"]["userId"]}
    assert app.call("DELETE", f"/conversations/{key}").status == 200
    wait_until(lambda: seen(app, "ticket", f"{key}/1")["state"] == ["closed"])
    assert seen(app, "conversation", apart) == seen(app, "thread", apart) == {}


def test_a_call_that_is_repeated_is_answered_as_the_first_time(app: App) -> None:
    key, name = app.begun(), {"idempotency_key": token_hex(8)}

    def say(text: str) -> Answer:
        body = {"author": {"type": "business"}, "content": {"type": "text", "text": text}}
        path = f"{BASE}/{app.id}/conversations/{key}/messages"
        return app.admin.send("POST", path, orjson.dumps(body), **name)

    first = made(say("Good day"))["messages"][0]
    app.call("POST", f"/conversations/{key}/passControl", {"switchboardIntegration": "hub"})
    assert made(say("Good day"))["messages"][0] == first, "although another one is in control"
    refused(say("Good bye"), 409, "conflict")
    for path in (f"/conversations/{key}/messages/{first['id']}", f"/conversations/{key}"):
        answers = [app.admin.send("DELETE", f"{BASE}/{app.id}{path}", **name) for _ in range(2)]
        assert [(answer.status, answer.body) for answer in answers] == [(200, {})] * 2
        assert app.call("DELETE", path).status == 404


# Who calls


def test_who_may_call(app: App, gateway: Gateway) -> None:
    key = app.begun()
    path = f"/conversations/{key}"
    refused(app.call("GET", path, client=Client(app.url)), 401, "unauthorized")
    refused(app.call("GET", path, client=Client(app.url, "ik_x.y")), 401, "unauthorized")
    refused(app.call("GET", path, client=app.by("agent")), 403, "forbidden")
    stranger = gateway.with_token("admin", tenant=f"other-{token_hex(3)}")
    refused(app.call("GET", path, client=stranger), 404, "app_not_found")
    keys = app.keys["bot"]
    answer = Client(app.url).send(
        "GET", f"{BASE}/{app.id}{path}", authorization=basic(keys["key_id"], keys["secret"])
    )
    assert answer.status == 200


def test_the_vendors_client_comes_with_a_jwt(app: App, gateway: Gateway) -> None:
    claims = {"sub": app.keys["hub"]["id"], "kind": "integration", "tenant": app.id, "aud": "desk"}
    claims["exp"] = int(time.time()) + 60
    good, bad = (jwt.encode(claims, word * 32, "HS256") for word in ("s", "x"))

    def talk(url: str) -> None:
        key = app.begun()
        actions = vendor.SwitchboardActionsApi(api_of(url, access_token=good))
        assert actions.pass_control(app.id, key, vendor.PassControlBody(switchboardIntegration="hub")) == {}
        assert actions.release_control(app.id, key) == {}, "it is the one in control"
        with pytest.raises(failures.ForbiddenException):
            actions.release_control(app.id, key)
        with pytest.raises(failures.UnauthorizedException) as refusal:
            vendor.ConversationsApi(api_of(url, access_token=bad)).get_conversation(app.id, key)
        assert orjson.loads(refusal.value.body)["errors"][0]["code"] == "unauthorized"

    async def act(served: ASGIApp, _deployment: ServedDeployment) -> None:
        async with over_http(served) as url:
            await asyncio.to_thread(talk, url)

    in_gateway(gateway, act, jwt_secret="s" * 32, jwt_audience="desk")


def test_the_vendors_client_is_told_to_come_again(
    valkey_url: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody works, and where it comes too often."""
    token = tokens.create(redis_client, KEYS, "admin", id="root")["token"]
    monkeypatch.setitem(asking.ask.__kwdefaults__, "wait", 0.05)

    def talk(url: str) -> None:
        conversations = vendor.ConversationsApi(api_of(url, access_token=token))
        for status, code in ((503, "service_unavailable"), (429, "too_many_requests")):
            with pytest.raises(failures.ApiException) as refusal:
                conversations.create_conversation("default", vendor.ConversationCreateBody(type="sdkGroup"))
            assert refusal.value.status == status
            errors = orjson.loads(refusal.value.body)["errors"]
            assert [error["code"] for error in errors] == [code]
            assert int(refusal.value.headers["Retry-After"]) >= 1

    async def act(served: ASGIApp, _deployment: ServedDeployment) -> None:
        async with over_http(served) as url:
            await asyncio.to_thread(talk, url)

    nobody_works = Gateway("", redis_client, environment(INTERLOCK_REDIS_URL=valkey_url), Client(""))
    in_gateway(nobody_works, act, rate_limit=1)


@pytest.mark.parametrize("odd", ["%FF", "%00", "x" * 300, "..%2F.."])
def test_odd_ids_are_not_found(app: App, odd: str) -> None:
    refused(app.call("GET", f"/conversations/{odd}"), 404, "conversation_not_found")
    refused(app.call("POST", f"/conversations/{odd}/releaseControl"), 404, "conversation_not_found")


def test_what_is_not_there_is_told_in_the_envelope_too(app: App) -> None:
    refused(app.call("GET", "/nothing"), 404, "not_found")
    refused(app.call("PUT", "/switchboards"), 405, "method_not_allowed")
    path = f"{BASE}/{app.id}/conversations"
    refused(app.admin.send("POST", path, b"[1]"), 400, "bad_request")
    for size in (100_001, 300_000):  # the vendor's limit, and the gateway's
        refused(app.admin.send("POST", path, b"x" * size), 413, "payload_too_large")
    refused(app.admin.send("POST", path, b" " * 100_000), 400, "bad_request")


def test_the_document_tells_all_that_an_operation_answers(app: App) -> None:
    document = app.admin.get("/openapi.json").body
    operations = [
        operation
        for path, item in document["paths"].items()
        if path.startswith(BASE)
        for operation in item.values()
    ]
    assert len(operations) == 29
    for operation in operations:
        assert operation["security"]
        statuses = operation["responses"].keys()
        assert {"400", "401", "403", "404", "413", "429", "500", "503"} <= statuses
        assert "422" not in statuses
        assert len(statuses & {"200", "201"}) == 1
