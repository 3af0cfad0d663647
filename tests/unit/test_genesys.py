"""Interactions as Genesys tells of them: capabilities for each leg and role, states, status codes."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.engine.decision import capabilities
from interlock.engine.errors import ErrorClass
from interlock.engine.messages import Actor
from interlock.statecharts.genesys import (
    LEG_STATES,
    OPERATIONS,
    STATUS_CODES,
    command_of,
    leg_state,
    operations,
    status_code,
)

from .chart_cells import CATALOG, Table

ANN = Actor(id="ann", kind="agent")
BOB = Actor(id="bob", kind="agent")
EVE = Actor(id="eve", kind="agent", permissions=["monitor_tasks"])
BOSS = Actor(id="boss", kind="supervisor")

WORK = [
    *("Complete", "PlaceInQueue", "Transfer", "SingleStepTransfer", "PlaceInWorkbin"),
    *("UpdateUserData", "AttachUserData", "DeleteUserData", "SetInFocus", "SetComment"),
]
DATA = ["UpdateUserData", "AttachUserData", "DeleteUserData", "SetInFocus", "SetComment"]


def seen(place: Any, actor: Actor) -> list[str]:
    play = Table("interaction").at(place)
    assert play.snapshot is not None
    return operations(capabilities(play.table.machine, play.snapshot, actor, play.now))


@pytest.mark.parametrize(
    ("place", "actor", "expected"),
    [
        ("queued", ANN, []),
        ("delivering", ANN, ["Accept", "Reject"]),
        ("delivering", BOB, []),
        ("delivering", BOSS, ["PlaceInQueue"]),
        (["in delivering", "reject"], ANN, []),
        ("handling", ANN, WORK),
        ("handling", BOB, []),
        ("handling", BOSS, ["PlaceInQueue", "Transfer", "SingleStepTransfer"]),
        ("parked", ANN, ["PlaceInWorkbin", "PullInteraction"]),
        ("parked", BOB, []),
        ("parked", EVE, ["PullInteraction"]),
        ("parked", BOSS, ["PlaceInQueue", "PullInteraction"]),
        ("composing", ANN, ["PlaceInWorkbin", *DATA, "Send", "Cancel"]),
        ("composing", BOB, []),
        (["in handling", "transfer"], ANN, []),
        (["in handling", "transfer"], BOB, ["Accept", "Reject"]),
        (["in parked", {"send": "pull", "actor": "boss"}], ANN, []),
        ("stopped", ANN, []),
        ("sent", ANN, []),
        ("canceled", ANN, []),
    ],
)
def test_each_leg_and_role_has_the_capabilities_of_the_documents(
    place: Any, actor: Actor, expected: list[str]
) -> None:
    assert seen(place, actor) == expected


@pytest.mark.parametrize(
    "place", ["queued", "routing", "delivering", "handling", "parked", "composing", "stopped"]
)
@pytest.mark.parametrize("actor", ["ann", "bob", "boss", "monitor"])
def test_what_is_no_capability_is_refused_and_what_is_one_is_taken(place: str, actor: str) -> None:
    """With the valid data of the table, what an actor is told is what they can do."""
    table = Table("interaction")
    play = table.at(place)
    assert play.snapshot is not None
    kind = Actor(**table.actors[actor])
    told = capabilities(table.machine, play.snapshot, kind, play.now)
    results = {
        name: table.at(place).send(name, actor=actor).result
        for name, command in table.machine.chart.commands.items()
        if not command.creates
    }
    assert [name for name in told if results[name].error] == []
    # A harmless repeat may be told of or not: it does nothing.
    assert [name for name, result in results.items() if result.status == "applied" and name not in told] == []


def test_every_operation_is_a_command_of_the_chart_and_comes_back() -> None:
    machine = CATALOG.machine("interaction")
    assert machine is not None
    assert OPERATIONS.keys() <= machine.chart.commands.keys()
    for command, names in OPERATIONS.items():
        assert {command_of(name) for name in names} == {command}
    assert command_of("PullFromWorkbin") == "pull"
    assert command_of("Conference") is None


def test_every_state_of_a_leg_has_a_name() -> None:
    assert LEG_STATES.keys() == Table("leg").resting_states
    assert [leg_state("processing", channel) for channel in ("chat", "email")] == ["Chatting", "Processing"]


@pytest.mark.parametrize(
    ("place", "command", "data", "actor", "code"),
    [
        ("delivering", "accept", None, "ann", 0),
        ("handling", "accept", None, "ann", 2),
        ("handling", "complete", None, "bob", 6),
        ("handling", "place_in_queue", {}, "ann", 1),
        ("handling", "place_in_queue", {"queue": "moon"}, "ann", 6),
        ("handling", "place_in_workbin", {}, "ann", 1),
        ("handling", "place_in_workbin", {"workbin": "never"}, "ann", 6),
        ("handling", "update_user_data", {}, "ann", 1),
        ("handling", "update_user_data", {"user_data": 7}, "ann", 10),
        ("handling", "transfer", {}, "ann", 1),
        ("parked", "pull", None, "bob", 5),
        ("queued", "offer", None, "ann", 5),
        ("stopped", "complete", None, "ann", 2),
        ("queued", "create", None, "ann", 18),
    ],
)
def test_a_refusal_has_the_status_code_of_the_documents(
    place: str, command: str, data: Any, actor: str, code: int
) -> None:
    error = Table("interaction").at(place).send(command, data, actor).result.error
    assert status_code(error.as_dict() if error else None) == code


def test_every_class_of_refusal_has_a_code() -> None:
    assert STATUS_CODES.keys() >= {each.value for each in ErrorClass}
    assert status_code({"class": "of_tomorrow", "code": "x", "message": ""}) == 4
