"""Interactions at a whole desk: who is offered what, and that legs, agents and queues agree with the interaction."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interlock.engine.messages import Actor
from interlock.engine.outcome import Decision
from interlock.engine.snapshot import Snapshot
from interlock.statecharts.time_limits import time_limit
from tests.desks import Desk
from tests.storms import part

AGENTS = ("ann", "bob", "cid")
NEW_ROUND = {
    *("interaction.accepted", "interaction.round_begun", "interaction.routing_failed"),
    *("interaction.queued", "interaction.transferred"),
}
OPEN_LEGS = ("invited", "processing", "composing", "in_workbin")
BOSS = Actor(id="boss", kind="supervisor")


def agent(name: str) -> Actor:
    return Actor(id=name, kind="agent")


@dataclass
class WatchedDesk(Desk):
    """A desk that looks at each interaction with each commit. ``declined``: who has said no in this round, as the
    commands tell it, whatever the interaction makes of it."""

    declined: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def _commit(self, address: str, decision: Decision) -> None:
        before = self.snapshots.get(address)
        super()._commit(address, decision)
        if address.startswith("interaction/"):
            self._note_declined(address, before)
            check_alone(self.snapshots[address])
            assert self.context(address)["invited"] not in self.declined[address]

    def _note_declined(self, address: str, before: Snapshot | None) -> None:
        entry = self.history[address][-1]
        if NEW_ROUND & set(entry["events"]):
            self.declined[address].clear()
        rang_in_vain = entry["command"]["name"].startswith("after.") and entry["from"] == ["delivering"]
        if before is not None and (entry["command"]["name"] == "reject" or rang_in_vain):
            self.declined[address].add(before.context["invited"])


def check_alone(snapshot: Snapshot) -> None:
    """What holds of an interaction in each of its versions."""
    context = snapshot.context
    holders = [name for name, state in context["legs"].items() if state in OPEN_LEGS]
    wanted = {
        "delivering": ("invited", context["invited"]),
        "handling": ("processing", context["owner"]),
        "composing": ("composing", context["owner"]),
        "parked": ("in_workbin", context["owner"]),
    }.get(snapshot.state[0])
    if wanted is None:
        assert holders == [] and context["invited"] is None and context["owner"] is None
    else:
        assert holders == [wanted[1]] and context["legs"][wanted[1]] == wanted[0]
    assert context["invited"] not in context["excluded"], "offered to who has declined in this round"
    assert (context["workbin"] is not None) == (snapshot.state == ["parked"])


def check_legs(desk: Desk) -> None:
    """Once all messages are taken, the legs say what the interaction says; none was ever told what it refuses."""
    assert [each for each in desk.refusals if each.machine == "leg"] == []
    legs = desk.of("leg")
    for key, snapshot in desk.of("interaction").items():
        mine = [legs[f"{key}/{number}"] for number in range(1, snapshot.context["leg"] + 1)]
        assert {leg.context["agent"]: leg.state[0] for leg in mine} == snapshot.context["legs"]
        assert all(leg.done for leg in mine[:-1])
    assert len(legs) == sum(each.context["leg"] for each in desk.of("interaction").values())


def held(desk: Desk) -> dict[str, set[str]]:
    """The items that each agent has, as their interactions tell it."""
    found: dict[str, set[str]] = {name: set() for name in desk.of("agent")}
    for key, snapshot in desk.of("interaction").items():
        if snapshot.state[0] in ("delivering", "handling"):
            found[snapshot.context["invited"] or snapshot.context["owner"]].add(f"interaction/{key}")
    return found


def check_loads(desk: Desk) -> None:
    """Agents hold what the interactions say, never more than their hard capacity."""
    stopped = {f"interaction/{key}" for key, each in desk.of("interaction").items() if each.done}
    for name, items in held(desk).items():
        load = set(desk.context(f"agent/{name}")["load"])
        assert items <= load <= items | stopped, name
        hard = desk.context(f"agent/{name}")["capacity"].get("chat", {}).get("hard")
        assert hard is None or len(items) <= hard, name


def check_queues(desk: Desk) -> None:
    """What waits is in its queue, and in no other; nothing waits while an agent that fits is free."""
    places: dict[str, list[str]] = {}
    for name, queue in desk.of("queue").items():
        for item in queue.context["items"]:
            places.setdefault(item, []).append(name)
    for key, snapshot in desk.of("interaction").items():
        waits = snapshot.state[0] in ("queued", "routing")
        assert places.get(f"interaction/{key}", []) == ([snapshot.context["queue"]] if waits else [])
        if waits:
            assert [name for name in desk.of("agent") if _fits(desk, name, snapshot.context)] == []


def _fits(desk: Desk, name: str, wanted: Mapping[str, Any]) -> bool:
    person = desk.context(f"agent/{name}")
    soft = person["capacity"].get(wanted["channel"], {}).get("soft", 0)
    return (
        desk.state(f"agent/{name}") == ["online"]
        and wanted["queue"] in person["queues"]
        and wanted["channel"] in person["ready"]
        and len(person["load"]) < soft
        and name not in wanted["excluded"]
        and set(wanted["skills"]) <= set(person["skills"])
    )


def check(desk: Desk) -> None:
    check_legs(desk)
    check_loads(desk)
    check_queues(desk)


def staffed(*names: str, capacity: int = 1, **words: Any) -> WatchedDesk:
    """A desk whose agents have logged on one after the other, so that the first is idle for longest."""
    desk = WatchedDesk(**words)
    for name in names:
        desk.send(
            f"agent/{name}",
            "define",
            {"queues": ["mail", "billing"], "capacity": {"chat": capacity}, "offline_policy": "requeue"},
        )
        desk.send(f"agent/{name}", "ready", {"channels": ["chat"]}, actor=agent(name))
        desk.send(f"agent/{name}", "online", actor=agent(name))
        desk.advance(seconds=1)
    return desk


def chat(desk: Desk, key: str = "I-1", **data: Any) -> None:
    desk.send(f"interaction/{key}", "create", {"channel": "chat", "queue": "mail", **data})


def leg_ends(desk: Desk, key: str = "I-1") -> list[tuple[str, str, str | None]]:
    legs = (desk.snapshot(f"leg/{key}/{n}") for n in range(1, desk.context(f"interaction/{key}")["leg"] + 1))
    return [(leg.context["agent"], leg.state[0], leg.context["reason"]) for leg in legs]


@pytest.mark.parametrize("doubled", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_one_rejects_one_lets_it_ring_and_one_accepts(doubled: bool, seed: int) -> None:
    """O3: one interaction, three legs."""
    desk = staffed("ann", "bob", "cid", doubled=doubled, choose=random.Random(seed).choice)
    chat(desk)
    assert desk.context("interaction/I-1")["invited"] == "ann"
    desk.send("interaction/I-1", "reject", actor=agent("ann"), correlation_id="ann says no")
    assert (desk.context("interaction/I-1")["invited"], desk.context("interaction/I-1")["excluded"]) == (
        "bob",
        ["ann"],
    )
    desk.advance(seconds=29)
    assert desk.context("interaction/I-1")["invited"] == "bob"
    desk.advance(seconds=1)
    assert desk.context("interaction/I-1")["invited"] == "cid"
    assert desk.context("agent/bob")["ready"] == []
    desk.send("interaction/I-1", "accept", actor=agent("cid"))
    assert desk.state("interaction/I-1") == ["handling"]
    assert leg_ends(desk) == [
        ("ann", "completed", "rejected"),
        ("bob", "revoked", "delivering_timeout"),
        ("cid", "processing", None),
    ]
    assert desk.event_types("interaction/I-1") == [
        "interaction.created",
        "interaction.invited",
        "interaction.rejected",
        "interaction.invited",
        "interaction.revoked",
        "interaction.invited",
        "interaction.accepted",
    ]
    told = {
        (event["type"], event["subject"]) for event in desk.events if event["correlationid"] == "ann says no"
    }
    assert {("leg.completed", "I-1/1"), ("interaction.invited", "I-1"), ("leg.begun", "I-1/2")} <= told
    check(desk)
    desk.check_replay()


def test_the_only_agent_is_asked_again_after_three_back_offs() -> None:
    desk = staffed("ann")
    chat(desk)
    desk.send("interaction/I-1", "reject", actor=agent("ann"))
    desk.advance(seconds=20 + 40 + 59)
    assert desk.state("interaction/I-1") == ["routing"]
    assert desk.context("interaction/I-1")["waits"] == 2
    check(desk)
    desk.advance(seconds=1)
    assert desk.context("interaction/I-1")["invited"] == "ann"
    check(desk)


def test_another_agent_who_comes_in_the_meantime_has_it_at_once() -> None:
    desk = staffed("ann")
    chat(desk)
    desk.send("interaction/I-1", "reject", actor=agent("ann"))
    for command, data in (
        ("define", {"queues": ["mail"], "capacity": {"chat": 1}}),
        ("ready", {"channels": ["chat"]}),
    ):
        desk.send("agent/bob", command, data)
    desk.send("agent/bob", "online")
    assert desk.context("interaction/I-1")["invited"] == "bob"
    desk.send("interaction/I-1", "accept", actor=agent("bob"))
    assert [
        timer.event for timer in desk.snapshot("interaction/I-1").timers if "back_off" in timer.event
    ] == []
    check(desk)


def test_one_round_where_the_interaction_says_so() -> None:
    desk = staffed("ann")
    chat(desk, rounds=1, back_off=5)
    desk.send("interaction/I-1", "reject", actor=agent("ann"))
    desk.advance(seconds=5)
    assert desk.context("interaction/I-1")["invited"] == "ann"


def test_user_data_sets_how_long_it_rings() -> None:
    desk = staffed("ann")
    chat(desk, user_data={"delivering-timeout": "5"}, not_ready_on_timeout=False)
    desk.advance(seconds=5)
    assert leg_ends(desk) == [("ann", "revoked", "delivering_timeout")]
    assert desk.context("agent/ann")["ready"] == ["chat"]
    check(desk)


def test_every_request_of_the_owner_restarts_the_handling_time_out() -> None:
    desk = staffed("ann")
    chat(desk, user_data={"handling-timeout": 10})
    desk.send("interaction/I-1", "accept", actor=agent("ann"))
    for command, data in (
        ("update_user_data", {"user_data": {"step": 1}}),
        ("set_comment", {"comment": "He rings back"}),
        ("set_in_focus", {"in_focus": True}),
        ("attach_user_data", {"user_data": {"more": 1}}),
        ("delete_user_data", {"user_data": {"more": 0}}),
    ):
        desk.advance(minutes=9)
        desk.send("interaction/I-1", command, data, actor=agent("ann"))
        assert desk.state("interaction/I-1") == ["handling"]
    refused = desk.send("interaction/I-1", "accept", actor=agent("ann"))
    assert desk.result(refused) == "refused guard_failed invalid_leg_state"
    desk.advance(minutes=10)
    assert leg_ends(desk)[0] == ("ann", "revoked", "handling_timeout")


def test_nobody_for_twelve_hours_is_told_of_and_it_goes_on_waiting() -> None:
    desk = WatchedDesk()
    chat(desk, routing_timeout=60)
    desk.advance(seconds=150)
    assert desk.event_types("interaction/I-1").count("interaction.routing_failed") == 2
    check(desk)


def test_a_transfer_moves_the_place_that_it_takes() -> None:
    desk = staffed("ann", "bob")
    chat(desk)
    desk.send("interaction/I-1", "accept", actor=agent("ann"))
    desk.send("interaction/I-1", "transfer", {"agent": "bob"}, actor=agent("ann"))
    assert leg_ends(desk) == [("ann", "completed", "transferred"), ("bob", "invited", None)]
    assert (desk.context("agent/ann")["load"], list(desk.context("agent/bob")["load"])) == (
        {},
        ["interaction/I-1"],
    )
    desk.send("interaction/I-1", "accept", actor=agent("bob"))
    check(desk)


def test_a_transfer_to_who_has_no_place_goes_to_the_queue() -> None:
    desk = staffed("ann", "bob")
    for key, name in (("I-1", "ann"), ("I-2", "bob")):
        chat(desk, key)
        desk.send(f"interaction/{key}", "accept", actor=agent(name))
    desk.send("interaction/I-1", "transfer", {"agent": "bob"}, actor=agent("ann"))
    assert leg_ends(desk)[1] == ("bob", "revoked", "agent_gone")
    check(desk)


def test_a_parked_interaction_leaves_a_place_and_a_supervisor_may_pull_it() -> None:
    """O16, as far as the interaction goes."""
    desk = staffed("ann", "boss")
    chat(desk)
    desk.send("interaction/I-1", "accept", actor=agent("ann"))
    desk.send("interaction/I-1", "place_in_workbin", {"workbin": "later"}, actor=agent("ann"))
    assert desk.context("agent/ann")["load"] == {}
    check(desk)
    first = desk.send("interaction/I-1", "pull", actor=BOSS, run=False)
    second = desk.send("interaction/I-1", "pull", actor=agent("ann"), run=False)
    desk.run()
    assert (desk.result(first), desk.result(second)) == ("applied", "refused not_accepted not_accepted")
    assert leg_ends(desk) == [("ann", "completed", "pulled"), ("boss", "processing", None)]
    assert list(desk.context("agent/boss")["load"]) == ["interaction/I-1"]
    check(desk)


def test_an_agent_who_goes_gives_it_back_to_the_head() -> None:
    desk = staffed("ann")
    chat(desk, "I-1")
    desk.send("interaction/I-1", "accept", actor=agent("ann"))
    chat(desk, "I-2")
    desk.send("agent/ann", "offline", actor=agent("ann"))
    assert leg_ends(desk) == [("ann", "revoked", "agent_gone")]
    check(desk)
    desk.send("agent/ann", "online", actor=agent("ann"))
    assert [desk.state(f"interaction/I-{n}") for n in (1, 2)] == [["delivering"], ["queued"]]
    check(desk)


def test_two_full_queues_that_point_at_each_other_end() -> None:
    desk = WatchedDesk()
    for name, other in (("mail", "billing"), ("billing", "mail")):
        desk.send(f"queue/{name}", "define", {"max_waiting": 1, "overflow_to": other})
        chat(desk, f"first-{name}", queue=name)
    chat(desk)
    assert [each for each in desk.refusals if each.error and each.error.code == "endless_sends"] == []
    desk.send("interaction/first-billing", "place_in_queue", {"queue": "__STOP__"})
    desk.advance(seconds=60)
    assert "interaction/I-1" in desk.context("queue/billing")["items"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        *((5, 5), ("5", 5), (1, 1), (86_400, 86_400)),
        *((0, 30), (-5, 30), (86_401, 30), ("86401", 30), (2.5, 30), (True, 30), (None, 30)),
        *(("", 30), ("soon", 30), ("٥", 30), ("9" * 5000, 30), ([5], 30), ({"s": 5}, 30)),
    ],
)
def test_a_time_limit_that_makes_no_sense_says_nothing(given: Any, expected: int) -> None:
    assert time_limit({"delivering-timeout": given}, "delivering-timeout", 30) == expected


def test_the_longer_time_limits_are_in_minutes() -> None:
    assert time_limit({"handling-timeout": 3}, "handling-timeout", 10_800) == 180
    assert time_limit({}, "routing-timeout", 43_200) == 43_200


@pytest.mark.parametrize("place", ["with another", "parked", "a draft", "declined", "elsewhere"])
@pytest.mark.parametrize("seed", range(3))
def test_a_place_that_was_kept_for_what_is_not_wanted_any_more_is_given_back(place: str, seed: int) -> None:
    """The queue had asked before the interaction went on: its offer comes late."""
    desk = staffed("ann", "bob", choose=random.Random(seed).choice)
    if place == "a draft":
        desk.send(
            "interaction/I-1",
            "create",
            {"channel": "chat", "interaction_type": "Outbound"},
            actor=agent("bob"),
        )
    else:
        chat(desk)
        desk.send(
            "interaction/I-1",
            "reject" if place == "declined" else "transfer",
            {"agent": "bob"},
            actor=agent("ann"),
        )
        desk.send("interaction/I-1", "accept", actor=agent("ann"))
    if place == "declined":
        desk.send("interaction/I-1", "reject", actor=agent("ann"))
        desk.send("interaction/I-1", "reject", actor=agent("bob"))
    if place == "parked":
        desk.send("interaction/I-1", "place_in_workbin", {"workbin": "later"}, actor=agent("ann"))
    if place == "elsewhere":
        desk.send("agent/bob", "not_ready")
        desk.send("agent/ann", "not_ready")
        desk.send("interaction/I-1", "transfer", {"queue": "billing"}, actor=agent("ann"))
        desk.send("agent/bob", "ready", {"channels": ["chat"]}, run=False)
    before = desk.state("interaction/I-1")
    desk.send(
        "agent/bob",
        "reserve",
        {"machine": "interaction", "key": "I-1", "channel": "chat", "queue": "mail"},
        run=False,
    )
    desk.run()
    if place == "elsewhere":
        assert desk.context("interaction/I-1")["invited"] == "bob"
        assert desk.context("agent/bob")["load"]["interaction/I-1"]["offers"] == 1
    else:
        assert (desk.state("interaction/I-1"), desk.context("agent/bob")["load"]) == (before, {})
    check(desk)


def test_what_its_queue_offers_to_who_has_just_declined_waits_for_another() -> None:
    """The offer is on its way when the agent lets the invitation by hand go: the queue has to hear of both."""
    desk = staffed("ann")
    chat(desk)
    desk.send("interaction/I-1", "reject", actor=agent("ann"))
    item = {"machine": "interaction", "key": "I-1", "channel": "chat"}
    desk.send("queue/mail", "enqueue", {**item, "excluded": []}, run=False)  # as the queue knew it before
    desk.run()
    assert desk.state("interaction/I-1") == ["routing"]
    assert desk.context("agent/ann")["load"] == {}
    assert "agent" not in desk.context("queue/mail")["items"]["interaction/I-1"], "it waits"
    check(desk)


def test_a_place_that_was_kept_for_what_has_ended_is_free_after_a_minute() -> None:
    desk = staffed("ann")
    chat(desk)
    desk.send("interaction/I-1", "accept", actor=agent("ann"))
    desk.send("interaction/I-1", "complete", actor=agent("ann"))
    desk.send(
        "agent/ann", "reserve", {"machine": "interaction", "key": "I-1", "channel": "chat", "queue": "mail"}
    )
    assert list(desk.context("agent/ann")["load"]) == ["interaction/I-1"]
    chat(desk, "I-2")
    desk.advance(minutes=1)
    assert desk.context("interaction/I-2")["invited"] == "ann"
    check(desk)


def test_a_reply_is_a_draft_and_its_end_leaves_what_it_answers_alone() -> None:
    desk = staffed("ann")
    chat(desk)
    desk.send("interaction/I-1", "accept", actor=agent("ann"))
    for key, end in (("D-1", "cancel"), ("D-2", "send")):
        data = {"channel": "chat", "interaction_type": "Outbound", "parent_id": "I-1"}
        desk.send(f"interaction/{key}", "create", data, actor=agent("ann"))
        desk.send(f"interaction/{key}", "place_in_workbin", {"workbin": "later"}, actor=agent("ann"))
        desk.send(f"interaction/{key}", "pull", actor=agent("ann"))
        desk.send(f"interaction/{key}", end, actor=agent("ann"))
    assert [leg_ends(desk, key)[0][1] for key in ("D-1", "D-2")] == ["canceled", "sent"]
    assert desk.state("interaction/I-1") == ["handling"]
    check(desk)


def test_a_workitem_is_booked_and_goes_to_the_queue_where_there_is_no_place() -> None:
    desk = staffed("ann")
    for key in ("W-1", "W-2"):
        desk.send("agent/ann", "define", {"capacity": {"workitem": 1}})
        desk.send(
            f"interaction/{key}", "create_workitem", {"queue": "mail", "parent_id": "I-0"}, actor=agent("ann")
        )
    assert (desk.state("interaction/W-1"), desk.state("interaction/W-2")) == (["handling"], ["queued"])
    assert leg_ends(desk, "W-2") == [("ann", "revoked", "agent_gone")]
    check_legs(desk)
    check_queues(desk)


@pytest.mark.parametrize(("saved", "expected"), [(True, "ann"), (False, "bob")])
def test_who_had_it_last_is_preferred_where_they_said_so(saved: bool, expected: str) -> None:
    desk = staffed("ann", "bob", capacity=2)
    chat(desk)
    desk.send("interaction/I-1", "accept", actor=agent("ann"))
    data = {"queue": "billing", "save_last_agent": saved}
    desk.send("interaction/I-1", "complete", data, actor=agent("ann"))
    assert desk.context("interaction/I-1")["invited"] == expected


KEYS = ("I-1", "I-2", "I-3")
FITTING = {
    "queued": ("invite", "move"),
    "routing": ("invite", "move"),
    "delivering": ("accept", "accept", "accept", "reject", "reject", "rescind"),
    "handling": (
        *("complete back", "place_in_queue", "transfer", "update_user_data"),
        *("place_in_workbin", "place_in_workbin", "place_in_workbin"),
    ),
    "parked": ("pull", "boss pulls", "place_in_workbin", "move"),
}
"""What may well be applied in a state; the rest of `ANYTHING` is mostly refused, which is part of it."""
ANYTHING = sorted({*(name for names in FITTING.values() for name in names), "complete", "stop"})
BY_THE_DESK = ("invite", "rescind", "stop", "move", "boss pulls")
COMMANDS = {
    "stop": "place_in_queue",
    "move": "place_in_queue",
    "boss pulls": "pull",
    "complete back": "complete",
}


def act(desk: Desk, rng: random.Random) -> None:
    """Do something at the desk. What it leads to is still under way afterwards."""
    kind = rng.random()
    if kind < 0.08:
        desk.advance(seconds=rng.choice([1, 20, 31, 120, 11_000]))
    elif kind < 0.25:
        name = rng.choice(AGENTS)
        command = rng.choice(["online", "online", "ready", "ready", "offline", "not_ready"])
        data = {"channels": ["chat"]} if "ready" in command else {}
        desk.send(f"agent/{name}", command, data, actor=agent(name), run=False)
    else:
        _work(desk, rng)


def _work(desk: Desk, rng: random.Random) -> None:
    address = f"interaction/{rng.choice(KEYS)}"
    context = desk.context(address)
    fitting = FITTING.get(desk.state(address)[0], ANYTHING)
    name = rng.choice(fitting if rng.random() < 0.8 else ANYTHING)
    other = rng.choice(AGENTS)
    data: dict[str, Any] = {
        "place_in_queue": {"queue": "billing"},
        "complete back": {"queue": "__BACK__"},
        "transfer": {"agent": other},
        "place_in_workbin": {"workbin": rng.choice(["later", "attic"])},
        "update_user_data": {"user_data": {"by": other}},
        "invite": {"agent": other},
        "stop": {"queue": "__STOP__"},
        "move": {"queue": "mail"},
    }.get(name, {})
    holder = context["invited"] or context["owner"]
    who = holder if holder and rng.random() < 0.9 else other
    actor = BOSS if name in BY_THE_DESK else agent(who)
    desk.send(address, COMMANDS.get(name, name), data, actor=actor, run=False)


def live(seed: int, acts: int, doubled: bool, capacity: int) -> None:
    """Several acts may be under way at once, and instances are taken in any order."""
    rng = random.Random(seed)
    desk = staffed(*AGENTS, capacity=capacity, doubled=doubled, choose=rng.choice)
    for key in KEYS:
        chat(desk, key)
    for _ in range(acts):
        act(desk, rng)
        if rng.random() < 0.5:
            desk.run()
            check(desk)
        else:
            desk.run(rng.randrange(6))
    desk.run()
    check(desk)
    desk.check_replay()


LIVES: dict[str, Any] = {
    "seed": st.integers(0, 2**32),
    "acts": st.integers(1, 60),
    "doubled": st.booleans(),
    "capacity": st.integers(1, 2),
}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(**LIVES)
def test_whatever_happens_legs_agents_and_queues_agree(
    seed: int, acts: int, doubled: bool, capacity: int
) -> None:
    live(seed, acts, doubled, capacity)


@pytest.mark.storm
@settings(max_examples=part(600), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(**LIVES)
def test_whatever_happens_for_long_legs_agents_and_queues_agree(
    seed: int, acts: int, doubled: bool, capacity: int
) -> None:
    live(seed, acts, doubled, capacity)


def test_a_channel_that_no_capacity_names_has_one_place_unless_the_agent_is_away() -> None:
    desk = Desk()
    fax = {"queue": "q", "channel": "fax", "user_data": {}}
    desk.send("queue/q", "define")
    desk.send("agent/ann", "define", {"queues": ["q"], "capacity": {"chat": 20}}, actor=BOSS)
    desk.send("agent/ann", "online", actor=agent("ann"))
    desk.send("agent/ann", "ready", {"channels": ["fax"]}, actor=agent("ann"))
    for key in ("I1", "I2"):
        desk.send(f"interaction/{key}", "create", fax, actor=BOSS)
    assert [desk.state(f"interaction/{key}") for key in ("I1", "I2")] == [["delivering"], ["queued"]]
    desk.send("interaction/I1", "accept", actor=agent("ann"))
    desk.send("agent/ann", "set_status", {"custom_status": "lunch"}, actor=BOSS)
    desk.send("interaction/I1", "complete", actor=agent("ann"))
    assert desk.state("interaction/I2") == ["queued"]
