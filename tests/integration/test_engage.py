"""Engage's API on a running deployment: each row of its guard table, by a client that speaks HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from threading import Barrier
from typing import Any

import pytest
from starlette.types import ASGIApp

from interlock.gateway.deployment import ServedDeployment
from tests.integration.asgi import in_gateway, send
from tests.integration.engage_client import BASE, Engage, done, refused
from tests.integration.gateway_setup import KEYS, Gateway
from tests.integration.http_client import Answer, Client, wait_until

SOURCE = f"chat-{token_hex(3)}"
SIDE = f"mail-{token_hex(3)}"
RIGHTS = (f"read:{SOURCE}", f"reply:{SOURCE}", "update_own_intervention")


@dataclass(frozen=True)
class Desk:
    """Who works here. ``hub``: brings in what customers write; ``blind``: reads another source alone."""

    url: str
    hub: Engage
    ann: Engage
    bob: Engage
    lead: Engage
    blind: Engage
    bot: Engage

    def asked(self, author: str = "") -> str:
        return self.hub.ask(SOURCE, author or f"cust-{token_hex(4)}")

    def opened(self) -> tuple[str, str]:
        """An open intervention of ann without an answer: its content's id and its own."""
        content = self.asked()
        return content, done(self.ann.open(content))["id"]

    def answered(self) -> tuple[str, str]:
        content, key = self.opened()
        done(self.ann.reply(content))
        return content, key

    def closed(self) -> tuple[str, str]:
        content, key = self.answered()
        done(self.ann.close(key))
        return content, key


@pytest.fixture(scope="module")
def desk(gateway: Gateway) -> Iterator[Desk]:
    def engage(kind: str, name: str, *permissions: str) -> Engage:
        principal = f"{name}-{token_hex(3)}"
        client = gateway.with_token(kind, id=principal, permissions=permissions)
        return Engage(client, principal)

    wait_until(lambda: any(name.startswith(b"ticket") for name in gateway.client.hkeys(KEYS.charts)))
    # What comes first waits for the worker, longer than a vendor's client is let wait.
    warm = gateway.admin.command(
        f"parcel/{token_hex(8)}", "post", wait=60, headers={"timeout_seconds": 70}, data={"owner": "engage"}
    )
    assert warm.status == 200, warm.raw
    yield Desk(
        url=gateway.url,
        hub=engage("system", "hub"),
        ann=engage("agent", "ann", *RIGHTS),
        bob=engage("agent", "bob", *RIGHTS),
        lead=engage("supervisor", "lead", *RIGHTS, "update_intervention"),
        blind=engage("agent", "blind", f"read:{SIDE}", f"reply:{SIDE}", "update_intervention"),
        bot=engage("bot", "ava", *RIGHTS),
    )


# Contents


def test_a_customers_message_begins_a_thread_of_its_own(desk: Desk) -> None:
    author = f"cust-{token_hex(4)}"
    first, second = desk.asked(author), desk.asked(author)
    one, other = (done(desk.ann.call("GET", f"/contents/{each}")) for each in (first, second))
    assert (one["author_id"], one["identity_id"], one["source_id"]) == (author, author, SOURCE)
    assert one["thread_id"] != other["thread_id"]
    opened = done(desk.ann.open(first))
    assert (opened["identity_id"], opened["thread_id"]) == (author, one["thread_id"])


def test_an_answer_counts(desk: Desk) -> None:
    content, key = desk.opened()
    reply = done(desk.ann.reply(content))
    assert (reply["creator_id"], reply["intervention_id"]) == (desk.ann.id, key)
    assert reply["in_reply_to_id"] == content
    found = done(desk.ann.get(key))
    assert (found["user_replies_count"], found["first_user_reply_id"]) == (1, reply["id"])
    done(desk.ann.reply(reply["id"]))
    assert done(desk.ann.get(key))["user_replies_count"] == 2


def test_the_first_answer_opens(desk: Desk) -> None:
    content = desk.asked()
    key = done(desk.bob.reply(content))["intervention_id"]
    found = done(desk.bob.get(key))
    assert (found["user_id"], found["user_replies_count"], found["status"]) == (desk.bob.id, 1, "Opened")
    refused(desk.ann.open(content), 422, "unprocessable_entity")


def test_an_answer_to_what_is_closed_takes_it_up_again(desk: Desk) -> None:
    content, key = desk.closed()
    assert done(desk.bob.reply(content))["intervention_id"] == key
    found = done(desk.bob.get(key))
    assert (found["status"], found["user_id"], found["user_replies_count"]) == ("Reopened", desk.bob.id, 2)


def test_the_customers_next_message_reopens_for_the_last_owner(desk: Desk) -> None:
    content, key = desk.closed()
    done(desk.hub.call("POST", "/contents", {"author_id": "c", "in_reply_to_id": content, "body": "Still?"}))
    found = done(desk.ann.get(key))
    assert (found["status"], found["user_id"], found["closed"]) == ("Reopened", desk.ann.id, False)
    assert "closed_at" not in found


def test_what_a_content_needs(desk: Desk) -> None:
    content = desk.asked()
    for parameters in ({}, {"body": "x"}, {"body": "", "in_reply_to_id": content}):
        refused(desk.ann.call("POST", "/contents", parameters), 422, "unprocessable_entity")
    for parameters in ({"body": "x", "source_id": SOURCE}, {"body": "x", "author_id": "c"}):
        refused(desk.hub.call("POST", "/contents", parameters), 422, "unprocessable_entity")
    refused(desk.ann.reply("no-such-content"), 404, "not_found")
    refused(desk.blind.reply(content), 404, "not_found")


def test_reading_is_not_answering(desk: Desk, gateway: Gateway) -> None:
    content = desk.asked()
    reader = Engage(gateway.with_token("agent", permissions=(f"read:{SOURCE}",)), "reader")
    refused(reader.reply(content), 403, "forbidden")
    done(desk.ann.open(content))  # it has opened nothing


# Create or reopen


def test_create_opens_as_the_tokens_user(desk: Desk) -> None:
    content = desk.asked()
    found = done(desk.ann.open(content))
    assert (found["user_id"], found["content_id"], found["status"]) == (desk.ann.id, content, "Opened")
    assert (found["closed"], found["user_replies_count"]) == (False, 0)
    assert not {"closed_at", "deferred_at"} & found.keys()


def test_create_needs_a_content_that_there_is(desk: Desk) -> None:
    refused(desk.ann.call("POST", "/interventions"), 422, "unprocessable_entity")
    refused(desk.ann.open(""), 422, "unprocessable_entity")
    refused(desk.ann.open("x" * 129), 422, "unprocessable_entity")
    refused(desk.ann.open("no-such-content"), 404, "not_found")
    refused(desk.blind.open(desk.asked()), 404, "not_found")


def test_create_refuses_what_is_open_and_reopens_what_is_closed(desk: Desk) -> None:
    content, key = desk.opened()
    refused(desk.bob.open(content), 422, "unprocessable_entity")
    done(desk.ann.reply(content))
    done(desk.ann.close(key))
    found = done(desk.bob.open(content))
    assert (found["id"], found["user_id"], found["status"]) == (key, desk.bob.id, "Reopened")
    refused(desk.ann.open(content), 422, "unprocessable_entity")


def test_two_that_create_at_once_open_one(desk: Desk) -> None:
    content = desk.asked()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda who: who.open(content), [desk.ann, desk.bob, desk.lead, desk.ann]))
    assert sorted(answer.status for answer in answers) == [200, 422, 422, 422]


# Close


def test_close_is_for_the_owner_once_there_is_an_answer(desk: Desk) -> None:
    content, key = desk.opened()
    refused(desk.ann.close(key), 403, "forbidden")
    done(desk.ann.reply(content))
    refused(desk.bob.close(key), 403, "forbidden")
    refused(desk.blind.close(key), 403, "forbidden")
    found = done(desk.ann.close(key))
    assert (found["closed"], found["status"], found["user_id"]) == (True, "Closed", desk.ann.id)
    assert datetime.fromisoformat(found["closed_at"]).tzinfo is not None
    refused(desk.ann.close(key), 403, "forbidden")
    refused(desk.ann.close("no-such-intervention"), 404, "not_found")


def test_who_may_update_interventions_closes_that_of_another(desk: Desk) -> None:
    _, key = desk.answered()
    assert done(desk.lead.close(key))["user_id"] == desk.ann.id


def test_close_while_it_is_put_off(desk: Desk) -> None:
    _, key = desk.answered()
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    found = done(desk.ann.call("PUT", f"/interventions/{key}/defer", {"until": until}))
    assert (found["status"], found["closed"]) == ("Deferred", False)
    assert datetime.fromisoformat(found["deferred_at"]) - datetime.fromisoformat(until) < timedelta(seconds=1)
    assert "deferred_at" not in done(desk.ann.close(key))


def at_once(act: Callable[[Engage, str], Answer], key: str, *clients: Engage) -> list[int]:
    """The statuses of the answers to what these clients ask at the same moment, sorted."""
    together = Barrier(len(clients))

    def go(client: Engage) -> int:
        together.wait()
        return act(client, key).status

    with ThreadPoolExecutor(len(clients)) as pool:
        return sorted(pool.map(go, clients))


def test_of_two_closes_at_once_one_is_a_conflict_and_a_third_is_too_late(desk: Desk) -> None:
    for _ in range(10):
        _, key = desk.answered()
        statuses = at_once(Engage.close, key, desk.ann, desk.lead)
        refused(desk.ann.close(key), 403, "forbidden")
        if statuses == [200, 409]:
            return
        assert statuses == [200, 403], "they came one after the other"
    pytest.fail("no two closes were a conflict")


def test_a_call_that_is_sent_again_gets_its_first_answer(desk: Desk) -> None:
    content, key = desk.answered()
    first = desk.ann.close(key, idempotency_key="once")
    assert desk.ann.close(key, idempotency_key="once").raw == first.raw
    done(desk.bob.open(content))
    assert desk.ann.close(key, idempotency_key="once").raw == first.raw, "as it was then"
    assert done(desk.ann.get(key))["closed"] is False
    # of another principal, the same key names another call
    refused(desk.ann.close(key, idempotency_key="twice"), 403, "forbidden")
    assert done(desk.bob.close(key, idempotency_key="twice"))["closed"] is True


def test_what_is_created_once_stays_one(desk: Desk) -> None:
    sent = {"source_id": SOURCE, "author_id": "c", "body": "Hello"}
    name = token_hex(8)
    first, again = (desk.hub.call("POST", "/contents", sent, idempotency_key=name) for _ in range(2))
    assert done(first) == done(again)
    content = first.body["id"]
    opened, repeated = (
        desk.ann.call("POST", "/interventions", {"content_id": content}, idempotency_key=name)
        for _ in range(2)
    )
    assert done(opened) == done(repeated)
    other = {"content_id": desk.asked()}
    refused(desk.ann.call("POST", "/interventions", other, idempotency_key=name), 422, "unprocessable_entity")
    replies = {"in_reply_to_id": content, "body": "Hi"}
    ids = [done(desk.ann.call("POST", "/contents", replies, idempotency_key=name))["id"] for _ in range(2)]
    assert ids[0] == ids[1]
    assert done(desk.ann.get(opened.body["id"]))["user_replies_count"] == 1


# Cancel


def test_cancel_destroys_what_nobody_has_answered(desk: Desk) -> None:
    content, key = desk.opened()
    refused(desk.blind.cancel(key), 404, "not_found")
    found = done(desk.bob.cancel(key, idempotency_key="gone"))
    assert (found["id"], found["closed"]) == (key, False)
    assert done(desk.bob.cancel(key, idempotency_key="gone")) == found
    for answer in (desk.ann.get(key), desk.ann.cancel(key), desk.ann.close(key)):
        refused(answer, 404, "not_found")
    for operation in ("update_categories?category_ids[]=a", "reassign?user_id=x", "reactivate"):
        refused(desk.lead.call("PUT", f"/interventions/{key}/{operation}"), 404, "not_found")
    assert done(desk.ann.open(content))["id"] != key, "the next one is another"


def test_cancel_refuses_what_is_answered_or_closed(desk: Desk) -> None:
    _, answered = desk.answered()
    refused(desk.ann.cancel(answered), 403, "forbidden")
    _, closed = desk.closed()
    refused(desk.ann.cancel(closed), 403, "forbidden")
    refused(desk.ann.cancel("no-such-intervention"), 404, "not_found")


def test_of_two_cancels_at_once_one_is_a_conflict_and_a_third_is_too_late(desk: Desk) -> None:
    for _ in range(10):
        _, key = desk.opened()
        statuses = at_once(Engage.cancel, key, desk.ann, desk.bob)
        refused(desk.ann.cancel(key), 404, "not_found")
        if statuses == [200, 409]:
            return
        assert statuses == [200, 404], "they came one after the other"
    pytest.fail("no two cancels were a conflict")


# The others


def test_get_hides_what_is_not_readable(desk: Desk) -> None:
    _, key = desk.opened()
    assert done(desk.bob.get(key))["id"] == key
    refused(desk.blind.get(key), 404, "not_found")
    refused(desk.ann.get("no-such-intervention"), 404, "not_found")
    for odd in ("%FF", "%00", "x" * 300, "..%2F.."):
        refused(desk.ann.get(odd), 404, "not_found")
        refused(desk.ann.close(odd), 404, "not_found")


@pytest.mark.parametrize("place", ["query", "form", "json"])
def test_categories_are_replaced(desk: Desk, place: str) -> None:
    _, key = desk.opened()
    name = "category_ids" if place == "json" else "category_ids[]"
    path = f"/interventions/{key}/update_categories"
    found = done(desk.bob.call("PUT", path, {name: ["a", "b", "a"]}, place=place))
    assert found["category_ids"] == ["a", "b"]
    again = done(desk.bob.call("PUT", path, {name: ["a", "b"]}, place=place))
    assert again == found, "the same again changes nothing"
    refused(desk.blind.call("PUT", path, {name: ["c"]}, place=place), 404, "not_found")
    refused(desk.bob.call("PUT", path, {}, place=place), 422, "unprocessable_entity")
    assert done(desk.bob.call("PUT", f"{path}?category_ids[]="))["category_ids"] == []


def test_reassign_is_for_who_may_update(desk: Desk) -> None:
    _, key = desk.opened()
    path = f"/interventions/{key}/reassign"
    refused(desk.ann.call("PUT", path, {"user_id": desk.bob.id}), 403, "forbidden")
    refused(desk.lead.call("PUT", path), 422, "unprocessable_entity")
    found = done(desk.lead.call("PUT", path, {"user_id": desk.bob.id}))
    assert (found["user_id"], found["status"]) == (desk.bob.id, "Opened")
    assert done(desk.lead.call("PUT", path, {"user_id": desk.bob.id})) == found, (
        "the same again changes nothing"
    )
    refused(desk.lead.call("PUT", "/interventions/nothing/reassign", {"user_id": "x"}), 404, "not_found")
    refused(desk.blind.call("PUT", path, {"user_id": "x"}), 404, "not_found")


def test_custom_fields_are_set_one_by_one(desk: Desk) -> None:
    _, key = desk.opened()
    path = f"/interventions/{key}"
    done(desk.ann.call("PUT", path, {"custom_field_values[order]": "o1"}))
    done(desk.ann.call("PUT", path, {"custom_field_values[colour]": "red"}, place="form"))
    found = done(desk.ann.call("PUT", path, {"custom_field_values": {"order": 2}}, place="json"))
    assert found["custom_fields"] == {"order": 2, "colour": "red"}
    assert done(desk.ann.call("PUT", path)) == found
    refused(desk.ann.call("PUT", path, {"custom_field_values": "x"}), 422, "unprocessable_entity")
    refused(desk.blind.call("PUT", path, {"custom_field_values[order]": "o3"}), 404, "not_found")


def test_putting_off_and_taking_up_again(desk: Desk) -> None:
    _, key = desk.opened()
    path = f"/interventions/{key}/defer"
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    for until in ("", "soon", "2020-01-01T00:00:00Z", "9999-12-31T23:59:59-23:00"):
        refused(desk.ann.call("PUT", path, {"until": until}), 422, "unprocessable_entity")
    refused(desk.bob.call("PUT", path, {"until": later}), 403, "forbidden")
    refused(desk.blind.call("PUT", path, {"until": later}), 404, "not_found")
    refused(desk.ann.call("PUT", "/interventions/nothing/defer", {"until": later}), 404, "not_found")
    done(desk.ann.call("PUT", path, {"until": later}))
    assert done(desk.ann.call("PUT", f"/interventions/{key}/reactivate"))["status"] == "Opened"
    refused(desk.ann.call("PUT", f"/interventions/{key}/reactivate"), 422, "unprocessable_entity")


def test_the_customer_who_is_waited_for_comes(desk: Desk) -> None:
    content, key = desk.opened()
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    done(desk.ann.call("PUT", f"/interventions/{key}/defer", {"until": later}))
    desk.hub.ask(SOURCE, "cust", in_reply_to_id=content)
    found = done(desk.ann.get(key))
    assert (found["status"], "deferred_at" in found) == ("Opened", False)


def test_a_thread_may_hide_what_is_not_readable(desk: Desk, gateway: Gateway) -> None:
    content = desk.asked()
    shown = done(desk.ann.call("GET", f"/contents/{content}"))
    thread = f"{SOURCE}:{shown['thread_id']}:{shown['identity_group_id']}"
    hidden = {"settings": {"unreadable": "not_found"}}
    assert gateway.admin.command(f"thread/{thread}", "configure", data=hidden).status == 200
    key = done(desk.ann.open(content))["id"]
    done(desk.ann.reply(content))
    refused(desk.blind.close(key), 404, "not_found")
    refused(desk.bob.close(key), 403, "forbidden")
    refused(desk.blind.call("PUT", f"/interventions/{key}/reassign", {"user_id": "x"}), 404, "not_found")


# Lists


def test_lists_filter_page_and_sort(desk: Desk, gateway: Gateway) -> None:
    one, two = f"cust-{token_hex(4)}", f"cust-{token_hex(4)}"
    keys = [done(desk.ann.open(desk.asked(author)))["id"] for author in (one, two, one)]
    both = {"identity_id[]": [one, two]}
    found = desk.ann.listed(**both)
    assert (found["count"], found["offset"], found["limit"]) == (3, 0, 30)
    assert [record["id"] for record in found["records"]] == keys[::-1], "the newest first"
    assert [record["id"] for record in desk.ann.listed(identity_id=two)["records"]] == [keys[1]]
    assert desk.ann.listed(identity_id=[one, two])["count"] == 3, "as generated clients send a list"
    page = desk.ann.listed(**both, offset=1, limit=1)
    assert (page["count"], page["offset"], page["limit"]) == (3, 1, 1)
    assert [record["id"] for record in page["records"]] == [keys[1]]
    assert desk.ann.listed(**both, offset=9)["records"] == []
    done(desk.ann.call("PUT", f"/interventions/{keys[0]}/update_categories", {"category_ids[]": "x"}))
    moved = desk.ann.listed(**both, sort="updated_at")["records"]
    assert [record["id"] for record in moved] == [keys[0], keys[2], keys[1]]
    thread = found["records"][0]["thread_id"]
    assert [record["id"] for record in desk.ann.listed(thread_id=thread)["records"]] == [keys[2]]
    assert desk.ann.listed(identity_group_id=one)["count"] == 2
    assert desk.ann.listed(user_id=desk.ann.id, **both)["count"] == 3
    assert desk.ann.listed(user_id=desk.bob.id, **both)["count"] == 0
    assert desk.blind.listed(**both)["count"] == 0, "only what the token's user reads"
    assert Engage(gateway.with_token("agent"), "nobody").listed()["count"] == 0
    assert desk.hub.listed(**both)["count"] == 3


def test_lists_by_status(desk: Desk) -> None:
    author = f"cust-{token_hex(4)}"
    contents = [desk.asked(author) for _ in range(5)]
    opened, deferred, closed, reopened, cancelled = (done(desk.ann.open(each))["id"] for each in contents)
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    done(desk.ann.call("PUT", f"/interventions/{deferred}/defer", {"until": later}))
    for content, key in ((contents[2], closed), (contents[3], reopened)):
        done(desk.ann.reply(content))
        done(desk.ann.close(key))
    done(desk.ann.open(contents[3]))
    done(desk.ann.cancel(cancelled))

    def of(**filters: str) -> set[str]:
        return {record["id"] for record in desk.ann.listed(identity_id=author, **filters)["records"]}

    assert of() == {opened, deferred, closed, reopened}
    assert of(status="active") == {opened, reopened}
    assert of(status="opened") == {opened}
    assert of(status="reopened") == {reopened}
    assert of(status="deferred") == {deferred}
    assert of(status="closed") == {closed}


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=x",
        "offset=-1",
        "offset=x",
        "offset=10001",
        "limit=99999999999",
        "sort=id",
        "status=gone",
        "identity_id[a]=1",
    ],
)
def test_a_list_that_cannot_be_made(desk: Desk, query: str) -> None:
    refused(desk.ann.call("GET", f"/interventions?{query}"), 422, "unprocessable_entity")


def test_a_page_is_of_150_at_most(desk: Desk) -> None:
    assert desk.ann.listed(limit=151)["limit"] == 150


def test_contents_are_found_by_what_they_belong_to_and_by_their_words(desk: Desk) -> None:
    author, word = f"cust-{token_hex(4)}", token_hex(5)
    first = desk.hub.ask(SOURCE, author, body=f"My {word} Shoes")
    second = desk.hub.ask(SIDE, author, body=f"Hello {word}")
    reply = done(desk.ann.reply(first, body="Which?"))
    every = Engage(desk.hub.client, desk.hub.id)

    def of(client: Engage, **parameters: Any) -> list[str]:
        return [record["id"] for record in done(client.call("GET", "/contents", parameters))["records"]]

    assert of(every, identity_id=author) == [reply["id"], second, first], "the newest first"
    assert of(every, q=f"identity:{author} order:created_at.asc") == [first, second, reply["id"]]
    assert of(desk.ann, identity_id=author) == [reply["id"], first], "only on what the token's user reads"
    assert of(every, q=f'{word} text:"{word} shoes"') == [first], "small and capital letters are the same"
    assert of(every, q=f"source:{SOURCE} source:{SIDE} {word}") == [second, first]
    assert of(every, q=f"intervention:{reply['intervention_id']}") == [reply["id"]]
    assert of(every, q=f"thread:{reply['thread_id']} identity_group:{author}") == [reply["id"], first]
    assert of(every, thread_id=reply["thread_id"], source_id=SIDE) == []
    page = done(every.call("GET", "/contents", {"identity_id": author, "offset": 1, "limit": 1}))
    assert (page["count"], page["offset"], page["limit"]) == (3, 1, 1)
    assert page["records"] == [done(every.call("GET", f"/contents/{second}"))]
    for wrong in ("-source:x", "status_in:new", "order:body", "colour:red"):
        refused(every.call("GET", "/contents", {"q": wrong}), 422, "unprocessable_entity")


def test_words_are_looked_for_in_so_many_contents_and_not_in_more(
    desk: Desk, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    author = f"cust-{token_hex(4)}"
    for _ in range(2):
        desk.asked(author)

    async def act(app: ASGIApp, _deployment: ServedDeployment) -> list[Answer]:
        token = f"Bearer {desk.ann.client.token}"
        return [
            await send(app, "GET", f"{BASE}/contents?q={q}identity:{author}", authorization=token)
            for q in ("", "hello%20")
        ]

    monkeypatch.setattr("interlock.gateway.dialects.engage.paging.MAX_LOOKED", 1)
    by_index, by_words = in_gateway(gateway, act)
    assert done(by_index)["count"] == 2
    refused(by_words, 422, "unprocessable_entity")


# Comments


def comment(client: Engage, key: str, body: str = "Look", **headers: str) -> Answer:
    return client.call("POST", "/intervention_comments", {"intervention_id": key, "body": body}, **headers)


def test_colleagues_comment_on_an_intervention(desk: Desk) -> None:
    _, key = desk.opened()
    first = done(comment(desk.bob, key, "One", idempotency_key="once"))
    assert done(comment(desk.bob, key, "One", idempotency_key="once")) == first
    shown = done(desk.ann.get(key))
    assert (first["body"], first["user_id"], first["intervention_id"]) == ("One", desk.bob.id, key)
    assert [first[name] for name in ("thread_id", "identity_id")] == [
        shown[name] for name in ("thread_id", "identity_id")
    ]
    assert shown["comments_count"] == 1
    second = done(comment(desk.ann, key, "Two"))

    def listed(client: Engage, **filters: str) -> list[str]:
        found = done(client.call("GET", "/intervention_comments", {"intervention_id": key, **filters}))
        return [record["id"] for record in found["records"]]

    assert listed(desk.ann) == [second["id"], first["id"]]
    assert listed(desk.ann, user_id=desk.bob.id, thread_id=shown["thread_id"]) == [first["id"]]
    assert listed(desk.ann, identity_id="nobody") == listed(desk.blind) == []
    path = f"/intervention_comments/{first['id']}"
    assert done(desk.ann.call("GET", path)) == first
    gone = done(desk.ann.call("DELETE", path, idempotency_key="gone"))
    assert (gone["id"], gone["body"]) == (first["id"], "One")
    assert done(desk.ann.call("DELETE", path, idempotency_key="gone")) == gone
    for method in ("GET", "DELETE"):
        refused(desk.ann.call(method, path), 404, "not_found")
    assert listed(desk.ann) == [second["id"]]
    assert done(desk.ann.get(key))["comments_count"] == 1
    done(desk.ann.cancel(key))
    wait_until(lambda: listed(desk.ann) == [])
    refused(comment(desk.ann, key), 404, "not_found")


def test_who_does_not_read_the_source_neither_comments_nor_finds_any(desk: Desk) -> None:
    _, key = desk.opened()
    made = done(comment(desk.ann, key))["id"]
    refused(comment(desk.blind, key), 404, "not_found")
    for method in ("GET", "DELETE"):
        refused(desk.blind.call(method, f"/intervention_comments/{made}"), 404, "not_found")
    for wish in ({"body": "x"}, {"intervention_id": key}, {"intervention_id": key, "body": ""}):
        refused(desk.ann.call("POST", "/intervention_comments", wish), 422, "unprocessable_entity")


# Agents' statuses


def test_who_monitors_the_desk_sees_and_sets_what_agents_take(desk: Desk, gateway: Gateway) -> None:
    agent = f"cid-{token_hex(3)}"
    monitor = Engage(gateway.with_token("agent", permissions=("monitor_tasks",)), "monitor")
    path = f"/status/{agent}"
    for client in (desk.ann, Engage(gateway.with_token("agent", id=agent), agent)):
        refused(client.call("GET", path), 403, "forbidden")
        refused(client.call("PUT", path, {"status[chat]": "away"}), 403, "forbidden")
        refused(client.call("GET", "/status"), 403, "forbidden")
    refused(monitor.call("GET", path), 404, "not_found")
    capacity = {"chat": {"soft": 1, "hard": 2}, "mail": 1}
    gateway.admin.command(f"agent/{agent}", "define", data={"capacity": capacity})
    for method, parameters in (("GET", {}), ("PUT", {"status[chat]": "away", "status[mail]": "away"})):
        refused(monitor.call(method, path, parameters), 404, "disconnected")
    gateway.admin.command(f"agent/{agent}", "online")
    ticket = f"T-{token_hex(4)}"
    gateway.admin.command(f"ticket/{ticket}", "open", data={"queue": ticket, "channel": "chat"})
    gateway.admin.command(f"ticket/{ticket}", "assign", data={"agent": agent})

    def shown(chat: tuple[str, str], mail: tuple[str, str], **more: Any) -> dict[str, Any]:
        channels = [
            {"id": channel, "name": channel, "status": status, "busyness": busyness}
            for channel, (status, busyness) in (("chat", chat), ("mail", mail))
        ]
        return {"agent_id": agent, "channels": channels, **more}

    there = shown(("available", "busy"), ("available", "unoccupied"))
    wait_until(lambda: done(monitor.call("GET", path)) == there)
    found = done(monitor.call("GET", "/status", {"limit": 150}))
    assert there in found["records"]
    assert found["count"] >= 1
    away = shown(("away", "busy"), ("available", "unoccupied"))
    by_channel = {"status[chat]": "away", "status[mail]": "available", "custom_status_id": "lunch"}
    assert done(monitor.call("PUT", path, by_channel)) == away, "the channels count where both are sent"
    assert (
        done(monitor.call("PUT", path, {"status": {"chat": "away", "mail": "available"}}, place="json"))
        == away
    )
    lunch = shown(("away", "busy"), ("away", "unoccupied"), custom_status={"id": "lunch"})
    assert done(monitor.call("PUT", path, {"custom_status_id": "lunch"}, place="form")) == lunch
    assert done(monitor.call("PUT", path, {"status": "available"})) == there
    for wrong in ({}, {"status[chat]": "away"}, {"status": "asleep"}, {"status": {"chat": 1, "mail": 2}}):
        refused(monitor.call("PUT", path, wrong, place="json"), 422, "unprocessable_entity")
    gateway.admin.command(f"agent/{agent}", "offline")
    refused(monitor.call("GET", path), 404, "disconnected")
    gateway.admin.command(f"ticket/{ticket}", "close")


# Virtual agents


def test_a_virtual_agent_engages_and_completes(desk: Desk) -> None:
    content = desk.asked()
    refused(desk.bot.call("POST", "/bots/engage"), 422, "unprocessable_entity")
    refused(desk.ann.call("POST", "/bots/engage", {"content_id": content}), 403, "forbidden")
    found = done(desk.bot.call("POST", "/bots/engage", {"content_id": content}))
    assert (found["user_id"], found["status"]) == (desk.bot.id, "Opened")
    refused(desk.bot.call("POST", "/bots/engage", {"content_id": content}), 422, "unprocessable_entity")
    parameters = {"intervention_id": found["id"], "close_thread": "true"}
    answer = done(desk.bot.call("POST", "/bots/complete", parameters))
    assert answer == {"status": "200", "message": "Success"}
    assert done(desk.ann.get(found["id"]))["closed"] is True
    refused(desk.bot.call("POST", "/bots/complete", parameters), 422, "unprocessable_entity")
    refused(desk.bot.call("POST", "/bots/complete"), 422, "unprocessable_entity")
    again = done(desk.bot.call("POST", "/bots/engage", {"content_id": content}))
    assert (again["id"], again["status"]) == (found["id"], "Reopened")


def test_what_no_virtual_agent_is_in_charge_of_is_not_completed(desk: Desk) -> None:
    _, key = desk.answered()
    refused(desk.bot.call("POST", "/bots/complete", {"intervention_id": key}), 422, "unprocessable_entity")


def test_handing_over_between_bot_and_agents(desk: Desk) -> None:
    author = f"cust-{token_hex(4)}"
    content = desk.asked(author)
    to_bot = {"from": "agent", "to": "bot", "type": "messenger", "identity_foreign_id": author}
    to_agent = {**to_bot, "from": "bot", "to": "agent"}
    for wrong in ({**to_bot, "to": "you"}, {**to_bot, "from": "me"}, {"from": "agent", "to": "bot"}):
        refused(desk.bot.call("POST", "/bots/handover", wrong), 422, "unprocessable_entity")
    thread = f"thread/{SOURCE}:{done(desk.ann.call('GET', f'/contents/{content}'))['thread_id']}:{author}"
    native = Client(desk.url, desk.hub.client.token)
    wait_until(lambda: native.get(f"/interlock/v1/instances/{thread.replace(':', '%3A')}").status == 200)
    assert done(desk.bot.call("POST", "/bots/handover", to_bot))["message"] == "Success"
    assert done(desk.bot.call("POST", "/bots/handover", to_agent))["message"] == "Success"
    key = done(desk.ann.open(content))["id"]
    engaged = {**to_bot, "intervention_id": key}
    wait_until(lambda: desk.bot.call("POST", "/bots/handover", engaged).status == 422)
    nobody = {**to_bot, "identity_foreign_id": "nobody-at-all"}
    refused(desk.bot.call("POST", "/bots/handover", nobody), 404, "not_found")


# Who calls


def test_no_token_is_told_in_engages_envelope(desk: Desk) -> None:
    stranger = Engage(Client(desk.url), "")
    refused(stranger.get("x"), 401, "unauthorized")
    refused(Engage(Client(desk.url, "ik_x.y"), "").get("x"), 401, "unauthorized")


def test_a_token_may_come_as_a_parameter(desk: Desk) -> None:
    stranger, token = Engage(Client(desk.url), ""), desk.ann.client.token
    _, key = desk.opened()
    assert done(stranger.call("GET", f"/interventions/{key}", {"access_token": token}))["id"] == key
    refused(stranger.call("GET", f"/interventions/{key}", {"access_token": "x.y"}), 401, "unauthorized")
    assert done(desk.ann.call("GET", f"/interventions/{key}", {"access_token": token}))["id"] == key
    refused(desk.blind.call("GET", f"/interventions/{key}", {"access_token": token}), 401, "unauthorized")


def test_who_asks_too_often_is_told_when_to_ask_again(desk: Desk, gateway: Gateway) -> None:
    async def act(app: ASGIApp, _deployment: ServedDeployment) -> list[Answer]:
        token = f"Bearer {desk.ann.client.token}"
        return [
            await send(app, "GET", f"{BASE}/interventions/nothing", authorization=token) for _ in range(2)
        ]

    first, second = in_gateway(gateway, act, rate_limit=1)
    refused(first, 404, "not_found")
    refused(second, 429, "rate_limit_exceeded")
    assert int(second.headers["retry-after"]) > 0


def test_acting_as_another(desk: Desk, gateway: Gateway) -> None:
    content = desk.asked()
    refused(desk.bob.open(content, impersonated_user_id=desk.ann.id), 400, "bad_request")
    refused(desk.bob.call("GET", "/interventions", {"impersonated_user_id": "x"}), 400, "bad_request")
    bridge = Engage(gateway.with_token("integration", permissions=("impersonate_user",)), "bridge")
    found = done(bridge.open(content, impersonated_user_id=desk.ann.id))
    assert found["user_id"] == desk.ann.id
    refused(bridge.open(desk.asked(), impersonated_user_id=desk.blind.id), 404, "not_found")
    done(desk.ann.reply(content))
    refused(
        bridge.call("PUT", f"/interventions/{found['id']}/close", {"impersonated_user_id": desk.bob.id}),
        403,
        "forbidden",
    )
    done(bridge.call("PUT", f"/interventions/{found['id']}/close", {"impersonated_user_id": desk.ann.id}))


def test_another_tenants_things_are_not_found(desk: Desk, gateway: Gateway) -> None:
    content, key = desk.answered()
    other = Engage(gateway.with_token("system", tenant="acme"), "acme")
    for answer in (other.get(key), other.close(key), other.cancel(key), other.open(content)):
        refused(answer, 404, "not_found")
    assert other.listed()["count"] == 0
    own = other.ask(SOURCE, "cust")
    found = done(other.open(own))
    done(other.call("POST", "/contents", {"in_reply_to_id": own, "body": "Hi"}))
    assert done(other.close(found["id"]))["closed"] is True
    refused(desk.hub.get(found["id"]), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "status", "identifier"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("PATCH", "/interventions", 405, "method_not_allowed"),
        ("PUT", "/interventions", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_there_is_told_in_the_envelope_too(
    desk: Desk, method: str, path: str, status: int, identifier: str
) -> None:
    refused(desk.ann.call(method, path), status, identifier)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/interventions", "GET, POST"),
        ("/interventions/x", "GET, PUT"),
        ("/interventions/x/cancel", "DELETE"),
    ],
)
def test_a_method_that_is_not_taken_is_told_which_are(desk: Desk, path: str, methods: str) -> None:
    assert desk.ann.call("PATCH", path).headers["allow"] == methods


def test_bodies_that_are_no_parameters(desk: Desk) -> None:
    path = f"{BASE}/interventions"
    send = desk.ann.client.send
    refused(send("POST", path, b"[1]", content_type="application/json"), 400, "bad_request")
    refused(send("POST", path, b"<a/>", content_type="application/xml"), 415, "unsupported_media_type")
    refused(send("POST", path, b"", content_type="application/json"), 422, "unprocessable_entity")
    told = refused(send("POST", path, b"x", content_type="multipart/form-data"), 400, "bad_request")
    assert not told.endswith("..")
    refused(
        send("POST", path, b'{"content_id": 7}', content_type="application/json"), 422, "unprocessable_entity"
    )
    refused(send("POST", path, b"x" * 300_000, content_type="application/json"), 413, "payload_too_large")


def test_the_document_tells_all_that_an_operation_answers(desk: Desk) -> None:
    document = desk.ann.client.get("/openapi.json").body
    operations = {
        (method, path): operation
        for path, item in document["paths"].items()
        if path.startswith(f"{BASE}/")
        for method, operation in item.items()
    }
    assert {method for method, _ in operations} == {"get", "post", "put", "delete"}
    for operation in operations.values():
        assert operation["security"]
        assert {"200", "400", "401", "403", "413", "415", "422", "429", "500", "503"} <= operation[
            "responses"
        ].keys()
        schemas = [
            answer["content"]["application/json"]["schema"]["$ref"]
            for status, answer in operation["responses"].items()
            if status != "200"
        ]
        assert set(schemas) == {"#/components/schemas/EngageError"}
    close = operations["put", f"{BASE}/interventions/{{interventionId}}/close"]
    assert {"404", "409"} <= close["responses"].keys()
