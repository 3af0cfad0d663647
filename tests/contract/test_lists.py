"""Lists by filters, sorts and pages equal a full scan over the snapshots, on both servers."""

from __future__ import annotations

import random
from typing import Any

import fakeredis
import orjson
import pytest
import redis

from interlock.engine import fencing, listing
from interlock.engine.loader import parse_chart
from interlock.engine.migration_command import MIGRATE
from interlock.engine.queries import InvalidCursor, InvalidQuery, NotListed, Query, TooBroad
from interlock.statecharts.catalog import Catalog
from interlock.statecharts.lists import Wanted, list_instances, read_query
from interlock.workers.drain import Drainer
from tests.contract.desk import Desk
from tests.listing_model import V1, V2, by_cursor, check_lists, full_scan, random_command

CHARTS = {1: parse_chart(V1), 2: parse_chart(V2)}
SEED = 20261125


class Killed(BaseException):
    """The worker is gone from one moment to the next."""


@pytest.fixture
def desk(any_client: redis.Redis) -> Desk:
    return prepared(any_client)


def prepared(client: redis.Redis) -> Desk:
    """Workers that know the first version only."""
    desk = Desk(client)
    know(desk, 1)
    return desk


def know(desk: Desk, *versions: int) -> None:
    charts = [CHARTS[version] for version in versions]
    for chart in charts:
        desk.store.register_chart(chart)
    desk.drainer = Drainer(desk.store, Catalog(charts), desk.settings)  # type: ignore[assignment]


def send(desk: Desk, key: str, name: str, **data: Any) -> None:
    raw = orjson.dumps({"machine": "parcel", "key": key, "name": name, "data": data})
    desk.publish_raw(raw)
    desk.work()


def keys_of(desk: Desk, **asked: Any) -> list[str]:
    return by_cursor(desk.store, Query("parcel", **asked), 2)


def test_random_commands_with_a_worker_killed_now_and_then_leave_every_list_as_a_full_scan_has_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(SEED)
    commit = fencing.apply

    def deadly(*given: Any, **named: Any) -> Any:
        fate = dice.random()
        if fate < 0.1:
            raise Killed  # before the commit
        done = commit(*given, **named)
        if fate < 0.2:
            raise Killed  # after it, before anybody knows
        return done

    monkeypatch.setattr(fencing, "apply", deadly)
    kills = listed = 0
    # The fake server is twenty times slower, and the same to the lists.
    fake = isinstance(desk.client, fakeredis.FakeRedis)
    commands, queries = (300, 15) if fake else (2000, 40)
    for number in range(commands):
        if number == commands // 4:
            know(desk, 1, 2)
        desk.publish_raw(orjson.dumps({**random_command(dice, 60), "id": f"c{number}"}))
        if number % 10 == 9:
            while True:
                try:
                    desk.work()
                    break
                except Killed:
                    kills += 1
                    for keys in desk.store.partitions():
                        desk.client.delete(keys.lease)  # it lapses
        if number % (commands // 2) == commands // 2 - 1:
            listed += check_lists(desk.store, CHARTS, dice, queries)
    assert kills > commands / 50
    assert listed > 2 * queries
    snapshots = list(desk.store.instances("parcel"))
    assert {snapshot.chart_version for snapshot in snapshots} == {1, 2}
    assert fake or any(snapshot.done for snapshot in snapshots)
    desk_without_drift(desk)


def desk_without_drift(desk: Desk) -> None:
    """Every entry of every index is one that some snapshot explains, and none is missing."""
    from interlock.statecharts.registered import RegisteredCharts
    from interlock.workers.reindex import Reindex

    found = Reindex(desk.store, RegisteredCharts(desk.store).chart).run()
    assert (found.missing, found.stale, found.rows, found.skipped) == (0, 0, 0, 0)
    assert found.instances == len(list(desk.store.instances("parcel")))
    assert found.entries > 5 * found.instances


@pytest.fixture
def posted(desk: Desk) -> Desk:
    """Ten parcels: p0 to p9, by weight the other way round; even ones are ann's, odd ones bob's."""
    for number in range(10):
        owner = "bob" if number % 2 else "ann"
        send(desk, f"p{number}", "post", owner=owner, weight=10 - number, label=None)
    send(desk, "p2", "move")
    send(desk, "p3", "move")
    send(desk, "p3", "hold")
    send(desk, "p4", "lose")
    know(desk, 1, 2)
    return desk


def test_filters_meet(posted: Desk) -> None:
    assert keys_of(posted, where={"owner": ["ann"]}, states=["live"]) == ["p0", "p2", "p6", "p8"]
    assert keys_of(posted, where={"owner": ["ann", "bob"], "weight": [7.0, 8, 99]}) == ["p2", "p3"]
    assert keys_of(posted, states=["live.place.road", "lost"]) == ["p2", "p3", "p4"]
    assert keys_of(posted, tags=["held", "moving"]) == ["p2", "p3"]
    assert keys_of(posted, tags=["waiting"], states=["live.care.held"]) == ["p3"]
    assert keys_of(posted, where={"owner": []}) == []
    assert keys_of(posted, where={"owner": ["ann"], "fragile": [True]}) == []


def test_orders_go_both_ways_and_by_several_fields(posted: Desk) -> None:
    assert keys_of(posted, sort=["weight"], states=["live.place.road"]) == ["p3", "p2"]
    assert keys_of(posted, sort=["-owner", "weight"], where={"weight": [1, 2, 3, 4]}) == [
        "p9",
        "p7",
        "p8",
        "p6",
    ]
    assert keys_of(posted, sort=["-key"])[:2] == ["p9", "p8"]
    assert keys_of(posted, sort=["owner", "-key"])[:2] == ["p8", "p6"]
    assert keys_of(posted, sort=["-created_at"]) == [f"p{number}" for number in reversed(range(10))]
    assert keys_of(posted, sort=["-updated_at"])[:3] == ["p4", "p3", "p2"]


def test_an_instance_leaves_the_list_of_what_it_was(posted: Desk) -> None:
    send(posted, "p0", "put", owner=None, weight=3, label="x")
    assert keys_of(posted, where={"owner": ["ann"]}) == ["p2", "p4", "p6", "p8"]
    assert keys_of(posted, where={"owner": [None]}) == ["p0"]
    send(posted, "p3", "release")
    assert keys_of(posted, tags=["held"]) == []
    assert keys_of(posted, states=["lost"]) == ["p4"]  # one that has ended stays where it ended


def test_another_version_lists_by_its_own_fields(posted: Desk) -> None:
    assert posted.store.unlisted(Query("parcel", sort=["zone"])) == 10
    send(posted, "p1", MIGRATE, **{"from": 1, "to": 2})
    assert keys_of(posted, where={"zone": [7]}) == ["p1"]
    assert keys_of(posted, where={"weight": [9]}) == []
    assert keys_of(posted, sort=["weight"])[-1] == "p0"
    assert keys_of(posted, where={"owner": ["bob"]})[0] == "p1"
    assert keys_of(posted, where={"chart_version": [2]}) == ["p1"]
    assert posted.store.unlisted(Query("parcel", where={"zone": [7]}, sort=["weight"])) == 9
    assert posted.store.unlisted(Query("parcel", where={"owner": ["bob"]}, sort=["-created_at"])) == 0


def test_a_cursor_gives_each_that_stays_once_while_others_come_and_go(posted: Desk) -> None:
    query = Query("parcel", where={"owner": ["ann", "bob"]}, sort=["weight"])
    first = posted.store.page(query, limit=3)
    assert [found.key for found in first.instances] == ["p9", "p8", "p7"]
    send(posted, "p9", "put", owner="cat", weight=1, label=None)  # one that was given out goes
    know(posted, 1)
    send(posted, "a", "post", owner="ann", weight=0, label=None)  # one comes before the place
    send(posted, "p6", "put", owner="bob", weight=4, label="y")  # one changes, and stays in its place
    send(posted, "b", "post", owner="ann", weight=4.5, label=None)  # one comes behind it
    second = posted.store.page(query, limit=3, cursor=first.next)
    assert [found.key for found in second.instances] == ["p6", "b", "p5"]
    assert second.instances[0].context["label"] == "y"


@pytest.mark.parametrize(
    "other",
    [
        Query("parcel", where={"owner": ["bob"]}),
        Query("parcel", sort=["-key"]),
        Query("parcel", states=["live"]),
        Query("ticket"),
    ],
)
def test_a_cursor_of_another_query_is_refused(posted: Desk, other: Query) -> None:
    cursor = posted.store.page("parcel", limit=1).next
    with pytest.raises(InvalidCursor):
        posted.store.page(other, cursor=cursor)


@pytest.mark.parametrize(
    "asked",
    [
        {"sort": ["key", "owner"]},
        {"sort": ["owner"] * 5},
        {"states": ["live"] * 201},
        {"where": {"owner": [{1: 2}]}},
        {"where": {"owner": [10**400]}},
    ],
)
def test_what_cannot_be_asked_for_is_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidQuery):
        Query("parcel", **asked)


def test_a_page_is_bounded_in_what_it_looks_at(posted: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "WALKED", 4)
    monkeypatch.setattr(listing, "GATHERED", 4)
    monkeypatch.setattr(listing, "COUNTED", 4)
    monkeypatch.setattr(listing, "_CHUNK", 2)
    query = Query("parcel", states=["live"], where={"owner": ["ann"]}, sort=["weight"])
    # Five are ann's: too many to sort, so the order is walked, and a page ends where enough was looked at.
    found, cursor, pages = [], None, 0
    while True:
        page = posted.store.page(query, limit=1, cursor=cursor)
        found += [each.key for each in page.instances]
        cursor, pages = page.next, pages + 1
        if cursor is None:
            break
    assert found == full_scan(CHARTS, posted.store.instances("parcel"), query) == ["p8", "p6", "p2", "p0"]
    with pytest.raises(TooBroad, match="sort by one field"):
        posted.store.page(Query("parcel", where={"owner": ["ann"]}, sort=["weight", "-owner"]))
    with pytest.raises(TooBroad, match="use a cursor"):
        posted.store.page(
            Query("parcel", where={"fragile": [None]}, states=["live"], sort=["-weight"]), offset=9
        )
    total = posted.store.total(Query("parcel", where={"owner": ["ann"]}, states=["live"]))
    assert not total.exact
    assert total.count <= 5
    assert posted.store.total(Query("parcel", where={"owner": ["ann"]})) == listing.Total(5, True)


def test_a_page_is_short_but_goes_on_where_nothing_fits_for_long(
    posted: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "WALKED", 3)
    monkeypatch.setattr(listing, "_CHUNK", 1)
    query = Query("parcel", where={"owner": ["ann"], "weight": [1, 3, 5, 7, 9, 11]})  # which are bob's
    page = posted.store.page(query, limit=1)
    assert page.instances == []
    assert page.next
    assert posted.store.page(query, limit=1, cursor=page.next) == listing.Page([], None)


def test_what_others_left_in_an_index_is_passed_by_and_mended(posted: Desk) -> None:
    from interlock.statecharts.registered import RegisteredCharts
    from interlock.workers.reindex import Reindex

    keys = posted.keys.of_instance("parcel", "p6")
    client = posted.client
    client.zadd(
        keys.order_index("parcel", "weight"), {"\xff": 0, b"\xff\x00p6": 0, "31\x00p6": 0, "31\x00no": 0}
    )
    client.zadd(keys.state_index("parcel", "lost"), {"p6": 0, "nobody": 0})
    client.zrem(keys.tag_index("parcel", "waiting"), "p6")
    client.hset(keys.rows("parcel"), "nobody", "[]")
    assert keys_of(posted, states=["lost"]) == ["p4"]
    assert "p6" not in keys_of(posted, tags=["waiting"])
    assert keys_of(posted, sort=["weight"]) == [f"p{number}" for number in reversed(range(10))]
    chart = RegisteredCharts(posted.store).chart
    looked = Reindex(posted.store, chart).run()
    assert (looked.missing, looked.stale, looked.rows) == (1, 6, 0)
    assert Reindex(posted.store, chart, repair=True).run() == looked
    desk_without_drift(posted)
    client.hset(keys.rows("parcel"), "p6", "[1]")
    assert "p6" not in keys_of(posted)
    assert Reindex(posted.store, chart, repair=True).run().rows == 1
    assert keys_of(posted)[6] == "p6"


def test_a_repair_waits_for_the_partitions_owner(posted: Desk) -> None:
    from interlock.statecharts.registered import RegisteredCharts
    from interlock.workers.reindex import PartitionBusy, Reindex

    keys = posted.keys.of_instance("parcel", "p6")
    posted.client.hdel(keys.rows("parcel"), "p6")
    lease = fencing.acquire(posted.client, keys.lease, keys.meta, 60_000)
    assert lease
    work = Reindex(posted.store, RegisteredCharts(posted.store).chart, repair=True, patience_seconds=0)
    with pytest.raises(PartitionBusy):
        work.run()
    assert posted.client.hget(keys.rows("parcel"), "p6") is None
    fencing.release(posted.client, lease)
    assert work.run().rows == 1


def test_an_instance_whose_chart_is_not_known_is_left_alone(posted: Desk) -> None:
    from interlock.statecharts.registered import RegisteredCharts
    from interlock.workers.reindex import Reindex

    posted.client.hdel(posted.keys.charts, "parcel@1")
    before = posted.dump()
    found = Reindex(posted.store, RegisteredCharts(posted.store).chart, repair=True).run()
    assert (found.skipped, found.found) == (10, 0)
    assert posted.dump() == before


def test_where_what_fits_lies_far_apart_the_page_is_whole_all_the_same(
    posted: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the numbers a third fits, so the order is walked; but all that fits stands at its end."""
    for number in range(10, 30):
        send(posted, f"p{number}", "post", owner="cid", weight=number, label=number)
    monkeypatch.setattr(listing, "_CHUNK", 1)
    gathered = []
    gather = listing.Listing._gather
    monkeypatch.setattr(listing.Listing, "_gather", lambda *given: gathered.append(given) or gather(*given))
    query = Query("parcel", where={"owner": ["ann", "bob"]}, sort=["-label"])
    keys = [f"p{number}" for number in reversed(range(10))]
    assert [each.key for each in posted.store.page(query, limit=1).instances] == keys[:1]
    assert gathered
    assert by_cursor(posted.store, query, 3) == keys
    gathered.clear()
    assert [each.key for each in posted.store.page(Query("parcel", sort=["-label"]), limit=3).instances] == [
        "p29",
        "p28",
        "p27",
    ]
    assert not gathered


def test_a_page_begins_behind_a_key_of_the_list_and_of_no_other(posted: Desk) -> None:
    query = Query("parcel", where={"owner": ["ann"]}, sort=["weight"])
    page = posted.store.page(query, limit=2, behind="p6")
    assert [each.key for each in page.instances] == ["p4", "p2"]
    for key in ("p1", "nobody"):
        with pytest.raises(NotListed):
            posted.store.page(query, behind=key)
    with pytest.raises(InvalidQuery, match="several"):
        posted.store.page(query, behind="p6", offset=1)


def test_a_tenants_list_holds_its_own_alone_and_one_by_sources_what_has_one(posted: Desk) -> None:
    send(posted, "~acme~p1", "post", owner="ann", weight=1, label=None, channel="chat")
    send(posted, "p77", "post", owner="ann", weight=1, label=None, channel="mail")
    assert keys_of(posted, tenant="acme") == ["~acme~p1"]
    assert keys_of(posted, tenant="default") == [*(f"p{number}" for number in range(8)), "p77", "p8", "p9"]
    assert keys_of(posted, tenant="other") == []
    assert keys_of(posted, sources=["chat", "mail"]) == ["p77", "~acme~p1"]
    assert keys_of(posted, sources=["mail"], tenant="acme") == []
    assert keys_of(posted, sources=[]) == []


def test_filters_that_leave_much_are_counted_by_what_they_leave_out(
    posted: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20, 40):
        send(posted, f"p{number}", "post", owner="zoë" if number < 38 else "a\x01b", label=1, channel="chat")
    send(posted, "p40", "post", owner=None, label=1, channel="mail")
    monkeypatch.setattr(listing, "COUNTED", 1)  # so that what is counted row by row is not exact
    for asked in (
        {"where": {"owner": ["zoë", "ann", "bob", None]}, "states": ["live"]},
        {"where": {"owner": ["zoë", "ann", "bob", "a\x01b"], "chart_version": [1, 2]}, "tenant": "default"},
        {"where": {"owner": ["zoë"]}, "tenant": "default", "tags": ["waiting"]},
    ):
        query = Query("parcel", **asked)
        keys = full_scan(CHARTS, posted.store.instances("parcel"), query)
        assert len(keys) > 15
        assert posted.store.total(query) == listing.Total(len(keys), True), asked
    # Ten have no source, so its index does not tell what it leaves out.
    assert not posted.store.total(Query("parcel", where={"owner": ["zoë", None]}, sources=["chat"])).exact


def test_a_field_that_is_an_array_is_listed_by_what_it_holds(posted: Desk) -> None:
    for key, crew in (("p1", ["ann", "bob"]), ("p2", ["bob"]), ("p3", [1, "1"]), ("p5", [])):
        send(posted, key, "man", crew=crew)
    charts = [CHARTS[2], CHARTS[1]]
    for where, keys in (
        (["crew=ann"], ["p1"]),
        (["crew=ann", "crew=bob"], ["p1", "p2"]),
        (["crew=bob", "owner=ann"], ["p2"]),
        (["crew=1"], ["p3"]),
        (["crew=none"], []),
    ):
        query = read_query(charts, where=where)
        assert by_cursor(posted.store, query, 1) == keys
        assert posted.store.total(query) == listing.Total(len(keys), True)
    wanted = Wanted("parcel", {"crew": "bob"}, sort=["-owner"])
    assert [each.key for each in list_instances(posted.store, charts, wanted, limit=5).instances] == [
        "p1",
        "p2",
    ]
    send(posted, "p1", "man", crew=["cid"])
    assert by_cursor(posted.store, read_query(charts, where=["crew=bob"]), 1) == ["p2"]
    desk_without_drift(posted)
