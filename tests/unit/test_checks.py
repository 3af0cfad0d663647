"""What a chart hardly means is told as a warning, at its place; a sound chart gets none."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from interlock.engine.checks import CHECKS, check_chart
from interlock.engine.checks_declarations import is_past, past_tense
from interlock.engine.loader import load_chart, parse_chart

CHARTS = Path(__file__).parents[1] / "charts"
DOUBTFUL = sorted((CHARTS / "doubtful").glob("*.yaml"))
WRONG = sorted((CHARTS / "wrong").glob("*.yaml"))
ENGINE = Path(__file__).parents[2] / "interlock" / "engine"
MAKERS = ("Finding", "refuse", "_refuse", "warning")
OF_CALENDARS = {
    "bad_date",
    "empty_hours",
    "never_open",
    "overlapping_hours",
    "too_many_spans",
    "unknown_zone",
}
MADE_BY_TESTS = {"not_utf8", "too_large", "endless_include", "included_twice", "unknown_event"} | OF_CALENDARS
"""No single chart can be the fixture of these: `test_loader`, `test_includes`, `test_policy` and
`test_calendar_files` make them."""

SOUND = """
id: door
version: 1
context: {count: {type: integer, default: 0}}
commands: {make: {creates: true, data: {count: {type: integer}}}, open: , shut: , lock: }
events: [door.created, door.opened]
initial: closed
states:
  closed:
    on:
      open: [{guard: "context.count > 3", target: worn}, {target: opened, actions: {emit: door.opened}}]
  opened:
    type: parallel
    on: {shut: closed.after_use}
    states:
      lamp: {initial: on, states: {on: {after: {1m: dark}}, dark: }}
      bell:
        initial: quiet
        states: {quiet: {on: {lock: rung}}, rung: {on: {open: recent}}, recent: {type: history, target: quiet}}
  worn: {type: final}
"""


def sound():
    return SOUND.replace("closed.after_use", "closed")


def test_a_sound_chart_has_no_findings():
    assert check_chart(parse_chart(sound())) == []


@pytest.mark.parametrize("path", DOUBTFUL, ids=lambda path: path.stem)
def test_a_doubtful_chart_is_warned_of(path):
    expected = path.read_text().split("\n")[0].removeprefix("# ")
    first, *others = check_chart(load_chart(path))
    assert f"{first.mark.line}:{first.mark.column}: {first.code}: {first.message}" == expected
    assert first.severity == "warning"
    assert first.suggestion
    assert {each.code for each in others} <= {first.code}


def test_every_check_has_a_doubtful_chart():
    charts = [load_chart(path) for path in DOUBTFUL]
    assert [check.__name__ for check in CHECKS if not any(list(check(chart)) for chart in charts)] == []


def codes_in_the_source() -> set[str]:
    """Every code that loading or checking a chart can answer: the constants that findings are made with."""
    found = set()
    for path in ENGINE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and called(node) in MAKERS
                and len(node.args) > 1  # a logger's `warning` has one
                and isinstance(node.args[1], ast.Constant)
            ):
                found.add(node.args[1].value)
    return found


def called(node: ast.Call) -> str:
    return getattr(node.func, "id", None) or getattr(node.func, "attr", "")


def codes_of_the_fixtures() -> set[str]:
    first_lines = [path.read_bytes().split(b"\n")[0].decode() for path in (*DOUBTFUL, *WRONG)]
    return {line.removeprefix("# ").split(": ")[1] for line in first_lines}


def test_every_kind_of_mistake_has_a_fixture_that_shows_its_message():
    assert codes_in_the_source() - codes_of_the_fixtures() == MADE_BY_TESTS
    assert codes_of_the_fixtures() <= codes_in_the_source()
    assert len(codes_of_the_fixtures()) >= 60


def test_a_check_that_has_no_fixture_would_be_noticed():
    known = 'Finding(mark, "a", ""); self.refuse(mark, "b", ""); warning(mark, "c", ""); other(mark, "d")'
    calls = [node for node in ast.walk(ast.parse(known)) if isinstance(node, ast.Call)]
    assert [called(node) in MAKERS for node in calls] == [True, True, True, False]


@pytest.mark.parametrize(
    ("event", "past"),
    [
        ("assigned", True),
        ("sla_breached", True),
        ("control_pass_failed", True),
        ("sent", True),
        ("put_on_hold", True),
        ("assign", False),
        ("closing", False),
        ("sla_breach", False),
        ("state", False),
    ],
)
def test_an_event_says_what_has_happened(event, past):
    assert is_past(event) is past


@pytest.mark.parametrize(
    ("verb", "past"), [("open", "opened"), ("close", "closed"), ("deny", "denied"), ("delay", "delayed")]
)
def test_the_past_tense_is_suggested(verb, past):
    assert past_tense(verb) == past


def test_a_chart_whose_instances_live_for_ever_may_say_so():
    text = (CHARTS / "doubtful" / "no_final_state.yaml").read_text()
    assert [each.code for each in check_chart(parse_chart(text))] == ["no_final_state"]
    assert check_chart(parse_chart(text.replace("version: 1", "version: 1\ntags: [endless]"))) == []


def test_a_target_in_every_region_resets_none_unsaid():
    text = (CHARTS / "doubtful" / "target_in_a_region_of_its_own_source.yaml").read_text()
    said = text.replace("open: .lamp.lit", "open: {target: [.lamp.lit, .bell]}")
    assert check_chart(parse_chart(said)) == []


def test_a_region_that_changes_itself_resets_no_other():
    text = (CHARTS / "doubtful" / "target_resets_other_regions.yaml").read_text()
    assert (
        check_chart(
            parse_chart(
                text.replace('"#door.opened.lamp.lit"', "loud").replace("quiet: {on", "loud: , quiet: {on")
            )
        )
        == []
    )


def test_a_guarded_handler_below_leaves_the_one_above_its_turn():
    text = (CHARTS / "doubtful" / "overridden_transition.yaml").read_text()
    guarded = text.replace('open: "#door.opened"', 'open: {guard: data.by != null, target: "#door.opened"}')
    assert check_chart(parse_chart(guarded)) == []
