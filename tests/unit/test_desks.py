"""The desk in memory promises what the product promises: order, once, time."""

from __future__ import annotations

import random

import pytest

from interlock.engine.loader import parse_chart
from interlock.statecharts.catalog import Catalog
from tests.desks import Desk

BELL = """
id: bell
version: 1
context: {heard: {type: array, default: []}}
commands:
  ring: {creates: if_missing, data: {by: {type: string}}}
  tell: {creates: if_missing, data: {to: {type: array}, later: {type: boolean}}}
  forget:
initial: hung
states:
  hung:
    on:
      ring: {actions: [{assign: {heard: "append(context.heard, data.by)"}}, {emit: bell.rung}]}
      tell:
        - guard: data.later
          actions: {send: {machine: bell, key: data.to, command: ring, data: {by: key}, delay: 10s, id: later}}
        - actions:
            - send: {machine: bell, key: data.to, command: ring, data: {by: "key + '1'"}}
            - send: {machine: bell, key: data.to, command: ring, data: {by: "key + '2'"}}
      forget: {actions: [{cancel: later}]}
    after: {1m: {actions: {assign: {heard: "append(context.heard, 'timer')"}}}}
"""


def desk(**words: object) -> Desk:
    return Desk(catalog=Catalog([parse_chart(BELL)]), **words)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(20))
def test_what_one_step_sends_to_one_instance_comes_in_order_whoever_is_next(seed: int) -> None:
    made = desk(choose=random.Random(seed).choice)
    for key in ("a", "b"):
        made.send(f"bell/{key}", "tell", {"to": ["x", "y"]}, run=False)
    made.run()
    for key in ("x", "y"):
        heard = made.context(f"bell/{key}")["heard"]
        assert [each for each in heard if each[0] == "a"] == ["a1", "a2"]
        assert [each for each in heard if each[0] == "b"] == ["b1", "b2"]


def test_instances_are_taken_in_other_orders() -> None:
    seen = set()
    for seed in range(20):
        made = desk(choose=random.Random(seed).choice)
        made.send("bell/a", "tell", {"to": ["x"]}, run=False)
        made.send("bell/b", "tell", {"to": ["x"]}, run=False)
        made.run()
        seen.add(tuple(made.context("bell/x")["heard"]))
    assert len(seen) > 1


def test_a_doubled_command_is_taken_once() -> None:
    made = desk(doubled=True)
    made.send("bell/a", "tell", {"to": ["x"]})
    assert made.context("bell/x")["heard"] == ["a1", "a2"]
    assert made.event_types("bell/x") == ["bell.rung", "bell.rung"]


def test_what_is_sent_with_a_delay_comes_when_it_is_due() -> None:
    made = desk()
    made.send("bell/a", "tell", {"to": ["x"], "later": True})
    made.advance(seconds=9)
    assert "bell/x" not in made.snapshots
    made.advance(seconds=1)
    assert made.context("bell/x")["heard"] == ["a"]


def test_what_was_cancelled_never_comes() -> None:
    made = desk()
    made.send("bell/a", "tell", {"to": ["x"], "later": True})
    made.send("bell/a", "forget")
    made.advance(hours=1)
    assert "bell/x" not in made.snapshots


def test_a_timer_comes_behind_what_waits_already() -> None:
    made = desk()
    made.send("bell/x", "ring", {"by": "first"})
    made.send("bell/x", "ring", {"by": "second"}, run=False)
    made.advance(minutes=2)
    assert made.context("bell/x")["heard"] == ["first", "second", "timer"]
    made.check_replay()


def test_a_refusal_is_kept() -> None:
    made = desk()
    refused = made.send("bell/nobody", "forget")
    assert made.result(refused) == "refused not_found not_found"
    assert [result.id for result in made.refusals] == [refused]
