"""Threads and their interventions: one authority, whatever the order of the messages between them."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.engine.messages import Actor
from interlock.statecharts.functions import intervention_id
from tests.desks import Desk

KEY = "chat:t1:g1"
THREAD = f"thread/{KEY}"
WHO = {"source_id": "chat", "thread_id": "t1", "identity_id": "i1", "identity_group_id": "g1"}
ANN = Actor(id="ann", kind="agent", permissions=["read:chat", "reply:chat"])
BOB = Actor(id="bob", kind="agent", permissions=["read:chat", "reply:chat"])
AVA = Actor(id="ava", kind="bot", permissions=["read:chat", "reply:chat"])
LEAD = Actor(id="lead", kind="supervisor", permissions=["read:chat", "update_intervention"])


def at(number: int) -> str:
    return f"intervention/{intervention_id(KEY, number)}"


def answered(seed: int | None = None) -> Desk:
    """The first intervention: opened by a reply of ann, closed by her."""
    made = Desk(choose=None if seed is None else random.Random(seed).choice)
    made.send(THREAD, "message", {"content_id": "m1", **WHO})
    made.send(THREAD, "reply", {"content_id": "r1"}, actor=ANN)
    made.send(at(1), "close", actor=ANN)
    assert made.state(THREAD) == ["answered"]
    return made


def test_the_first_reply_opens_an_intervention_of_who_replies() -> None:
    made = Desk()
    made.send(THREAD, "message", {"content_id": "m1", **WHO})
    made.send(THREAD, "reply", {"content_id": "r1"}, actor=ANN)
    first = made.context(at(1))
    assert (first["user_id"], first["user_replies_count"], first["identity_id"]) == ("ann", 1, "i1")
    assert made.context(THREAD)["intervention"] == intervention_id(KEY, 1)
    assert made.state(THREAD) == ["engaged"]
    assert made.event_types(at(1))[:2] == ["intervention.opened", "intervention.assigned"]
    assert made.refusals == []


def test_create_opens_then_refuses_then_reopens_the_same() -> None:
    made = Desk()
    assert made.result(made.send(THREAD, "engage", {"content_id": "m1", **WHO}, actor=ANN)) == "applied"
    again = made.send(THREAD, "engage", {"content_id": "m2"}, actor=BOB)
    assert made.result(again) == "refused guard_failed already_open"
    made.send(THREAD, "reply", {"content_id": "r1"}, actor=ANN)
    made.send(at(1), "close", actor=ANN)
    assert made.result(made.send(THREAD, "engage", {"content_id": "m2"}, actor=BOB)) == "applied"
    first = made.context(at(1))
    assert (first["user_id"], first["status"], first["content_id"]) == ("bob", "Reopened", "m2")
    assert list(made.of("intervention")) == [intervention_id(KEY, 1)]


def test_what_is_put_off_before_anybody_took_it_up_is_opened_first() -> None:
    made = Desk()
    made.send(THREAD, "message", {"content_id": "m1", **WHO})
    until = {"until": "2027-01-05T09:00:00Z", "content_id": "m1"}
    assert made.result(made.send(THREAD, "defer", until, actor=ANN)) == "applied"
    assert made.event_types(at(1)) == [f"intervention.{what}" for what in ("opened", "assigned", "deferred")]
    assert (made.state(at(1)), made.context(at(1))["user_id"]) == (["open.deferred"], "ann")
    assert made.result(made.send(THREAD, "defer", until, actor=BOB)) == "refused guard_failed already_open"
    made.send(THREAD, "message", {"content_id": "m2"})
    assert (made.state(at(1)), len(made.refusals)) == (["open.active"], 1)


def test_a_thread_counts_the_waits_of_each_of_its_interventions_by_its_calendar() -> None:
    made = Desk()
    made.send(
        THREAD, "configure", {"settings": {"calendar": "support", "first_reply_seconds": 28_800}, **WHO}
    )
    made.send(THREAD, "engage", {"content_id": "m1"}, actor=ANN)
    made.advance(hours=20)
    assert made.context(at(1))["reply_breaches"] == 0, "a night lies between"
    made.advance(hours=5)
    assert made.context(at(1))["reply_breaches"] == 1
    made.send(THREAD, "reply", {"content_id": "r1"}, actor=ANN)
    first = made.context(at(1))
    assert (first["first_user_reply_in"], first["first_user_reply_in_bh"]) == (25 * 3600, 9 * 3600)


def test_after_a_cancel_the_next_is_another_one() -> None:
    made = Desk()
    made.send(THREAD, "engage", {"content_id": "m1", **WHO}, actor=ANN)
    made.send(at(1), "cancel", actor=ANN)
    assert made.state(THREAD) == ["free"]
    made.send(THREAD, "engage", {"content_id": "m1"}, actor=BOB)
    assert made.context(at(2))["user_id"] == "bob"
    assert made.state(at(1)) == ["cancelled"]


def test_a_virtual_agent_engages_through_its_thread_and_closes_it() -> None:
    made = Desk()
    made.send(THREAD, "engage", {"content_id": "m1", **WHO}, actor=AVA)
    assert made.context(at(1))["virtual_agent_id"] == "ava"
    made.send(at(1), "complete", {"close_thread": True}, actor=AVA)
    assert made.state(at(1)) == ["closed"]
    assert (made.state(THREAD), made.context(THREAD)["closed"]) == (["answered"], True)


def test_a_message_within_the_window_reopens_for_the_last_owner() -> None:
    made = answered()
    made.advance(days=6)
    made.send(THREAD, "message", {"content_id": "m2"})
    assert (made.state(at(1)), made.context(at(1))["user_id"]) == (["open.active"], "ann")
    assert made.state(THREAD) == ["engaged"]


def test_a_message_after_the_window_begins_the_next_one_and_links_it() -> None:
    made = answered()
    made.advance(days=8)
    made.send(THREAD, "message", {"content_id": "m2"})
    first, second = made.context(at(1)), made.context(at(2))
    assert (made.state(at(1)), first["next_id"]) == (["closed"], intervention_id(KEY, 2))
    assert (made.state(at(2)), second["previous_id"]) == (["open.active"], intervention_id(KEY, 1))
    assert (second["content_id"], second["user_id"]) == ("m2", None), "routing says who gets it"
    assert made.result(made.send(at(1), "reopen", actor=ANN)) == "refused guard_failed followed"


@pytest.mark.parametrize("seed", range(10))
def test_two_late_messages_begin_one_intervention(seed: int) -> None:
    made = answered(seed)
    made.advance(days=8)
    for content in ("m2", "m3"):
        made.send(THREAD, "message", {"content_id": content}, run=False)
    made.run()
    assert len(made.of("intervention")) == 2
    assert made.context(at(2))["messages_count"] == 1
    assert made.refusals == []


@pytest.mark.parametrize("seed", range(20))
def test_an_answer_that_meets_a_close_is_not_lost(seed: int) -> None:
    made = Desk(choose=random.Random(seed).choice)
    made.send(THREAD, "reply", {"content_id": "r1", **WHO}, actor=ANN)
    made.send(at(1), "close", actor=ANN, run=False)
    made.send(THREAD, "reply", {"content_id": "r2"}, actor=BOB, run=False)
    made.run()
    assert made.context(at(1))["user_replies_count"] == 2


@pytest.mark.parametrize("seed", range(20))
def test_two_that_open_the_same_at_once_meet_at_one_key(seed: int) -> None:
    made = Desk(choose=random.Random(seed).choice)
    data = {"content_id": "m1", "thread": KEY, "number": 1, **WHO}
    ids = [made.send(at(1), "open", data, actor=actor, run=False) for actor in (ANN, BOB)]
    made.send(THREAD, "engage", {"content_id": "m1", **WHO}, run=False)
    made.run()
    assert len(made.of("intervention")) == 1
    assert [made.result(one) for one in ids].count("applied") <= 1
    assert made.state(THREAD) == ["engaged"]


def test_no_handover_to_the_bot_while_an_agent_is_at_it() -> None:
    made = Desk()
    made.send(THREAD, "reply", {"content_id": "r1", **WHO}, actor=ANN)
    refused = made.send(THREAD, "handover", {"to": "bot"}, actor=ANN)
    assert made.result(refused) == "refused guard_failed intervention_engaged"
    made.send(at(1), "close", actor=ANN)
    assert made.result(made.send(THREAD, "handover", {"to": "bot"}, actor=ANN)) == "applied"


def test_the_threads_settings_hold_for_each_of_its_interventions() -> None:
    made = Desk()
    made.send(THREAD, "configure", {"settings": {"auto_close": True, "next_reply_seconds": 60}, **WHO})
    made.send(THREAD, "reply", {"content_id": "r1"}, actor=ANN)
    made.send(THREAD, "message", {"content_id": "m2"})
    made.advance(minutes=2)
    assert "intervention.reply_breached" in made.event_types(at(1))
    made.send(THREAD, "reply", {"content_id": "r2"}, actor=ANN)
    made.advance(hours=25)
    assert made.state(THREAD) == ["answered"]


ACTS = (
    ("thread", "message", None),
    ("thread", "reply", ANN),
    ("thread", "engage", BOB),
    ("latest", "close", LEAD),
    ("latest", "cancel", ANN),
    ("latest", "reopen", BOB),
    ("latest", "reply", ANN),
    ("next", "open", BOB),
    ("next", "reply", BOB),
)


@settings(max_examples=200, deadline=None)
@given(
    acts=st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 3), st.booleans()), max_size=14),
    seed=st.integers(0, 2**16),
    doubled=st.booleans(),
)
def test_a_thread_never_has_two_open_interventions(
    acts: list[tuple[tuple[str, str, Actor | None], int, bool]], seed: int, doubled: bool
) -> None:
    """Whoever asks whom, whatever crosses, doubled or not: at rest one at most is open, and the thread knows it."""
    made = Desk(choose=random.Random(seed).choice, doubled=doubled)
    made.send(THREAD, "message", {"content_id": "m0", **WHO})
    for place, ((target, name, actor), steps, late) in enumerate(acts):
        number = made.context(THREAD)["number"]  # as a gateway reads it: perhaps behind what is under way
        if target == "next" and made.state(THREAD) != ["free"]:
            continue
        address = {"thread": THREAD, "latest": at(max(number, 1)), "next": at(number + 1)}[target]
        data: dict[str, object] = {} if name in ("close", "cancel") else {"content_id": f"c{place}"}
        if target == "next":
            data |= {"thread": KEY, "number": number + 1, **WHO}
        if (
            target == "latest"
            and name == "reply"
            and address.removeprefix("intervention/") not in made.of("intervention")
        ):
            continue  # nobody answers in one that is not there without naming its thread
        if late:
            made.advance(days=8, run=False)
        made.send(address, name, data, actor=actor, run=False)
        made.run(steps)
    made.run()
    opened = {key for key, one in made.of("intervention").items() if one.state != ["closed"] and not one.done}
    assert len(opened) <= 1
    assert (made.state(THREAD) == ["engaged"]) == (opened != set())
    assert opened <= {made.context(THREAD)["intervention"]}
    made.check_replay()


def test_an_imported_content_is_a_message_on_its_thread() -> None:
    made = Desk()
    written = {"thread": KEY, "body": "Hello", **WHO}
    made.send("content/m1", "import", written)
    assert made.state(THREAD) == ["free"]
    assert made.event_types(THREAD) == ["thread.message_received"]
    made.send("content/m2", "import", {**written, "deliver": False})
    assert made.event_types(THREAD) == ["thread.message_received"], "its intervention was told already"
    assert made.refusals == []


def test_an_intervention_that_is_taken_up_again_opens_its_thread() -> None:
    made = Desk()
    made.send(THREAD, "engage", {"content_id": "m1", **WHO}, actor=AVA)
    made.send(at(1), "complete", {"close_thread": True}, actor=AVA)
    assert made.context(THREAD)["closed"] is True
    made.send(at(1), "customer_message", {"content_id": "m2"})
    assert (made.state(THREAD), made.context(THREAD)["closed"]) == (["engaged"], False)
