"""Invoked functions: which run begins when, and what their outcome does when it comes back."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.engine.decision import decide, replay
from interlock.engine.invoking import Run
from interlock.engine.messages import Command
from interlock.engine.outcome import Decision
from interlock.engine.snapshot import Snapshot
from tests.charting import Bench

CHART = """
id: t
version: 1
context:
  customer: {type: string, default: C-1}
  name: {type: [string, "null"], default: null}
  why: {type: [string, "null"], default: null}
commands:
  make: {creates: true}
  go:
  again:
  stop:
initial: idle
states:
  idle: {on: {go: {target: asking, actions: {assign: {customer: "'C-2'"}}}}}
  asking:
    invoke:
      src: look_up
      id: lookup
      input: {customer: context.customer, at: now, plain: 7}
      retry: {attempts: 3, interval: 2s, backoff: 3}
      onDone: {target: known, actions: {assign: {name: data.output.name}}}
      onError: {target: unknown, actions: {assign: {why: data.error}}}
    on: {stop: idle, again: {target: asking, reenter: true}}
  known: {on: {go: passing}}
  unknown: {}
  passing: {invoke: {src: look_up, id: never}, always: known}
"""


def bench(chart: str = CHART) -> Bench:
    return Bench(chart)


def last(it: Bench) -> Decision:
    assert it.decision
    return it.decision


def come_back(it: Bench, run: Run, outcome: str = "done", **data: Any) -> Decision:
    assert it.snapshot
    command = Command(machine="t", key="k", name=f"{outcome}.invoke.{run.invoke}", id=run.id, data=data)
    decision = decide(it.machine, it.snapshot, command, it.now)
    it._keep(decision)
    return decision


def replays(it: Bench) -> bool:
    assert it.snapshot
    again = replay(it.machine, "k", it.history)
    return again.to_bytes() == it.snapshot.to_bytes() == Snapshot.from_bytes(again.to_bytes()).to_bytes()


def test_entering_the_state_begins_a_run_with_its_input() -> None:
    it = bench()
    assert last(it).runs == ()
    it.send("go")
    [run] = last(it).runs
    assert (run.machine, run.key, run.invoke, run.function) == ("t", "k", "lookup", "look_up")
    assert run.input == {"customer": "C-2", "at": "2026-01-01T09:00:00.000Z", "plain": 7}
    assert (run.attempts, run.interval_ms, run.backoff) == (3, 2000, 3.0)
    assert (run.correlation_id, run.causation_id) == ("c1", "c1")
    assert Run.from_bytes(run.to_bytes()) == run
    assert it.snapshot
    assert [(one.id, one.name, one.state) for one in it.snapshot.running] == [(run.id, "lookup", "asking")]


def test_the_pauses_between_attempts_grow_up_to_a_day() -> None:
    it = bench()
    it.send("go")
    [run] = last(it).runs
    assert [run.pause_ms(failed) for failed in (1, 2, 3, 500)] == [2000, 6000, 18_000, 86_400_000]


def test_a_good_end_is_an_event_with_its_output() -> None:
    it = bench()
    it.send("go")
    [run] = last(it).runs
    decision = come_back(it, run, output={"name": "Ann"})
    assert (decision.result.status, it.state, it.context["name"]) == ("applied", ["known"], "Ann")
    assert it.snapshot
    assert it.snapshot.running == []
    assert replays(it)


def test_a_bad_end_is_an_event_with_its_error() -> None:
    it = bench()
    it.send("go")
    [run] = last(it).runs
    come_back(it, run, "error", error="LookupError: nobody")
    assert (it.state, it.context["why"]) == (["unknown"], "LookupError: nobody")
    assert replays(it)


def test_an_end_after_the_state_was_left_is_dropped() -> None:
    it = bench()
    it.send("go")
    [run] = last(it).runs
    it.send("stop")
    assert [one.id for one in last(it).stopped] == [run.id]
    decision = come_back(it, run, output={"name": "Ann"})
    assert (decision.result.status, decision.snapshot, it.state) == ("ignored", None, ["idle"])
    assert replays(it)


def test_a_state_entered_again_begins_a_run_of_its_own() -> None:
    it = bench()
    it.send("go")
    [first] = last(it).runs
    it.send("again")
    [second] = last(it).runs
    assert (first.id != second.id, [one.id for one in last(it).stopped]) == (True, [first.id])
    assert come_back(it, first, output={"name": "old"}).result.status == "ignored"
    come_back(it, second, output={"name": "new"})
    assert it.context["name"] == "new"


def test_a_state_that_is_left_within_the_step_begins_nothing() -> None:
    it = bench()
    it.send("go")
    come_back(it, last(it).runs[0], output={})
    it.send("go")
    assert (it.state, last(it).runs) == (["known"], ())


def test_an_outcome_that_nobody_takes_is_told_by_the_history_all_the_same() -> None:
    it = bench(CHART.replace("      onError: {target: unknown, actions: {assign: {why: data.error}}}\n", ""))
    it.send("go")
    come_back(it, last(it).runs[0], "error", error="x")
    assert (it.state, it.history[-1]["command"]["name"]) == (["asking"], "error.invoke.lookup")
    assert it.snapshot
    assert it.snapshot.running == []
    assert replays(it)


@pytest.mark.parametrize("name", ["done.invoke.other", "done.invoke", "error.invoke."])
def test_what_only_looks_like_an_outcome_changes_nothing(name: str) -> None:
    it = bench()
    it.send("go")
    [run] = last(it).runs
    assert it.snapshot
    decision = decide(it.machine, it.snapshot, Command(machine="t", key="k", name=name, id=run.id), it.now)
    assert decision.snapshot is None
    forged = Command(machine="t", key="k", name="done.invoke.lookup", id="forged", data={"output": {}})
    assert decide(it.machine, it.snapshot, forged, it.now).result.status == "ignored"
    assert decide(it.machine, None, forged, it.now).result.status == "ignored"


def test_the_end_of_the_instance_stops_its_runs() -> None:
    it = bench(CHART.replace("on: {stop: idle,", "on: {stop: over,") + "  over: {type: final}\n")
    it.send("go")
    it.send("stop")
    assert len(last(it).stopped) == 1
    assert it.snapshot
    assert (it.snapshot.done, it.snapshot.running) == (True, [])


def test_the_root_may_invoke_and_an_id_is_the_function_s_name_where_none_is_given() -> None:
    it = bench(
        "id: t\nversion: 1\ncommands: {make: {creates: true}}\ninitial: a\n"
        "invoke: [{src: first}, {src: second, onDone: .b}]\nstates: {a: {}, b: {}}"
    )
    assert [run.invoke for run in last(it).runs] == ["first", "second"]
    come_back(it, last(it).runs[1], output=None)
    assert it.state == ["b"]
    assert it.snapshot
    assert [one.name for one in it.snapshot.running] == ["first"]
    assert replays(it)


def test_an_input_that_fails_refuses_the_step() -> None:
    it = bench(CHART.replace("plain: 7", "plain: 1 / 0"))
    error = it.send("go").error
    assert error is not None
    assert (error.error_class, it.state) == ("guard_error", ["idle"])
