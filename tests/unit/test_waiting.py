"""What waits: timers whose delay an expression gives, delayed raises, and what cancels them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from interlock.engine.decision import replay
from interlock.engine.durations import due_at
from interlock.engine.messages import format_time
from interlock.engine.snapshot import Snapshot
from tests.charting import START, Bench

HEAD = """
id: t
version: 1
context: {wait: {}, count: {type: integer, default: 0}}
commands:
  make: {creates: true, data: {wait: {}}}
  go: {data: {wait: {}}}
  stop:
  back:
initial: a
"""
AFTER = (
    HEAD
    + """
states:
  a:
    after: {context.wait: {target: b}}
    on: {stop: c, go: {target: a, reenter: true, actions: {assign: {wait: data.wait}}}}
  b: {}
  c: {}
"""
)
RAISE = (
    HEAD
    + """
on:
  tick: {actions: {assign: {count: context.count + 1}}}
states:
  a:
    on:
      go: {target: b, actions: {raise: {event: tick, delay: 10s, id: x}}}
  b:
    on:
      back: a
      stop: {actions: {cancel: x}}
      go: {actions: {raise: {event: tick, delay: 10s, id: x}}}
"""
)


def due(bench: Bench) -> list[str]:
    assert bench.snapshot
    return [timer.due for timer in bench.snapshot.timers]


def replays(bench: Bench) -> bool:
    assert bench.snapshot
    again = replay(bench.machine, "k", bench.history)
    return again.to_bytes() == bench.snapshot.to_bytes() == Snapshot.from_bytes(again.to_bytes()).to_bytes()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (90, 90),
        (0.25, 0.25),
        ("30m", 1800),
        ("PT1H", 3600),
        (-5, 0),
        ("2026-01-01T09:00:07Z", 7),
        ("2020-01-01T00:00:00Z", 0),
    ],
)
def test_a_delay_may_be_seconds_a_duration_or_a_time(value: Any, seconds: float) -> None:
    assert due_at(value, START) == START + timedelta(seconds=seconds)
    bench = Bench(AFTER, wait=value)
    assert due(bench) == [format_time(START + timedelta(seconds=seconds))]
    bench.pass_time(seconds=seconds)
    assert bench.state == ["b"]
    assert replays(bench)


@pytest.mark.parametrize(
    "value", [True, [], {}, "soon", "30", "2026-01-01T09:00:00", 1e12, "9999d", "9999-01-01T00:00:00Z", ""]
)
def test_a_value_that_is_no_delay_refuses_the_command(value: Any) -> None:
    with pytest.raises(ValueError, match=r"ten years|30m"):
        due_at(value, START)
    bench = Bench(AFTER)
    error = bench.send("go", wait=value).error
    assert error is not None
    assert (error.error_class, error.code) == ("guard_error", "guard_error")
    assert bench.state == ["a"]


def test_null_arms_no_timer() -> None:
    bench = Bench(AFTER)
    assert due(bench) == []
    bench.pass_time(days=400)
    assert bench.state == ["a"]


def test_the_delay_is_evaluated_when_the_state_is_entered_and_not_again() -> None:
    bench = Bench(AFTER, wait=60)
    bench.send("go", wait=600)
    assert bench.pass_time(seconds=599) == []
    assert bench.pass_time(seconds=1) == ["after.context.wait.a"]
    assert bench.state == ["b"]
    assert replays(bench)


def test_the_delay_sees_what_the_entry_has_assigned() -> None:
    bench = Bench(
        HEAD + "states:\n  a: {entry: {assign: {wait: '5 + 5'}}, after: {context.wait * 2: b}}\n  b: {}"
    )
    assert due(bench) == [format_time(START + timedelta(seconds=20))]


def test_leaving_the_state_stops_its_timer() -> None:
    bench = Bench(AFTER, wait=60)
    bench.send("stop")
    assert due(bench) == []


def test_a_delayed_raise_comes_although_the_state_that_raised_it_was_left() -> None:
    bench = Bench(RAISE)
    bench.send("go")
    bench.send("back")
    assert bench.context["count"] == 0
    assert bench.pass_time(seconds=10) == ["tick"]
    assert (bench.context["count"], bench.state) == (1, ["a"])
    assert [entry["command"]["name"] for entry in bench.history] == ["make", "go", "back", "raise.tick"]
    assert replays(bench)


def test_a_cancelled_raise_does_not_come() -> None:
    bench = Bench(RAISE)
    bench.send("go")
    bench.send("stop")
    assert due(bench) == []
    assert bench.pass_time(hours=1) == []
    assert replays(bench)


def test_to_cancel_what_does_not_wait_changes_nothing_else() -> None:
    bench = Bench(RAISE)
    bench.send("go")
    bench.pass_time(seconds=10)
    assert bench.send("stop").status == "applied"
    assert bench.context["count"] == 1


def test_a_second_raise_of_one_id_takes_the_place_of_the_first() -> None:
    bench = Bench(RAISE)
    bench.send("go")
    bench.pass_time(seconds=6)
    bench.send("go")
    assert bench.pass_time(seconds=6) == []
    assert bench.pass_time(seconds=4) == ["tick"]
    assert bench.context["count"] == 1


def test_raises_without_id_come_each_by_itself() -> None:
    bench = Bench(
        HEAD
        + """
on: {tick: {actions: {assign: {count: context.count + 1}}}}
states:
  a:
    entry:
      - {raise: {event: tick, delay: 1s}}
      - {raise: {event: tick, delay: "1 + 1"}}
      - {raise: {event: tick}}
      - {raise: {event: tick, delay: context.wait}}
"""
    )
    assert bench.context["count"] == 2  # no delay and a null delay: within the step
    assert bench.pass_time(seconds=3) == ["tick", "tick"]
    assert bench.context["count"] == 4
    assert replays(bench)


def test_a_raise_within_a_step_may_be_cancelled_in_it() -> None:
    bench = Bench(
        HEAD
        + "states:\n  a: {on: {go: {actions: [{raise: {event: stop, delay: 1s, id: x}}, {cancel: x}]}, stop: b}}"
        + "\n  b: {}"
    )
    bench.send("go")
    assert due(bench) == []


def test_the_end_of_the_instance_stops_what_waits() -> None:
    bench = Bench(
        HEAD
        + "states:\n  a: {entry: {raise: {event: tick, delay: 1s}}, on: {tick: a, stop: b}}\n  b: {type: final}"
    )
    bench.send("stop")
    assert due(bench) == []
    assert replays(bench)
