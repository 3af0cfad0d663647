"""What a chart hardly means is told as a warning, at its place; a sound chart gets none."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.engine.checks import CHECKS, check_chart
from interlock.engine.loader import load_chart, parse_chart

DOUBTFUL = sorted((Path(__file__).parents[1] / "charts" / "doubtful").glob("*.yaml"))

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
      bell: {initial: quiet, states: {quiet: {on: {lock: rung}}, rung: {on: {open: recent}}, recent: {type: history}}}
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
    found = {finding.code for path in DOUBTFUL for finding in check_chart(load_chart(path))}
    assert len(found) == len(CHECKS) + 1  # undeclared_events tells two things apart
