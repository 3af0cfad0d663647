"""What `interlock doctor` says about a deployment that is not well: one fault each, and the next step."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import redis

from interlock.cli import checkup, checkup_keys
from interlock.cli.health import Health
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from tests.desks import shipped


@pytest.fixture
def used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INTERLOCK_SECRET_KEY", raising=False)
    return Settings(redis_url="redis://127.0.0.1:1/0", secret_key_file=tmp_path / "secret.key")


@pytest.fixture
def store(fake_client: redis.Redis, used: Settings) -> Store:
    return Store.open(fake_client, used)


@pytest.mark.parametrize(
    ("told", "health"),
    [
        ("6.2.14", Health.FAIL),
        ("7.0.0", Health.OK),
        ("7.2.4", Health.OK),
        ("10.0", Health.OK),
        ("", Health.OK),
    ],
)
def test_a_server_that_is_too_old_fails(told: str, health: Health) -> None:
    assert checkup._server("redis at localhost", told).status is health


def test_a_deployment_without_a_pump_fails(store: Store, used: Settings) -> None:
    found = checkup._pump(store, used)
    assert (found.status, found.next) == (Health.FAIL, "Start `interlock worker`.")
    store.client.set(store.keys.pump, "1")
    assert checkup._pump(store, used).status is Health.OK


def test_workers_that_have_gone_do_not_count(
    store: Store, used: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup, "connect_rq", lambda _used: store.client)
    drain, deliver = used.queue_names
    store.client.sadd(f"rq:workers:{drain}", "rq:worker:gone")
    assert checkup._workers(store, used).status is Health.FAIL
    store.client.hset("rq:worker:gone", "birth", "now")
    assert checkup._workers(store, used).status is Health.OK
    store.client.hset(store.keys.webhooks, "wh_1", "{}")
    assert "--delivery-processes" in checkup._workers(store, used).next
    store.client.sadd(f"rq:workers:{deliver}", "rq:worker:gone")
    assert checkup._workers(store, used).status is Health.OK


def test_a_late_timer_fails_and_one_to_come_does_not(store: Store, used: Settings) -> None:
    now_ms = time.time() * 1000
    timers = store.keys.partition(3).timers
    store.client.zadd(timers, {"to come": now_ms + 60_000})
    assert checkup._timers(store, used).status is Health.OK
    store.client.zadd(timers, {"late": now_ms - 60_000})
    found = checkup._timers(store, used)
    assert found.status is Health.FAIL
    assert "60 s late" in found.message


def test_charts_that_nobody_registered_are_named(store: Store, used: Settings) -> None:
    found = checkup._charts(store, used)
    assert found.status is Health.WARN
    assert "ticket@1" in found.message
    for chart in shipped().charts:
        store.register_chart(chart)
    assert checkup._charts(store, used).status is Health.OK


def test_a_chart_with_another_text_under_its_version_is_named(store: Store, used: Settings) -> None:
    for chart in shipped().charts:
        store.register_chart(chart)
    store.client.hset(store.keys.charts, "ticket@1", "id: ticket")
    found = checkup._charts(store, used)
    assert (found.status, "ticket@1" in found.message) == (Health.WARN, True)
    assert "new version" in found.next


def test_a_missing_and_a_wrong_secret_key_fail_and_make_no_file(store: Store, used: Settings) -> None:
    assert checkup._secret_key(store, used).status is Health.OK
    store.client.hset(store.keys.meta, "secret_key_id", "0badc0de")
    assert checkup._secret_key(store, used).status is Health.FAIL
    assert not used.secret_key_file.exists()
    used.secret_key_file.write_text("A" * 43 + "=")
    found = checkup._secret_key(store, used)
    assert found.status is Health.FAIL
    assert "0badc0de" in found.message
    assert "AAAA" not in found.message


def test_dead_letters_are_counted_over_all_partitions(store: Store, used: Settings) -> None:
    assert checkup._dead(store, used).status is Health.OK
    for number in (0, 5):
        store.client.xadd(store.keys.partition(number).dead, {"letter": "{}"})
    found = checkup._dead(store, used)
    assert (found.status, found.message[:2]) == (Health.WARN, "2 ")


def test_a_server_that_may_evict_fails(store: Store, used: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    configured = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}
    monkeypatch.setattr(checkup, "_config", lambda *_: configured)
    assert checkup._persistence(store, used).status is Health.OK
    configured["appendonly"] = "no"
    assert checkup._persistence(store, used).status is Health.WARN
    configured["maxmemory-policy"] = "allkeys-lru"
    assert checkup._persistence(store, used).status is Health.FAIL


def test_a_server_that_keeps_its_configuration_to_itself_is_no_failure(
    store: Store, used: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(_pattern: str) -> None:
        raise redis.ResponseError("unknown command 'CONFIG'")

    monkeypatch.setattr(store.client, "config_get", forbidden)
    assert checkup._persistence(store, used).status is Health.WARN


def test_a_backlog_is_told(store: Store, used: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "_BACKLOG", 2)
    assert checkup._backlog(store, used).status is Health.OK
    for _ in range(2):
        store.client.xadd(store.keys.commands, {"command": "{}"})
    store.client.xadd(store.keys.partition(1).inbox, {"c": "{}"})
    found = checkup._backlog(store, used)
    assert (found.status, found.message.startswith("2 commands at the door, 1 in 16")) == (Health.WARN, True)


def test_a_foreign_type_under_a_key_of_ours_is_named(store: Store, used: Settings) -> None:
    assert checkup_keys.foreign_types(store, used).status is Health.OK
    for number, name in enumerate((store.keys.commands, store.keys.partition(3).timers)):
        store.client.set(name, "x")
        found = checkup_keys.foreign_types(store, used)
        assert (found.status, found.message.count(" is a string")) == (Health.FAIL, number + 1)
        assert name in found.message


def test_a_foreign_type_ends_one_look_and_not_the_others(
    store: Store, used: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.client.set(store.keys.partition(0).inbox, "x")
    store.client.set(store.keys.charts, "x")
    store.client.config_set("maxmemory-policy", "noeviction")
    monkeypatch.setattr(checkup, "connect", lambda _used: store.client)
    for module in (checkup, checkup_keys):
        monkeypatch.setattr(module, "connect_rq", lambda _used: store.client)
    monkeypatch.setattr(store.client, "info", lambda _section: {})
    health = {check.name: check.status for check in checkup.examine(used)}
    assert {health[name] for name in ("foreign types", "backlog", "charts", "waiting")} == {Health.FAIL}
    assert {health[name] for name in ("markers", "timers", "event log")} == {Health.OK}
    store.client.set(store.keys.meta, "x")
    names = [check.name for check in checkup.examine(used) if check.status is Health.FAIL]
    assert names == ["deployment"]


@pytest.mark.parametrize("marker", ["wake", "lease", "deliver_lease"])
def test_a_marker_without_expiry_fails_and_is_named(store: Store, used: Settings, marker: str) -> None:
    name = getattr(store.keys.partition(7), marker)
    store.client.set(name, "1", px=60_000)
    assert checkup_keys.lasting_markers(store, used).status is Health.OK
    store.client.persist(name)
    found = checkup_keys.lasting_markers(store, used)
    assert (found.status, found.next) == (Health.FAIL, f"DEL {name}")


def test_a_command_that_nobody_comes_for_fails(store: Store, used: Settings) -> None:
    old = f"{int(time.time() * 1000) - 60_000}-0"
    keys = store.keys.partition(2)
    store.client.xadd(keys.inbox, {"c": "{}"}, id=old)
    store.client.set(keys.lease, "1")
    store.client.xadd(store.keys.commands, {"command": "{}"})
    assert checkup_keys.waiting(store, used).status is Health.OK  # one has an owner, the other has just come
    store.client.delete(keys.lease)
    found = checkup_keys.waiting(store, used)
    assert (found.status, "inbox" in found.message, "60 s" in found.message) == (Health.FAIL, True, True)
    store.client.delete(keys.inbox, store.keys.commands)
    store.client.xadd(store.keys.commands, {"command": "{}"}, id=old)
    assert "at the door" in checkup_keys.waiting(store, used).message


def test_an_event_log_that_nobody_dispatches_is_told(store: Store, used: Settings) -> None:
    keys = store.keys.partition(1)
    old = int(time.time() * 1000) - 60_000
    for number in range(2):
        store.client.xadd(keys.outbox, {"event": "{}"}, id=f"{old}-{number}")
    assert checkup_keys.event_log(store, used).status is Health.WARN
    store.client.hset(store.keys.webhooks, "wh_1", "{}")
    assert checkup_keys.event_log(store, used).status is Health.FAIL
    store.client.hset(keys.meta, "dispatched", f"{old}-0")
    assert checkup_keys.event_log(store, used).status is Health.FAIL
    store.client.hset(keys.meta, "dispatched", f"{old}-1")
    found = checkup_keys.event_log(store, used)
    assert (found.status, found.message) == (Health.OK, "2 events kept")


def test_wake_ups_that_pile_up_and_jobs_that_failed_are_told(
    store: Store, used: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkup_keys, "connect_rq", lambda _used: store.client)
    assert checkup_keys.rq_queues(store, used).status is Health.OK
    store.client.zadd(f"rq:failed:{used.queue_names[0]}", {"job": 1})
    assert "failed" in checkup_keys.rq_queues(store, used).message
    store.client.lpush(f"rq:queue:{used.queue_names[1]}", *range(1001))
    found = checkup_keys.rq_queues(store, used)
    assert (found.status, "1001" in found.message) == (Health.WARN, True)


def test_a_prefix_that_nobody_has_used_is_told(store: Store, used: Settings) -> None:
    assert checkup._deployment(store, used).status is Health.WARN
    Store.open(store.client, used, found=True)
    assert checkup._deployment(store, used).status is Health.OK
