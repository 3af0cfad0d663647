"""PlantUML, SCXML and XState JSON: what a chart says in the words of others, hostile names included."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from interlock.engine.chart import Chart
from interlock.engine.diagrams import DiagramError, draw
from interlock.engine.diagrams.model import build_diagram
from interlock.engine.loader import parse_chart
from tests.unit.test_diagrams_charts import HOSTILE_NAMES, chart, hostile, player, state, ticket

CHARTS = {"ticket": ticket, "player": player, "hostile": hostile}
SCXML = "{http://www.w3.org/2005/07/scxml}"

DOOR = """
id: door
version: 7
description: A door -- with a lock.
context: {tries: {type: integer, default: 2}}
commands:
  build: {creates: true}
  open: {data: {hand: {type: string}}, by: agent}
  shut: {require: {check: "actor.id != null", error: {class: forbidden, code: nobody}}}
  knock:
initial: closed
on:
  knock: {actions: {emit: door.knocked}}
  "*": {target: closed}
states:
  closed:
    tags: [shut, safe]
    on:
      "*": {ignore: true}
      knock.*: {guard: "context.tries > 3"}
      open:
        require: {check: "context.tries < 3", error: {class: guard_failed, code: worn, message: It is worn.}}
        guard: "data.hand != 'left'"
        target: opened.ajar
        actions: [{assign: {tries: "context.tries + 1", }}, {raise: turned}]
      turned: {target: closed}
      shut: null
    after: {90s: opened, 1500ms: {actions: {emit: door.creaked}}}
  opened:
    initial: ajar
    on:
      open: .wide
      shut: {target: opened}
      knock: {target: opened, reenter: true}
    onDone: gone
    states:
      ajar: {}
      wide: {initial: in, onDone: ajar, states: {in: {on: {shut: out}}, out: {type: final}}}
      before: {type: history, history: deep, target: wide.in}
      off: {type: final}
  gone: {type: final}
"""


@pytest.fixture(scope="module")
def door() -> Chart:
    return parse_chart(DOOR, "door.yaml")


# PlantUML

PLANTUML_TEXT = r"(?:[A-Za-z0-9_ .,()?=+*/:;-]|[^\x00-\x7f]|<U\+[0-9A-F]{4,6}>|\\n)+"
PLANTUML_STATEMENT = re.compile(
    rf"""\ *(?:
      state\ "{PLANTUML_TEXT}"\ as\ (?P<state>\w+)(?:\ <<\w+>>)*(?:\ \#[0-9A-F]{{6}})?(?:\ \{{)?
    | (?:\[\*\]|(?P<tail>\w+))\ -(?:\[[#\w,]+\])?->?-?>\ (?P<head>\w+)(?:\ :\ {PLANTUML_TEXT})?
    | \}} | -- | @startuml | @enduml | hide\ empty\ description | legend\ bottom | end\ legend
    | (?:title|caption)\ {PLANTUML_TEXT}
    )""",
    re.VERBOSE,
)


def plantuml(drawn: Chart, **overlay: Any) -> list[str]:
    return draw(drawn, "plantuml", **overlay).decode().splitlines()


@pytest.mark.parametrize("name", CHARTS)
def test_every_line_of_plantuml_is_a_statement_and_every_name_is_only_text(name: str) -> None:
    drawn = CHARTS[name]()
    lines = plantuml(drawn)
    matches = [PLANTUML_STATEMENT.fullmatch(line) for line in lines]
    assert [line for line, match in zip(lines, matches, strict=True) if not match] == []
    declared = [match["state"] for match in matches if match and match["state"]]
    assert len(set(declared)) == len(declared)
    assert {match["head"] for match in matches if match and match["head"]} <= set(declared)
    diagram = build_diagram(drawn)
    assert len(declared) == len(diagram.states()) + sum(each.any_state for each in diagram.root.walk())
    assert len([match for match in matches if match and match["tail"]]) == len(diagram.edges)


def test_plantuml_draws_no_arrow_out_of_a_region_and_says_where_it_leads() -> None:
    lines = plantuml(player())
    assert "s_off --> s_on : demo\\n<U+0028>to on.sound.muted)" in lines
    assert "s_off --> s_on : resume\\n<U+0028>to on.tape.last)" in lines
    assert "s_on_sound_loud --> s_on_sound_muted : mute" in lines


def test_plantuml_wraps_a_root_whose_states_are_all_active() -> None:
    both = chart("both", state("", state("one"), state("two"), kind="parallel"))
    assert plantuml(both)[3:9] == [
        'state "both" as s_ <<parallelState>> {',
        '  state "one" as s_one',
        "  --",
        '  state "two" as s_two',
        "}",
        "@enduml",
    ]


def test_plantuml_shows_an_instance() -> None:
    lines = plantuml(
        ticket(),
        active=["open.queued"],
        timers={"open.queued": "12:30"},
        counts={"closed": 3},
        taken=[("open.queued", "assign")],
    )
    assert any(line.startswith('  state "● queued\\n0 instances\\ndue 12:30') for line in lines)
    assert any('"◉ closed\\n3 instances" as s_closed <<finalState>> #' in line for line in lines)
    assert next(line for line in lines if ",bold]->" in line).startswith("s_open_queued -[")


# SCXML


def scxml(drawn: Chart, **options: Any) -> ElementTree.Element:
    return ElementTree.fromstring(draw(drawn, "scxml", **options))


def by_id(document: ElementTree.Element) -> dict[str, ElementTree.Element]:
    return {
        each.get("id", ""): each for each in document.iter() if each.tag != f"{SCXML}send" and each.get("id")
    }


def ways(element: ElementTree.Element) -> list[dict[str, str]]:
    return [each.attrib for each in element.findall(f"{SCXML}transition")]


@pytest.mark.parametrize("name", [*CHARTS, "door"])
def test_scxml_names_each_state_once_and_only_those(name: str, door: Chart) -> None:
    drawn = CHARTS[name]() if name in CHARTS else door
    document = scxml(drawn)
    kinds = {f"{SCXML}{tag}" for tag in ("state", "parallel", "final", "history")}
    ids = [each.get("id") for each in document.iter() if each.tag in kinds]
    assert len(ids) == len(set(ids)) == len(drawn.states) - 1
    assert all(re.fullmatch(r"[A-Za-z_][\w.-]*", str(each), re.ASCII) for each in ids)
    named = [each.get(word, "") for each in document.iter() for word in ("target", "initial")]
    assert {target for targets in named for target in targets.split()} <= set(ids)


def test_scxml_has_our_paths_as_ids_where_they_are_ids(door: Chart) -> None:
    assert set(by_id(scxml(door))) - {"context"} == set(door.states) - {""}


def test_a_requirement_is_an_scxml_transition_that_goes_nowhere(door: Chart) -> None:
    refused, taken, *_ = (each for each in ways(by_id(scxml(door))["closed"]) if each.get("event") == "open")
    assert refused == {"event": "open", "cond": "(data.hand != 'left') and not (context.tries < 3)"}
    assert taken == {"event": "open", "cond": "data.hand != 'left'", "target": "opened.ajar"}


def test_scxml_tries_wildcards_last_and_the_roots_transitions_after_them(door: Chart) -> None:
    events = [each.get("event") for each in ways(by_id(scxml(door))["closed"])]
    assert events == [
        *("open", "open", "turned", "shut", "after.90s.closed", "after.1500ms.closed", "knock.*", "*"),
        *("knock", "*"),
    ]
    assert "knock" not in {each.get("event") for each in ways(by_id(scxml(door))["opened.ajar"])}


def test_scxml_arms_a_timer_on_entry_and_stops_it_on_exit(door: Chart) -> None:
    closed = by_id(scxml(door))["closed"]
    sends = [each.attrib for each in closed.findall(f"{SCXML}onentry/{SCXML}send")]
    assert [(each["id"], each["delay"]) for each in sends] == [
        ("after.90s.closed", "90s"),
        ("after.1500ms.closed", "1500ms"),
    ]
    cancelled = [each.get("sendid") for each in closed.findall(f"{SCXML}onexit/{SCXML}cancel")]
    assert cancelled == [each["id"] for each in sends]


def test_scxml_leaves_a_source_only_where_we_do(door: Chart) -> None:
    found = {
        each.get("event"): each for each in ways(by_id(scxml(door))["opened"]) if each.get("event") != "*"
    }
    assert found["open"] == {"event": "open", "target": "opened.wide", "type": "internal"}
    assert found["shut"] == {"event": "shut", "target": "opened.ajar", "type": "internal"}
    knocks = [each for each in ways(by_id(scxml(door))["opened"]) if each.get("event") == "knock"]
    assert knocks[0] == {"event": "knock", "target": "opened"}
    turned = next(each for each in ways(by_id(scxml(door))["closed"]) if each.get("event") == "turned")
    assert turned == {"event": "turned"}


def test_a_done_event_of_a_state_below_is_not_taken_for_the_one_above(door: Chart) -> None:
    events = [each.get("event") for each in ways(by_id(scxml(door))["opened"])]
    assert events.index("done.state.opened.wide") < events.index("done.state.opened")


def test_scxml_says_null_datamodel_where_no_expression_is_used(door: Chart) -> None:
    assert scxml(door).get("datamodel") == "x-interlock"
    assert scxml(door, brief=True).get("datamodel") == "null"
    data = by_id(scxml(door))["context"]
    assert json.loads(data.get("expr", "")) == {"tries": 2}
    assert not list(scxml(door, brief=True).iter(f"{SCXML}data"))


def test_no_text_can_end_an_scxml_comment(door: Chart) -> None:
    text = draw(door, "scxml").decode()
    assert "<!-- version 7; A door - - with a lock. -->" in text
    assert all("--" not in comment for comment in re.findall(r"<!--(.*?)-->", text, re.DOTALL))


ENDING = """
id: egg
version: 1
commands: {lay: {creates: true}, hatch: , peck: }
initial: whole
entry: {emit: egg.laid}
on: {peck: {actions: {emit: egg.pecked}}}
states:
  whole: {on: {hatch: empty}}
  empty: {type: final}
"""


def test_a_root_with_actions_is_a_state_of_its_own_that_ends_where_we_do() -> None:
    document = scxml(parse_chart(ENDING))
    assert document.get("initial") == "egg"
    root = by_id(document)["egg"]
    assert root.find(f"{SCXML}onentry/{SCXML}log").get("label") == "emit egg.laid"
    assert {"event": "done.state.egg", "target": "egg.ended"} in ways(root)
    assert document.find(f"{SCXML}final").get("id") == "egg.ended"
    assert ways(by_id(document)["whole"]) == [{"event": "hatch", "target": "empty"}]


SENDING = """
id: nest
version: 1
context: {patience: {type: integer, default: 5}}
commands: {lay: {creates: true}, call: , rest: }
initial: busy
states:
  busy:
    after: {context.patience: calm}
    on:
      call:
        actions:
          - send:
              {machine: bird, key: "key + '-1'", command: feed, delay: 90s, id: food,
               data: {grams: context.patience, raw: true}}
          - raise: {event: chirp, delay: context.patience, id: noise}
          - raise: {event: chirp, delay: 1500ms}
      chirp: {actions: [{cancel: food}, {cancel: noise}]}
      rest: calm
  calm: {type: final}
"""


def test_what_waits_in_scxml_is_a_send_that_can_be_cancelled() -> None:
    busy = by_id(scxml(parse_chart(SENDING)))["busy"]
    call, chirp = (
        each for each in busy.findall(f"{SCXML}transition") if each.get("event") in ("call", "chirp")
    )
    sent, *raised = (each.attrib for each in call.findall(f"{SCXML}send"))
    assert sent == {
        "event": "feed",
        "type": "x-interlock",
        "targetexpr": "'bird/' + str(key + '-1')",
        "id": "food",
        "delay": "90s",
    }
    assert [(each.get("name"), each.get("expr")) for each in call.iter(f"{SCXML}param")] == [
        ("grams", "context.patience"),
        ("raw", "true"),
    ]
    assert raised == [
        {"event": "chirp", "id": "noise", "delayexpr": "context.patience"},
        {"event": "chirp", "delay": "1500ms"},
    ]
    assert [each.get("sendid") for each in chirp.findall(f"{SCXML}cancel")] == ["food", "noise"]
    armed = busy.find(f"{SCXML}onentry/{SCXML}send")
    assert armed is not None
    assert armed.get("delayexpr") == "context.patience"


ASKING = """
id: call
version: 1
context: {number: {type: string, default: "112"}}
commands: {dial: {creates: true, data: {number: {type: string}}}, hang_up: }
initial: ringing
states:
  ringing:
    invoke:
      src: ring
      id: bell
      input: {to: context.number}
      retry: {attempts: 3, interval: 2s, backoff: 2}
      onDone: {target: talking, guard: data.output != null}
      onError: over
    on: {hang_up: over, done.invoke.bell: talking}
  talking: {on: {hang_up: over}}
  over: {type: final}
"""


def test_scxml_invokes_and_waits_for_the_outcome() -> None:
    ringing = by_id(scxml(parse_chart(ASKING)))["ringing"]
    invoke = ringing.find(f"{SCXML}invoke")
    assert invoke is not None
    assert invoke.attrib == {"type": "x-interlock", "src": "ring", "id": "bell"}
    assert [each.attrib for each in invoke] == [{"name": "to", "expr": "context.number"}]
    events = [each.get("event") for each in ways(ringing)]
    assert events == ["hang_up", "done.invoke.bell", "done.invoke.bell", "error.invoke.bell"]


# XState


def xstate(drawn: Chart, **options: Any) -> dict[str, Any]:
    return json.loads(draw(drawn, "xstate", **options))


def test_xstate_json_is_the_chart_in_its_words(door: Chart) -> None:
    config = xstate(door)
    assert (config["id"], config["version"], config["initial"]) == ("door", "7", "closed")
    assert config["context"] == {"tries": 2}
    closed = config["states"]["closed"]
    assert closed["tags"] == ["shut", "safe"]
    assert closed["after"] == {
        "90000": {"target": "#door.opened"},
        "1500": {"actions": [{"type": "emit", "params": {"type": "door.creaked"}}]},
    }
    assert closed["on"]["shut"] == {"meta": {"forbidden": True}}
    assert closed["on"]["*"] == {"meta": {"ignore": True}}
    assert config["states"]["opened"]["on"]["knock"] == {"target": "#door.opened", "reenter": True}
    assert config["states"]["opened"]["onDone"] == [{"target": "#door.gone"}]
    assert config["states"]["opened"]["states"]["before"] == {
        "type": "history",
        "history": "deep",
        "target": "wide.in",
    }
    assert config["states"]["gone"] == {"type": "final"}
    assert config["meta"]["commands"]["open"] == {"data": {"hand": {"type": "string"}}, "by": ["agent"]}
    assert config["meta"]["commands"]["shut"]["require"][0]["error"]["code"] == "nobody"


def test_xstate_guards_and_actions_are_references_by_name(door: Chart) -> None:
    refused, taken = xstate(door)["states"]["closed"]["on"]["open"]
    error = {"class": "guard_failed", "code": "worn", "message": "It is worn."}
    rows = [{"check": "context.tries < 3", "error": error}]
    guard = "data.hand != 'left'"
    assert refused == {"guard": {"type": "refused", "params": {"guard": guard, "require": rows}}}
    assert taken["guard"] == {"type": "expression", "params": {"expression": guard}}
    assert taken["actions"] == [
        {"type": "assign", "params": {"tries": "context.tries + 1"}},
        {"type": "raise", "params": {"event": "turned"}},
    ]


def test_what_waits_in_xstate_is_named_with_its_delay() -> None:
    busy = xstate(parse_chart(SENDING))["states"]["busy"]
    assert busy["after"] == {"context.patience": {"target": "#nest.calm"}}
    data = {"grams": "context.patience", "raw": "true"}
    send = {
        "machine": "bird",
        "key": "key + '-1'",
        "command": "feed",
        "data": data,
        "id": "food",
        "delay": 90_000,
    }
    assert busy["on"]["call"]["actions"] == [
        {"type": "send", "params": send},
        {"type": "raise", "params": {"event": "chirp", "id": "noise", "delay": "context.patience"}},
        {"type": "raise", "params": {"event": "chirp", "delay": 1500}},
    ]
    assert busy["on"]["chirp"]["actions"][0] == {"type": "cancel", "params": {"id": "food"}}


def test_xstate_invokes_with_its_own_words() -> None:
    (invoke,) = xstate(parse_chart(ASKING))["states"]["ringing"]["invoke"]
    first, second = invoke.pop("onDone")
    assert {first["target"], second["target"]} == {"#call.talking"}
    assert invoke == {
        "src": "ring",
        "id": "bell",
        "input": {"to": "context.number"},
        "onError": [{"target": "#call.over"}],
        "meta": {"retry": {"attempts": 3, "interval": 2000, "backoff": 2.0}},
    }


def test_brief_leaves_out_guards_refusals_and_actions(door: Chart) -> None:
    for format in ("scxml", "xstate", "plantuml"):
        drawn = draw(door, format, brief=True).decode()
        assert "worn" not in drawn
        assert "context.tries" not in drawn
        assert "opened" in drawn
    assert xstate(door, brief=True)["states"]["closed"]["on"]["open"] == {"target": "#door.opened.ajar"}


def test_xstate_waits_for_done_events_under_its_own_names() -> None:
    text = (
        DOOR.replace("onDone: gone", "on_done")
        .replace("    on_done\n", "")
        .replace('  "*": {target: closed}', '  "*": {target: closed}\n  done.state.opened: gone')
    )
    assert xstate(parse_chart(text))["on"]["xstate.done.state.door.opened"] == {"target": "#door.gone"}


def test_an_initial_that_is_no_child_has_no_word_in_xstate() -> None:
    text = DOOR.replace("initial: closed\n", "initial: opened.wide\n")
    with pytest.raises(DiagramError, match=r"'door' begins at 'opened\.wide', further below"):
        draw(parse_chart(text), "xstate")


def test_hostile_names_are_reached_in_xstate_by_an_id_of_ours() -> None:
    states = xstate(hostile())["states"]
    assert list(states) == list(HOSTILE_NAMES)
    ids = {each["id"] for each in states.values()}
    assert len(ids) == len(states)
    targets = {
        way["target"]
        for each in states.values()
        for ways in each["on"].values()
        for way in ways
        if "target" in way
    }
    assert targets == {f"#{each}" for each in ids}


BEGINNING = parse_chart("""
id: t
version: 1
commands: {make: {creates: true}}
context: {n: {type: integer, default: 0}}
initial: {target: a, actions: {emit: t.begun}}
states:
  a:
    initial: {target: b, actions: [{assign: {n: context.n + 1}}, {raise: inner}]}
    states: {b: {on: {inner: c}}, c: {}, last: {type: history}}
""")


@pytest.mark.parametrize("format", ["mermaid", "plantuml", "dot", "svg", "text", "scxml", "xstate"])
def test_what_happens_at_an_initial_is_shown(format: str) -> None:
    whole, brief = (draw(BEGINNING, format, brief=brief).decode() for brief in (False, True))
    for words in ("t.begun", "inner"):
        assert words in whole
    assert "t.begun" not in brief


def test_an_initial_with_actions_is_a_transition_in_scxml_and_so_is_a_history_that_stands_for_it() -> None:
    tree = ElementTree.fromstring(draw(BEGINNING, "scxml"))
    found = {
        (state.get("id"), way.get("target")): [child.tag.rpartition("}")[2] for child in way]
        for state in tree.iter()
        for initial in ([state] if state.tag.endswith("history") else state.findall("{*}initial"))
        for way in initial
    }
    raised = ["assign", "raise"]
    assert found == {("t", "a"): ["log"], ("a", "a.b"): raised, ("a.last", "a.b"): raised}


def test_an_initial_with_actions_is_an_object_in_xstate() -> None:
    config = json.loads(draw(BEGINNING, "xstate"))
    assert config["initial"] == {
        "target": "a",
        "actions": [{"type": "emit", "params": {"type": "t.begun"}}],
    }
    assert json.loads(draw(BEGINNING, "xstate", brief=True))["initial"] == "a"


def test_a_transition_to_the_root_is_told_in_its_state_and_is_one_in_the_exports() -> None:
    text = """
id: t
version: 1
commands: {make: {creates: true}, reset: }
initial: a
states: {a: {on: {reset: "#t"}}}
"""
    made = parse_chart(text)
    for format in ("mermaid", "plantuml", "dot", "svg", "text"):
        assert "starts everything anew" in draw(made, format).decode()
    assert json.loads(draw(made, "xstate"))["states"]["a"]["on"]["reset"] == {"target": "#t"}
    assert '<transition event="reset" target="t"/>' in draw(made, "scxml").decode()


def overlaid(format: str) -> bytes:
    return draw(
        parse_chart(DOOR),
        format,
        active=["closed"],
        counts={"closed": 2},
        timers={"closed": "2026-01-01T10:00:00.000Z"},
        taken=[("closed", "knock")],
    )


def test_scxml_says_where_an_instance_is_in_a_namespace_of_ours() -> None:
    tree = ElementTree.fromstring(overlaid("scxml"))
    now = "{urn:interlock:now}"
    told = {
        each.get("id"): {
            name.removeprefix(now): value for name, value in each.items() if name.startswith(now)
        }
        for each in tree.iter()
        if each.get("id") in ("closed", "gone")
    }
    assert told["closed"] == {"active": "true", "count": "2", "due": "2026-01-01T10:00:00.000Z"}
    assert told["gone"] == {"count": "0"}
    assert {each.get("event") for each in tree.iter() if each.get(f"{now}taken")} == {"knock"}
    assert b"interlock:now" not in draw(parse_chart(DOOR), "scxml")


def test_xstate_says_where_an_instance_is_in_meta() -> None:
    config = json.loads(overlaid("xstate"))
    closed = config["states"]["closed"]
    assert closed["meta"] == {"active": True, "due": "2026-01-01T10:00:00.000Z", "count": 2}
    assert config["states"]["gone"]["meta"] == {"count": 0}
    assert config["meta"]["active"] is True
    assert config["on"]["knock"]["meta"] == {"taken": True}
    assert "active" not in json.dumps(json.loads(draw(parse_chart(DOOR), "xstate")))


@pytest.mark.parametrize("format", ["scxml", "xstate"])
def test_an_export_of_a_state_that_the_chart_lacks_is_an_error_too(format: str) -> None:
    with pytest.raises(DiagramError, match="has no state"):
        draw(parse_chart(DOOR), format, active=["clsed"])
