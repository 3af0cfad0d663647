"""What the store makes of what somebody else has written, and what it writes itself: nothing, unless asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
import redis

from interlock.engine.errors import InterlockError
from interlock.engine.publishing import Publisher
from interlock.engine.queries import InvalidCursor, Query
from interlock.engine.settings import Settings
from interlock.engine.snapshot import CorruptSnapshot
from interlock.engine.store import ForeignDeployment, Store
from tests.contract.desk import Desk


@pytest.fixture
def desk(any_client: redis.Redis) -> Desk:
    """Three tickets, all in the first of two partitions' lists or the other."""
    desk = Desk(any_client, partitions=2)
    for key in ("T-1", "T-2", "T-3"):
        assert desk.send(key, "open")["status"] == "applied"
    return desk


def name_of(desk: Desk, key: str) -> str:
    return desk.keys.of_instance("ticket", key).instance("ticket", key)


def another_instances_snapshot(desk: Desk) -> None:
    desk.client.copy(name_of(desk, "T-1"), name_of(desk, "T-2"), replace=True)


def a_context_that_is_none(desk: Desk) -> None:
    fields = orjson.loads(desk.client.get(name_of(desk, "T-2")))  # type: ignore[arg-type]
    desk.client.set(name_of(desk, "T-2"), orjson.dumps({**fields, "context": None}))


def another_type(desk: Desk) -> None:
    desk.client.delete(name_of(desk, "T-2"))
    desk.client.lpush(name_of(desk, "T-2"), "x")


BREAKS: list[Callable[[Desk], Any]] = [
    lambda desk: desk.client.set(name_of(desk, "T-2"), b"\xff"),
    lambda desk: desk.client.set(name_of(desk, "T-2"), b"[]"),
    lambda desk: desk.client.set(name_of(desk, "T-2"), b""),
    another_instances_snapshot,
    a_context_that_is_none,
    another_type,
]


@pytest.mark.parametrize("damage", BREAKS)
def test_one_broken_snapshot_is_left_out_of_a_list_and_named_when_it_is_asked_for(
    desk: Desk, damage: Callable[[Desk], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    damage(desk)
    assert [
        found.key for found in desk.store.page(Query("ticket", where={"queue": ["general"]})).instances
    ] == [
        "T-1",
        "T-3",
    ]
    first = desk.store.page("ticket", limit=1)
    rest = desk.store.page("ticket", limit=1, cursor=first.next)
    assert ([found.key for found in (*first.instances, *rest.instances)], rest.next) == (["T-1", "T-3"], None)
    assert "foreign_data" in (said := capsys.readouterr().out)
    assert name_of(desk, "T-2") in said
    with pytest.raises(CorruptSnapshot, match="T-2"):
        desk.store.snapshot("ticket", "T-2")


def test_a_foreign_member_of_an_index_is_left_out(desk: Desk) -> None:
    desk.client.zadd(desk.keys.partition(0).index("ticket"), {b"T-1\xff": 0, b"\xff": 0, b"T-0": 0})
    page = desk.store.page("ticket", limit=2)
    assert [found.key for found in page.instances] == ["T-1", "T-2"]
    assert [found.key for found in desk.store.page("ticket", cursor=page.next).instances] == ["T-3"]


@pytest.mark.parametrize("raw", [b"\xff", b"{}", b"7", b'{"version": "x"}'])
def test_a_foreign_entry_of_a_history_is_left_out(
    desk: Desk, raw: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    name = desk.keys.of_instance("ticket", "T-1").history("ticket", "T-1")
    desk.client.rpush(name, raw)
    assert [entry["version"] for entry in desk.store.history("ticket", "T-1")] == [1]
    assert name in capsys.readouterr().out
    desk.client.delete(name)
    desk.client.set(name, "x")
    assert desk.store.history("ticket", "T-1") == []


@pytest.mark.parametrize("fields", [{"x": "y"}, {"letter": "{}"}, {"letter": b"\xff"}, {"letter": "[]"}])
def test_a_foreign_dead_letter_is_left_out(
    desk: Desk, fields: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    desk.publish_raw(b"not json")
    desk.work()
    for keys in desk.store.partitions():
        desk.client.xadd(keys.dead, fields)
    [letter] = desk.store.dead_letters()
    assert letter["error"]["class"] == "malformed"
    assert desk.keys.partition(0).dead in capsys.readouterr().out


def test_a_foreign_field_among_the_charts_is_left_out(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    desk.store.register_chart(desk.catalog.only.chart)
    foreign: dict[str | bytes, str | bytes] = {
        b"\xff@1": "id: x",
        "x@2": b"\xff",
        "x@one": "id: x",
        "x": "id",
    }
    for field, text in foreign.items():
        desk.client.hset(desk.keys.charts, field, text)  # type: ignore[arg-type]
    assert set(desk.store.charts()) == {("ticket", 1)}
    assert capsys.readouterr().out.count("foreign_data") == 4


@pytest.mark.parametrize("cursor", ["!", "%%", "VC0x!", "VC 0x", "VC0x=", "VC0y\n", "VB", "_w", "é", "A"])
def test_a_cursor_that_no_page_gave_out_is_refused(desk: Desk, cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        desk.store.page("ticket", cursor=cursor)


@pytest.mark.parametrize("key", ["T-1", "ü/?>~", "日本", "x" * 200])
def test_a_cursor_that_a_page_gave_out_is_taken(any_client: redis.Redis, key: str) -> None:
    desk = Desk(any_client)
    for name in (key, key + "z"):
        desk.send(name, "open")
    page = desk.store.page("ticket", limit=1)
    assert [found.key for found in desk.store.page("ticket", cursor=page.next).instances] == [key + "z"]


def test_who_only_reads_or_publishes_founds_no_deployment(any_client: redis.Redis) -> None:
    mistyped = Settings(prefix="interlok", partitions=4)
    store = Store.open(any_client, mistyped)
    assert store.page("ticket").instances == []
    assert (store.charts(), store.dead_letters(), store.backlog()) == ({}, [], 0)
    assert any_client.keys("*") == []
    Publisher(any_client, store.keys).publish("ticket", "T-1", "open")
    assert any_client.keys("*") == [b"interlok:commands"]
    assert (
        Store.open(any_client, mistyped.model_copy(update={"partitions": 8}), found=True).keys.partitions == 8
    )
    assert Store.open(any_client, mistyped).keys.partitions == 8


@pytest.mark.parametrize("value", ["", "0", "-1", "many", b"\xff"])
def test_a_foreign_number_of_partitions_is_named(any_client: redis.Redis, value: str | bytes) -> None:
    any_client.hset("interlock:meta", "partitions", value)  # type: ignore[arg-type]
    with pytest.raises(ForeignDeployment, match="interlock:meta"):
        Store.open(any_client, Settings())


def test_a_foreign_type_in_the_place_of_the_deployment_is_named(any_client: redis.Redis) -> None:
    any_client.set("interlock:meta", "x")
    for found in (True, False):
        with pytest.raises(InterlockError, match="interlock:meta"):
            Store.open(any_client, Settings(), found=found)


def test_a_reply_that_nobody_fetches_expires(desk: Desk) -> None:
    assert Publisher(desk.client, desk.keys).request("ticket", "T-1", "note", timeout_seconds=0.01) is None
    desk.work()
    [reply] = desk.client.keys(desk.keys.reply("*"))
    assert 0 < desk.client.pttl(reply) <= 3_600_000
