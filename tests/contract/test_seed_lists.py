"""The lists of the four documents over the shipped charts: each is read from indexes, and is that of a full scan."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import orjson
import pytest
import redis

from interlock.engine.chart import Chart
from interlock.engine.messages import format_time
from interlock.engine.store import Store
from interlock.statecharts.catalog import Catalog
from interlock.statecharts.lists import Wanted, list_instances
from interlock.workers.drain import Drainer
from tests.contract.desk import Desk
from tests.listing_model import full_scan

SEED = 20261126
AGENTS = ["ann", "bob", "cid"]
ADMIN = {"kind": "admin", "id": "root"}
WITH_AN_AGENT = ["open.work.assigned", "open.work.waiting", "open.work.resolved"]
BOARD = [{"id": "bot", "name": "bot"}, {"id": "desk", "name": "desk"}]


@cache
def charts() -> Catalog:
    return Catalog.load([])


def commands(dice: random.Random) -> Iterator[tuple[str, str, str, dict[str, Any], dict[str, Any]]]:
    """Machine, key, command, data, actor. Many are refused, as in life."""
    for name in AGENTS:
        capacity = {"chat": 4, "mail": 3, "workitem": 5}
        yield "agent", name, "define", {"name": name.title(), "queues": ["help"], "capacity": capacity}, ADMIN
    for _ in range(40):
        agent = {"kind": "agent", "id": dice.choice(AGENTS), "permissions": ["read:*", "reply:*"]}
        yield "agent", agent["id"], dice.choice(["online", "offline"]), {}, agent
        key = f"i{dice.randrange(8)}"
        yield ("intervention", key, "open", of_intervention(dice), agent)
        yield ("intervention", key, "reply", {"content_id": "c"}, agent)
        name = dice.choice(["close", "cancel", "customer_message", "defer", "reopen", "categorize"])
        data: dict[str, Any] = (
            {"until": format_time(datetime.now(UTC) + timedelta(days=1))} if name == "defer" else {}
        )
        yield "intervention", key, name, data, agent if name != "customer_message" else ADMIN
        key = f"t{dice.randrange(12)}"
        priority = dice.randint(1, 3)
        yield "ticket", key, "open", {"queue": "help", "priority": priority, "channel": "chat"}, ADMIN
        yield "ticket", key, dice.choice(["resolve", "close", "note", "wait"]), {"reason": "user"}, ADMIN
        key = f"x{dice.randrange(12)}"
        yield "interaction", key, "create_workitem", {"queue": "help"}, agent
        yield "interaction", key, "place_in_workbin", {"workbin": dice.choice(["later", "draft"])}, agent
        yield "interaction", key, dice.choice(["pull", "complete"]), {}, agent
        key = f"s{dice.randrange(6)}"
        yield "switchboard", key, "create", {"integrations": BOARD, "default_integration": "bot"}, ADMIN
        passed = {"switchboard_integration": dice.choice(["bot", "desk"])}
        yield "switchboard", key, dice.choice(["pass_control", "offer_control"]), passed, ADMIN

    for name in AGENTS[:2]:
        yield "agent", name, "online", {}, ADMIN
    for number in range(20, 40):
        data = {"queue": "help", "priority": dice.randint(1, 3), "channel": "chat"}
        yield "ticket", f"t{number}", "open", data, ADMIN


def of_intervention(dice: random.Random) -> dict[str, Any]:
    return {
        "content_id": "c",
        "source_id": dice.choice(["chat", "mail"]),
        "thread_id": f"th{dice.randrange(3)}",
        "identity_id": f"id{dice.randrange(4)}",
        "identity_group_id": f"g{dice.randrange(2)}",
    }


@pytest.fixture
def desk(any_client: redis.Redis) -> Desk:
    """The shipped charts, and a day's work."""
    desk = Desk(any_client)
    desk.drainer = Drainer(desk.store, charts(), desk.settings)  # type: ignore[assignment]
    for machine, key, name, data, actor in commands(random.Random(SEED)):
        body = {"machine": machine, "key": key, "name": name, "data": data, "actor": actor}
        desk.publish_raw(orjson.dumps(body))
    while desk.store.backlog():
        desk.work()
    return desk


LISTED = ["Opened", "Reopened", "Deferred", "Closed"]
LISTS = {
    "interventions": Wanted("intervention", {"status": LISTED}, sort=["-created_at"]),
    "interventions by update": Wanted("intervention", {"status": "Closed"}, sort=["-updated_at"]),
    "interventions of a thread": Wanted("intervention", {"thread_id": "th1"}, sort=["-created_at"]),
    "interventions of an agent": Wanted("intervention", {"user_id": "ann"}, sort=["-created_at"]),
    "interventions of identities": Wanted(
        "intervention", {"identity_id": ["id1", "id2"], "identity_group_id": "g1"}, sort=["-created_at"]
    ),
    "interventions of a source": Wanted("intervention", sources=["mail"], sort=["-created_at"]),
    "tickets of an agent": Wanted(
        "ticket", {"assignee": "ann"}, states=WITH_AN_AGENT, sort=["priority", "created_at"]
    ),
    "tickets of a queue": Wanted(
        "ticket", {"queue": "help"}, states=["open.work.queued"], sort=["priority", "since"]
    ),
    "agents": Wanted("agent", sort=["name"]),
    "agents online": Wanted("agent", states=["online"], sort=["-changed_at"]),
    "agents of a queue": Wanted("agent", {"queues": ["help", "other"]}, sort=["name"]),
    "conversations": Wanted("switchboard", sort=["-updated_at"]),
    "conversations of an integration": Wanted("switchboard", {"active": "desk"}, sort=["-updated_at"]),
    "conversations on offer": Wanted("switchboard", {"pending": "desk"}),
    "interactions of the contact centre": Wanted("interaction", states=["queued", "delivering", "handling", "parked"]),
    "interactions of an agent": Wanted("interaction", {"owner": "ann"}, states=["handling", "composing"]),
    "legs of an agent": Wanted("leg", {"agent": "bob"}, states=["processing", "in_workbin"], sort=["-created_at"]),
    "content of a workbin": Wanted(
        "interaction", {"workbin": "later"}, states=["parked"], sort=["priority", "placed_in_queue_at"]
    ),
}  # fmt: skip


def test_each_list_is_that_of_a_full_scan_and_read_from_indexes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = {
        machine: list(desk.store.instances(machine)) for machine in {each.machine for each in LISTS.values()}
    }
    monkeypatch.delattr(Store, "instances")
    for name, wanted in LISTS.items():
        chart = charts().machine(wanted.machine).chart  # type: ignore[union-attr]
        expected = full_scan({1: chart}, everything[wanted.machine], wanted.query([chart]))
        assert expected, f"{name}: nothing to compare"
        for at in range(0, len(expected) + 1, 3):
            page = list_instances(desk.store, [chart], wanted, limit=3, offset=at)
            assert [each.key for each in page.instances] == expected[at : at + 3], name
            assert (page.total, page.exact) == (len(expected), True), name
        assert keys_by_cursor(desk.store, chart, wanted) == expected, name


def keys_by_cursor(store: Store, chart: Chart, wanted: Wanted) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = list_instances(store, [chart], wanted, limit=2, cursor=cursor, count=False)
        found += [each.key for each in page.instances]
        cursor = page.next
        if cursor is None:
            return found
