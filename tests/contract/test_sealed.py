"""Private values by way of inbox, commit and store: in clear in memory, sealed in every key. On both servers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
import structlog

from interlock.engine.decision import replay
from interlock.engine.loader import parse_chart
from interlock.engine.messages import format_time
from interlock.engine.migration_command import MIGRATE, first_chart_version, replay_versions
from interlock.engine.publishing import Publisher
from interlock.engine.queries import Query
from interlock.engine.sealing import PREFIX, Place
from interlock.engine.secrets import SecretKeyWrong
from interlock.engine.settings import Settings
from interlock.engine.snapshot import Snapshot
from interlock.engine.store import Store
from interlock.engine.stored_forms import stored_snapshot
from interlock.statecharts.catalog import Catalog
from interlock.statecharts.moves import apply_moves
from interlock.statecharts.registered import RegisteredCharts
from interlock.statecharts.sealed_commands import CommandSealer
from interlock.workers import invoker as invoker_module
from interlock.workers.drain import Drainer
from interlock.workers.invoker import Invoker
from interlock.workers.processes import register_charts
from interlock.workers.reindex import Reindex
from tests.charting import compile_chart
from tests.contract.desk import Desk
from tests.stored import values

CANARY = "canary-4f1c"
WRONG_KEY = "B" * 43 + "="
CHART = """
id: ticket
version: 1
index: [title, pin]
context:
  title: {type: string, default: none}
  pin: {type: [string, "null"], default: null, public: false}
  found: {type: object, default: {}, public: false}
commands:
  open: {creates: true, data: {pin: {type: string}, title: {type: string}}}
  keep: {data: {word: {type: string, public: false}}}
  name_it: {data: {title: {type: string}}}
  pass_on: {}
  ask: {}
  fail: {}
initial: idle
states:
  idle:
    on:
      keep: {actions: [{assign: {pin: data.word}}]}
      name_it: {actions: [{assign: {title: data.title}}]}
      pass_on: {actions: [{send: {machine: ticket, key: "'T-2'", command: open, data: {pin: context.pin}}}]}
      ask: asking
  asking:
    invoke:
      src: look_up
      input: {pin: context.pin}
      retry: {attempts: 2, interval: 0s}
      onDone: {target: idle, actions: {assign: {found: data.output}}}
"""


@pytest.fixture
def desk(any_client: redis.Redis) -> Desk:
    made = Desk(any_client)
    made.catalog.only = compile_chart(CHART)
    made.store.register_chart(made.catalog.only.chart)
    made.store.vault.sealer()
    return made


def places(desk: Desk, canary: str = CANARY) -> set[str]:
    """The keys that hold the canary; the ingress aside, where it stays as it came until it is trimmed."""
    found = {name for name, text in values(desk.client) if canary in text}
    return found - {desk.keys.commands}


def ticket(desk: Desk, key: str = "T-1") -> Snapshot:
    """The instance, after a look whether its history replays to it, in clear and as it is stored."""
    snapshot = desk.store.snapshot("ticket", key)
    assert snapshot is not None
    machine = desk.catalog.only
    again = replay(machine, key, desk.store.history("ticket", key))
    assert again.to_bytes() == snapshot.to_bytes()
    assert stored_snapshot(desk.store.vault.sealer, machine, again) == stored(desk, key)
    return snapshot


def stored(desk: Desk, key: str = "T-1") -> Any:
    return desk.client.get(desk.keys.of_instance("ticket", key).instance("ticket", key))


def publisher(desk: Desk) -> Publisher:
    return Publisher(desk.client, desk.keys, CommandSealer(desk.store))


def test_private_values_are_in_no_key_and_come_back_to_those_who_may_see_them(desk: Desk) -> None:
    assert desk.send("T-1", "open", data={"pin": CANARY, "title": "shown"})["status"] == "applied"
    assert desk.send("T-1", "keep", data={"word": f"{CANARY}2"})["status"] == "applied"
    assert places(desk) == set()
    assert places(desk, "shown"), "or the search finds nothing at all"
    assert ticket(desk).context["pin"] == f"{CANARY}2"
    assert [e["command"]["data"] for e in desk.store.history("ticket", "T-1")] == [
        {"pin": CANARY, "title": "shown"},
        {"word": f"{CANARY}2"},
    ]


def test_what_a_publisher_seals_is_nowhere_in_clear_not_even_in_the_ingress(desk: Desk) -> None:
    publisher(desk).publish("ticket", "T-1", "open", {"pin": CANARY, "title": "shown"})
    [(_, fields)] = desk.client.xrange(desk.keys.commands)
    assert CANARY.encode() not in fields[b"command"]
    assert orjson.loads(fields[b"command"])["data"]["title"] == "shown"
    desk.pump.take_in()
    assert CANARY not in str(list(values(desk.client)))
    desk.work()
    assert CANARY not in str(list(values(desk.client)))
    assert ticket(desk).context["pin"] == CANARY


@pytest.mark.parametrize("sealed_first", [True, False])
def test_a_sealed_and_a_plain_copy_are_the_same_command(desk: Desk, sealed_first: bool) -> None:
    data = {"pin": CANARY, "title": "shown"}
    publish = [
        lambda: publisher(desk).publish("ticket", "T-1", "open", data, id="a"),
        lambda: desk.publish("T-1", "open", data=data, id="a"),
    ]
    for each in publish if sealed_first else reversed(publish):
        each()
        desk.work()
    assert desk.store.counters() == {"applied": 1, "duplicate": 1}
    other = desk.send("T-1", "open", data={**data, "pin": "another"}, id="a")
    assert other["error"]["class"] == "id_reused"


def test_a_value_that_stays_is_sealed_no_second_time(desk: Desk) -> None:
    desk.send("T-1", "open", data={"pin": CANARY})
    before = orjson.loads(stored(desk))["context"]["pin"]
    desk.send("T-1", "name_it", data={"title": "other"})
    assert orjson.loads(stored(desk))["context"]["pin"] == before
    assert before.startswith(PREFIX)


def test_what_stood_in_clear_before_is_read_and_sealed_with_the_next_write(desk: Desk) -> None:
    desk.send("T-1", "open", data={"pin": CANARY})
    snapshot = ticket(desk)
    keys = desk.keys.of_instance("ticket", "T-1")
    desk.client.set(keys.instance("ticket", "T-1"), snapshot.to_bytes())
    desk.client.zadd(keys.field_index("ticket", "pin", CANARY), {"T-1": 0})
    assert len(places(desk)) == 2
    assert desk.store.snapshot("ticket", "T-1") == snapshot
    desk.send("T-1", "name_it", data={"title": "other"})
    assert places(desk) == set()
    assert ticket(desk).context == {"title": "other", "pin": CANARY, "found": {}}


@pytest.mark.parametrize("field", ["pin", "title"])
def test_data_that_only_looks_sealed_is_refused_and_never_taken_for_data(desk: Desk, field: str) -> None:
    other = desk.store.vault.sealer().seal("x", Place("ticket", "T-2", "data"), field)
    for value in (other, f"{PREFIX}AAAA"):
        answer = desk.send("T-1", "open", data={field: value})
        assert (answer["error"]["class"], answer["error"]["code"]) == ("invalid_data", "not_opened")
        assert f"data.{field}" in answer["error"]["message"]
    assert desk.store.snapshot("ticket", "T-1") is None


@pytest.mark.parametrize("field", ["pin", "title"])
def test_a_plain_text_that_looks_sealed_is_kept_as_it_is(desk: Desk, field: str) -> None:
    trick = f"{PREFIX}AAAA"
    publisher(desk).publish("ticket", "T-1", "open", {field: trick})
    desk.work()
    desk.send("T-1", "name_it", data={}) if field == "pin" else None
    assert ticket(desk).context[field] == trick


def test_a_snapshot_whose_sealed_value_was_changed_makes_dead_letters_of_its_commands(desk: Desk) -> None:
    for key in ("T-1", "T-2"):
        desk.send(key, "open", data={"pin": key})
    moved = orjson.loads(stored(desk, "T-1"))
    moved["context"]["pin"] = orjson.loads(stored(desk, "T-2"))["context"]["pin"]
    name = desk.keys.of_instance("ticket", "T-1").instance("ticket", "T-1")
    desk.client.set(name, orjson.dumps(moved))
    answer = desk.send("T-1", "keep", data={"word": CANARY})
    assert answer["status"] == "dead"
    assert "context.pin" in answer["error"]["message"]
    [letter] = desk.store.dead_letters()
    assert CANARY in letter["raw"], "who has the key reads it"
    assert places(desk) == set()


def test_a_dead_letter_is_listed_without_the_key(desk: Desk) -> None:
    desk.client.xadd(desk.keys.commands, {"command": b'{"machine": "ticket", "pin": "%s"' % CANARY.encode()})
    desk.work()
    assert places(desk) == set()
    wrong = Store.open(desk.client, Settings(secret_key=WRONG_KEY))
    [letter] = wrong.dead_letters()
    assert CANARY not in str(letter)
    assert CANARY in str(desk.store.dead_letters())


def test_without_the_right_key_commands_wait_and_nothing_is_lost(desk: Desk, tmp_path: Path) -> None:
    desk.send("T-1", "open", data={"pin": CANARY})
    publisher(desk).publish("ticket", "T-1", "keep", {"word": f"{CANARY}2"}, id="waits")
    right = desk.drainer
    for key in ({"secret_key": WRONG_KEY}, {"secret_key": None, "secret_key_file": tmp_path / "none"}):
        settings = Settings(**key)
        store = Store.open(desk.client, settings)
        desk.drainer = Drainer(store, desk.catalog, settings)  # type: ignore[assignment, arg-type]
        with structlog.testing.capture_logs() as logs:
            desk.work()
        [blocked] = [each for each in logs if each["event"] == "partition_blocked"]
        assert "INTERLOCK_SECRET_KEY" in blocked["reason"]
        assert desk.store.result("waits") is None
        assert desk.store.dead_letters() == []
        with pytest.raises(SecretKeyWrong, match="INTERLOCK_SECRET_KEY"):
            store.snapshot("ticket", "T-1")
        shown = store.snapshot("ticket", "T-1", private=False)
        assert shown is not None
        assert shown.shown(desk.catalog.only.chart)["context"] == {"title": "none"}
    assert not (tmp_path / "none").exists()
    desk.drainer = right
    desk.work()
    assert ticket(desk).context["pin"] == f"{CANARY}2"


def test_a_publisher_without_the_key_publishes_in_clear_and_one_with_another_is_told(
    desk: Desk, tmp_path: Path
) -> None:
    absent = Store.open(desk.client, Settings(secret_key_file=tmp_path / "none"))
    Publisher(desk.client, desk.keys, CommandSealer(absent)).publish("ticket", "T-1", "open", {"pin": CANARY})
    wrong = Store.open(desk.client, Settings(secret_key=WRONG_KEY))
    with pytest.raises(SecretKeyWrong, match="INTERLOCK_SECRET_KEY"):
        Publisher(desk.client, desk.keys, CommandSealer(wrong)).publish(
            "ticket", "T-1", "open", {"pin": CANARY}
        )
    assert desk.client.xlen(desk.keys.commands) == 1
    desk.work()
    assert ticket(desk).context["pin"] == CANARY


def test_a_command_that_waits_for_its_time_waits_sealed(desk: Desk) -> None:
    desk.send("T-1", "open")
    later = format_time(datetime.now(UTC) + timedelta(hours=1))
    desk.publish("T-1", "keep", data={"word": CANARY}, not_before=later, id="later")
    desk.work()
    assert places(desk) == set()
    assert desk.let_timers_run(hours=2) == 1
    assert ticket(desk).context["pin"] == CANARY
    assert places(desk) == set()


def test_a_send_carries_private_data_sealed(desk: Desk) -> None:
    desk.send("T-1", "open", data={"pin": CANARY})
    desk.client.xtrim(desk.keys.commands, maxlen=0)
    desk.publish("T-1", "pass_on")
    desk.pump.take_in()
    for number in range(desk.keys.partitions):
        desk.drainer.drain(number)
    assert CANARY not in str(list(values(desk.client))), "the ingress holds what was sent"
    desk.work()
    assert ticket(desk, "T-2").context["pin"] == CANARY
    assert places(desk) == set()


def invoked(desk: Desk, function: Any, settings: Settings | None = None) -> Invoker:
    store = Store.open(desk.client, settings) if settings else desk.store
    return Invoker(store, settings or desk.settings, {"look_up": function})


def test_a_function_gets_its_input_in_clear_and_its_output_is_stored_sealed(desk: Desk) -> None:
    given: list[Mapping[str, Any]] = []

    def look_up(what: Mapping[str, Any]) -> Any:
        given.append(what)
        return {"card": f"{CANARY}-output"}

    desk.send("T-1", "open", data={"pin": CANARY})
    desk.send("T-1", "ask")
    assert places(desk) == set()
    desk.client.xtrim(desk.keys.commands, maxlen=0)
    assert invoked(desk, look_up).run_one()
    assert CANARY not in str(list(values(desk.client))), "the ingress holds the outcome"
    desk.work()
    assert given == [{"pin": CANARY}]
    assert ticket(desk).context["found"] == {"card": f"{CANARY}-output"}
    assert places(desk) == set()


def test_a_run_waits_for_a_worker_that_has_the_key(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invoker_module, "KEY_PAUSE_MS", 0)
    desk.send("T-1", "open", data={"pin": CANARY})
    desk.send("T-1", "ask")
    absent = invoked(desk, lambda _: 1 / 0, Settings(secret_key_file=tmp_path / "none"))
    for _ in range(5):
        assert not absent.run_one()
    assert invoked(desk, lambda _: {}).run_one()
    desk.work()
    assert ticket(desk).state == ["idle"]


def test_a_migration_and_its_undo_keep_private_values_sealed(desk: Desk) -> None:
    second = CHART.replace("version: 1", "version: 2").replace("name_it", "call_it")
    desk.send("T-1", "open", data={"pin": CANARY})
    charts = [parse_chart(CHART), parse_chart(second)]
    catalog = Catalog(charts)
    desk.store.register_chart(charts[1])
    desk.drainer = Drainer(desk.store, catalog, desk.settings)  # type: ignore[assignment]
    moved = desk.send("T-1", MIGRATE, data={"from": 1, "to": 2, "context": {"found": f"{{'a': '{CANARY}'}}"}})
    assert moved["status"] == "applied", moved
    assert places(desk) == set()
    history = desk.store.history("ticket", "T-1")
    assert history[-1]["before"]["context"]["pin"] == CANARY
    snapshot = desk.store.snapshot("ticket", "T-1")
    assert snapshot is not None
    assert snapshot.context["found"] == {"a": CANARY}
    again = replay_versions(
        lambda v: catalog.machine("ticket", v), "T-1", history, first_chart_version(history, 2)
    )
    assert again.to_bytes() == snapshot.to_bytes()
    undone = desk.send("T-1", MIGRATE, data={"from": 2, "to": 1, "undo": True})
    assert undone["status"] == "applied", undone
    assert places(desk) == set()
    assert stored(desk) and desk.store.snapshot("ticket", "T-1").context["pin"] == CANARY  # type: ignore[union-attr]


def test_a_field_that_becomes_public_is_stored_in_clear_and_one_that_becomes_private_sealed(
    desk: Desk,
) -> None:
    second = CHART.replace("version: 1", "version: 2").replace(
        "title: {type: string, default: none}", "title: {type: string, default: none, public: false}"
    )
    desk.send("T-1", "open", data={"title": CANARY})
    assert places(desk), "it is public"
    charts = [parse_chart(CHART), parse_chart(second)]
    desk.drainer = Drainer(desk.store, Catalog(charts), desk.settings)  # type: ignore[assignment]
    assert desk.send("T-1", MIGRATE, data={"from": 1, "to": 2})["status"] == "applied"
    assert CANARY.encode() not in stored(desk)
    assert desk.store.snapshot("ticket", "T-1").context["title"] == CANARY  # type: ignore[union-attr]


def test_who_lists_by_a_private_field_finds_no_key_of_its_value(desk: Desk) -> None:
    desk.send("T-1", "open", data={"pin": CANARY, "title": "shown"})
    keys = desk.keys.of_instance("ticket", "T-1")
    assert desk.client.zscore(keys.order_index("ticket", "title"), "4shown\0T-1") == 0
    names = [key.decode() for key in desk.client.keys("*")]
    assert not any(":pin=" in name or name.endswith(":by:pin") for name in names)
    row = orjson.loads(desk.client.hget(keys.rows("ticket"), "T-1"))
    assert [name for name in row[3] if not name.startswith("$")] == ["title"]
    assert desk.catalog.only.chart.listed_by == ("title",)


def test_a_public_text_that_looks_sealed_is_listed_by_as_it_is(desk: Desk) -> None:
    publisher(desk).publish("ticket", "T-1", "open", {"title": f"{PREFIX}AAAA"})
    desk.work()
    register_charts(desk.store, Catalog([desk.catalog.only.chart]))
    found = desk.store.page(Query("ticket", where={"title": [f"{PREFIX}AAAA"]})).instances
    assert [each.key for each in found] == ["T-1"]
    differences = Reindex(desk.store, RegisteredCharts(desk.store).chart).run()
    assert (differences.found, differences.skipped, differences.instances) == (0, 0, 1)


def test_a_command_that_may_be_published_in_clear_may_be_published_sealed_too(
    any_client: redis.Redis,
) -> None:
    desk = Desk(any_client, max_command_bytes=2048)
    desk.catalog.only = compile_chart(CHART)
    register_charts(desk.store, Catalog([desk.catalog.only.chart]))
    data = {"pin": "x" * 1900}
    publisher(desk).publish("ticket", "T-1", "open", data)
    [(_, fields)] = any_client.xrange(desk.keys.commands)
    assert len(fields[b"command"]) > 2048
    desk.work()
    assert ticket(desk).context["pin"] == data["pin"]
    assert desk.send("T-2", "open", data={"pin": "x" * 2100})["error"]["class"] == "too_large"


def test_a_move_of_all_instances_publishes_its_mapping_sealed(desk: Desk) -> None:
    moves = [("T-1", {"from": 1, "to": 2, "context": {"pin": f"'{CANARY}'"}})]
    assert apply_moves(desk.store, "ticket", moves, 0.01).unanswered == 1
    assert desk.client.xlen(desk.keys.commands) == 1
    assert CANARY not in str(list(values(desk.client)))


@pytest.mark.parametrize(("private", "claimed"), [(True, True), (False, False)])
def test_a_worker_claims_the_key_before_anybody_publishes_where_a_chart_keeps_secrets(
    any_client: redis.Redis, private: bool, claimed: bool
) -> None:
    store = Desk(any_client).store
    text = CHART if private else CHART.replace(", public: false", "")
    register_charts(store, Catalog([parse_chart(text)]))
    assert any_client.hexists(store.keys.meta, "secret_key_id") is claimed


def test_a_worker_without_the_key_starts_and_says_so(desk: Desk) -> None:
    wrong = Store.open(desk.client, Settings(secret_key=WRONG_KEY))
    with structlog.testing.capture_logs() as logs:
        register_charts(wrong, Catalog([parse_chart(CHART)]))
    assert [each["event"] for each in logs] == ["secret_key_unusable"]
