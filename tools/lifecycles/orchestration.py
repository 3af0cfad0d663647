"""The page of the policy: which scenario is played by which rules and shown by which test, and all rules. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.engine.machine import Machine
from interlock.engine.policy import Rule
from tools.lifecycles.markdown import code, codes, lines, prose, table

_NAMED = re.compile(r" ?\(([COH]\d+(?:, [COH]\d+)*)\)")


@dataclass(frozen=True, slots=True)
class Told:
    """A rule for people. ``scenarios``: those that its description names."""

    events: list[str]
    rule: Rule

    @property
    def scenarios(self) -> list[str]:
        found = _NAMED.search(self.rule.description)
        return found[1].split(", ") if found else []

    @property
    def description(self) -> str:
        return _NAMED.sub("", self.rule.description)


def rules_in(machines: Mapping[str, Machine]) -> list[Told]:
    """Every rule once, in the order of the file, with all events that it follows."""
    found: dict[tuple[int, int], Told] = {}
    for machine in machines.values():
        for rules in machine.rules.values():
            for rule in rules:
                place = (rule.send[0].mark.line, rule.send[0].mark.column)
                found.setdefault(place, Told([], rule)).events.append(rule.on)
    return [found[place] for place in sorted(found)]


def orchestration_page(machines: Mapping[str, Machine], scenarios: Sequence[Mapping[str, Any]]) -> str:
    """The page as text. ``scenarios``: id, title and file of each."""
    return "\n".join(_lines(rules_in(machines), scenarios)).rstrip() + "\n"


def _lines(rules: list[Told], scenarios: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield from ("# The policy and its scenarios", "")
    yield "Made of `interlock/statecharts/orchestration.policy.yaml` and `tests/scenarios` by `make docs`."
    yield "What it is all about, and how to change it: [orchestration.md](../orchestration.md)."
    yield from ("", "## Scenarios", "")
    yield (
        "Each is played by `tests/unit/test_scenarios.py`. Beside the rules that name a scenario, those without a name "
        "play along."
    )
    found = {each["id"].split()[0] for each in scenarios}
    names = sorted(found, key=lambda name: ("OCH".index(name[0]), int(name[1:])))
    rows = []
    for name in names:
        of = [each for each in scenarios if each["id"].split()[0] == name]
        follow = [told.description for told in rules if name in told.scenarios]
        rows.append(
            (
                name,
                lines(prose(each["title"]) for each in of),
                lines(map(prose, follow)),
                codes(dict.fromkeys(each["file"] for each in of)),
            )
        )
    yield from ("", *table(("", "What happens", "Rules", "Test"), rows), "", "## Rules", "")
    yield from table(
        ("Event", "When", "Commands", "Why"),
        [
            (
                lines(map(code, told.events)),
                code(told.rule.when.source) if told.rule.when else "",
                lines(
                    f"{code(each.machine)} {code(each.command)} to {code(each.key.source)}"
                    for each in told.rule.send
                ),
                prose(told.description),
            )
            for told in rules
        ],
    )
