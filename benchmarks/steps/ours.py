"""Interlock: the step alone, and the whole decision of a command."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from benchmarks.steps.charts import Advance, Names
from interlock.engine.decision import decide
from interlock.engine.expressions import Scope
from interlock.engine.loader import parse_chart
from interlock.engine.machine import Machine
from interlock.engine.messages import Command, format_time
from interlock.engine.snapshot import Snapshot
from interlock.engine.step import Step

HEAD = """
id: bench
version: 1
context: {{{fields}}}
commands: {{make: {{creates: true}}, go: {{}}}}
"""
FLAT = """
initial: a
states:
  a: {on: {go: {guard: context.n >= 0, target: b, actions: {assign: {n: context.n + 1}}}}}
  b: {on: {go: {guard: context.n >= 0, target: c, actions: {assign: {n: context.n + 1}}}}}
  c: {on: {go: {guard: context.n >= 0, target: a, actions: {assign: {n: context.n + 1}}}}}
"""
TWO_LEVEL = """
initial: idle
states:
  idle: {on: {go: {guard: context.n >= 0, target: work, actions: {assign: {n: context.n + 1}}}}}
  work:
    initial: draft
    on: {go: {guard: context.n >= 0, target: idle, actions: {assign: {n: context.n + 1}}}}
    states:
      draft: {on: {go: {guard: context.n >= 0, target: review, actions: {assign: {n: context.n + 1}}}}}
      review: {}
"""
REGION = """
  {r}:
    initial: {r}a
    states:
      {r}a: {{on: {{go: {{guard: context.{r} >= 0, target: {r}b, actions: {{assign: {{{r}: context.{r} + 1}}}}}}}}}}
      {r}b: {{on: {{go: {{guard: context.{r} >= 0, target: {r}a, actions: {{assign: {{{r}: context.{r} + 1}}}}}}}}}}
"""
BODIES = {
    "flat": FLAT,
    "two_level": TWO_LEVEL,
    "three_regions": "type: parallel\nstates:" + "".join(REGION.format(r=r) for r in "xyz"),
}
STARTS = {"flat": ["a"], "two_level": ["idle"], "three_regions": ["x.xa", "y.ya", "z.za"]}
SYSTEM: dict[str, Any] = {"id": None, "kind": "system", "permissions": []}
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def machine_of(chart: str) -> Machine:
    fields = "xyz" if chart == "three_regions" else "n"
    declared = ", ".join(f"{name}: {{type: integer, default: 0}}" for name in fields)
    return Machine(parse_chart(HEAD.format(fields=declared) + BODIES[chart]))


def names(state: list[str]) -> list[str]:
    return [path.rpartition(".")[2] for path in state]


def make_step(chart: str) -> tuple[Any, Advance, Names]:
    """The engine's step as `decide` takes it, without what is written down about it."""
    machine = machine_of(chart)

    def advance(state: list[str], context: dict[str, int]) -> tuple[list[str], dict[str, int]]:
        scope = Scope(context, {}, SYSTEM, format_time(NOW), "k", 1, "go", frozenset())
        step = Step(
            machine,
            active=machine.mask_of(state),
            context=context,
            recorded={},
            timers=[],
            scope=scope,
            now=NOW,
            version=2,
        )
        step.take(step.select("go"))
        return machine.atomic_paths(step.active), step.context

    return STARTS[chart], advance, names


def make_decision(chart: str) -> tuple[Any, Advance, Names]:
    """`decide`: the command's data and the context assigned are checked by their JSON Schemas, the actor and
    the version too; the history entry and the CloudEvent come out as JSON."""
    machine = machine_of(chart)
    command = Command(machine=machine.id, key="k", name="go", id="1")
    at = format_time(NOW)

    def advance(state: list[str], context: dict[str, int]) -> tuple[list[str], dict[str, int]]:
        snapshot = Snapshot(machine.id, "k", 1, 1, state, context, [], at, at)
        after = decide(machine, snapshot, command, NOW).snapshot
        assert after is not None
        return after.state, after.context

    return STARTS[chart], advance, names
