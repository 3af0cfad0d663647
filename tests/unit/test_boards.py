"""The board of an app and the conversations on it: who is in control, whatever changes meanwhile."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.engine.messages import Actor
from interlock.statecharts.functions import on_board
from tests.desks import Desk

BOARD, TALK = "board/app-1", "switchboard/c1"
APP = Actor(id="app", kind="admin")
BOT = Actor(id="int-bot", kind="integration")
HUB = Actor(id="int-hub", kind="integration")
PAY = Actor(id="int-pay", kind="integration")


def board(seed: int | None = None) -> Desk:
    made = Desk(choose=None if seed is None else random.Random(seed).choice)
    made.send(BOARD, "create", actor=APP)
    for one in (
        {"id": "hub", "name": "agents", "integration_id": "int-hub"},
        {"id": "bot", "name": "helper", "integration_id": "int-bot", "next_id": "hub"},
        {"id": "pay", "name": "payments", "integration_id": "int-pay", "next_id": "hub"},
    ):
        made.send(BOARD, "add_integration", one, actor=APP)
    made.send(BOARD, "change_integration", {"id": "hub", "changes": {"next_id": "bot"}}, actor=APP)
    made.send(BOARD, "update", {"enabled": True, "default_integration": "bot"}, actor=APP)
    assert made.refusals == []
    return made


def talk(made: Desk, **more: object) -> Desk:
    """A conversation, as a gateway begins it: with the board as it is now."""
    now = made.context(BOARD)
    copy = {"integrations": now["integrations"], "default_integration": now["default_integration"]}
    made.send(TALK, "create", {"board": "app-1", "board_version": now["board_version"], **copy, **more})
    return made


def write(made: Desk) -> str:
    """Somebody writes: the gateway names the state of the board that it knows."""
    return made.send(TALK, "activity", {"board_version": made.context(BOARD)["board_version"]})


def test_the_default_integration_is_in_control_at_once() -> None:
    assert talk(board()).context(TALK)["active"] == "bot"


def test_a_utility_bot_passes_back_once_however_often_it_says_so() -> None:
    made = talk(board())
    made.send(TALK, "pass_control", {"switchboard_integration": "hub"}, actor=BOT)
    made.send(TALK, "pass_control", {"switchboard_integration": "payments"}, actor=HUB)
    sent = [{"switchboard_integration": "next", "metadata": {"try": number}} for number in range(3)]
    answers = [made.result(made.send(TALK, "pass_control", data, actor=PAY)) for data in sent]
    assert answers == ["applied", "ignored", "ignored"]
    assert (made.context(TALK)["active"], made.context(TALK)["metadata"]) == ("hub", {"try": 0})
    assert made.event_types(TALK).count("switchboard.control_passed") == 3


def test_a_new_offer_beats_the_old_and_its_late_accept_is_forbidden() -> None:
    made = talk(board())
    made.send(TALK, "offer_control", {"switchboard_integration": "hub"}, actor=BOT)
    made.send(TALK, "offer_control", {"switchboard_integration": "pay"}, actor=BOT)
    assert made.result(made.send(TALK, "accept_control", actor=HUB)) == "refused forbidden not_pending"
    assert made.result(made.send(TALK, "accept_control", actor=PAY)) == "applied"
    assert (made.context(TALK)["active"], made.context(TALK)["pending"]) == ("pay", None)


def test_a_deleted_integration_loses_control_at_the_next_activity_without_a_pass() -> None:
    made = talk(board())
    made.send(TALK, "pass_control", {"switchboard_integration": "pay"}, actor=BOT)
    passed = made.event_types(TALK).count("switchboard.control_passed")
    assert made.result(made.send(BOARD, "remove_integration", {"id": "pay"}, actor=APP)) == "applied"
    write(made)
    assert (made.state(TALK), made.context(TALK)["active"]) == (["held.no_offer"], "bot")
    assert made.event_types(TALK)[-2:] == ["switchboard.configured", "switchboard.control_assigned"]
    assert made.event_types(TALK).count("switchboard.control_passed") == passed
    assert made.refusals == []


def test_an_offer_to_a_deleted_integration_fails() -> None:
    made = talk(board())
    made.send(TALK, "offer_control", {"switchboard_integration": "pay"}, actor=BOT)
    made.send(BOARD, "remove_integration", {"id": "pay"}, actor=APP)
    write(made)
    assert made.event_types(TALK)[-1] == "switchboard.control_offer_failed"
    assert made.context(TALK)["failure"]["code"] == "switchboard_invalid_target"
    assert made.context(TALK)["active"] == "bot"


def test_the_default_and_whoever_is_next_are_not_deleted() -> None:
    made = board()
    named = ("bot", "hub", "pay", "pay")
    answers = [made.result(made.send(BOARD, "remove_integration", {"id": one}, actor=APP)) for one in named]
    assert answers == [
        "refused invalid_target integration_is_default",
        "refused invalid_target integration_is_next",
        "applied",
        "refused not_found switchboard_integration_not_found",
    ]


def test_a_board_that_did_not_change_is_not_fetched() -> None:
    made = talk(board())
    assert made.result(write(made)) == "ignored"
    assert "board.fetched" not in made.event_types()


def test_a_deleted_board_takes_its_control_records_along() -> None:
    made = talk(board())
    made.send(BOARD, "delete", actor=APP)
    write(made)
    assert (made.state(TALK), made.context(TALK)["active"]) == (["unassigned"], None)
    made.send(BOARD, "create", actor=APP)
    assert made.context(BOARD)["board_version"] > made.context(TALK)["board_version"]


def test_a_disabled_board_assigns_nobody_and_an_enabled_one_again() -> None:
    made = talk(board())
    made.send(TALK, "release_control", actor=BOT)
    made.send(BOARD, "update", {"enabled": False}, actor=APP)
    write(made)
    assert made.state(TALK) == ["unassigned"]
    made.send(BOARD, "update", {"enabled": True}, actor=APP)
    write(made)
    assert made.context(TALK)["active"] == "bot"


ACTORS = st.sampled_from([APP, BOT, HUB, PAY, Actor(id="stranger", kind="integration")])
REFERENCES = st.sampled_from(["bot", "hub", "pay", "helper", "custom", "next", "nobody"])
ACTS = st.one_of(
    st.tuples(
        st.sampled_from(["pass_control", "offer_control"]),
        ACTORS,
        st.fixed_dictionaries({"switchboard_integration": REFERENCES}),
    ),
    st.tuples(st.sampled_from(["accept_control", "release_control"]), ACTORS, st.just({})),
    st.tuples(st.sampled_from(["activity", "ticket_closed", "write", "wait"]), st.just(APP), st.just({})),
    st.tuples(st.just("remove_integration"), st.just(APP), st.just({"id": "pay"})),
)


@settings(max_examples=200, deadline=None)
@given(
    acts=st.lists(ACTS, min_size=1, max_size=20),
    expire=st.booleans(),
    strict=st.booleans(),
    silence=st.booleans(),
)
def test_one_is_active_one_is_pending_and_they_are_never_the_same(
    acts: list[tuple[str, Actor, dict[str, str]]], expire: bool, strict: bool, silence: bool
) -> None:
    extensions = {"inactive_seconds": 20} if silence else {}
    made = talk(board(), offers_expire=expire, strict_sync=strict, **extensions)
    for name, actor, data in acts:
        before, told = made.context(TALK), len(made.events)
        if name == "wait":
            made.advance(seconds=31)
        elif name == "write":
            write(made)
        else:
            made.send(BOARD if name == "remove_integration" else TALK, name, data, actor=actor)
        _check_record(made)
        after, failed = made.context(TALK), made.event_types()[told:]
        if name.endswith("_control") and any(event.endswith("_failed") for event in failed):
            assert (after["active"], after["pending"]) == (before["active"], before["pending"])
    made.check_replay()


def _check_record(made: Desk) -> None:
    state, now = made.state(TALK)[0], made.context(TALK)
    active, pending = now["active"], now["pending"]
    assert (active is not None) == state.startswith("held")
    assert (pending is not None) == (state == "held.offered")
    assert active is None or active != pending
    assert all(each is None or on_board(now["integrations"], each) for each in (active, pending))
