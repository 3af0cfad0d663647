"""Charts are read, checked and resolved; a wrong chart names its mistake by line, column and code."""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path

import pytest

from interlock.engine.chart import Assign, Emit, Raise
from interlock.engine.durations import delay_ms
from interlock.engine.errors import ChartError
from interlock.engine.expressions import literal
from interlock.engine.loader import load_chart, parse_chart
from interlock.engine.yaml_source import MAX_BYTES, plain, read_yaml

CHARTS = Path(__file__).parents[1] / "charts"
WRONG = sorted((CHARTS / "wrong").glob("*.yaml"))

TICKET = """
id: ticket
version: 3
description: A request.
context:
  queue: {type: string}
  priority: {type: integer, default: 3, minimum: 1}
  kind: {enum: [chat, mail]}
  token: {type: [string, "null"], default: null, public: false}
commands:
  open: {creates: true, data: {queue: {type: string}, priority: {type: integer}}, required: [queue]}
  assign:
    data: {agent: {type: string}, secret: {type: string, public: false}}
    by: [system, supervisor]
    require: {check: "data.agent != ''", error: {class: invalid_target, code: no_agent}}
  close:
index: [queue]
initial: open
on:
  close: done
states:
  open:
    initial: queued
    onDone: done
    states:
      queued:
        description: Waiting.
        tags: waiting
        after:
          30m: {actions: [{assign: {priority: "max(context.priority - 1, 1)"}}, {emit: ticket.sla_breached}]}
          PT2H: .far.away
        on:
          assign:
            require:
              - check: "actor.kind in ['system', 'supervisor']"
                error: {class: forbidden, code: not_a_dispatcher, message: Ask one.}
            guard: "data.agent != ''"
            target: assigned
            reenter: true
            actions: [{assign: {token: "data.agent", priority: 1}}, {emit: ticket.assigned}, {raise: looked_at}]
          looked_at: "#worked"
          close: null
        initial: far
        states: {far: {initial: away, states: {away: }}}
      assigned:
        id: worked
        entry: {assign: {kind: "'chat'"}}
        exit: [{emit: ticket.left}]
        on: {assign: {ignore: true}, "*": [.here, {guard: true, target: [queued]}], done.state.open: "#ticket.done"}
        always: {guard: "context.priority > 9", target: back}
        initial: here
        states: {here: }
      back: {type: history, history: deep, target: queued.far}
      recent: {type: history}
      finished: {type: final}
  both:
    type: parallel
    states:
      left: {initial: one, states: {one: {on: {close: {target: ["#both.left.two", "#two-r"]}}}, two: }}
      right: {initial: one, states: {one: , two: {id: two-r}}}
  done: {type: final}
"""


@pytest.fixture(scope="module")
def chart():
    return parse_chart(TICKET, "ticket.yaml")


def arrows(chart, path, event):
    return [each for each in chart.states[path].on if each.event == event]


def test_a_chart_is_what_its_text_says(chart):
    assert (chart.id, chart.version, chart.description) == ("ticket", 3, "A request.")
    assert chart.index == ("queue",)
    assert chart.digest == hashlib.sha256(TICKET.encode()).hexdigest()
    assert chart.source == TICKET
    assert chart.events == ("ticket.assigned", "ticket.sla_breached", "ticket.left")


def test_states_are_known_by_path_in_document_order(chart):
    paths = list(chart.states)
    assert paths[:6] == [
        "",
        "open",
        "open.queued",
        "open.queued.far",
        "open.queued.far.away",
        "open.assigned",
    ]
    assert chart.states["open.back"].kind == "deep_history"
    assert chart.states["open.recent"].kind == "shallow_history"
    assert chart.states["both"].kind == "parallel"
    assert chart.states["done"].kind == "final"
    assert chart.states["open.queued.far.away"].kind == "atomic"
    assert chart.states["open"].initial == ("open.queued",)
    assert chart.states["open.queued"].tags == ("waiting",)


def test_a_history_without_target_leads_where_its_parent_begins(chart):
    assert chart.states["open.recent"].initial == ("open.queued",)
    assert chart.states["open.back"].initial == ("open.queued.far",)


@pytest.mark.parametrize(
    ("source", "event", "targets"),
    [
        ("", "close", ("done",)),
        ("open", "done.state.open", ("done",)),
        ("open.queued", "assign", ("open.assigned",)),
        ("open.queued", "looked_at", ("open.assigned",)),
        ("open.queued", "close", ()),
        ("open.assigned", "done.state.open", ("done",)),
        ("both.left.one", "close", ("both.left.two", "both.right.two")),
    ],
)
def test_a_target_is_a_sibling_a_child_or_an_id(chart, source, event, targets):
    assert [each.targets for each in arrows(chart, source, event)] == [targets]


def test_candidates_keep_the_order_of_the_file(chart):
    first, second = arrows(chart, "open.assigned", "*")
    assert (first.targets, first.guard) == (("open.assigned.here",), None)
    assert second.guard is not None
    assert (second.targets, second.guard.source) == (("open.queued",), "true")


def test_a_transition_has_all_its_words(chart):
    (assign,) = arrows(chart, "open.queued", "assign")
    assert assign.guard.names == {"data.agent"}
    assert assign.reenter
    (row,) = assign.require
    assert (row.error_class, row.code, row.message) == ("forbidden", "not_a_dispatcher", "Ask one.")
    assigned, emitted, raised = assign.actions
    assert isinstance(assigned, Assign)
    assert {name: value.source for name, value in assigned.fields.items()} == {
        "token": "data.agent",
        "priority": "1",
    }
    assert assigned.fields["priority"] == literal(1)
    assert isinstance(emitted, Emit)
    assert emitted.type == "ticket.assigned"
    assert isinstance(raised, Raise)
    assert raised.event == "looked_at"
    (ignored,) = arrows(chart, "open.assigned", "assign")
    assert ignored.ignore


def test_a_timer_bears_its_state_and_its_delay(chart):
    short, long = chart.states["open.queued"].after
    assert (short.event, short.delay_ms, short.delay_text) == ("after.30m.open.queued", 1_800_000, "30m")
    assert (long.delay_ms, long.targets) == (7_200_000, ("open.queued.far.away",))


def test_a_context_field_without_default_is_null_and_may_be(chart):
    queue, kind = chart.context["queue"], chart.context["kind"]
    assert (queue.default, queue.schema, queue.public) == (None, {"type": ["string", "null"]}, True)
    assert kind.schema == {"enum": ["chat", "mail", None]}
    assert chart.context["priority"].schema == {"type": "integer", "minimum": 1}
    assert not chart.context["token"].public


def test_a_command_has_the_schema_of_its_data(chart):
    opened, assign = chart.commands["open"], chart.commands["assign"]
    assert opened.creates
    assert opened.schema == {
        "type": "object",
        "properties": {"queue": {"type": "string"}, "priority": {"type": "integer"}},
        "required": ["queue"],
        "additionalProperties": False,
    }
    assert assign.by == ("system", "supervisor")
    assert assign.private == {"secret"}
    assert (assign.require[0].code, assign.require[0].message) == ("no_agent", "No agent.")
    assert chart.commands["close"].schema["properties"] == {}


def test_marks_point_into_the_file(chart):
    lines = TICKET.split("\n")
    for path, state in chart.states.items():
        if path:
            assert lines[state.mark.line - 1][state.mark.column - 1 :].startswith(state.name)
    assert str(chart.mark) == "ticket.yaml:2:1"


def test_an_applications_function_may_be_called():
    text = TICKET.replace("context.priority > 9", "urgent(context.priority)")
    assert parse_chart(text, functions={"urgent": lambda n: n > 9})
    with pytest.raises(ChartError, match="unknown function 'urgent'"):
        parse_chart(text)


def test_there_are_wrong_charts_to_learn_from():
    assert len(WRONG) > 90


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_a_wrong_chart_names_its_mistake(path):
    expected = path.read_bytes().split(b"\n")[0].decode().removeprefix("# ")
    with pytest.raises(ChartError) as caught:
        load_chart(path)
    first = caught.value.findings[0]
    assert str(first.mark).startswith(f"{path}:")
    assert f"{first.mark.line}:{first.mark.column}: {first.code}: {first.message}".startswith(expected)


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("guard_names_unknown_data_plain", "data.bye"),
        ("guard_names_unknown_data_quoted", "data.bye"),
        ("guard_names_unknown_data_escaped", "data.bye"),
        ("guard_names_an_unknown_field", "context.cuont"),
        ("guard_misspells_an_actor_kind", "'supervisr'"),
        ("unknown_target", "opend"),
        ("unknown_command", "opn"),
        ("unknown_assigned_field", "cuont"),
    ],
)
def test_the_place_is_the_character(name, token):
    path = CHARTS / "wrong" / f"{name}.yaml"
    with pytest.raises(ChartError) as caught:
        load_chart(path)
    mark = caught.value.findings[0].mark
    assert path.read_text().split("\n")[mark.line - 1][mark.column - 1 :].startswith(token)


def test_all_mistakes_of_a_stage_are_told_at_once():
    with pytest.raises(ChartError) as caught:
        load_chart(CHARTS / "wrong" / "two_mistakes_are_both_told.yaml")
    assert {each.code for each in caught.value.findings} == {
        "unknown_command",
        "unknown_target",
        "bad_expression",
    }


def test_a_file_over_the_limit_is_refused(tmp_path):
    path = tmp_path / "large.yaml"
    path.write_text("# " + "x" * MAX_BYTES + "\nid: a\n")
    with pytest.raises(ChartError, match=r"large\.yaml:1:1: too_large"):
        load_chart(path)


def test_a_file_that_is_not_utf8_is_refused_at_its_place(tmp_path):
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"version: 1\nid: d\xf6r\n")
    with pytest.raises(ChartError, match=r"latin\.yaml:2:6: not_utf8"):
        load_chart(path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("no", "no"),
        ("off", "off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("+12", 12),
        ("-3", -3),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2026-11-22", "2026-11-22"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.", 1.0),
        ("'true'", "true"),
        ('"12"', "12"),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_a_scalar_is_what_yaml_1_2_says(text, value):
    made = plain(read_yaml(f"a: {text}\n", "f"))["a"]
    assert made == value
    assert type(made) is type(value)


def test_a_key_is_its_text():
    assert plain(read_yaml("on: 1\n30m: 2\n1: 3\ntrue: 4\n", "f")) == {"on": 1, "30m": 2, "1": 3, "true": 4}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "{" * 200_000,
        "- " * 100_000,
        "? " * 100_000,
        "a: " * 50_000,
        "&a [" * 50_000,
        "x" * 200_000,
        "[" + "a," * 100_000,
        "'" * 200_001,
        "\n".join(f"k{n}: {{u: 1}}" for n in range(10_000)),
        "id: a\nversion: 1\ncommands: {m: {creates: true}}\nstates:\n"
        + "\n".join(f"  s{n}: {{on: {{m: t{n}}}}}" for n in range(1_000)),
        "\ud800",
        "\x00",
    ],
    ids=range(13),
)
def test_a_hostile_text_is_refused_in_seconds(text):
    started = time.process_time()
    with pytest.raises(ChartError) as caught:
        parse_chart(text)
    assert time.process_time() - started < 5
    assert len(caught.value.findings) <= 100
    assert len(str(caught.value)) < 100_000


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("500ms", 500),
        ("30s", 30_000),
        ("30m", 1_800_000),
        ("12h", 43_200_000),
        ("7d", 604_800_000),
        ("0s", 0),
        ("PT30M", 1_800_000),
        ("P1DT2H", 93_600_000),
        ("PT1.5S", 1_500),
        ("P2W", 1_209_600_000),
    ],
)
def test_a_delay_is_read(text, milliseconds):
    assert delay_ms(text) == milliseconds


@pytest.mark.parametrize(
    "text", ["", "30", "m", "1.5h", "-3s", "30 m", "P", "PT", "P1DT", "P1Y", "P1M", "PT1", "9" * 99 + "d"]
)
def test_another_delay_is_refused(text):
    with pytest.raises(ValueError, match=re.compile("delay")):
        delay_ms(text)
