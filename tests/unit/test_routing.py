"""Who gets what: the functions that match a queue's items with its agents, and count what an agent holds."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from interlock.engine.decision import decide
from interlock.engine.machine import Machine
from interlock.engine.messages import Command
from interlock.statecharts import capacity, routing
from interlock.statecharts.functions import metadata_for, more_urgent, shown_metadata
from tests.desks import START, Desk, shipped

NOW = "2026-03-02T10:00:00.000Z"


def entry(key: str, **fields: Any) -> dict[str, Any]:
    data = {"machine": "ticket", "key": key, "channel": "chat"} | fields
    made = routing.queue_entry({}, data, fields.pop("now", NOW))
    return {name: value | {"joined": fields.get("joined", NOW)} for name, value in made.items()}


def board(*entries: dict[str, Any]) -> dict[str, Any]:
    return {name: value for each in entries for name, value in each.items()}


def view(idle_since: str = "", served: int = 0, **fields: Any) -> dict[str, Any]:
    return {
        "free": {"chat": 1},
        "ready": [],
        "skills": [],
        "idle_since": idle_since,
        "served": served,
    } | fields


def offers(items: Any, agents: Any, strategy: str = "longest_idle", **words: Any) -> list[tuple[str, str]]:
    given = {"order": "priority_then_age", "prefer": True, "raise_seconds": None, "now": NOW} | words
    made = routing.queue_offers(
        items, agents, strategy, given["order"], given["prefer"], given["raise_seconds"], given["now"]
    )
    return [(offer["key"], offer["agent"]) for offer in made]


def test_the_most_urgent_goes_first_and_of_equal_ones_the_oldest() -> None:
    items = board(
        entry("old", since="2026-03-02T08:00:00Z"),
        entry("urgent", priority=1, since="2026-03-02T09:30:00Z"),
        entry("older", since="2026-03-02T09:00:00+02:00"),
        entry("head", head=True),
    )
    agents = {"ann": view(free={"chat": 4})}
    assert [key for key, _ in offers(items, agents)] == ["urgent", "head", "older", "old"]
    assert [key for key, _ in offers(items, agents, order="oldest_first")] == [
        "head",
        "older",
        "old",
        "urgent",
    ]


def test_who_waits_long_counts_as_more_urgent() -> None:
    items = board(
        entry("patient", priority=3, joined="2026-03-02T09:30:00.000Z"),
        entry("new", priority=2),
    )
    agents = {"ann": view()}
    assert offers(items, agents) == [("new", "ann")]
    assert offers(items, agents, raise_seconds=600) == [("patient", "ann")]


def test_the_strategies_differ() -> None:
    items = board(entry("one"))
    agents = {
        "ann": view("2026-03-02T09:00:00.000Z", served=1),
        "bob": view("2026-03-02T08:00:00.000Z", served=2),
    }
    assert offers(items, agents) == [("one", "bob")]
    assert offers(items, agents, "round_robin") == [("one", "ann")]


def test_in_one_step_everybody_gets_one_before_anybody_gets_two() -> None:
    items = board(*(entry(f"t{n}", since=f"2026-03-02T08:0{n}:00Z") for n in range(4)))
    agents = {"ann": view("1", free={"chat": 3}), "bob": view("2", free={"chat": 3})}
    for strategy in routing.STRATEGIES:
        assert [agent for _, agent in offers(items, agents, strategy)] == ["ann", "bob", "ann", "bob"]


def test_the_preferred_agent_gets_it_where_there_is_room() -> None:
    items = board(entry("one", preferred="bob"))
    agents = {"ann": view("1"), "bob": view("2")}
    assert offers(items, agents) == [("one", "bob")]
    assert offers(items, agents, prefer=False) == [("one", "ann")]
    assert offers(items, agents | {"bob": view(free={"chat": 0})}) == [("one", "ann")]


@pytest.mark.parametrize(
    ("item", "agent", "fits"),
    [
        ({}, {}, True),
        ({"channel": "mail"}, {}, False),
        ({"skills": ["vip", "fr"]}, {"skills": ["fr"]}, False),
        ({"skills": ["vip", "fr"]}, {"skills": ["fr", "vip", "de"]}, True),
        ({"excluded": ["ann"]}, {}, False),
        ({"machine": "interaction"}, {}, False),
        ({"machine": "interaction"}, {"ready": ["chat"]}, True),
    ],
)
def test_who_fits(item: dict[str, Any], agent: dict[str, Any], fits: bool) -> None:
    assert bool(offers(board(entry("one", **item)), {"ann": view(**agent)})) == fits


def test_an_item_that_nobody_may_have_does_not_keep_others_of_its_kind_waiting() -> None:
    items = board(entry("a", excluded=["ann"]), entry("b"), entry("c", skills=["vip"]), entry("d"))
    assert offers(items, {"ann": view(free={"chat": 2})}) == [("b", "ann"), ("d", "ann")]


def test_one_step_makes_only_so_many_offers_and_the_rest_follows() -> None:
    desk = Desk()
    desk.send("queue/fr", "pause", run=False)  # refused: it is not there yet
    desk.send("queue/fr", "define")
    desk.send("queue/fr", "pause")
    for number in range(routing.MAX_OFFERS + 50):
        desk.send("queue/fr", "enqueue", {"machine": "ticket", "key": f"T-{number}", "channel": "chat"})
    desk.send("agent/ann", "define", {"queues": ["fr"], "capacity": {"chat": 1000}})
    desk.send("agent/ann", "online")
    desk.send("queue/fr", "resume", run=False)
    desk.run(1)
    assert desk.context("queue/fr")["offered"] == routing.MAX_OFFERS
    desk.run()
    assert desk.context("queue/fr")["waiting"] == 0


def test_an_item_on_offer_is_offered_to_nobody_else() -> None:
    items = board(entry("one"))
    made = [{"machine": "ticket", "key": "one", "channel": "chat", "agent": "ann"}]
    assert offers(items | routing.items_on_offer(items, made, NOW), {"ann": view(), "bob": view()}) == []


def test_a_queue_of_ten_thousand_looks_at_each_agent_once_for_all_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = 0
    fits = routing._fits

    def counted(*words: Any) -> bool:
        nonlocal looks
        looks += 1
        return fits(*words)

    monkeypatch.setattr(routing, "_fits", counted)
    items = board(*(entry(f"t{n}", skills=["vip"]) for n in range(10_000)))
    assert offers(items, {f"a{n}": view() for n in range(1_000)}) == []
    assert looks == 1_000, "not ten million"


BOOK = {"machine": "ticket", "key": "T", "channel": "chat"}
NAME = "ticket/T"


def play(*answers: str) -> dict[str, Any]:
    """An agent's load after the given messages about one item, in this order."""
    load: dict[str, Any] = {}
    for answer in answers:
        if answer == "released":
            load = capacity.released(load, BOOK, NOW)
        else:
            load = {**load, **getattr(capacity, answer)(load, BOOK, NOW)}
    return load


@pytest.mark.parametrize(
    ("answers", "held"),
    [
        (["reserved", "confirmed"], True),
        (["reserved", "released"], False),
        (["reserved", "confirmed", "released"], False),
        (["reserved", "reserved", "released", "confirmed"], True),
        (["reserved", "reserved", "confirmed", "confirmed"], True),
        (["reserved", "reserved", "confirmed", "confirmed", "released"], False),
        (["reserved", "reserved", "confirmed", "released", "released"], False),
        (["reserved", "booked", "confirmed"], True),
        (["reserved", "booked", "confirmed", "released"], False),
        (["reserved", "booked", "released", "released"], False),
        (["booked", "reserved", "confirmed", "released"], False),
        (["released", "booked"], True),
    ],
)
def test_offers_that_overtake_one_another_leave_the_truth(answers: list[str], held: bool) -> None:
    load = play(*answers)
    assert (NAME in load) == held
    assert not held or (load[NAME]["confirmed"] and load[NAME]["offers"] == 1)


def test_a_release_of_one_of_two_offers_waits_for_the_other_answer() -> None:
    load = play("reserved", "reserved", "confirmed", "released")
    assert (load[NAME]["confirmed"], load[NAME]["offers"]) == (False, 1)
    assert capacity.without_unconfirmed(load, "2026-03-02T10:00:59.999Z") == load
    assert capacity.without_unconfirmed(load, "2026-03-02T10:01:00.000Z") == {}


def test_a_channel_that_an_agent_is_ready_on_has_one_place_where_the_capacity_says_nothing_of_it() -> None:
    ready = ["chat", "fax"]
    assert capacity.free_places({}, {}, ready, []) == {"chat": 1, "fax": 1}
    places = capacity.full_capacity({"chat": 0, "mail": 3})
    assert capacity.free_places(places, {}, ready, ["tax"]) == {"chat": 0, "fax": 1, "mail": 3}
    held = capacity.booked({}, BOOK | {"channel": "fax"}, NOW)
    assert capacity.free_places(places, held, ready, [])["fax"] == 0
    assert capacity.fits_softly({}, {}, ["chat"], [], BOOK)
    assert not capacity.fits_softly({}, {}, ["chat"], ["chat"], BOOK)


def test_soft_is_for_queues_and_hard_for_people() -> None:
    places = capacity.full_capacity({"chat": {"soft": 1, "hard": 2}})
    load = capacity.booked({}, BOOK | {"key": "A"}, NOW)
    assert capacity.free_places(places, load, [], []) == {"chat": 0}
    assert not capacity.fits_softly(places, load, [], [], BOOK)
    assert capacity.fits_hard(places, load, BOOK)
    load |= capacity.booked(load, BOOK | {"key": "B"}, NOW)
    assert not capacity.fits_hard(places, load, BOOK)
    assert capacity.fits_hard(places, load, BOOK | {"key": "B"})
    assert capacity.fits_hard(places, load, BOOK | {"channel": "phone"})


def test_priority_goes_either_way() -> None:
    assert [more_urgent(p, "ascending", 1) for p in (3, 1)] == [2, 1]
    assert [more_urgent(p, "descending", 5) for p in (3, 5, 7)] == [4, 5, 7]


def test_who_sees_which_metadata() -> None:
    metadata = {"ccr": "late", "agentJwt": "a", "roomSubscriptionToken": "b", "roomId": "r", "other": "x"}
    shown = {"ccr": "late", "roomId": "r"}
    assert metadata_for("agent", metadata) == {**shown, "agentJwt": "a", "roomSubscriptionToken": "b"}
    for kind in ("supervisor", "system", "admin", "integration", "bot"):
        assert metadata_for(kind, metadata) == shown == shown_metadata(metadata)


def test_a_queue_takes_items_to_the_last_byte_and_then_turns_them_away() -> None:
    desk = Desk()
    desk.send("queue/fr", "define", {"overflow_to": "de"})
    items: dict[str, Any] = {}
    while routing.has_room(items, "ticket/one-more", 10_000):
        items |= entry(f"{len(items):0>250}", excluded=[f"agent-{n}" for n in range(40)])
    desk.context("queue/fr")["items"] = items
    for key, event in (("one-more", "queue.item_turned_away"), (f"{0:0>250}", "queue.item_enqueued")):
        taken = desk.send("queue/fr", "enqueue", {"machine": "ticket", "key": key, "channel": "chat"})
        assert desk.result(taken) == "applied"
        assert desk.event_types("queue/fr")[-1] == event
    assert len(desk.snapshot("queue/fr").to_bytes()) < 1024 * 1024


def test_a_step_of_a_queue_costs_few_calls_for_each_item_that_waits() -> None:
    few, many = (calls_of_a_step(machine_of_queue(), number) for number in (200, 1_000))
    assert (many - few) / 800 < 20  # 11; with all fields of each item it was 43


def machine_of_queue() -> Machine:
    machine = shipped().machine("queue")
    assert machine is not None
    return machine


def calls_of_a_step(machine: Machine, number: int) -> int:
    """The calls, ours and those of built-in functions, of one step of a queue in which so many items wait."""
    snapshot = None
    for each in range(number):
        snapshot = decide(machine, snapshot, put(f"T-{each}", f"c{each}"), START).snapshot
    assert snapshot is not None and snapshot.context["waiting"] == number
    calls = 0

    def counted(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        decide(machine, snapshot, put("T-1", "again"), START)
    finally:
        sys.setprofile(before)
    return calls


def put(key: str, command: str) -> Command:
    data = {"machine": "ticket", "key": key, "channel": "chat", "priority": 1}
    return Command(machine="queue", key="fr", name="enqueue", data=data, id=command)
