"""What charts send goes out with the commit of the step, and is applied once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from interlock.engine.decision import replay
from interlock.engine.machine import Machine
from interlock.engine.snapshot import Snapshot
from interlock.workers import batch as batch_module
from tests.charting import compile_chart
from tests.contract.desk import Desk

BALL = """
id: ticket
version: 1
context: {hits: {type: integer, default: 0}}
commands:
  open: {creates: true}
  hit: {data: {peer: {type: string}}}
  tell: {data: {peer: {type: string}}}
  remind: {data: {peer: {type: string}, wait: {type: string}}}
  tick:
  forget:
  end:
initial: on
states:
  on:
    on:
      hit:
        actions:
          - {assign: {hits: context.hits + 1}}
          - {send: {machine: ticket, key: data.peer, command: hit, data: {peer: key}}}
      tell: {actions: {send: {machine: ticket, key: data.peer, command: tick}}}
      remind: {actions: {send: {machine: ticket, key: data.peer, command: tick, delay: data.wait, id: r}}}
      tick: {actions: {assign: {hits: context.hits + 1}}}
      forget: {actions: {cancel: r}}
      end: off
  off: {type: final}
"""


@pytest.fixture
def desk(any_client: redis.Redis) -> Desk:
    desk = Desk(any_client)
    desk.catalog.only = compile_chart(BALL)
    for key in ("A", "B"):
        desk.send(key, "open", id=f"open {key}")
    return desk


def work_until_quiet(desk: Desk) -> None:
    """As long as commits send something, and what is due."""
    while (
        desk.pump.let_in_due()
        or desk.client.xlen(desk.keys.commands)
        or any(desk.client.xlen(keys.inbox) for keys in desk.store.partitions())
    ):
        desk.work()


def instance(desk: Desk, key: str) -> Snapshot:
    snapshot = desk.store.snapshot("ticket", key)
    assert snapshot is not None
    again = replay(desk.catalog.only, key, desk.store.history("ticket", key))
    assert again.to_bytes() == snapshot.to_bytes()
    return snapshot


def last_sent(desk: Desk, key: str) -> str:
    told: str = desk.store.history("ticket", key)[-1]["sends"][0]["id"]
    return told


def at(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def test_a_send_is_applied_to_the_other_instance_in_the_name_of_the_system(desk: Desk) -> None:
    desk.send("A", "tell", id="t", data={"peer": "B"}, actor={"id": "ann", "kind": "agent"})
    work_until_quiet(desk)
    entry = desk.store.history("ticket", "B")[-1]
    assert (entry["command"]["name"], entry["actor"]) == ("tick", None)
    assert (entry["correlation_id"], entry["causation_id"]) == ("t", "t")
    assert instance(desk, "B").context["hits"] == 1
    assert desk.store.result(last_sent(desk, "A"))["status"] == "applied"  # type: ignore[index]


def test_a_refused_step_sends_nothing(desk: Desk) -> None:
    assert desk.send("A", "tell", id="t", data={"peer": ""})["error"]["class"] == "guard_error"
    assert desk.client.xlen(desk.keys.commands) == 0


def test_a_send_that_comes_twice_is_applied_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    real = batch_module.Batch.decide_all
    monkeypatch.setattr(
        batch_module.Batch,
        "decide_all",
        lambda self: [
            op for op in real(self) for _ in range(1 + (op[0] == "XADD" and op[1] == desk.keys.commands))
        ],
    )
    desk.send("A", "tell", id="t", data={"peer": "B"})
    work_until_quiet(desk)
    assert instance(desk, "B").context["hits"] == 1
    assert desk.store.counters()["duplicate"] == 1


def test_a_lost_commit_sends_nothing_and_the_repeated_one_sends_once(desk: Desk) -> None:
    desk.publish("A", "tell", id="t", data={"peer": "B"})
    desk.pump.take_in()
    number = desk.keys.partition_of("ticket", "A")
    # Another owner takes the partition between the read and the commit.
    real = desk.drainer._commit

    def robbed(keys: Any, lease: Any, read: Any, summary: Any) -> None:
        desk.client.set(keys.lease, lease.token + 1)
        real(keys, lease, read, summary)

    desk.drainer._commit = robbed  # type: ignore[method-assign]
    desk.drainer.drain(number)
    assert desk.client.xlen(desk.keys.commands) == 0
    desk.drainer._commit = real  # type: ignore[method-assign]
    desk.client.delete(desk.keys.partition(number).lease)
    work_until_quiet(desk)
    assert instance(desk, "B").context["hits"] == 1


def test_instances_that_answer_one_another_without_end_are_stopped(desk: Desk) -> None:
    desk.send("A", "hit", id="h", data={"peer": "B"})
    work_until_quiet(desk)
    hits = instance(desk, "A").context["hits"] + instance(desk, "B").context["hits"]
    assert hits == 100
    assert desk.store.counters()["refused:guard_error"] == 1


def test_a_delayed_send_is_applied_when_it_is_due_and_not_before(desk: Desk) -> None:
    desk.send("A", "remind", id="r", data={"peer": "B", "wait": at(0.4)})
    desk.work()
    assert instance(desk, "B").context["hits"] == 0
    assert [send.name for send in instance(desk, "A").sends] == ["r"]
    while not instance(desk, "B").context["hits"]:
        work_until_quiet(desk)
    assert desk.store.history("ticket", "B")[-1]["at"] >= instance(desk, "A").sends[0].due
    desk.send("A", "forget", id="f")
    assert instance(desk, "A").sends == []
    assert desk.store.result(desk.store.history("ticket", "A")[1]["sends"][0]["id"])["status"] == "applied"  # type: ignore[index]


@pytest.mark.parametrize("stage", ["published", "in the inbox", "waiting"])
def test_a_cancelled_send_is_never_applied_wherever_it_is(desk: Desk, stage: str) -> None:
    desk.send("A", "remind", id="r", data={"peer": "B", "wait": at(0.5)})
    if stage != "published":
        desk.pump.take_in()
    if stage == "waiting":
        desk.work()
    desk.publish("A", "forget", id="f")
    desk.work()
    [partition] = {desk.keys.partition_of("ticket", "B")}
    later = desk.keys.partition(partition).later
    desk.work()
    while desk.client.zcard(later):
        work_until_quiet(desk)
    assert instance(desk, "B").context["hits"] == 0
    answer = desk.store.result(desk.store.history("ticket", "A")[1]["sends"][0]["id"])
    assert answer is not None
    assert (answer["status"], answer["error"]["class"], answer["error"]["code"]) == (
        "refused",
        "expired",
        "cancelled",
    )


def test_the_end_of_the_sender_withdraws_what_waits(desk: Desk) -> None:
    desk.send("A", "remind", id="r", data={"peer": "B", "wait": at(0.3)})
    desk.send("A", "end", id="e")
    later = desk.keys.of_instance("ticket", "B").later
    assert desk.client.zcard(later) == 1
    while desk.client.zcard(later):
        work_until_quiet(desk)
    assert instance(desk, "B").context["hits"] == 0


def test_a_send_to_a_machine_that_no_chart_knows_is_answered_under_its_id(desk: Desk) -> None:
    desk.catalog.only = Machine(
        compile_chart(
            BALL.replace("tell: {actions: {send: {machine: ticket", "tell: {actions: {send: {machine: boat")
        ).chart
    )
    desk.send("A", "tell", id="t", data={"peer": "B"})
    work_until_quiet(desk)
    answer = desk.store.result(last_sent(desk, "A"))
    assert answer is not None
    assert answer["error"]["class"] == "unknown_machine"
