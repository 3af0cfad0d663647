"""A chart under a virtual clock: what the product decides, without a server."""

from __future__ import annotations

import pytest

from interlock.engine import virtual_time
from interlock.engine.messages import Actor
from interlock.engine.simulation import NotSimulated, Simulation, passing
from interlock.engine.virtual_time import AdvanceError
from tests.charting import START, compile_chart

DOOR = """
id: door
version: 1
context: {opened_by: {type: [string, "null"], default: null}}
commands:
  install: {creates: true}
  open: {by: [agent], data: {who: {type: string}}, required: [who]}
  look_up:
initial: closed
states:
  closed:
    on:
      open: {target: opened, actions: [{assign: {opened_by: data.who}}, {emit: door.opened}]}
      look_up: asking
  opened: {after: {30s: {target: closed, actions: {emit: door.closed}}}}
  asking:
    invoke: {src: ask, onDone: closed, onError: closed}
"""
ANN = Actor(id="ann", kind="agent")


def simulation() -> Simulation:
    made = Simulation(compile_chart(DOOR), START)
    made.send("install")
    return made


def test_a_command_does_what_it_does_in_the_product() -> None:
    door = simulation()
    refused = door.send("open", {"who": "ann"})
    assert (refused.status, refused.error and refused.error.code) == ("refused", "actor_kind")
    opened = door.send("open", {"who": "ann"}, ANN)
    assert (opened.status, opened.version, opened.state, opened.events) == (
        "applied",
        2,
        ["opened"],
        ["door.opened"],
    )
    assert opened.shown()["at"] == "2026-01-01T09:00:00.000Z"


def test_a_timer_fires_at_its_own_time() -> None:
    door = simulation()
    door.send("open", {"who": "ann"}, ANN)
    assert door.advance(29_999) == []
    (fired,) = door.advance(60_000)
    assert (fired.cause, fired.at, fired.state) == (
        "after.30s.opened",
        "2026-01-01T09:00:30.000Z",
        ["closed"],
    )


def test_the_last_step_can_be_taken_back() -> None:
    door = simulation()
    door.send("open", {"who": "ann"}, ANN)
    door.advance(60_000)
    assert door.undo() and door.snapshot and door.snapshot.state == ["opened"]
    assert door.now == START
    assert door.undo() and door.undo() and door.snapshot is None
    assert not door.undo()


def test_what_may_be_sent_depends_on_who_asks() -> None:
    door = simulation()
    assert door.can() == ["look_up"]
    door.actor = ANN
    assert door.can() == ["look_up", "open"]
    assert Simulation(compile_chart(DOOR), START).can() == ["install"]


def test_an_invoked_function_comes_back_under_its_run() -> None:
    door = simulation()
    assert door.send("done.invoke.ask", {"output": 1}).status == "ignored"
    begun = door.send("look_up")
    assert len(begun.runs) == 1
    back = door.send("done.invoke.ask", {"output": 1})
    assert (back.status, back.state) == ("applied", ["closed"])


def test_timers_that_never_rest_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_time, "MAX_FIRED", 20)
    chart = compile_chart(
        """
id: loop
version: 1
commands: {make: {creates: true}}
initial: a
states: {a: {after: {0ms: {target: a, reenter: true}}}}
"""
    )
    loop = Simulation(chart, START)
    loop.send("make")
    with pytest.raises(AdvanceError, match="they have no end"):
        loop.advance(1)


@pytest.mark.parametrize(
    ("written", "milliseconds"), [(5, 5), (1.5, 1.5), ("30m", 1_800_000), ("PT1S", 1000)]
)
def test_time_passes_by_milliseconds_or_a_text(written: object, milliseconds: float) -> None:
    assert passing(written) == milliseconds


@pytest.mark.parametrize("written", [True, None, "soon", [], "30"])
def test_anything_else_is_no_time(written: object) -> None:
    with pytest.raises(NotSimulated):
        passing(written)


@pytest.mark.parametrize("milliseconds", [-1, 1e300, float("nan")])
def test_time_does_not_run_backwards_or_for_ever(milliseconds: float) -> None:
    with pytest.raises(NotSimulated, match="ten years"):
        simulation().advance(milliseconds)
