"""The scenarios between the lifecycles, O1 to O18 and the compensations, over the shipped charts and policy.

Each is played as it stands, with every message doubled, and in several orders of independent messages.
"""

from __future__ import annotations

from typing import Any

import pytest

from interlock.engine.chart import Send
from interlock.engine.policy import POLICY_SUFFIX
from interlock.engine.step import Step
from tests.desks import shipped
from tests.scenes import Scene, Told, scenarios
from tests.storms import part

SCENARIOS = scenarios()
SEEDS = range(1, 4)


def _id(value: Any) -> str | None:
    return value["id"] if isinstance(value, dict) else None


def _endings(step: dict[str, Any]) -> list[dict[str, int]]:
    """How the commands of a step may end, in one of these ways."""
    if "results" in step:
        given = step["results"]
        return given if isinstance(given, list) else [given]
    if "do" not in step:
        return [{}]
    result = step.get("result", "applied")
    return [{each: 1} for each in (result if isinstance(result, list) else [result])]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=_id)
def test_a_scenario_goes_as_it_is_written(scenario: dict[str, Any]) -> None:
    scene = Scene(scenario)
    for step in scenario["steps"]:
        told = scene.play(step)
        assert told.results in _endings(step), step
        assert told.events == step.get("events", []), step
        if "flow" in step:
            assert told.flow == step["flow"], step
        _check_refused(step, told)
        scene.check_then(step)
        scene.check_agreement()
    scene.check_end()


def _check_refused(step: dict[str, Any], told: Told) -> None:
    wanted = step.get("refused", [])
    if step.get("loose"):
        assert set(told.refused) <= set(wanted), step
    else:
        assert sorted(told.refused) == sorted(wanted), step


def _play_loosely(scene: Scene) -> None:
    for step in scene.scenario["steps"]:
        told = scene.play(step)
        assert told.results in _endings(step), step
        _check_refused(step, told)
        if not step.get("loose"):
            assert sorted(told.events) == sorted(step.get("events", [])), step
        scene.check_then(step)
        scene.check_agreement()
    scene.check_end()


@pytest.mark.parametrize("scenario", SCENARIOS, ids=_id)
def test_a_scenario_survives_that_every_message_comes_twice(scenario: dict[str, Any]) -> None:
    _play_loosely(Scene(scenario, doubled=True))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=_id)
def test_a_scenario_ends_the_same_in_any_order_of_independent_messages(
    scenario: dict[str, Any], seed: int
) -> None:
    _play_loosely(Scene(scenario, seed=seed, doubled=seed % 2 == 0))


@pytest.mark.storm
def test_the_scenarios_end_the_same_in_many_orders() -> None:
    for scenario in SCENARIOS:
        for seed in range(1000, 1000 + part(200)):
            _play_loosely(Scene(scenario, seed=seed, doubled=seed % 2 == 0))


def test_each_rule_of_the_shipped_policy_is_followed_in_some_scenario(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    followed: set[str] = set()
    plain = Step._send

    def noted(step: Step, action: Send) -> None:
        followed.add(str(action.mark))
        plain(step, action)

    monkeypatch.setattr(Step, "_send", noted)
    for scenario in SCENARIOS:
        scene = Scene(scenario)
        for step in scenario["steps"]:
            scene.play(step)
    rules = [
        rule
        for chart in shipped().charts
        if (machine := shipped().machine(chart.id))
        for each in machine.rules.values()
        for rule in each
        if rule.mark.file.endswith(POLICY_SUFFIX)
    ]
    assert rules
    assert [str(send.mark) for rule in rules for send in rule.send if str(send.mark) not in followed] == []
    assert [str(rule.mark) for rule in rules if not rule.description] == []
