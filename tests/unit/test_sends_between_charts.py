"""A send that no chart takes is found before anything runs."""

from __future__ import annotations

import pytest

from interlock.engine.loader import parse_chart
from interlock.statecharts.sends import check_sends
from tests.desks import shipped

BELL = """
id: bell
version: 1
commands:
  hang: {creates: true}
  ring: {data: {times: {type: integer}, by: {type: string}}, required: [by]}
states: {a: {on: {ring: a}}}
initial: a
"""
DOOR = """
id: door
version: 1
commands: {make: {creates: true}}
initial: a
states: {a: {entry: {send: {machine: bell, key: key, command: ring, data: {by: key}}}}}
"""


def findings(old: str = "", new: str = "") -> list[str]:
    charts = [parse_chart(BELL), parse_chart(DOOR.replace(old, new) if old else DOOR)]
    return [f"{each.severity} {each.code}: {each.message} {each.suggestion}" for each in check_sends(charts)]


def test_a_send_that_is_taken_is_no_finding() -> None:
    assert findings() == []
    assert check_sends(shipped().charts) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("machine: bell", "machine: bel", "unknown_machine: no chart has the id 'bel' Did you mean 'bell'?"),
        (
            "command: ring",
            "command: rung",
            "unknown_command: 'bell' has no command 'rung' Did you mean 'ring'?",
        ),
        (
            "data: {by: key}",
            "data: {by: key, time: 1}",
            "unknown_field: 'ring' of 'bell' has no data field 'time' Did you mean 'times'?",
        ),
        (
            "data: {by: key}",
            "data: {times: 1}",
            "missing_field: 'ring' of 'bell' needs the data field 'by' Send it.",
        ),
    ],
)
def test_a_send_that_is_not_taken_is_a_warning(old: str, new: str, expected: str) -> None:
    assert findings(old, new) == [f"warning {expected}"]
