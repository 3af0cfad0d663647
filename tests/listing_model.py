"""Lists told a second time, by looking at every snapshot: the model that the indexes are compared with.

It knows nothing of rows, encodings and cursors. With it, the machine that the random commands go to.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from functools import cmp_to_key
from typing import Any

from interlock.engine.chart import Chart
from interlock.engine.migration_command import MIGRATE
from interlock.engine.queries import Query
from interlock.engine.snapshot import Snapshot
from interlock.engine.store import Store

V1 = """\
id: parcel
version: 1
description: Something on its way, with fields of every kind to list by.
index: [owner, weight, fragile, label, crew]
context:
  owner: {type: [string, "null"], default: null}
  weight: {type: number, default: 0}
  fragile: {type: [boolean, "null"], default: null}
  label: {default: null}
  channel: {type: [string, "null"], default: null}
  crew: {type: array, default: []}
commands:
  post:
    creates: true
    data: {owner: {type: [string, "null"]}, weight: {type: number}, label: {}, channel: {type: string}}
  put: {data: {owner: {type: [string, "null"]}, weight: {type: number}, label: {}, channel: {type: string}}}
  wrap: {data: {fragile: {type: [boolean, "null"]}}}
  man: {data: {crew: {type: array}}}
  move: {}
  hold: {}
  release: {}
  lose: {}
initial: live
states:
  live:
    type: parallel
    on:
      put: {actions: {assign: {owner: data.owner, weight: data.weight, label: data.label, channel: data.channel}}}
      man: {actions: {assign: {crew: data.crew}}}
      wrap: {actions: {assign: {fragile: data.fragile}}}
      lose: lost
    states:
      place:
        initial: depot
        states:
          depot: {tags: [waiting], on: {move: road.van}}
          road:
            initial: van
            tags: moving
            on: {move: depot}
            states: {van: {on: {hold: ditch}}, ditch: {tags: [waiting]}}
      care:
        initial: normal
        states:
          normal: {on: {hold: held}}
          held: {tags: [waiting, held], on: {release: normal}}
  lost: {type: final, tags: [gone]}
"""
V1 = V1.replace("road.van", "road")
V2 = (
    V1.replace("version: 1", "version: 2")
    .replace("index: [owner, weight, fragile, label, crew]", "index: [owner, label, zone, crew]")
    .replace("  label: {default: null}", "  label: {default: null}\n  zone: {type: integer, default: 7}")
    .replace("tags: [gone]", "tags: [gone, sad]")
)
OWNERS = ["ann", "bob", "", "änn", "zoë", "a\tb", "日本", None]
WEIGHTS = [0, 1, 1.0, -2.5, 2**53, 2**53 + 1, 1e300, -3]
LABELS = [None, False, True, 0, 1, 1.5, "1", "true", "x\x00y", "x", [1], [1.0], {"a": 1}]
CREW = ["ann", "bob", "änn", 1, True, None, [1]]
SOURCES = ["chat", "mail", ""]
TENANTS = ["default", "acme", "nobody"]
STATES = ["live", "live.place", "live.place.depot", "live.place.road", "live.place.road.van"]
STATES += ["live.place.road.ditch", "live.care", "live.care.held", "live.care.normal", "lost"]
TAGS = ["waiting", "moving", "held", "gone", "sad"]
SORTS = ["owner", "weight", "fragile", "label", "zone", "created_at", "updated_at", "chart_version"]


def random_command(dice: random.Random, keys: int) -> dict[str, Any]:
    """A command for one of so many instances; many are refused, as in life."""
    name = dice.choice(
        ["post", "put", "put", "put", "wrap", "man", "move", "move", "hold", "release", "lose", MIGRATE]
    )
    if name == "lose" and dice.random() < 0.8:
        name = "put"
    data: dict[str, Any] = {}
    if name in ("post", "put"):
        data = {"owner": dice.choice(OWNERS), "weight": dice.choice(WEIGHTS), "label": dice.choice(LABELS)}
        if dice.random() < 0.8:
            data["channel"] = dice.choice(SOURCES)
    elif name == "wrap":
        data = {"fragile": dice.choice([True, False, None])}
    elif name == "man":
        data = {"crew": dice.sample(CREW, dice.randrange(4))}
    elif name == MIGRATE:
        data = {"from": 1, "to": 2}
    number = dice.randrange(keys)
    key = f"p{number}" if number % 3 else f"~acme~p{number}"
    return {"machine": "parcel", "key": key, "name": name, "data": data}


def random_query(dice: random.Random) -> Query:
    """Any mixture of filters and sorts."""

    def some(values: list[Any]) -> list[Any]:
        return dice.sample(values, dice.choice([1, 1, 2, 3]))

    where: dict[str, list[Any]] = {}
    for name, values in (
        *(("owner", OWNERS), ("weight", WEIGHTS), ("fragile", [True, False, None])),
        *(("label", LABELS), ("zone", [6, 7, 8]), ("chart_version", [1, 2, 3])),
    ):
        if dice.random() < 0.2:
            where[name] = some(values)
    sort = [dice.choice(["", "-"]) + name for name in dice.sample(SORTS, dice.choice([0, 1, 1, 1, 2, 3]))]
    if dice.random() < 0.2:
        sort.append(dice.choice(["key", "-key"]))
    return Query(
        "parcel",
        some(STATES) if dice.random() < 0.4 else [],
        some(TAGS) if dice.random() < 0.3 else [],
        where,
        sort,
        dice.choice(TENANTS) if dice.random() < 0.2 else None,
        dice.choice([["chat"], ["chat", "mail"], []]) if dice.random() < 0.1 else None,
        {"crew": some([*CREW, 1.0])} if dice.random() < 0.1 else {},
    )


def full_scan(charts: Mapping[int, Chart], snapshots: Iterable[Snapshot], query: Query) -> list[str]:
    """The keys of the list, found by looking at everything."""
    sorts = [(name.removeprefix("-"), name.startswith("-")) for name in query.sort]
    found = []
    for snapshot in snapshots:
        chart = charts[snapshot.chart_version]
        known = {"created_at", "updated_at", "chart_version", "key", *chart.index}
        if {*query.where, *query.has, *(name for name, _ in sorts)} <= known and _fits(
            chart, snapshot, query
        ):
            found.append(snapshot)

    def compare(one: Snapshot, other: Snapshot) -> int:
        for name, down in (*sorts, ("key", bool(sorts) and sorts[-1][1])):
            mine, others = rank(value_of(one, name)), rank(value_of(other, name))
            if mine != others:
                return 1 if (mine > others) != down else -1
        return 0

    return [snapshot.key for snapshot in sorted(found, key=cmp_to_key(compare))]


def _fits(chart: Chart, snapshot: Snapshot, query: Query) -> bool:
    tenant = "acme" if snapshot.key.startswith("~acme~") else "default"
    if query.tenant not in (None, tenant):
        return False
    for name, values in query.has.items():
        if not any(rank(held) == rank(value) for held in snapshot.context[name] for value in values):
            return False
    source = snapshot.context.get("source_id") or snapshot.context.get("channel")
    if query.sources is not None and source not in query.sources:
        return False
    if query.states and not any(is_in(snapshot, state) for state in query.states):
        return False
    tags = {tag for path, state in chart.states.items() if is_in(snapshot, path) for tag in state.tags}
    if query.tags and tags.isdisjoint(query.tags):
        return False
    return all(
        any(rank(value_of(snapshot, name)) == rank(value) for value in values)
        for name, values in query.where.items()
    )


def is_in(snapshot: Snapshot, path: str) -> bool:
    return any(active == path or active.startswith(f"{path}.") for active in snapshot.state)


def value_of(snapshot: Snapshot, name: str) -> Any:
    if name in ("created_at", "updated_at", "chart_version", "key"):
        return getattr(snapshot, name)
    return snapshot.context.get(name)


def rank(value: Any) -> Any:
    """Equal for equal JSON values; of scalars in the documented order. Of lists and objects the test has one."""
    if value is None:
        return (0,)
    if isinstance(value, bool):
        return (1, value)
    if isinstance(value, (int, float)):
        return (2, value)
    if isinstance(value, str):
        return (3, value.encode())
    return (4,) if isinstance(value, list) else (5,)


def check_lists(store: Store, charts: Mapping[int, Chart], dice: random.Random, queries: int) -> int:
    """Every list equals the full scan's, by cursor and by offset; how many instances were listed in all."""
    snapshots = list(store.instances("parcel"))
    listed = 0
    for _ in range(queries):
        query = random_query(dice)
        expected = full_scan(charts, snapshots, query)
        told = f"{query}"
        assert by_cursor(store, query, dice.choice([1, 3, 7, 1000])) == expected, told
        offset, limit = dice.randrange(len(expected) + 2), dice.choice([1, 5, 50])
        page = store.page(query, limit=limit, offset=offset)
        assert [found.key for found in page.instances] == expected[offset : offset + limit], told
        if expected:
            behind = dice.choice(expected)
            page = store.page(query, limit=limit, behind=behind)
            rest = expected[expected.index(behind) + 1 :]
            assert [found.key for found in page.instances] == rest[:limit], told
        total = store.total(query)
        assert (total.count, total.exact) == (len(expected), True), told
        listed += len(expected)
    return listed


def by_cursor(store: Store, query: Query, limit: int) -> list[str]:
    """All of a list, page by page; each page full but for the last."""
    keys: list[str] = []
    cursor = None
    while True:
        page = store.page(query, limit=limit, cursor=cursor)
        assert len(page.instances) <= limit
        keys += [found.key for found in page.instances]
        cursor = page.next
        if cursor is None:
            return keys
        assert len(page.instances) == limit
