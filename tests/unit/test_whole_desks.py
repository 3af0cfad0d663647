"""Whole desks: agents, queues, tickets and interactions that send to one another, in any order that the product allows.

Hypothesis moves the people; whose turn it is among the waiting inboxes is drawn too. What must always hold is looked at
after every move, what must hold once all messages are taken whenever the desk comes to rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from interlock.engine.messages import Actor
from interlock.engine.snapshot import RAISE
from tests.desks import Desk
from tests.storms import part

AGENTS = ("ann", "bob", "cid")
QUEUES = ("fr", "de")
CHANNELS = ("chat", "mail")
ITEMS = tuple(f"ticket/T-{n}" for n in range(5)) + tuple(f"interaction/I-{n}" for n in range(4))
SKILLS = ("vip",)
FAULTS = ("guard_error", "invalid_data", "unknown_command", "unknown_machine", "forbidden")
"""Classes of a refusal that no command of the desk's own may meet."""

agents = st.sampled_from(AGENTS)
queues = st.sampled_from(QUEUES)
items = st.sampled_from(ITEMS)
tickets = st.sampled_from(ITEMS[:5])
channels = st.sampled_from(["chat", "chat", "chat", "mail"])
interactions = st.sampled_from(ITEMS[5:])
places = st.sampled_from([1, 2, {"soft": 1, "hard": 2}, 0])


def holder(address: str, state: list[str], context: dict[str, Any]) -> str | None:
    """Which agent an item is with, by the item itself."""
    if address.startswith("ticket/"):
        working = {"open.work.assigned", "open.work.escalated"} & set(state)
        return context["assignee"] if working else None
    agent: str | None = {"delivering": context["invited"], "handling": context["owner"]}.get(state[0])
    return agent


def waits(address: str, state: list[str]) -> bool:
    """Whether an item waits in its queue, by the item itself."""
    if address.startswith("ticket/"):
        return "open.work.queued" in state
    return state[0] in ("queued", "routing")


class WholeDesk(RuleBasedStateMachine):
    """The people's moves. `settle` lets all messages be taken; most moves leave some on their way."""

    desk: Desk

    @initialize(seed=st.integers(0, 2**32), doubled=st.booleans(), data=st.data())
    def begin(self, seed: int, doubled: bool, data: st.DataObject) -> None:
        self.desk = Desk(choose=Random(seed).choice, doubled=doubled)
        self.seen = 0
        for queue, other in (("fr", "de"), ("de", None)):
            config: dict[str, Any] = {
                "strategy": data.draw(st.sampled_from(["longest_idle", "round_robin"])),
                "order": data.draw(st.sampled_from(["priority_then_age", "oldest_first"])),
                "breach_seconds": 90,
                "max_waiting": data.draw(st.sampled_from([2, 100])),
            }
            if other:
                config |= {"overflow_to": other, "overflow_seconds": 200}
            self.desk.send(f"queue/{queue}", "define", config, run=False)
        for agent in AGENTS:
            definition = {
                "queues": data.draw(st.lists(queues, min_size=1, unique=True)),
                "capacity": {channel: data.draw(places) for channel in CHANNELS},
                "skills": data.draw(st.lists(st.sampled_from(SKILLS), unique=True)),
                "offline_policy": data.draw(st.sampled_from(["keep", "grace", "requeue"])),
            }
            self.desk.send(f"agent/{agent}", "define", definition, run=False)
            self.desk.send(f"agent/{agent}", "online", run=False)
            self.desk.send(f"agent/{agent}", "ready", {"channels": list(CHANNELS)}, run=False)
        for item in ITEMS:
            told: dict[str, Any] = {"queue": data.draw(queues), "channel": data.draw(channels)}
            if item.startswith("ticket/"):
                told |= {"priority": data.draw(st.integers(1, 3)), "response_seconds": 400}
                told |= {"skills": data.draw(st.sampled_from([[], [], ["vip"]]))}
            self.tell(item, "open" if item.startswith("ticket/") else "create", told)
        self.desk.run(data.draw(st.integers(0, 100)))

    def tell(
        self, address: str, name: str, data: dict[str, Any] | None = None, actor: Actor | None = None
    ) -> None:
        self.desk.send(address, name, data, actor=actor, run=False)

    @rule(agent=agents, name=st.sampled_from(["online", "offline", "heartbeat"]))
    def presence(self, agent: str, name: str) -> None:
        self.tell(f"agent/{agent}", name)

    @rule(agent=agents, name=st.sampled_from(["ready", "not_ready"]), channel=channels)
    def readiness(self, agent: str, name: str, channel: str) -> None:
        self.tell(f"agent/{agent}", name, {"channels": [channel]})

    @rule(
        agent=agents,
        names=st.lists(queues, unique=True),
        skills=st.lists(st.sampled_from(SKILLS), unique=True),
    )
    def redefine(self, agent: str, names: list[str], skills: list[str]) -> None:
        self.tell(f"agent/{agent}", "define", {"queues": names, "skills": skills})

    @rule(queue=queues, name=st.sampled_from(["pause", "resume"]))
    def pause(self, queue: str, name: str) -> None:
        self.tell(f"queue/{queue}", name)

    @rule(item=tickets, agent=agents)
    def assign(self, item: str, agent: str) -> None:
        self.tell(item, "assign", {"agent": agent})

    @rule(item=tickets, queue=queues, agent=st.none() | agents)
    def transfer(self, item: str, queue: str, agent: str | None) -> None:
        self.tell(item, "transfer", {"queue": queue} | ({"agent": agent} if agent else {}))

    @rule(
        item=tickets,
        command=st.sampled_from(
            [
                ("return_to_queue", {}),
                ("escalate", {"department": "fraud"}),
                ("deescalate", {}),
                ("wait", {"reason": "user"}),
                ("resume", {}),
                ("resolve", {}),
                ("reopen", {}),
                ("close", {}),
                ("customer_message", {}),
                ("note", {}),
                ("prioritize", {"priority": 1}),
            ]
        ),
    )
    def work(self, item: str, command: tuple[str, dict[str, Any]]) -> None:
        self.tell(item, *command)

    @rule(
        item=interactions,
        command=st.sampled_from(
            [
                ("accept", {}),
                ("accept", {}),
                ("reject", {}),
                ("reject", {}),
                ("complete", {}),
                ("complete", {"queue": "de"}),
                ("place_in_queue", {"queue": "fr"}),
                ("place_in_workbin", {"workbin": "w"}),
                ("pull", {}),
                ("transfer", {"agent": "bob"}),
                ("transfer", {"queue": "fr"}),
            ]
        ),
    )
    def answer(self, item: str, command: tuple[str, dict[str, Any]]) -> None:
        snapshot = self.desk.snapshots.get(item)
        who = snapshot and (snapshot.context["invited"] or snapshot.context["owner"])
        self.tell(item, *command, actor=Actor(id=who or "ann", kind="agent"))

    @rule(item=interactions, name=st.sampled_from(["route", "rescind"]))
    def steer(self, item: str, name: str) -> None:
        self.tell(item, name)

    @rule(steps=st.integers(1, 6))
    def some_messages(self, steps: int) -> None:
        self.desk.run(steps)

    @rule(seconds=st.sampled_from([1, 30, 61, 121, 400]), asleep=st.booleans())
    def time_passes(self, seconds: int, asleep: bool) -> None:
        self.desk.advance(seconds=seconds, run=not asleep)

    @rule()
    def settle(self) -> None:
        self.desk.run()
        self.check_rest()

    @invariant()
    def always(self) -> None:
        if not hasattr(self, "desk"):
            return
        for refusal in self.desk.refusals:
            assert refusal.error is not None
            own = refusal.id is not None and refusal.id.startswith("s")
            assert refusal.error.error_class not in FAULTS or not own, refusal
            assert refusal.error.error_class not in ("guard_error", "internal"), refusal
        for name, agent in self.desk.of("agent").items():
            for channel, held in self.desk.context(f"agent/{name}")["capacity"].items():
                booked = [each for each in agent.context["load"].values() if each["channel"] == channel]
                assert len(booked) <= held["hard"], f"{name} holds {len(booked)} of {held} on {channel}"
        for address, snapshot in self.desk.snapshots.items():
            machine = self.desk.machine(snapshot.machine)
            active = {node.path for node in machine.nodes_in(machine.mask_of(snapshot.state))}
            late = [
                timer
                for timer in snapshot.timers
                if not timer.id.startswith(RAISE) and timer.state not in active
            ]
            assert late == [], address
        self.check_offers()

    def check_offers(self) -> None:
        """Nobody is offered what they rejected in the round."""
        for event in self.desk.events[self.seen :]:
            data, context = event["data"], event["data"]["context"]
            if data["command"]["name"] != "offer":
                continue
            if event["type"] == "ticket.assigned":
                assert context["assignee"] not in context["excluded"], event
            if event["type"] == "interaction.invited":
                assert context["invited"] not in context["excluded"], event
        self.seen = len(self.desk.events)

    def check_rest(self) -> None:
        """All messages are taken: queue, agent and item agree, and nothing waits while somebody fits."""
        desk = self.desk
        held: dict[str, dict[str, str]] = {name: {} for name in AGENTS}
        for address in self.items():
            agent = holder(address, desk.state(address), desk.context(address))
            if agent is not None:
                held[agent][address] = desk.context(address)["channel"]
        for name in AGENTS:
            load = desk.context(f"agent/{name}")["load"]
            assert {item: booking["channel"] for item, booking in load.items()} == held[name], name
            assert [each for each in load.values() if not each["confirmed"] or each["offers"] != 1] == [], (
                name
            )
        for queue in QUEUES:
            there = {
                address
                for address in self.items()
                if waits(address, desk.state(address)) and desk.context(address)["queue"] == queue
            }
            known = desk.context(f"queue/{queue}")["items"]
            missing = there - known.keys()
            assert set(known) <= there, queue
            assert not missing or self.was_full(queue), (queue, missing)
            assert all("agent" not in entry for entry in known.values()), queue
            for address in sorted(there & known.keys()):
                self.check_nobody_fits(queue, address)

    def was_full(self, queue: str) -> bool:
        """Whether items were turned away: they ask again later."""
        return any(
            event["type"] == "queue.item_turned_away" and event["subject"] == queue
            for event in self.desk.events
        )

    def items(self) -> Iterator[str]:
        return (address for address in ITEMS if address in self.desk.snapshots)

    def check_nobody_fits(self, queue: str, address: str) -> None:
        desk, context = self.desk, self.desk.context(address)
        if desk.state(f"queue/{queue}") == ["paused"]:
            return
        for name in AGENTS:
            agent = desk.context(f"agent/{name}")
            channel = context["channel"]
            used = sum(booking["channel"] == channel for booking in agent["load"].values())
            fits = (
                desk.state(f"agent/{name}") == ["online"]
                and queue in agent["queues"]
                and used < agent["capacity"].get(channel, {"soft": 0})["soft"]
                and set(context["skills"]) <= set(agent["skills"])
                and name not in context["excluded"]
                and (address.startswith("ticket/") or channel in agent["ready"])
            )
            assert not fits, f"{address} waits in {queue} although {name} is free"

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.settle()
            self.desk.check_replay()


SETTINGS = settings(deadline=None, suppress_health_check=list(HealthCheck), stateful_step_count=40)


def test_a_desk_keeps_its_promises() -> None:
    run_state_machine_as_test(WholeDesk, settings=settings(SETTINGS, max_examples=25, derandomize=True))  # type: ignore[no-untyped-call]


@pytest.mark.storm
def test_many_desks_keep_their_promises() -> None:
    run_state_machine_as_test(
        WholeDesk, settings=settings(SETTINGS, max_examples=part(2000), stateful_step_count=60)
    )  # type: ignore[no-untyped-call]
