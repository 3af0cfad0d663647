"""What a step sends to other instances: made by the step, under an id that follows from its cause."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest

from interlock.engine.decision import decide, replay
from interlock.engine.messages import Actor, Command, format_time
from interlock.engine.outcome import Decision
from interlock.engine.sending import HOP_LIMIT
from interlock.engine.snapshot import Snapshot
from tests.charting import START, Bench

CHART = """
id: t
version: 1
context: {peer: {type: [string, "null"], default: "P-1"}, wait: {}}
commands:
  make: {creates: true}
  go: {data: {note: {type: string}, peer: {}}}
  later: {data: {wait: {}}}
  stop:
  end:
initial: a
states:
  a:
    on:
      go:
        actions:
          - send:
              machine: other
              key: coalesce(data.peer, context.peer)
              command: poke
              data: {note: data.note, at: now, n: 7, gone: "null"}
          - send: {machine: other, key: "key + '-2'", command: poke}
      later: {actions: {send: {machine: other, key: context.peer, command: poke, delay: data.wait, id: reminder}}}
      stop: {actions: {cancel: reminder}}
      end: b
  b: {type: final}
"""


def sends(decision: Decision | None) -> list[dict[str, Any]]:
    assert decision
    return [orjson.loads(raw) for raw in decision.sends]


def waiting(bench: Bench) -> list[tuple[str, str]]:
    assert bench.snapshot
    return [(send.name, send.due) for send in bench.snapshot.sends]


def replays(bench: Bench) -> bool:
    assert bench.snapshot
    again = replay(bench.machine, "k", bench.history)
    return again.to_bytes() == bench.snapshot.to_bytes() == Snapshot.from_bytes(again.to_bytes()).to_bytes()


def test_a_send_is_a_command_of_the_system_that_names_its_cause() -> None:
    bench = Bench(CHART)
    bench.send("go", note="hello", actor=Actor(id="A", kind="agent"))
    first, second = sends(bench.decision)
    assert first == {
        "machine": "other",
        "key": "P-1",
        "name": "poke",
        "id": first["id"],
        "data": {"note": "hello", "at": format_time(START), "n": 7},
        "correlation_id": "c1",
        "causation_id": "c1",
    }
    assert (second["key"], "data" in second) == ("k-2", False)
    for each in (first, second):
        assert Command.model_validate(each).actor is None


def test_its_id_follows_from_the_cause_and_the_place_alone() -> None:
    one, two = Bench(CHART), Bench(CHART)
    for bench in (one, two):
        bench.send("go")
    assert [each["id"] for each in sends(one.decision)] == [each["id"] for each in sends(two.decision)]
    two.send("go")
    ids = {each["id"] for each in sends(one.decision) + sends(two.decision)}
    assert len(ids) == 4


def test_the_trace_goes_on_with_what_is_sent() -> None:
    bench = Bench(CHART)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    command = Command(machine="t", key="k", name="go", id="x", correlation_id="talk", traceparent=trace)
    first = sends(decide(bench.machine, bench.snapshot, command, START))[0]
    assert (first["traceparent"], first["correlation_id"], first["causation_id"]) == (trace, "talk", "x")


def test_the_history_tells_what_was_sent_but_not_its_data() -> None:
    bench = Bench(CHART)
    bench.send("go", note="secret")
    told = bench.history[-1]["sends"]
    assert [(each["machine"], each["key"], each["name"]) for each in told] == [
        ("other", "P-1", "poke"),
        ("other", "k-2", "poke"),
    ]
    assert "secret" not in str(told)
    assert "sends" not in bench.history[0]
    assert replays(bench)


@pytest.mark.parametrize("key", ["", None, 5, "a\nb", "x" * 257, {}])
def test_a_key_that_is_none_refuses_the_step(key: Any) -> None:
    bench = Bench(CHART.replace('default: "P-1"', "default: null"))
    error = bench.send("go", **({} if key is None else {"peer": key})).error
    assert error is not None
    assert error.error_class == "guard_error"


def test_a_delayed_send_waits_under_its_due_time_and_is_remembered() -> None:
    bench = Bench(CHART)
    bench.send("later", wait="30m")
    [made] = sends(bench.decision)
    assert made["not_before"] == format_time(START + timedelta(minutes=30))
    assert waiting(bench) == [("reminder", made["not_before"])]
    assert replays(bench)


@pytest.mark.parametrize("wait", [None, 0, -3])
def test_a_send_with_no_delay_left_goes_at_once(wait: Any) -> None:
    bench = Bench(CHART)
    bench.send("later", wait=wait)
    assert "not_before" not in sends(bench.decision)[0]
    assert waiting(bench) == []


def test_a_cancelled_send_is_named_once_by_its_id() -> None:
    bench = Bench(CHART)
    bench.send("later", wait=60)
    [made] = sends(bench.decision)
    bench.send("stop")
    assert bench.decision
    assert [each.command_id for each in bench.decision.cancelled] == [made["id"]]
    assert waiting(bench) == []
    bench.send("stop")
    assert not bench.decision.cancelled
    assert replays(bench)


def test_a_send_that_is_due_is_not_cancelled_any_more() -> None:
    bench = Bench(CHART)
    bench.send("later", wait=60)
    bench.pass_time(seconds=60)
    bench.send("stop")
    assert bench.decision
    assert (list(bench.decision.cancelled), waiting(bench)) == ([], [])
    assert replays(bench)


def test_a_second_send_of_one_id_takes_the_place_of_the_first() -> None:
    bench = Bench(CHART)
    bench.send("later", wait=60)
    bench.send("later", wait=90)
    assert bench.decision
    assert len(bench.decision.cancelled) == 1
    assert waiting(bench) == [("reminder", format_time(START + timedelta(seconds=90)))]


def test_the_end_of_the_sender_stops_what_waits() -> None:
    bench = Bench(CHART)
    bench.send("later", wait=60)
    bench.send("end")
    assert bench.decision
    assert len(bench.decision.cancelled) == 1
    assert waiting(bench) == []
    assert replays(bench)


def chain(bench: Bench, name: str, hops: int, **data: Any) -> Decision:
    """The decision about a command that came at the end of so many sends."""
    cause = f"s{hops}-01234567-89ab-8def-8123-456789abcdef"
    return decide(
        bench.machine, bench.snapshot, Command(machine="t", key="k", name=name, id=cause, data=data), START
    )


def test_a_chain_of_sends_ends_at_its_limit() -> None:
    bench = Bench(CHART)
    assert sends(chain(bench, "go", 4))[0]["id"].startswith("s5-")
    assert sends(chain(bench, "go", HOP_LIMIT - 1))[0]["id"].startswith(f"s{HOP_LIMIT}-")
    error = chain(bench, "go", HOP_LIMIT).result.error
    assert error is not None
    assert (error.error_class, error.code) == ("guard_error", "endless_sends")


def test_a_delay_begins_a_new_chain_unless_it_is_none_to_speak_of() -> None:
    bench = Bench(CHART)
    assert sends(chain(bench, "later", HOP_LIMIT, wait=1))[0]["id"].startswith("s1-")
    assert chain(bench, "later", HOP_LIMIT, wait=0.5).result.error is not None


def test_an_id_of_a_publisher_is_no_hop() -> None:
    bench = Bench(CHART)
    bench.send("go")
    assert sends(bench.decision)[0]["id"].startswith("s1-")
