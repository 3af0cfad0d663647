"""One conversation and all that hangs on it, under commands of everybody in any order that the product allows.

A walk publishes what a customer, bots, agents and a supervisor could do, takes some of the messages or all, lets time
pass, and so on. Once all messages are taken, control, case, ticket, interaction and legs have to agree
(`Scene.check_agreement`), and every history has to replay to its snapshot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from tests.desks import Desk
from tests.scenes import ACTORS, Scene
from tests.storms import part

BOB: list[dict[str, Any]] = [
    {
        "do": "agent/bob define",
        "data": {"queues": ["service desk", "fraud"], "capacity": {"chat": 2, "email": 1}},
    },
    {"do": "agent/bob online"},
    {"do": "agent/bob ready", "data": {"channels": ["chat", "email"]}},
]
FAULTS = ("guard_error", "invalid_data", "unknown_command", "unknown_machine", "forbidden")
"""Classes of a refusal that no command of the charts' own may meet."""


@dataclass
class Now:
    """What is there to act on, and who would."""

    desk: Desk
    random: Random
    number: int

    def one(self, *of: str) -> str:
        return self.random.choice(of)

    @property
    def interaction(self) -> str:
        live = [key for key, one in self.desk.of("interaction").items() if one.state != ["stopped"]]
        return f"interaction/{self.random.choice(live or ['C/1/1'])}"

    @property
    def handler(self) -> str:
        snapshot = self.desk.snapshots.get(self.interaction)
        return (snapshot and (snapshot.context["invited"] or snapshot.context["owner"])) or "ann"

    @property
    def ticket(self) -> str:
        return f"ticket/{self.desk.context('conversation/C')['ticket'] or 'C/1'}"

    @property
    def assignee(self) -> str:
        snapshot = self.desk.snapshots.get(self.ticket)
        return (snapshot and snapshot.context["assignee"]) or "sue"

    @property
    def intervention(self) -> str:
        return f"intervention/{self.desk.context('thread/C')['intervention'] or 'none'}"


Move = Callable[[Now], tuple[str, str, dict[str, Any], str | None]]
MOVES: list[Move] = [
    lambda n: ("conversation/C", "message", {"content_id": f"m{n.number}", "source_id": "chat"}, None),
    lambda n: ("switchboard/C", "pass_control", {"switchboard_integration": "interlock-desk"}, "bot"),
    lambda n: (
        "switchboard/C",
        "pass_control",
        {"switchboard_integration": n.one("bot", "payment-bot")},
        "bot",
    ),
    lambda n: ("switchboard/C", "offer_control", {"switchboard_integration": "interlock-desk"}, "bot"),
    lambda n: ("switchboard/C", "offer_control", {"switchboard_integration": "voice-bot"}, "bot"),
    lambda n: ("switchboard/C", "accept_control", {}, "voice-app"),
    lambda n: ("switchboard/C", "release_control", {}, None),
    lambda n: ("switchboard/C", "release_control", {"reason": "transferToEmail"}, None),
    lambda n: (n.interaction, "accept", {}, n.handler),
    lambda n: (n.interaction, "accept", {}, n.handler),
    lambda n: (n.interaction, "accept", {}, n.handler),
    lambda n: (n.interaction, "reject", {}, n.handler),
    lambda n: (n.interaction, "complete", {}, n.handler),
    lambda n: (n.interaction, "complete", {}, n.handler),
    lambda n: (n.interaction, "place_in_workbin", {"workbin": "later"}, n.handler),
    lambda n: (n.interaction, "pull", {}, n.one(n.handler, "sue")),
    lambda n: (n.interaction, "transfer", {"agent": n.one("ann", "bob")}, n.handler),
    lambda n: (n.interaction, "place_in_queue", {"queue": "fraud"}, n.handler),
    lambda n: ("thread/C", "reply", {"content_id": f"r{n.number}"}, n.assignee),
    lambda n: ("thread/C", "reply", {"content_id": f"r{n.number}"}, n.assignee),
    lambda n: ("thread/C", "engage", {"content_id": f"r{n.number}"}, n.assignee),
    lambda n: ("thread/C", "handover", {"to": "bot"}, n.assignee),
    lambda n: (n.intervention, "close", {}, "sue"),
    lambda n: (n.intervention, "cancel", {}, "sue"),
    lambda n: (n.intervention, "defer", {"until": "2026-03-02T12:00:00Z"}, "sue"),
    lambda n: (n.ticket, "close", {}, "sue"),
    lambda n: (n.ticket, "reopen", {}, "sue"),
    lambda n: (n.ticket, "assign", {"agent": n.one("ann", "bob")}, "sue"),
    lambda n: (n.ticket, "transfer", {"agent": n.one("ann", "bob")}, "sue"),
    lambda n: (n.ticket, "transfer", {"queue": "fraud"}, "sue"),
    lambda n: (n.ticket, "escalate", {"department": "fraud"}, n.assignee),
    lambda n: (n.ticket, "deescalate", {}, n.assignee),
    lambda n: (n.ticket, "return_to_queue", {}, n.assignee),
    lambda n: (n.ticket, "wait", {"reason": "user"}, n.assignee),
    lambda n: (n.ticket, "resume", {}, n.assignee),
    lambda n: (n.ticket, "resolve", {}, n.assignee),
    lambda n: (n.ticket, "change_channel", {"channel": "email"}, n.assignee),
    lambda n: (n.one("agent/ann", "agent/bob"), "offline", {}, None),
    lambda n: (n.one("agent/ann", "agent/bob"), "online", {}, None),
    lambda n: ("agent/ann", "ready", {"channels": ["chat", "email"]}, None),
]


def deletion(_now: Now) -> tuple[str, str, dict[str, Any], str | None]:
    return "switchboard/C", "delete", {}, "bot"


def walk(seed: int, moves: int, deleted_at: int | None = None) -> None:
    """``deleted_at``: the move in whose place the app deletes the conversation."""
    random = Random(seed)
    scene = Scene({"steps": []}, seed=seed, doubled=seed % 2 == 0)
    for step in BOB:
        scene.play(step)
    desk = scene.desk
    for number in range(moves):
        move = deletion if number == deleted_at else random.choice(MOVES)
        address, name, data, who = move(Now(desk, random, number))
        desk.send(address, name, data, actor=ACTORS[who] if who else None, run=False)
        desk.run(random.choice([0, 3, 10, 20_000 - 1, 20_000 - 1]))
        if random.random() < 0.15:
            desk.advance(seconds=random.choice([1, 31, 121, 700, 3700]))
    desk.run()
    desk.advance(seconds=200)  # reservations that nobody answered are given up after a minute
    scene.check_agreement()
    desk.check_replay()
    own = [each.error for each in desk.refusals if each.id is not None and each.id.startswith("s")]
    assert [error for error in own if error is not None and error.error_class in FAULTS] == []


@pytest.mark.parametrize("seed", range(40))
def test_control_case_and_legs_agree_whatever_anybody_does(seed: int) -> None:
    walk(seed, moves=30)


@pytest.mark.parametrize("seed", range(10))
def test_they_agree_too_where_the_app_deletes_the_conversation(seed: int) -> None:
    walk(seed, moves=30, deleted_at=20)


@pytest.mark.storm
def test_control_case_and_legs_agree_in_many_conversations() -> None:
    for seed in range(1000, 1000 + part(3000)):
        walk(seed, moves=50, deleted_at=40 if seed % 10 == 0 else None)
