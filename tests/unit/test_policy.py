"""Rules between lifecycles: what follows an event, in the commit of the step that announces it."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from interlock.cli.exits import Exit
from interlock.cli.main import run
from interlock.engine.chart import Chart
from interlock.engine.decision import replay
from interlock.engine.errors import ChartError
from interlock.engine.loader import parse_chart
from interlock.engine.machine import Machine
from interlock.engine.policy import Policy, parse_policy
from interlock.statecharts.catalog import Catalog
from tests.charting import Bench

BELL = """
id: bell
version: 1
context: {rung: {type: integer, default: 0}, who: {type: string, default: ""}}
commands: {hang: {creates: true}, ring: {data: {who: {type: string}}, required: [who]}, hush: , scrap: }
initial: quiet
states:
  quiet:
    on:
      ring: {actions: [{assign: {rung: context.rung + 1, who: data.who}}, {emit: bell.rung}]}
      hush: {actions: [{assign: {rung: 0}}]}
      scrap: scrapped
  scrapped: {type: final}
"""
RULES = """
rules:
  - on: bell.rung
    when: "context.rung >= 2"
    send: {machine: door, key: key + '/front', command: open, data: {by: data.who, times: context.rung}}
  - on: [bell.rung, bell.created]
    send:
      - {machine: log, key: "'all'", command: note}
      - {machine: log, key: "['a', 'b']", command: note}
"""


def policy(text: str = RULES) -> Policy:
    return parse_policy([(text, "desk.policy.yaml")])


def bench(text: str = RULES) -> Bench:
    chart = parse_chart(BELL)
    return Bench(Machine(chart, policy(text).rules_of(chart)))


def sent(made: Bench) -> list[tuple[str, str, str, object]]:
    assert made.decision
    commands = [orjson.loads(raw) for raw in made.decision.sends]
    return [(one["machine"], one["key"], one["name"], one.get("data")) for one in commands]


NOTES = [("log", "all", "note", None), ("log", "a", "note", None), ("log", "b", "note", None)]


def test_a_rule_follows_its_event_on_the_context_after_the_step() -> None:
    made = bench()
    assert sent(made) == NOTES
    made.send("ring", who="ann")
    assert sent(made) == NOTES
    made.send("ring", who="bob")
    assert sent(made) == [("door", "k/front", "open", {"by": "bob", "times": 2}), *NOTES]


def test_a_step_that_announces_nothing_else_is_followed_by_its_name() -> None:
    made = bench("rules: [{on: bell.updated, send: {machine: log, key: key, command: note}}]")
    made.send("hush")
    assert sent(made) == [("log", "k", "note", None)]


def test_what_is_sent_carries_the_correlation_and_an_id_of_its_cause() -> None:
    made = bench()
    made.send("ring", who="ann")
    assert made.decision
    commands = [orjson.loads(raw) for raw in made.decision.sends]
    assert {one["correlation_id"] for one in commands} == {"c1"}
    assert len({one["id"] for one in commands}) == len(commands)


def test_a_rule_that_fails_refuses_the_step() -> None:
    made = bench("rules: [{on: bell.rung, send: {machine: log, key: 'null', command: note}}]")
    refused = made.send("ring", who="ann")
    assert refused.error and refused.error.code == "guard_error"
    assert made.context["rung"] == 0


def test_a_history_replays_without_the_policy() -> None:
    made = bench()
    made.send("ring", who="ann")
    assert replay(Machine(parse_chart(BELL)), "k", made.history) == made.snapshot


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rules: {}", "'rules' is a list"),
        ("rule: []", "a policy has no 'rule'"),
        ("rules: [{on: bell.rung}]", "a rule needs 'send'"),
        ("rules: [{on: Bell, send: {machine: log, key: key, command: note}}]", "'on' is written as"),
        ("rules: [{on: bell.rung, send: {machine: log, command: note}}]", "a send needs 'key'"),
        ("- a\n- b", "the file is a mapping"),
        ("rules: [", "desk.policy.yaml:"),
    ],
)
def test_what_is_no_policy_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(ChartError) as caught:
        policy(text)
    assert told in str(caught.value)
    assert str(caught.value).startswith("desk.policy.yaml:")


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (
            "{on: bell.rung, when: context.ring > 1, send: {machine: log, key: key, command: note}}",
            "context.ring",
        ),
        ("{on: bell.rung, send: {machine: log, key: keys, command: note}}", "unknown name 'keys'"),
        (
            "{on: bell.rung, send: {machine: log, key: key, command: note, delay: 1h}}",
            "a rule has no 'delay'",
        ),
        ("{on: bell.rang, send: {machine: log, key: key, command: note}}", "no chart announces 'bell.rang'"),
        ("{on: horn.rung, send: {machine: log, key: key, command: note}}", "no chart announces 'horn.rung'"),
        ("{on: bell.rung, when: in_state('loud'), send: {machine: log, key: key, command: note}}", "'loud'"),
    ],
)
def test_what_fits_no_chart_is_told(rule: str, told: str) -> None:
    chart: Chart = parse_chart(BELL)
    findings = policy(f"rules:\n  - {rule}\n").check([chart])
    assert [finding for finding in findings if told in finding.message], findings
    assert all(finding.mark.line == 2 for finding in findings)


def write(directory: Path, rules: str) -> None:
    (directory / "bell.yaml").write_text(BELL)
    (directory / "bell.policy.yaml").write_text(rules)


ALARM = "rules: [{on: bell.rung, send: {machine: bell, key: \"'other'\", command: hush}}]"


def test_a_catalog_compiles_its_machines_with_the_rules_beside_them(tmp_path: Path) -> None:
    write(tmp_path, ALARM)
    machine = Catalog.load([tmp_path]).machine("bell")
    assert machine and list(machine.rules) == ["bell.rung"]


def test_the_first_policy_of_a_name_wins(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for directory, rules in ((mine, ALARM), (theirs, ALARM.replace("'other'", "'third'"))):
        directory.mkdir()
        write(directory, rules)
    (theirs / "bell.yaml").unlink()
    machine = Catalog.load([mine, theirs]).machine("bell")
    assert machine and [rule.send[0].key.source for rule in machine.rules["bell.rung"]] == ["'other'"]


def test_a_catalog_refuses_a_policy_that_is_wrong(tmp_path: Path) -> None:
    write(tmp_path, ALARM.replace("bell.rung", "bell.rang"))
    with pytest.raises(ChartError, match="no chart announces"):
        Catalog.load([tmp_path])


def test_check_finds_the_mistakes_of_a_policy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, ALARM)
    assert run(["check", str(tmp_path)]) == Exit.DONE
    assert capsys.readouterr().out == ""
    write(tmp_path, ALARM.replace("hush", "hushed"))
    assert run(["check", str(tmp_path)]) == Exit.DONE
    told = capsys.readouterr().out
    assert "'bell' has no command 'hushed'" in told
    assert told.startswith(str(tmp_path / "bell.policy.yaml"))
    write(tmp_path, ALARM.replace("key: \"'other'\"", "key: other"))
    assert run(["check", str(tmp_path)]) == Exit.INVALID
    assert "unknown name 'other'" in capsys.readouterr().out
