"""Invoked functions from the commit that begins a run to the commit that takes its outcome, applied once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest
import redis

from interlock.engine.decision import replay
from interlock.engine.snapshot import Snapshot
from interlock.workers import invoker as invoker_module
from interlock.workers.invoker import Invoker
from tests.charting import compile_chart
from tests.contract.desk import Desk

CHART = """
id: ticket
version: 1
context: {found: {}, why: {type: [string, "null"], default: null}}
commands:
  open: {creates: true}
  ask: {data: {who: {type: string}}}
  stop:
initial: idle
states:
  idle: {on: {ask: asking}}
  asking:
    invoke:
      src: look_up
      input: {who: key}
      retry: {attempts: 3, interval: 0s}
      onDone: {target: known, actions: {assign: {found: data.output}}}
      onError: {target: unknown, actions: {assign: {why: data.error}}}
    on: {stop: idle}
  known: {}
  unknown: {}
"""


class Works:
    """A desk whose one function answers what `answers` says, in turn: a value, or an error to raise."""

    def __init__(self, client: redis.Redis, *answers: Any) -> None:
        self.desk = Desk(client)
        self.desk.catalog.only = compile_chart(CHART)
        self.answers = list(answers)
        self.calls: list[Mapping[str, Any]] = []
        self.invoker = Invoker(self.desk.store, self.desk.settings, {"look_up": self.look_up})
        self.desk.send("T-1", "open", id="open")
        self.desk.send("T-1", "ask", id="ask")

    def look_up(self, given: Mapping[str, Any]) -> Any:
        self.calls.append(given)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer

    def run(self) -> None:
        while self.invoker.run_one():
            self.desk.work()

    def ticket(self) -> Snapshot:
        snapshot = self.desk.store.snapshot("ticket", "T-1")
        assert snapshot is not None
        again = replay(self.desk.catalog.only, "T-1", self.desk.store.history("ticket", "T-1"))
        assert again.to_bytes() == snapshot.to_bytes()
        return snapshot

    def left(self) -> int:
        """What is stored of runs."""
        client = self.desk.client
        return sum(
            client.hlen(keys.runs) + client.hlen(keys.run_attempts) + client.zcard(keys.runs_due)
            for keys in self.desk.store.partitions()
        )


def test_the_output_comes_back_as_an_event(any_client: redis.Redis) -> None:
    works = Works(any_client, {"name": "Ann"})
    works.run()
    assert works.calls == [{"who": "T-1"}]
    assert (works.ticket().state, works.ticket().context["found"]) == (["known"], {"name": "Ann"})
    entry = works.desk.store.history("ticket", "T-1")[-1]
    assert (entry["command"]["name"], entry["causation_id"], entry["correlation_id"]) == (
        "done.invoke.look_up",
        "ask",
        "ask",
    )
    assert works.left() == 0


def test_a_failure_is_tried_again_as_often_as_the_chart_says(any_client: redis.Redis) -> None:
    works = Works(any_client, OSError("down"), OSError("down"), "up")
    works.run()
    assert (len(works.calls), works.ticket().context["found"]) == (3, "up")
    assert works.left() == 0


def test_the_last_failure_is_the_error(any_client: redis.Redis) -> None:
    works = Works(any_client, OSError(1), OSError(2), LookupError("nobody"))
    works.run()
    assert (works.ticket().state, works.ticket().context["why"]) == (["unknown"], "LookupError: nobody")
    assert works.left() == 0


def test_the_pause_before_the_next_attempt_is_durable(any_client: redis.Redis) -> None:
    works = Works(any_client, OSError("down"), "up")
    works.desk.send("T-1", "stop", id="stop")
    works.desk.catalog.only = compile_chart(CHART.replace("interval: 0s", "interval: 300ms"))
    works.desk.send("T-1", "ask", id="again")
    assert works.invoker.run_one()
    assert not works.invoker.run_one()
    begun = time.monotonic()
    other = Invoker(works.desk.store, works.desk.settings, {"look_up": works.look_up})
    while not other.run_one():
        assert time.monotonic() - begun < 5
    works.desk.work()
    assert works.ticket().context["found"] == "up"


@pytest.mark.parametrize("output", [{1, 2}, "x" * 300_000, 1 << 70, float])
def test_an_output_that_no_command_can_carry_is_a_failure(any_client: redis.Redis, output: Any) -> None:
    works = Works(any_client, *[output if output is not float else (lambda: object())] * 3)
    works.run()
    assert works.ticket().state == ["unknown"]


def test_a_function_that_no_package_offers_is_an_error_and_no_silence(any_client: redis.Redis) -> None:
    works = Works(any_client)
    works.invoker = Invoker(works.desk.store, works.desk.settings, {})
    works.run()
    assert "no installed package offers the function 'look_up'" in str(works.ticket().context["why"])


def test_what_comes_back_after_the_state_was_left_is_dropped(any_client: redis.Redis) -> None:
    works = Works(any_client, lambda: works.desk.send("T-1", "stop", id="stop") and "late")
    works.run()
    assert (works.ticket().state, works.ticket().context["found"]) == (["idle"], None)
    assert works.left() == 0


def test_a_run_whose_state_was_left_before_it_began_does_not_begin(any_client: redis.Redis) -> None:
    works = Works(any_client, "never")
    works.desk.send("T-1", "stop", id="stop")
    assert not works.invoker.run_one()
    assert (works.calls, works.left()) == ([], 0)


def test_a_run_whose_worker_died_is_taken_by_another_and_answers_once(
    any_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invoker_module, "CLAIM_MS", 0)

    def slow() -> str:
        # Meanwhile the claim is over, and another worker makes an attempt of its own.
        assert Invoker(works.desk.store, works.desk.settings, {"look_up": lambda _: "second"}).run_one()
        return "first"

    works = Works(any_client, slow)
    works.run()
    assert works.ticket().context["found"] == "second"
    assert (works.ticket().version, works.left()) == (3, 0)


def test_a_function_that_kills_its_workers_is_given_up(
    any_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invoker_module, "CLAIM_MS", 0)

    def die() -> None:
        raise KeyboardInterrupt

    works = Works(any_client, die, die, die)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            works.invoker.run_one()
    works.run()
    assert "the worker died in each" in str(works.ticket().context["why"])


def test_an_outcome_that_is_published_twice_is_applied_once(any_client: redis.Redis) -> None:
    works = Works(any_client, "found")
    assert works.invoker.run_one()
    [(_, fields)] = works.desk.client.xrange(works.desk.keys.commands)
    works.desk.publish_raw(fields[b"command"])
    works.desk.work()
    assert works.ticket().version == 3
    assert works.desk.store.counters()["duplicate"] == 1


def test_the_sweep_wakes_for_runs_that_are_due(any_client: redis.Redis) -> None:
    works = Works(any_client, OSError("down"), "up")
    woken: list[str] = []
    works.desk.pump._wake_invoke = lambda: woken.append("invoke")
    works.desk.pump.sweep()
    assert woken == ["invoke"]
    works.desk.client.delete(works.desk.keys.invoke_wake)
    works.run()
    works.desk.pump.sweep()
    assert woken == ["invoke"]
