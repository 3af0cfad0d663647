"""Interventions and contents in Engage's words: nothing empty, nothing of ours, one label for each filter."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.engine.messages import Actor
from interlock.gateway.dialects.engage.errors import IDENTIFIERS, refusal
from interlock.gateway.dialects.engage.shapes import (
    LISTED,
    STATUSES,
    agent_status,
    comment,
    content,
    intervention,
    is_gone,
    records,
)
from interlock.gateway.dialects.engage.words import (
    EngageAgentStatus,
    EngageComment,
    EngageContent,
    EngageIntervention,
)
from interlock.statecharts.functions import intervention_id
from tests.desks import Desk

KEY = "chat:t1:g1"
ID = intervention_id(KEY, 1)
WHO = {"source_id": "chat", "thread_id": "t1", "identity_id": "i1", "identity_group_id": "g1"}
ANN = Actor(id="ann", kind="agent", permissions=["read:*", "reply:*"])
DATES = {"closed_at", "deferred_at"}


def shown(made: Desk, address: str) -> dict[str, Any]:
    snapshot = made.snapshots[address]
    machine = made.catalog.machine(snapshot.machine)
    assert machine is not None
    return snapshot.shown(machine.chart)


def opened() -> Desk:
    made = Desk()
    made.send(f"thread/{KEY}", "engage", {"content_id": "m1", **WHO}, actor=ANN)
    return made


def of(made: Desk) -> dict[str, Any]:
    return intervention(shown(made, f"intervention/{ID}"))


def test_a_new_one_says_whose_it_is_and_leaves_empty_dates_out() -> None:
    found = of(opened())
    assert (found["id"], found["user_id"], found["identity_id"]) == (ID, "ann", "i1")
    assert (found["status"], found["closed"], found["user_replies_count"]) == ("Opened", False, 0)
    assert (found["category_ids"], found["custom_fields"], found["comments_count"]) == ([], {}, 0)
    assert not DATES & found.keys()
    assert None not in found.values()


def test_only_what_engage_knows_is_shown_and_all_that_is_required() -> None:
    found = of(opened())
    declared = EngageIntervention.model_json_schema()
    assert found.keys() <= declared["properties"].keys()
    assert set(declared["required"]) <= found.keys()


def test_each_date_is_there_while_it_means_something() -> None:
    made = opened()
    made.send(f"intervention/{ID}", "defer", {"until": "2026-03-03T09:00:00Z"}, actor=ANN)
    assert of(made)["deferred_at"].startswith("2026-03-03T09:00:00")
    assert of(made)["status"] == "Deferred"
    made.send(f"intervention/{ID}", "reactivate", actor=ANN)
    assert not DATES & of(made).keys()
    made.send(f"intervention/{ID}", "reply", {"content_id": "r1"}, actor=ANN)
    made.send(f"intervention/{ID}", "close", actor=ANN)
    assert (of(made)["closed"], of(made)["closed_at"]) == (True, of(made)["updated_at"])
    assert of(made)["first_user_reply_id"] == "r1"
    made.send(f"intervention/{ID}", "reopen", actor=ANN)
    assert (of(made)["status"], of(made)["closed"]) == ("Reopened", False)
    assert not DATES & of(made).keys()


def test_custom_fields_bear_the_name_of_the_rest_api() -> None:
    made = opened()
    made.send(f"intervention/{ID}", "set_fields", {"custom_field_values": {"order": "o1"}}, actor=ANN)
    assert of(made)["custom_fields"] == {"order": "o1"}
    assert "custom_field_values" not in of(made)


def test_a_cancelled_one_is_gone_and_in_no_list() -> None:
    made = opened()
    made.send(f"intervention/{ID}", "cancel", actor=ANN)
    assert is_gone(shown(made, f"intervention/{ID}"))
    assert of(made)["status"] not in LISTED


def test_every_label_of_a_list_has_a_filter_and_no_other() -> None:
    assert {label for labels in STATUSES.values() for label in labels} == set(LISTED)
    assert STATUSES["active"] == STATUSES["opened"] + STATUSES["reopened"]


def test_contents_of_customers_and_of_agents() -> None:
    made = Desk()
    made.send("content/m1", "import", {"thread": KEY, "body": "Hello", **WHO})
    made.send(
        "content/r1",
        "reply",
        {"thread": KEY, "body": "Hi", "in_reply_to_id": "m1", "intervention_id": ID, **WHO},
        actor=ANN,
    )
    asked, answer = content(shown(made, "content/m1")), content(shown(made, "content/r1"))
    assert (asked["author_id"], asked["body"]) == ("i1", "Hello")
    assert not {"creator_id", "in_reply_to_id", "intervention_id"} & asked.keys()
    assert (answer["creator_id"], answer["in_reply_to_id"], answer["intervention_id"]) == ("ann", "m1", ID)
    for found in (asked, answer):
        declared = EngageContent.model_json_schema()
        assert set(declared["required"]) <= found.keys() <= declared["properties"].keys()


def test_a_list_says_how_many_there_are_in_all() -> None:
    assert records([{"id": "a"}], 7, 3, 1) == {"count": 7, "offset": 3, "limit": 1, "records": [{"id": "a"}]}


@pytest.mark.parametrize(
    ("error_class", "by_state", "status"),
    [
        ("in_flight", 403, 409),
        ("guard_failed", 403, 403),
        ("guard_failed", 422, 422),
        ("not_accepted", 403, 403),
        ("already_exists", 422, 422),
        ("forbidden", 422, 403),
        ("not_found", 403, 404),
        ("invalid_data", 403, 422),
        ("malformed", 403, 422),
        ("too_busy", 403, 503),
        ("guard_error", 403, 500),
    ],
)
def test_refusals_get_the_status_of_their_operation(error_class: str, by_state: int, status: int) -> None:
    result = {
        "error": {"class": error_class, "code": "c", "message": "m", "details": {}},
        "state": ["open.active"],
    }
    assert refusal(result, by_state).status == status
    assert status in IDENTIFIERS


def test_what_was_cancelled_is_not_found_whatever_the_engine_says() -> None:
    error = {"class": "not_accepted", "code": "settled", "message": "m", "details": {}}
    assert refusal({"error": error, "state": ["cancelled"]}, 403).status == 404


def test_a_comment_shows_all_that_is_declared() -> None:
    made = Desk()
    data = {
        "intervention_id": ID,
        "body": "Look",
        "source_id": "chat",
        "thread_id": "t1",
        "identity_id": "i1",
    }
    made.send("intervention_comment/n1", "create", data, actor=ANN)
    found = comment(shown(made, "intervention_comment/n1"))
    assert found.keys() == EngageComment.model_json_schema()["properties"].keys()
    assert (found["id"], found["user_id"], found["body"]) == ("n1", "ann", "Look")


@pytest.mark.parametrize(("held", "busyness"), [(0, "unoccupied"), (1, "ok"), (2, "busy"), (3, "full")])
def test_how_busy_an_agent_is_goes_by_the_two_capacities(held: int, busyness: str) -> None:
    made = Desk()
    made.send("agent/ann", "define", {"capacity": {"chat": {"soft": 2, "hard": 3}}})
    made.send("agent/ann", "online")
    for number in range(held):
        made.send(f"ticket/T-{number}", "open", {"queue": "fr", "channel": "chat"})
        made.send(f"ticket/T-{number}", "assign", {"agent": "ann"})
    found = agent_status(shown(made, "agent/ann"))
    assert found == {
        "agent_id": "ann",
        "channels": [{"id": "chat", "name": "chat", "status": "available", "busyness": busyness}],
    }
    assert found.keys() <= EngageAgentStatus.model_json_schema()["properties"].keys()
