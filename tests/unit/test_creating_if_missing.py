"""A command that makes its instance where there is none, and one `send` to several instances."""

from __future__ import annotations

import orjson
import pytest

from interlock.engine.checks import check_chart
from interlock.engine.decision import decide, replay
from interlock.engine.loader import parse_chart
from interlock.engine.machine import Machine
from interlock.engine.messages import Command
from tests.charting import START, Bench, compile_chart

QUEUE = """
id: queue
version: 1
context: {name: {type: string, default: ""}, waiting: {type: array, default: []}}
commands:
  define: {creates: if_missing, data: {name: {type: string}}}
  enqueue: {creates: if_missing, data: {item: {type: string}}, required: [item]}
  clear:
initial: open
entry: {emit: queue.begun}
states:
  open:
    on:
      define: {actions: [{assign: {name: data.name}}, {emit: queue.defined}]}
      enqueue:
        require: {check: "len(data.item) > 0", error: {class: invalid_data, code: no_item}}
        actions: [{assign: {waiting: "append(context.waiting, data.item)"}}, {emit: queue.joined}]
      clear: closed
  closed: {type: final}
"""


def command(name: str, /, **data: object) -> Command:
    return Command(machine="queue", key="k", name=name, data=data, id="c1")


def test_an_unknown_key_is_made_and_the_command_taken_in_one_step() -> None:
    decision = decide(compile_chart(QUEUE), None, command("enqueue", item="a"), START)
    assert decision.snapshot
    assert (decision.snapshot.version, decision.snapshot.context["waiting"]) == (1, ["a"])
    assert decision.result.events == ["queue.begun", "queue.joined"]


def test_an_instance_that_exists_takes_it_as_any_other_command() -> None:
    machine = compile_chart(QUEUE)
    first = decide(machine, None, command("enqueue", item="a"), START)
    second = decide(machine, first.snapshot, command("enqueue", item="b"), START)
    assert second.snapshot and second.snapshot.context["waiting"] == ["a", "b"]
    assert second.result.events == ["queue.joined"]


def test_its_data_fill_the_fields_of_a_new_instance() -> None:
    decision = decide(compile_chart(QUEUE), None, command("define", name="fr"), START)
    assert decision.snapshot and decision.snapshot.context["name"] == "fr"


def test_a_refusal_makes_nothing() -> None:
    decision = decide(compile_chart(QUEUE), None, command("enqueue", item=""), START)
    assert decision.snapshot is None
    assert decision.result.error and decision.result.error.code == "no_item"


def test_such_a_life_replays() -> None:
    machine = compile_chart(QUEUE)
    first = decide(machine, None, command("enqueue", item="a"), START)
    second = decide(machine, first.snapshot, command("enqueue", item="b"), START)
    history = [orjson.loads(each.entry) for each in (first, second) if each.entry]
    assert replay(machine, "k", history) == second.snapshot


def test_it_must_be_taken_by_a_state_like_other_commands() -> None:
    assert check_chart(parse_chart(QUEUE)) == []
    findings = check_chart(parse_chart(QUEUE.replace(
        "      define: {actions: [{assign: {name: data.name}}, {emit: queue.defined}]}\n", ""
    )))  # fmt: skip
    assert [finding.code for finding in findings] == ["unhandled_command"]


SENDER = """
id: t
version: 1
context: {queues: {type: array, default: [fr, de]}}
commands: {make: {creates: true, data: {queues: {type: array}}}, tell: }
initial: a
states: {a: {on: {tell: {actions: {send: {machine: queue, key: context.queues, command: clear}}}}}}
"""


def keys_told(queues: list[object]) -> list[str]:
    bench = Bench(SENDER, queues=queues)
    assert bench.send("tell").error is None, bench.decision
    return [one["key"] for one in bench.history[-1].get("sends", ())]


def test_a_list_of_keys_sends_to_each_in_order() -> None:
    assert keys_told(["fr", "de", "en"]) == ["fr", "de", "en"]
    bench = Bench(SENDER)
    bench.send("tell")
    assert bench.decision
    ids = {orjson.loads(raw)["id"] for raw in bench.decision.sends}
    assert len(ids) == 2


def test_an_empty_list_sends_nothing() -> None:
    assert keys_told([]) == []


@pytest.mark.parametrize("queues", [[1], ["fr", None], [""], ["fr"] * 1001])
def test_a_list_that_holds_what_is_no_key_is_refused(queues: list[object]) -> None:
    bench = Bench(SENDER, queues=queues)
    error = bench.send("tell").error
    assert error and error.code == "guard_error"


def test_what_may_be_sent_tells_it_for_an_instance_too() -> None:
    from interlock.engine.decision import capabilities

    machine: Machine = compile_chart(QUEUE)
    first = decide(machine, None, command("enqueue", item="a"), START)
    assert first.snapshot
    assert capabilities(machine, first.snapshot, None, START) == ["define", "enqueue", "clear"]
