"""Several versions of a chart at once: each instance goes on by the one it began with. On both servers."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
import redis

from interlock.engine.loader import parse_chart
from interlock.statecharts.catalog import Catalog
from interlock.workers.drain import Drainer
from tests.contract.desk import Desk

V1 = """
id: ticket
version: 1
commands: {open: {creates: true}, take: {}, note: {}}
initial: queued
states:
  queued: {on: {take: taken}, after: {30m: escalated}}
  taken: {on: {note: {actions: {emit: ticket.noted}}}}
  escalated: {}
"""
V2 = V1.replace("version: 1", "version: 2").replace("take: taken", "take: held").replace("taken:", "held:")


@pytest.fixture
def desk(any_client: redis.Redis) -> Desk:
    return Desk(any_client)


def serve(desk: Desk, *texts: str, registered: bool = True) -> None:
    """From now on a worker is at it that has the files ``texts``, and registers them."""
    charts = [parse_chart(text) for text in texts]
    for chart in charts:
        desk.store.register_chart(chart)
    catalog = Catalog(charts, registered=desk.store.charts) if registered else Catalog(charts)
    desk.drainer = Drainer(desk.store, catalog, desk.settings)


def version_and_state(desk: Desk, key: str) -> tuple[int, list[str]]:
    snapshot = desk.store.snapshot("ticket", key)
    assert snapshot is not None
    return snapshot.chart_version, snapshot.state


def both_live(desk: Desk) -> None:
    serve(desk, V1)
    desk.send("old", "open", id="a")
    serve(desk, V1, V2)
    desk.send("new", "open", id="b")


def test_an_instance_goes_on_by_the_version_it_began_with_and_new_ones_take_the_newest(desk: Desk) -> None:
    both_live(desk)
    for key in ("old", "new"):
        assert desk.send(key, "take", id=f"take {key}")["status"] == "applied"
    assert version_and_state(desk, "old") == (1, ["taken"])
    assert version_and_state(desk, "new") == (2, ["held"])


def test_a_worker_whose_file_is_gone_goes_on_by_the_registered_text(desk: Desk) -> None:
    both_live(desk)
    serve(desk, V2)
    assert desk.send("old", "take", id="c")["state"] == ["taken"]
    serve(desk, V1)
    assert desk.send("new", "take", id="d")["state"] == ["held"]


def test_a_timer_of_a_version_whose_file_is_gone_fires(desk: Desk) -> None:
    serve(desk, V1.replace("30m", "20ms"))
    desk.send("old", "open", id="a")
    serve(desk, V2)
    soon = time.monotonic() + 5
    while not desk.pump.let_in_due():
        assert time.monotonic() < soon
    desk.work()
    assert version_and_state(desk, "old") == (1, ["escalated"])


def test_a_worker_that_cannot_have_the_version_refuses_and_changes_nothing(desk: Desk) -> None:
    both_live(desk)
    serve(desk, V2, registered=False)
    answer = desk.send("old", "take", id="c")
    assert (answer["error"]["class"], answer["error"]["code"]) == ("unknown_machine", "unknown_chart_version")
    assert answer["error"]["details"] == {"chart_version": 1}
    assert version_and_state(desk, "old") == (1, ["queued"])


def test_a_server_that_goes_away_while_a_chart_is_looked_up_makes_no_dead_letter(desk: Desk) -> None:
    both_live(desk)

    def gone() -> Mapping[tuple[str, int], str]:
        raise redis.ConnectionError

    desk.drainer = Drainer(desk.store, Catalog([parse_chart(V2)], registered=gone), desk.settings)
    desk.publish("old", "take", id="c")
    with pytest.raises(redis.ConnectionError):
        desk.work()
    assert desk.store.dead_letters() == []
    serve(desk, V2)
    desk.client.delete(desk.keys.of_instance("ticket", "old").lease)
    desk.work()
    assert version_and_state(desk, "old") == (1, ["taken"])
