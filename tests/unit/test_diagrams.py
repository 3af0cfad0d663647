"""The model and the text formats of diagrams."""

import re
from dataclasses import replace

import pytest

from interlock.engine.diagrams import FORMATS, DiagramError, draw
from interlock.engine.diagrams.model import Label, Node, build_diagram
from interlock.engine.diagrams.palette import heat_fill
from interlock.engine.diagrams.wording import visible
from tests.charting import Bench
from tests.unit.test_diagrams_charts import (
    HOSTILE_NAMES,
    chart,
    emit,
    go,
    hostile,
    player,
    refuse,
    state,
    ticket,
)

MERMAID_TEXT = r"(?:[A-Za-z0-9_ .,/()!?=+*'\[\]|-]|[^\x00-\x7f]|\#\d+;|<br/>)+"
MERMAID_STATEMENT = re.compile(
    rf"""\ *(?:
      state\ "{MERMAID_TEXT}"\ as\ (?P<state>\w+)(?:\ \{{)?
    | (?:\[\*\]|\w+)\ -->\ (?P<head>\w+)(?:\ :\ {MERMAID_TEXT})?
    | \}} | -- | stateDiagram-v2
    | (?:accTitle|accDescr):\ {MERMAID_TEXT}
    | classDef\ \w+\ [\w:#,-]+ | class\ \w+\ \w+
    )""",
    re.VERBOSE,
)


def node(diagram_root: Node, path: str) -> Node:
    return next(each for each in diagram_root.walk() if each.path == path)


def text(chart_drawn, **overlay) -> str:
    return draw(chart_drawn, "text", **overlay).decode()


def test_an_unknown_format_is_an_error_that_lists_those_that_exist() -> None:
    with pytest.raises(DiagramError, match="'pdf'; there are: mermaid, dot, svg, png, plantuml, text, scxml"):
        draw(ticket(), "pdf")


@pytest.mark.parametrize("format", ["mermaid", "dot", "plantuml", "text", "scxml", "xstate"])
def test_the_same_chart_gives_the_same_bytes(format: str) -> None:
    assert draw(player(), format, active=["off"]) == draw(player(), format, active=["off"])


def test_an_arrow_carries_event_guard_refusals_and_actions() -> None:
    diagram = build_diagram(ticket())
    arrow = next(edge for edge in diagram.edges if edge.source == "open.queued")
    assert arrow.target == "open.assigned"
    assert arrow.label == Label(
        event="assign",
        guard="data.agent != '' and data.agent not in context.declined",
        refusals=("not_a_dispatcher",),
        actions=("assignee = data.agent", "emit ticket.assigned"),
        gist=("set assignee", "emit ticket.assigned"),
    )
    assert arrow.label.parts()[2] == "! not_a_dispatcher"


def test_a_timers_arrow_says_its_delay() -> None:
    diagram = build_diagram(ticket())
    labels = {(edge.source, edge.target): edge.label for edge in diagram.edges}
    assert labels["resolved", "closed"] == Label(event="after 14d", delay="14d")


def test_transitions_that_stay_stand_in_their_state_and_are_no_arrows() -> None:
    diagram = build_diagram(ticket())
    lines = node(diagram.root, "open.assigned").lines
    assert [(label.event, label.notes) for label in lines] == [
        ("entry", ()),
        ("assign", ("ignored",)),
        ("assign", ("re-enters",)),
        ("note", ("not accepted",)),
    ]
    assert all(edge.label.notes != ("ignored",) for edge in diagram.edges)


def test_only_what_is_forbidden_is_called_not_accepted() -> None:
    quiet = chart(
        "quiet", state("", state("here", on=(go("nod", "here"), go("shout", "here", forbidden=True))))
    )
    lines = node(build_diagram(quiet).root, "here").lines
    assert [(label.event, label.notes) for label in lines] == [("nod", ()), ("shout", ("not accepted",))]


def test_a_state_with_children_that_goes_to_itself_says_so_inside() -> None:
    diagram = build_diagram(player())
    assert node(diagram.root, "on").lines == (Label("reset", notes=("re-enters",)),)


def test_an_arrow_into_its_own_source_starts_at_the_any_state_marker() -> None:
    diagram = build_diagram(ticket())
    inside = {(edge.source, edge.target) for edge in diagram.edges if edge.inside}
    assert inside == {("open", "open.queued"), ("", "closed")}
    assert [each.path for each in diagram.root.walk() if each.any_state] == ["", "open"]


def test_a_transition_to_several_states_is_an_arrow_to_each() -> None:
    diagram = build_diagram(player())
    assert [edge.target for edge in diagram.edges if edge.label.event == "demo"] == [
        "on.sound.muted",
        "on.tape.playing",
    ]


def test_active_states_and_all_above_them_are_active_and_no_others() -> None:
    diagram = build_diagram(player(), active=["on.sound.muted", "on.tape.playing"])
    assert {each.path for each in diagram.root.walk() if each.active} == {
        "",
        "on",
        "on.sound",
        "on.sound.muted",
        "on.tape",
        "on.tape.playing",
    }


@pytest.mark.parametrize(
    "overlay",
    [{"active": ["open.asigned"]}, {"timers": {"open.asigned": "soon"}}, {"taken": [("open.asigned", "x")]}],
)
def test_a_state_that_the_chart_does_not_have_is_an_error_with_a_suggestion(overlay) -> None:
    with pytest.raises(DiagramError, match=r"no state 'open.asigned'; did you mean 'open.assigned'\?"):
        draw(ticket(), "text", **overlay)


def test_counts_show_zero_where_nobody_is_and_nothing_where_nobody_counted() -> None:
    counted = build_diagram(ticket(), counts={"open.queued": 12, "closed": 48}).root
    assert node(counted, "open.queued").count == 12
    assert node(counted, "open.waiting").count == 0
    assert node(counted, "open").count is None
    assert node(counted, "open.queued").heat == pytest.approx(0.5)
    assert node(counted, "closed").heat == 1.0
    assert node(build_diagram(ticket()).root, "open.queued").count is None
    assert "queued (12 instances)" in text(ticket(), counts={"open.queued": 12})


def test_counts_in_states_of_another_chart_version_are_said_not_dropped() -> None:
    shown = text(ticket(), counts={"open.queued": 1, "parked": 2, "lost": 5})
    assert "7 more in states that version 3 does not have." in shown
    assert "queued (1 instance)" in shown


def test_more_heat_is_another_fill() -> None:
    assert len({heat_fill(step / 10) for step in range(11)}) == 11


def test_a_taken_event_is_looked_for_outwards_as_the_machine_does() -> None:
    diagram = build_diagram(ticket(), taken=[("open.assigned", "escalate"), ("open.queued", "assign")])
    assert {(edge.source, edge.label.event) for edge in diagram.edges if edge.taken} == {
        ("open", "escalate"),
        ("open.queued", "assign"),
    }
    assert " => escalated" in text(ticket(), taken=[("open.assigned", "escalate")])


CROSSING = """
id: t
version: 1
commands: {make: {creates: true}, go: {data: {left: {type: boolean}}}}
initial: fork
states:
  fork: {on: {go: [{guard: data.left, target: west}, east]}}
  west: {always: sea}
  east: {always: sea}
  sea: {type: final}
"""


def test_of_the_candidates_for_an_event_the_one_that_was_taken_is_highlighted() -> None:
    bench = Bench(CROSSING)
    bench.send("go", left=False)
    assert bench.decision
    taken = [arrow.definition for arrow in bench.decision.taken]
    diagram = build_diagram(bench.machine.chart, taken=taken)
    assert [(edge.source, edge.target) for edge in diagram.edges if edge.taken] == [
        ("fork", "east"),
        ("east", "sea"),
    ]


def test_rows_that_a_command_requires_everywhere_are_told_once_in_text() -> None:
    door = ticket()
    shut = replace(door.commands["open"], require=(refuse("actor.id", "not_known", "forbidden"),))
    drawn = text(replace(door, commands={"open": shut}))
    assert drawn.endswith("\nrefused in any state\n   open\n       ! not_known\n")


def test_brief_shows_events_only() -> None:
    diagram = build_diagram(ticket(), brief=True)
    assert all(len(edge.label.parts()) == 1 for edge in diagram.edges)
    assert not any(each.lines for each in diagram.root.walk())
    for format in ("dot", "mermaid", "text"):
        drawn = draw(ticket(), format, brief=True).decode()
        assert "not_a_dispatcher" not in drawn
        assert "assign" in drawn


def test_the_text_tree_shows_states_arrows_guards_and_refusals() -> None:
    small = chart(
        "door",
        state(
            "",
            state(
                "shut",
                on=(go("open", "shut", "ajar", guard="data.hand", require=(refuse("true", "locked"),)),),
            ),
            state("ajar", kind="final", description="Done.", entry=(emit("door.opened"),)),
        ),
        creates="build",
    )
    assert text(small, active=["shut"], timers={"shut": "12:30"}) == (
        "door v1\n"
        "\n"
        "starts at shut, created by build\n"
        "├─ > shut (active; due 12:30)\n"
        "│     open [data.hand] -> ajar\n"
        "│         ! locked\n"
        "└─ ajar (final) - Done.\n"
        "      entry\n"
        "          / emit door.opened\n"
    )


@pytest.mark.parametrize("drawn", [ticket(), player(), hostile()], ids=["ticket", "player", "hostile"])
def test_every_line_of_mermaid_is_a_statement_and_every_name_is_only_text(drawn) -> None:
    front, body = draw(drawn, "mermaid").decode().split("\n---\n", 1)
    assert front.startswith('---\ntitle: "')
    lines = body.splitlines()
    matches = [MERMAID_STATEMENT.fullmatch(line) for line in lines]
    assert [line for line, match in zip(lines, matches, strict=True) if not match] == []
    declared = [match["state"] for match in matches if match and match["state"]]
    assert len(set(declared)) == len(declared)
    assert {match["head"] for match in matches if match and match["head"]} <= set(declared)
    diagram = build_diagram(drawn)
    markers = sum(each.any_state for each in diagram.root.walk())
    assert len(declared) == len(diagram.states()) + markers


def test_mermaid_puts_each_state_into_its_parents_block() -> None:
    lines = draw(player(), "mermaid").decode().splitlines()
    start = lines.index('  state "on" as s_on {')
    end = lines.index("  }", start)
    block = lines[start:end]
    assert '    state "sound" as s_on_sound {' in block
    assert block.count("    --") == 1
    assert "  s_off --> s_on_sound_muted : demo" in lines[end:]
    assert "      s_on_sound_loud --> s_on_sound_muted : mute" in block


def test_mermaid_marks_active_states_by_class_and_by_sign() -> None:
    drawn = draw(player(), "mermaid", active=["on.sound.muted"]).decode()
    assert 'state "● muted" as s_on_sound_muted' in drawn
    assert 'state "● on" as s_on {' in drawn
    assert re.findall(r"class (\w+) active", drawn) == ["s_on_sound_muted"]


def test_paths_that_differ_in_odd_characters_only_keep_apart_in_mermaid() -> None:
    twins = chart("twins", state("", state("a b"), state("a-b"), state("a_b")))
    declared = re.findall(r" as (\w+)$", draw(twins, "mermaid").decode(), re.MULTILINE)
    assert len(set(declared)) == 3


def test_hostile_names_stay_on_their_line_in_text() -> None:
    lines = draw(hostile(), "text").decode().splitlines()
    assert lines[0] == "<b>&\"'\\␊🙂 v1"
    heads = [line for line in lines if line.startswith(("├─ ", "└─ "))]
    assert len(heads) == len(HOSTILE_NAMES)
    for name, head in zip(HOSTILE_NAMES, heads, strict=True):
        assert head[3:].startswith(visible(name))


def test_visible_text_has_no_control_and_no_direction_characters() -> None:
    assert visible("a\nb\x00\x7f\u202ec\ud800\ufffe") == "a␊b␀␡�c��"
    assert visible("日本 🙂 é\\") == "日本 🙂 é\\"


def test_every_format_is_offered() -> None:
    assert FORMATS == ("mermaid", "dot", "svg", "png", "plantuml", "text", "scxml", "xstate")
