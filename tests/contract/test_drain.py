"""From the ingress stream to the commit, on fakeredis and on a real Valkey alike. One process, no RQ.

Invariants are numbered as in docs/architecture.md; each test names the line whose removal it notices.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import redis

from interlock.engine import fencing
from interlock.engine.decision import replay
from interlock.engine.messages import Result
from interlock.engine.queries import Query
from interlock.workers import batch as batch_module
from tests.contract.desk import Desk


@pytest.fixture
def desk(any_client: redis.Redis) -> Desk:
    return Desk(any_client)


def error_of(answer: Mapping[str, Any]) -> tuple[str, str]:
    return answer["error"]["class"], answer["error"]["code"]


def test_a_command_is_applied_recorded_and_announced(desk: Desk) -> None:
    made = desk.send("T-1", "open", id="a", data={"queue": "english"})
    assert made == {
        "id": "a",
        "status": "applied",
        "machine": "ticket",
        "key": "T-1",
        "version": 1,
        "state": ["open.queued"],
        "events": ["ticket.created"],
        "error": None,
    }
    assert desk.store.result("a") == made
    snapshot = desk.store.snapshot("ticket", "T-1")
    assert snapshot is not None
    assert snapshot.context["queue"] == "english"
    [entry] = desk.store.history("ticket", "T-1")
    assert entry["command"] == {"id": "a", "name": "open", "data": {"queue": "english"}}
    assert (entry["version"], entry["from"], entry["to"]) == (1, [], ["open.queued"])
    [event] = desk.events()
    assert (event["type"], event["subject"], event["sequence"]) == ("ticket.created", "T-1", 1)
    assert event["correlationid"] == event["data"]["correlation_id"] == "a"


# Invariant 1. Guards batch.py: the look into `marks` in `decide_all`.
def test_a_resent_command_gets_the_first_answer_and_changes_nothing(desk: Desk) -> None:
    desk.send("T-1", "open", id="a")
    first = desk.send("T-1", "note", id="n")
    before = desk.dump()
    again = desk.send("T-1", "note", id="n")
    assert again == {**first, "duplicate": True}
    assert desk.dump() == before


def test_a_command_sent_twice_in_one_batch_is_applied_once(desk: Desk) -> None:
    desk.publish("T-1", "open", id="a")
    for _ in range(3):
        desk.publish("T-1", "note", id="n")
    desk.work()
    snapshot = desk.store.snapshot("ticket", "T-1")
    assert snapshot is not None
    assert (snapshot.version, snapshot.context["notes"]) == (2, 1)


# Invariant 1. Guards batch.py: the comparison of fingerprints in `_resent`.
def test_an_id_with_another_body_is_refused_wherever_it_points(desk: Desk) -> None:
    first = desk.send("T-1", "open", id="a")
    assert error_of(desk.send("T-1", "open", id="a", data={"queue": "x"})) == ("id_reused", "id_reused")
    for key in ("T-2", "T-3", "T-4", "T-5"):
        assert error_of(desk.send(key, "open", id="a")) == ("id_reused", "id_reused")
    assert desk.store.result("a") == first
    assert desk.store.counters()["applied"] == 1


# Invariant 1. Guards drain.py: `fresh=batch.fresh`, with commit.lua's loop over the fresh keys.
def test_an_id_that_another_partition_commits_between_look_and_commit_is_seen(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fencing.apply
    calls = []

    def racing(client: redis.Redis, lease: fencing.Lease, ttl_ms: int, **options: Any) -> list[int] | None:
        if not calls:
            client.set(desk.keys.fingerprint("a"), "a mark of the other partition")
        calls.append(lease)
        return real(client, lease, ttl_ms, **options)

    monkeypatch.setattr(fencing, "apply", racing)
    assert error_of(desk.send("T-1", "open", id="a")) == ("id_reused", "id_reused")
    assert desk.store.snapshot("ticket", "T-1") is None
    assert len(calls) == 2


# Invariant 2. Guards decision.py: a refusal carries no snapshot, no entry, no events.
@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("open", {}, ("already_exists", "already_exists")),
        ("assign", {"data": {"agent": 5}}, ("invalid_data", "invalid_data")),
        ("assign", {}, ("invalid_data", "invalid_data")),
        ("assign", {"data": {"agent": "a", "colour": "red"}}, ("invalid_data", "invalid_data")),
        ("vanish", {}, ("unknown_command", "unknown_command")),
        ("break", {}, ("guard_error", "guard_error")),
        ("note", {"expected_version": 7}, ("stale_version", "stale_version")),
        ("close", {"actor": {"id": "A", "kind": "agent"}}, ("forbidden", "actor_kind")),
    ],
)
def test_a_refused_command_changes_nothing_but_its_own_result(
    desk: Desk, name: str, fields: dict[str, Any], expected: tuple[str, str]
) -> None:
    desk.send("T-1", "open", id="a")
    before = desk.dump()
    answer = desk.send("T-1", name, id="r", **fields)
    assert (answer["status"], *error_of(answer)) == ("refused", *expected)
    after = desk.dump()
    for key in (desk.keys.result("r"), desk.keys.fingerprint("r")):
        del after[key.encode()]
    assert after == before


def test_data_that_break_the_schema_of_the_field_they_fill_are_invalid_data(desk: Desk) -> None:
    assert error_of(desk.send("T-1", "open", data={"level": 0})) == ("invalid_data", "invalid_data")
    assert desk.send("T-1", "open", data={"level": 1})["status"] == "applied"


def test_a_command_to_an_unknown_instance_or_machine_is_refused(desk: Desk) -> None:
    assert error_of(desk.send("T-9", "note", id="a")) == ("not_found", "not_found")
    desk.publish_raw(orjson.dumps({"machine": "boat", "key": "B", "name": "sail", "id": "b"}))
    desk.work()
    answer = desk.store.result("b")
    assert answer is not None
    assert error_of(answer) == ("unknown_machine", "unknown_machine")


def test_a_harmless_duplicate_is_ignored(desk: Desk) -> None:
    desk.send("T-1", "open", id="a")
    answer = desk.send("T-1", "again", id="b")
    assert (answer["status"], answer["version"], answer["events"]) == ("ignored", 1, [])
    assert len(desk.store.history("ticket", "T-1")) == 1


# Invariant 3. Guards append.lua: `if after(ARGV[i], mark)`.
def test_a_pump_that_repeats_what_was_taken_in_doubles_and_reorders_nothing(desk: Desk) -> None:
    for number in range(6):
        desk.publish("T-1", "open" if number == 0 else "note", id=f"c{number}")
    entries = desk.client.xrange(desk.keys.commands)
    desk.pump.take_in()
    for entry_id, fields in entries[:4]:  # a slower pump wakes up with what it had read
        desk.client.execute_command("XADD", "replayed", entry_id, "command", fields[b"command"])
    number = desk.keys.partition_of("ticket", "T-1")
    slow = [(i.decode(), desk_entry(desk, i.decode(), f)) for i, f in desk.client.xrange("replayed")]
    desk.pump._append({number: slow})
    desk.work()
    assert [e["command"]["id"] for e in desk.store.history("ticket", "T-1")] == [f"c{n}" for n in range(6)]
    assert "duplicate" not in desk.store.counters()


def desk_entry(desk: Desk, entry_id: str, fields: dict[bytes, bytes]) -> Any:
    from interlock.engine.ingress import admit

    return admit(desk.keys, entry_id, fields, 10_000)


def test_commands_of_one_instance_are_applied_in_the_order_of_the_stream(desk: Desk) -> None:
    keys = [f"T-{n}" for n in range(5)]
    for key in keys:
        desk.publish(key, "open", id=f"{key}-0")
    for number in range(1, 40):
        for key in keys:
            desk.publish(key, "note", id=f"{key}-{number}")
    desk.work()
    for key in keys:
        history = desk.store.history("ticket", key)
        assert [e["command"]["id"] for e in history] == [f"{key}-{n}" for n in range(40)]


# Invariant 4. Guards batch.py: RPUSH of the entries, XADD of the events, SET of the snapshot, in one commit.
def test_version_history_and_announced_changes_agree_and_history_replays(desk: Desk) -> None:
    for name, data in (("open", {"queue": "q"}), ("note", {}), ("assign", {"agent": "A"}), ("close", {})):
        desk.send("T-1", name, data=data)
    snapshot = desk.store.snapshot("ticket", "T-1")
    history = desk.store.history("ticket", "T-1")
    assert snapshot is not None
    assert snapshot.version == len(history) == len({e["sequence"] for e in desk.events()}) == 4
    assert replay(desk.catalog.only, "T-1", history).to_bytes() == snapshot.to_bytes()


# Invariant 5. Guards commit.lua: every check precedes every write.
def test_a_commit_that_fails_announces_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fencing.apply

    def robbed(client: redis.Redis, lease: fencing.Lease, ttl_ms: int, **options: Any) -> list[int] | None:
        client.set(lease.key, "999", px=5000)
        return real(client, lease, ttl_ms, **options)

    monkeypatch.setattr(fencing, "apply", robbed)
    desk.publish("T-1", "open", id="a")
    desk.work()
    assert desk.events() == []
    assert desk.store.snapshot("ticket", "T-1") is None
    monkeypatch.setattr(fencing, "apply", real)
    for keys in desk.store.partitions():
        desk.client.delete(keys.lease)
    desk.work()
    assert [e["type"] for e in desk.events()] == ["ticket.created"]


def test_a_command_without_id_gets_one_from_its_place_in_the_stream(desk: Desk) -> None:
    answer = desk.send("T-1", "open")
    assert answer["status"] == "applied"
    assert answer["id"][14] == "7"


def test_a_command_waits_for_its_time(desk: Desk) -> None:
    soon = datetime.now(UTC) + timedelta(milliseconds=300)
    desk.publish("T-1", "open", id="later", not_before=soon.isoformat())
    desk.work()
    assert desk.store.result("later") is None
    waited = 0
    while not (waited := waited + desk.pump.let_in_due()):
        assert datetime.now(UTC) < soon + timedelta(seconds=5)
    assert datetime.now(UTC) >= soon
    desk.work()
    answer = desk.store.result("later")
    assert answer is not None
    assert answer["status"] == "applied"


def test_a_timer_that_is_due_is_fired_by_way_of_the_inbox(desk: Desk) -> None:
    desk.send("T-1", "open", id="a")
    keys = desk.keys.of_instance("ticket", "T-1")
    assert desk.client.zcard(keys.timers) == 1
    assert desk.let_timers_run(minutes=29) == 0
    assert desk.let_timers_run(minutes=2) == 1
    assert [e["type"] for e in desk.events()] == ["ticket.created", "ticket.sla_breached"]
    entry = desk.store.history("ticket", "T-1")[-1]
    assert entry["command"]["name"] == "after.30m.open.queued"
    assert desk.client.zcard(keys.timers) == 0
    snapshot = desk.store.snapshot("ticket", "T-1")
    assert snapshot is not None
    assert replay(desk.catalog.only, "T-1", desk.store.history("ticket", "T-1")) == snapshot


def test_what_a_timer_causes_goes_on_under_the_correlation_of_what_armed_it(desk: Desk) -> None:
    desk.send("T-1", "open", id="a", correlation_id="conversation-7")
    desk.let_timers_run(minutes=31)
    entry, event = desk.store.history("ticket", "T-1")[-1], desk.events()[-1]
    assert (entry["correlation_id"], entry["causation_id"]) == ("conversation-7", "a")
    assert (event["correlationid"], event["data"]["causation_id"]) == ("conversation-7", "a")


def test_leaving_the_state_takes_its_timer_away(desk: Desk) -> None:
    desk.send("T-1", "open", id="a")
    keys = desk.keys.of_instance("ticket", "T-1")
    assert desk.client.zcard(keys.timers) == 1
    desk.send("T-1", "assign", id="b", data={"agent": "A"})
    assert desk.client.zcard(keys.timers) == 0


def test_a_timer_that_was_let_in_too_late_is_dropped(desk: Desk) -> None:
    desk.send("T-1", "open", id="a")
    keys = desk.keys.of_instance("ticket", "T-1")
    [member] = desk.client.zrange(keys.timers, 0, -1)
    desk.send("T-1", "assign", id="b", data={"agent": "A"})
    desk.client.xadd(keys.inbox, {"t": member})
    before = desk.dump()
    desk.work()
    assert desk.dump() == before


def test_an_instance_is_listed_by_state_by_field_and_page_by_page(desk: Desk) -> None:
    for number in range(25):
        desk.send(f"T-{number:02}", "open", data={"queue": "even" if number % 2 == 0 else "odd"})
    desk.send("T-03", "assign", data={"agent": "A"})
    seen: list[str] = []
    cursor = None
    while True:
        page = desk.store.page("ticket", limit=10, cursor=cursor)
        seen += [s.key for s in page.instances]
        cursor = page.next
        if cursor is None:
            break
    assert seen == [f"T-{number:02}" for number in range(25)]
    assert [s.key for s in desk.store.page(Query("ticket", states=["open.assigned"])).instances] == ["T-03"]
    assert len(desk.store.page(Query("ticket", states=["open"], where={"queue": ["odd"]})).instances) == 12
    assert desk.store.counts(desk.catalog.only.chart) == {"open": 25, "open.queued": 24, "open.assigned": 1}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"this is no JSON", ("malformed", "not_an_object")),
        (b"[1, 2]", ("malformed", "not_an_object")),
        (b"\xff\xfe", ("malformed", "not_an_object")),
        (b"[" * 5000, ("malformed", "not_an_object")),
        (b'{"machine": "ticket", "name": "open"}', ("malformed", "invalid_field")),
        (b'{"machine": 7, "key": "k", "name": "open"}', ("malformed", "invalid_field")),
    ],
)
def test_what_is_no_command_becomes_a_dead_letter(desk: Desk, raw: bytes, expected: tuple[str, str]) -> None:
    desk.send("T-1", "open", id="a")
    desk.publish_raw(raw)
    assert desk.send("T-1", "note", id="b")["status"] == "applied"
    [letter] = desk.store.dead_letters()
    assert (letter["error"]["class"], letter["error"]["code"]) == expected
    assert desk.store.counters()["dead:malformed"] == 1


@pytest.mark.parametrize(
    ("fields", "expected", "named"),
    [
        ({"colour": "red"}, ("malformed", "unknown_field"), "colour"),
        ({"data": []}, ("malformed", "invalid_field"), "data"),
        ({"actor": {"id": "x", "kind": "king"}}, ("malformed", "invalid_field"), "actor.kind"),
        ({"not_before": 1000000000}, ("malformed", "invalid_field"), "not_before"),
        ({"not_before": "tomorrow"}, ("malformed", "invalid_field"), "not_before"),
        ({"not_before": "2026-01-01T00:00:00"}, ("malformed", "invalid_field"), "not_before"),
        ({"key": "a\nb"}, ("malformed", "invalid_field"), "key"),
        ({"key": "k" * 300}, ("malformed", "invalid_field"), "key"),
        ({"reply_to": "interlock:commands"}, ("malformed", "invalid_field"), "reply_to"),
        ({"data": {"agent": {"deep": [[[[{}]]]] * 3}}, "name": "assign"}, ("not_found", "not_found"), ""),
    ],
)
def test_a_malformed_command_is_answered_under_its_id(
    desk: Desk, fields: dict[str, Any], expected: tuple[str, str], named: str
) -> None:
    desk.publish_raw(orjson.dumps({"machine": "ticket", "key": "T-1", "name": "open", "id": "bad", **fields}))
    desk.work()
    answer = desk.store.result("bad")
    assert answer is not None
    assert error_of(answer) == expected
    assert answer["error"]["details"].get("field", "") == named
    assert desk.client.xlen(desk.keys.commands) == 0


@pytest.mark.parametrize(
    "value", [b"1" + b"0" * 400, b"1e400", b'"\\ud800"', b"[" * 250 + b"]" * 250, b"NaN"]
)
def test_what_only_a_lenient_reader_reads_is_refused_under_its_id(desk: Desk, value: bytes) -> None:
    reply = desk.keys.reply("lenient")
    head = {"machine": "ticket", "key": "T-1", "name": "open", "id": "odd", "reply_to": reply}
    desk.publish_raw(orjson.dumps(head)[:-1] + b', "data": {"queue": ' + value + b"}}")
    desk.work()
    answer = orjson.loads(desk.client.lpop(reply))  # type: ignore[arg-type]
    assert (answer["id"], answer["status"], *error_of(answer)) == (
        "odd",
        "refused",
        "malformed",
        "not_an_object",
    )


def test_a_huge_command_is_refused_by_its_size_and_not_kept(desk: Desk) -> None:
    body = {
        "machine": "ticket",
        "key": "T-1",
        "name": "open",
        "id": "huge",
        "data": {"queue": "x" * 2_000_000},
    }
    desk.publish_raw(orjson.dumps(body))
    desk.work()
    answer = desk.store.result("huge")
    assert answer is not None
    assert error_of(answer) == ("too_large", "too_large")
    assert max(len(value or b"") for value in desk.dump().values()) < 10_000


@pytest.mark.parametrize(
    "key",
    ["a b", "ünï€ødé", "{x}", "a/b/c", "..", "'\"", "*", "[1]", "🙂", "%00", "-", "a:b", "\\", "<script>"],
)
def test_odd_keys_are_keys(desk: Desk, key: str) -> None:
    assert desk.send(key, "open")["status"] == "applied"
    assert desk.send(key, "note")["version"] == 2
    assert [s.key for s in desk.store.page("ticket").instances] == [key]


def test_a_snapshot_that_somebody_broke_makes_dead_letters_of_its_commands_only(desk: Desk) -> None:
    desk.send("T-1", "open")
    desk.send("T-2", "open")
    desk.client.set(desk.keys.of_instance("ticket", "T-1").instance("ticket", "T-1"), b"{broken")
    answer = desk.send("T-1", "note", id="x")
    assert (answer["status"], *error_of(answer)) == ("dead", "internal", "internal")
    assert desk.send("T-2", "note")["status"] == "applied"
    assert desk.store.dead_letters()[0]["id"] == "x"


def test_a_history_of_a_foreign_type_makes_dead_letters_of_its_commands_only(desk: Desk) -> None:
    desk = Desk(desk.client, partitions=4)
    desk.send("T-1", "open")
    desk.client.set(desk.keys.of_instance("ticket", "T-1").history("ticket", "T-1"), "no list")
    assert desk.send("T-1", "note")["status"] == "dead"
    neighbour = next(
        k
        for k in (f"N-{n}" for n in range(99))
        if desk.keys.partition_of("ticket", k) == desk.keys.partition_of("ticket", "T-1")
    )
    assert desk.send(neighbour, "open")["status"] == "applied"


def test_a_fault_of_ours_is_a_dead_letter_and_the_partition_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = batch_module.decide

    def faulty(machine: Any, snapshot: Any, command: Any, now: Any) -> Any:
        if command.id == "bad":
            raise RuntimeError("a fault of ours")
        return real(machine, snapshot, command, now)

    monkeypatch.setattr(batch_module, "decide", faulty)
    answer = desk.send("T-1", "open", id="bad")
    assert (answer["status"], *error_of(answer)) == ("dead", "internal", "internal")
    assert desk.send("T-1", "open", id="good")["status"] == "applied"


def test_foreign_entries_in_an_inbox_are_dead_letters(desk: Desk) -> None:
    keys = desk.keys.partition(0)
    foreign = (
        {"z": "y"},
        {"t": "no timer"},
        {"r": "[]"},
        {"c": "no command"},
        {"x": "y"},
        {"x": "{}"},
        {"f": "1"},
    )
    for fields in (*foreign, {"t": "[1,2,3]"}):
        desk.client.xadd(keys.inbox, fields)
    desk.work()
    assert desk.client.xlen(keys.inbox) == 0
    assert len(desk.store.dead_letters()) == 8


def test_a_batch_is_cut_by_its_bytes_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("interlock.workers.drain.MAX_BATCH_BYTES", 500)
    sizes: list[int] = []
    real = batch_module.Batch.decide_all
    monkeypatch.setattr(
        batch_module.Batch, "decide_all", lambda self: (sizes.append(len(self.items)), real(self))[1]
    )
    desk.publish("T-1", "open", id="a")
    for number in range(20):
        desk.publish("T-1", "note", id=f"n{number}")
    desk.work()
    assert max(sizes) < 10
    assert len(desk.store.history("ticket", "T-1")) == 21


def test_the_first_to_open_the_store_fixes_the_partitions(any_client: redis.Redis) -> None:
    Desk(any_client, partitions=4)
    assert Desk(any_client, partitions=8).keys.partitions == 4


def test_private_fields_reach_neither_events_nor_what_is_shown(desk: Desk) -> None:
    desk.send("T-1", "open", data={"token": "canary-7f3"})
    assert b"canary-7f3" not in orjson.dumps(desk.events())
    snapshot = desk.store.snapshot("ticket", "T-1")
    assert snapshot is not None
    assert snapshot.context["token"] == "canary-7f3"
    assert b"canary-7f3" not in orjson.dumps(snapshot.shown(desk.catalog.only.chart))
    assert desk.catalog.only.chart.commands["open"].private == {"token"}
    answer = desk.send("T-2", "open", data={"token": 77_31_77})
    assert error_of(answer) == ("invalid_data", "invalid_data")
    assert b"773177" not in orjson.dumps(answer)


def test_a_batch_answer_is_one_result_a_command() -> None:
    assert set(Result("i", batch_module.Status.APPLIED, "m", "k", 1, ["a"], []).as_dict()) == {
        "id", "status", "machine", "key", "version", "state", "events", "error",
    }  # fmt: skip


def test_a_drain_that_finds_another_owner_leaves_no_marker_that_would_keep_others_asleep(desk: Desk) -> None:
    number = desk.keys.partition_of("ticket", "T-1")
    keys = desk.keys.partition(number)
    lease = fencing.acquire(desk.client, keys.lease, keys.meta, 5000)
    assert lease is not None
    desk.client.set(keys.wake, "1", px=5000)
    desk.drainer.drain(number)
    fencing.release(desk.client, lease)
    desk.publish("T-1", "open")
    desk.pump.take_in()
    assert desk.woken == [number]


def test_old_events_leave_the_event_log_once_they_were_dispatched_and_no_sooner(
    any_client: redis.Redis,
) -> None:
    desk = Desk(any_client, partitions=1, event_log_seconds=2 * 86_400, webhook_retry_schedule="60")
    keys = desk.keys.partition(0)
    for number in range(300):  # trimming is by whole nodes of a stream, of a hundred entries
        desk.client.xadd(keys.outbox, {"event": "{}"}, id=f"{number + 1}-0")
    desk.pump.trim_event_logs()
    assert desk.client.xlen(keys.outbox) == 300
    desk.client.hset(keys.meta, "dispatched", "200-0")
    desk.pump.trim_event_logs()
    assert 100 <= desk.client.xlen(keys.outbox) < 300
    assert desk.client.xrange(keys.outbox, min="200-0", count=1)[0][0] == b"200-0"


def test_huge_commands_are_taken_in_by_few_small_ones_by_many(desk: Desk) -> None:
    taken: list[int] = []
    for _ in range(60):
        desk.publish_raw(b"x" * 1_000_000)
    while count := desk.pump.take_in():
        taken.append(count)
    assert max(taken) <= 16
    assert taken[1] == 8
    taken.clear()
    for number in range(2000):
        desk.publish(f"T-{number}", "open")
    while count := desk.pump.take_in():
        taken.append(count)
    assert max(taken) > 500


def test_a_timer_that_is_let_in_too_early_waits_for_its_time(desk: Desk) -> None:
    desk.send("T-1", "open", id="a")
    keys = desk.keys.of_instance("ticket", "T-1")
    [(member, due)] = desk.client.zrange(keys.timers, 0, -1, withscores=True)
    desk.client.zadd(keys.timers, {member: 1})
    assert desk.pump.let_in_due() == 1
    desk.work()
    assert len(desk.events()) == 1
    assert desk.client.zrange(keys.timers, 0, -1, withscores=True) == [(member, due)]


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+12:00"])
def test_a_time_that_no_calendar_holds_in_utc_is_refused_and_blocks_nobody(desk: Desk, moment: str) -> None:
    desk.publish("T-1", "open", id="bad", not_before=moment)
    assert desk.send("T-1", "open", id="good")["status"] == "applied"
    answer = desk.store.result("bad")
    assert answer is not None
    assert error_of(answer) == ("malformed", "invalid_field")


POISON: list[dict[str, str]] = [
    {"r": "{}"},
    {"r": '{"id": {}, "error": {"class": "malformed", "code": "c", "message": "m"}}'},
    {"r": '{"error": {"class": 7}}'},
    {"t": '["ticket", "T-1", "x", "often"]'},
    {"t": '["ticket", ["T-1"], "x"]'},
    {"c": "[]"},
    {"": ""},
]


@pytest.mark.parametrize("fields", POISON, ids=str)
def test_poison_in_an_inbox_holds_up_nobody(desk: Desk, fields: dict[str, str]) -> None:
    desk.client.xadd(desk.keys.of_instance("ticket", "T-1").inbox, fields)  # type: ignore[arg-type]
    assert desk.send("T-1", "open")["status"] == "applied"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"version": "1"}',
        b'{"machine":"ticket","key":"T-1","chart_version":[],"version":1,"state":["open.queued"],"context":{},'
        b'"timers":[],"created_at":"","updated_at":""}',
        b'{"machine":"ticket","key":"T-1","chart_version":1,"version":1,"state":["nowhere"],"context":{},'
        b'"timers":[{"id":[],"event":"e","state":"s","due":"d"}],"created_at":"","updated_at":""}',
        b'{"machine":"ticket","key":"T-1","chart_version":1,"version":1,"state":["nowhere"],"context":{},'
        b'"timers":[],"created_at":"","updated_at":""}',
    ],
)
def test_a_forged_snapshot_makes_dead_letters_of_its_commands_only(desk: Desk, raw: bytes) -> None:
    desk.send("T-1", "open")
    desk.client.set(desk.keys.of_instance("ticket", "T-1").instance("ticket", "T-1"), raw)
    assert desk.send("T-1", "note")["status"] == "dead"
    assert desk.send("T-2", "open")["status"] == "applied"


def test_a_snapshot_that_was_taken_away_is_not_begun_anew_over_its_history(desk: Desk) -> None:
    desk.send("T-1", "open")
    keys = desk.keys.of_instance("ticket", "T-1")
    desk.client.delete(keys.instance("ticket", "T-1"))
    assert desk.send("T-1", "open", id="again")["status"] == "dead"
    assert desk.client.llen(keys.history("ticket", "T-1")) == 1


def test_an_instance_key_of_a_foreign_type_is_not_written_over(desk: Desk) -> None:
    name = desk.keys.of_instance("ticket", "T-1").instance("ticket", "T-1")
    desk.client.rpush(name, "somebody's list")
    assert desk.send("T-1", "open")["status"] == "dead"
    assert desk.client.lrange(name, 0, -1) == [b"somebody's list"]


def test_many_broken_instances_in_one_batch_hold_up_nobody(any_client: redis.Redis) -> None:
    desk = Desk(any_client, partitions=1)
    for number in range(9):
        desk.client.set(desk.keys.partition(0).history("ticket", f"B-{number}"), "no list")
        desk.publish(f"B-{number}", "open", id=f"b{number}")
    assert desk.send("T-1", "open")["status"] == "applied"
    assert desk.store.counters() == {"applied": 1, "dead:internal": 9}


@pytest.mark.parametrize("value", [b"", b"\xff\xfe", ["a", "list"]])
def test_a_foreign_mark_under_a_commands_id_is_an_id_in_use(desk: Desk, value: Any) -> None:
    name = desk.keys.fingerprint("a")
    desk.client.rpush(name, *value) if isinstance(value, list) else desk.client.set(name, value)
    assert error_of(desk.send("T-1", "open", id="a")) == ("id_reused", "id_reused")
    assert desk.send("T-1", "open", id="b")["status"] == "applied"


@pytest.mark.parametrize("value", [b"garbage", b"[]", None])
def test_a_first_answer_that_is_lost_is_still_a_duplicate(desk: Desk, value: bytes | None) -> None:
    desk.send("T-1", "open", id="a")
    desk.client.delete(desk.keys.result("a"))
    if value is not None:
        desk.client.set(desk.keys.result("a"), value)
    answer = desk.send("T-1", "open", id="a")
    assert (answer["id"], answer["status"], answer["duplicate"]) == ("a", "ignored", True)


def test_counters_and_dead_letters_of_a_foreign_kind_cost_nobody_anything(desk: Desk) -> None:
    desk.client.hset(desk.keys.counters, "applied", "many")
    desk.client.set(desk.keys.of_instance("ticket", "T-1").dead, "no stream")
    desk.client.xadd(desk.keys.of_instance("ticket", "T-1").inbox, {"x": "y"})
    assert desk.send("T-1", "open", id="a")["version"] == 1
    assert desk.send("T-1", "note")["version"] == 2
    assert len(desk.store.history("ticket", "T-1")) == 2


def test_the_last_sequence_of_a_millisecond_is_no_end(desk: Desk) -> None:
    keys = desk.keys.of_instance("ticket", "T-1")
    desk.client.xadd(keys.inbox, {"x": "y"}, id="5-18446744073709551615")
    assert desk.send("T-1", "open")["status"] == "applied"
    assert len(desk.store.dead_letters()) == 1
    desk.client.xadd(desk.keys.commands, {"command": "{}"}, id=f"{2**45}-18446744073709551615")
    desk.work()
    assert desk.client.xlen(desk.keys.commands) == 0


@pytest.mark.parametrize("suffix", ["inbox", "meta", "timers", "later", "outbox", "exclusive", "due"])
def test_a_foreign_key_in_one_partition_stops_no_other(redis_client: redis.Redis, suffix: str) -> None:
    desk = Desk(redis_client)  # fakeredis raises errors of its own on a foreign type
    bad = desk.keys.of_instance("ticket", "T-1")
    key = next(k for k in (f"N-{n}" for n in range(99)) if desk.keys.of_instance("ticket", k) != bad)
    foreign = getattr(bad, suffix)
    desk.client.set(foreign, "somebody else's")
    desk.publish("T-1", "open", id="first")
    desk.pump.turn()
    assert desk.send(key, "open")["status"] == "applied"
    desk.pump.trim_event_logs()
    desk.let_timers_run(minutes=31)
    outbox = desk.client.xrange(desk.keys.of_instance("ticket", key).outbox)
    announced = [orjson.loads(fields[b"event"])["type"] for _, fields in outbox]
    assert announced == ["ticket.created", "ticket.sla_breached"]
    # Mended, it goes on where it was, in order.
    desk.client.delete(foreign)
    desk.publish("T-1", "note", id="second")
    desk.pump._retry_at = float("-inf")
    desk.work()
    desk.work()
    ids = [e["command"]["id"] for e in desk.store.history("ticket", "T-1")]
    assert [one for one in ids if "." not in one] == ["first", "second"]


def test_an_ingress_of_a_foreign_type_stops_no_timer(redis_client: redis.Redis) -> None:
    desk = Desk(redis_client)
    desk.send("T-1", "open")
    desk.client.delete(desk.keys.commands)
    desk.client.set(desk.keys.commands, "no stream")
    desk.drainer.ahead = desk.pump.ahead = timedelta(minutes=31)
    assert desk.pump.turn() is None
    desk.drainer.drain(desk.keys.partition_of("ticket", "T-1"))
    assert desk.events()[-1]["type"] == "ticket.sla_breached"


def test_leases_and_markers_without_expiry_are_nobodys(desk: Desk) -> None:
    keys = desk.keys.of_instance("ticket", "T-1")
    desk.client.set(keys.lease, "7")
    desk.client.set(keys.wake, "1")
    desk.publish("T-1", "open", id="a")
    desk.pump.take_in()
    assert desk.woken == [desk.keys.partition_of("ticket", "T-1")]
    assert desk.send("T-1", "note")["status"] == "applied"


def test_a_batch_that_takes_too_long_commits_what_it_has(any_client: redis.Redis) -> None:
    desk = Desk(any_client, partitions=1, lease_seconds=0.5)
    real = batch_module.decide
    clock = iter(range(10_000))

    def slow(machine: Any, snapshot: Any, command: Any, now: Any) -> Any:
        next(clock)
        return real(machine, snapshot, command, now)

    sizes: list[int] = []
    whole = batch_module.Batch.decide_all

    def measured(self: batch_module.Batch) -> Any:
        started = next(clock)
        self.out_of_time = lambda: next(clock) - started > 10
        ops = whole(self)
        sizes.append(self.taken)
        return ops

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batch_module, "decide", slow)
        patch.setattr(batch_module.Batch, "decide_all", measured)
        desk.publish("T-1", "open", id="a")
        for number in range(50):
            desk.publish("T-1", "note", id=f"n{number}")
        desk.work()
    assert max(sizes) < 10
    assert len(desk.store.history("ticket", "T-1")) == 51


def test_an_exclusive_slot_goes_with_its_entry_even_where_somebody_emptied_the_inbox(desk: Desk) -> None:
    keys = desk.keys.of_instance("ticket", "T-1")
    desk.client.hset(keys.exclusive, "a slot", "an id")
    desk.publish("T-1", "open")
    desk.pump.take_in()
    assert not desk.client.exists(keys.exclusive)


def test_a_failing_timer_makes_one_dead_letter_and_comes_again_later_and_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: Any) -> Any:
        raise RuntimeError("a chart at fault")

    desk.send("T-1", "open")
    monkeypatch.setattr(batch_module, "fire", faulty)
    assert desk.let_timers_run(minutes=31) == 1
    assert desk.let_timers_run(minutes=1.1) == 1
    assert desk.let_timers_run(minutes=1.1) == 0
    assert desk.let_timers_run(minutes=1.1) == 1
    assert len(desk.store.dead_letters()) == 1
    monkeypatch.undo()
    assert desk.let_timers_run(hours=1) == 1
    assert desk.events()[-1]["type"] == "ticket.sla_breached"
