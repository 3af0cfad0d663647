"""Filters of events: what each takes, what is refused, what happens where an expression fails."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.engine.event_filters import FilterInvalid, checked, entered, matches
from interlock.engine.expressions import EvaluationError

EVENT: dict[str, Any] = {
    "id": "e",
    "type": "ticket.assigned",
    "source": "/interlock/ticket",
    "subject": "T-1",
    "sequence": 4,
    "time": "2026-01-01T00:00:00.000Z",
    "data": {
        "from": ["open.queued", "billing.none"],
        "to": ["open.assigned.quiet", "billing.none"],
        "command": {"id": "c", "name": "assign"},
        "actor": {"id": "ann", "kind": "agent"},
        "context": {"priority": 2, "queue": "fr", "tags": {"vip": True}},
    },
}


def takes(**kinds: Any) -> bool:
    given = {"events": (), "machines": (), "states": (), "where": None} | kinds
    return checked(**given).wants(EVENT)


@pytest.mark.parametrize(
    ("kinds", "wanted"),
    [
        ({}, True),
        ({"events": ["ticket.*"]}, True),
        ({"events": ["ticket.closed", "ticket.assigned"]}, True),
        ({"events": ["ticket.closed"]}, False),
        ({"machines": ["ticket"]}, True),
        ({"machines": ["interaction"]}, False),
        ({"machines": ["interaction", "ticket"]}, True),
        ({"states": ["open.assigned.quiet"]}, True),
        ({"states": ["open.assigned"]}, True),
        ({"states": ["open.*"]}, True),
        ({"states": ["open"]}, False),
        ({"states": ["open.queued"]}, False),
        ({"states": ["billing.none"]}, False),
        ({"where": "context.priority <= 2"}, True),
        ({"where": "context.priority > 2"}, False),
        ({"where": "context.tags.vip and actor.kind == 'agent' and key == 'T-1'"}, True),
        ({"where": "command == 'assign' and version == 4 and in_state('open')"}, True),
        ({"where": "context.nothing == null"}, True),
        ({"where": "context.priority"}, False),
        ({"events": ["ticket.*"], "machines": ["ticket"], "where": "context.queue == 'de'"}, False),
    ],
)
def test_what_a_filter_takes(kinds: dict[str, Any], wanted: bool) -> None:
    assert takes(**kinds) is wanted


def test_states_entered_are_those_that_were_not_active_before() -> None:
    assert entered(EVENT) == {"open.assigned", "open.assigned.quiet"}
    assert entered({"data": {"from": None, "to": ["queued"]}}) == {"queued"}
    assert entered({"data": []}) == set()


def test_events_about_webhooks_are_for_those_who_name_them() -> None:
    assert not matches("*", "interlock.webhook.disabled")
    assert matches("interlock.*", "interlock.webhook.disabled")
    assert matches("interlock.webhook.disabled", "interlock.webhook.disabled")


@pytest.mark.parametrize("where", ["context.queue < 1", "context.queue + 1", "1 // 0 == 1"])
def test_an_expression_that_fails_says_so(where: str) -> None:
    with pytest.raises(EvaluationError):
        takes(where=where)


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({"where": "data.x == 1"}, "no data"),
        ({"where": "context.x ="}, "column"),
        ({"where": "__import__('os')"}, "column"),
        ({"where": ""}, "empty"),
        ({"machines": ["a b"]}, "machine"),
        ({"states": ["*"]}, "state"),
        ({"states": ["open..x"]}, "state"),
        ({"events": ["*.x"]}, "event filter"),
        ({"events": [f"t.e{n}" for n in range(101)]}, "at most 100"),
    ],
)
def test_what_is_no_filter_is_refused(kinds: dict[str, Any], message: str) -> None:
    with pytest.raises(FilterInvalid, match=message):
        takes(**kinds)


@pytest.mark.parametrize(
    "event", [{"type": "t.x"}, {"type": "t.x", "data": []}, {"type": 5, "data": {"to": 5}}]
)
def test_an_event_of_any_shape_is_answered(event: dict[str, Any]) -> None:
    every = checked(("*",), (), (), "context.x == null and key == ''")
    assert every.wants(event) is True
    assert checked(("*",), ("ticket",), (), None).wants(event) is False
    assert checked(("*",), (), ("open",), None).wants(event) is False
