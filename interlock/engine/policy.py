"""Rules between lifecycles: when a chart announces an event, commands go to other instances. Pure.

A policy file holds them, so that an integrator can edit how lifecycles work together without touching a chart.
A rule is evaluated in the step that announces the event, on the context after the step; what it sends goes out with
the same commit, under the same correlation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from interlock.engine.chart import Chart, Send
from interlock.engine.chart_declarations import field_schemas
from interlock.engine.chart_outline import text
from interlock.engine.chart_shape import check_shape
from interlock.engine.chart_words import EVENT_TYPE, SEND_WORDS, Either, Flag, Rows, Text, Word, Words
from interlock.engine.errors import ChartError, Finding, Mark
from interlock.engine.expressions import AnyField, Expression, ExpressionError, compile_expression, literal
from interlock.engine.yaml_source import Entries, Items, Node, Scalar, plain, raise_findings, read_yaml

POLICY_SUFFIX = ".policy.yaml"
"""How the name of a policy file ends, so that nobody takes it for a chart."""

_RULE = Words(
    "a rule",
    {
        "on": Word(Rows(EVENT_TYPE, single=True), "The event types that it follows.", required=True),
        "when": Word(
            Either((Text(), Flag())), "An expression on the context after the step; always, where none."
        ),
        "send": Word(Rows(SEND_WORDS, single=True), "The commands that go out.", required=True),
        "description": Word(Text(), "One line for people."),
    },
)
POLICY = Words(
    "a policy",
    {
        "rules": Word(Rows(_RULE), "Taken in this order.", required=True),
        "description": Word(Text(), "One line for people."),
    },
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule for one event type. ``when``: None where it always holds."""

    on: str
    when: Expression | None
    send: tuple[Send, ...]
    mark: Mark
    description: str = ""


@dataclass(frozen=True, slots=True)
class _Written:
    """A rule as its file has it. What it means depends on the chart that announces its event."""

    on: tuple[tuple[str, Mark], ...]
    words: Entries


class Policy:
    """The rules of some files. ``rules_of`` compiles them against the chart that they follow."""

    def __init__(
        self, written: Sequence[_Written] = (), functions: Mapping[str, Callable[..., Any]] | None = None
    ) -> None:
        self._written = tuple(written)
        self._functions = functions

    @property
    def events(self) -> list[tuple[str, Mark]]:
        """The event types that some rule follows, each with its place."""
        return [each for rule in self._written for each in rule.on]

    def rules_of(self, chart: Chart) -> dict[str, tuple[Rule, ...]]:
        """The rules for the events of a chart, by event type. Raises ChartError with a finding for each mistake."""
        findings: list[Finding] = []
        made: dict[str, list[Rule]] = {}
        for written in self._written:
            for event, mark in written.on:
                if event.partition(".")[0] == chart.id:
                    rule = _Compiler(chart, self._functions, findings).rule(event, mark, written.words)
                    made.setdefault(event, []).append(rule)
        raise_findings(findings)
        return {event: tuple(rules) for event, rules in made.items()}

    def check(self, charts: Iterable[Chart]) -> list[Finding]:
        """What is wrong with the rules, given all charts that there are: an event that none announces too."""
        known = list(charts)
        announced = {event for chart in known for event in announced_by(chart)}
        findings = [
            Finding(mark, "unknown_event", f"no chart announces {event!r}")
            for event, mark in self.events
            if event not in announced
        ]
        for chart in known:
            try:
                self.rules_of(chart)
            except ChartError as error:
                findings += error.findings
        return findings


def announced_by(chart: Chart) -> set[str]:
    """The event types that instances of a chart may announce, those that it does not emit itself included."""
    return {*chart.events, f"{chart.id}.created", f"{chart.id}.updated"}


def parse_policy(
    sources: Iterable[tuple[str, str]], functions: Mapping[str, Callable[..., Any]] | None = None
) -> Policy:
    """The rules in some texts, each with the name of its file. Raises ChartError with all findings."""
    findings: list[Finding] = []
    written: list[_Written] = []
    for source, file in sources:
        try:
            root = read_yaml(source, file)
        except ChartError as error:
            findings += error.findings
            continue
        found: list[Finding] = []
        check_shape(root, POLICY, found)
        findings += found
        rules = root.get("rules") if isinstance(root, Entries) and not found else None
        for row in rules.items if isinstance(rules, Items) else ():
            if isinstance(row, Entries):
                written.append(_Written(tuple(_events(row.values["on"])), row))
    raise_findings(findings)
    return Policy(written, functions)


def _events(node: Node) -> Iterable[tuple[str, Mark]]:
    rows = node.items if isinstance(node, Items) else (node,)
    return [(text(row), row.mark) for row in rows]


@dataclass(slots=True)
class _Compiler:
    chart: Chart
    functions: Mapping[str, Callable[..., Any]] | None
    findings: list[Finding]

    def rule(self, event: str, mark: Mark, words: Entries) -> Rule:
        when = words.get("when")
        sends = words.values["send"]
        rows = sends.items if isinstance(sends, Items) else (sends,)
        return Rule(
            event,
            None if when is None else self._expression(when),
            tuple(self._send(row) for row in rows if isinstance(row, Entries)),
            mark,
            text(words.get("description")),
        )

    def _send(self, row: Entries) -> Send:
        for word in ("delay", "id"):
            if word in row.values:
                message = f"a rule has no {word!r}: its commands go out with the step's commit"
                self.findings.append(
                    Finding(row.keys[word], "unknown_word", message, "Let the chart wait with 'after'.")
                )
        given = row.get("data")
        fields = given.values if isinstance(given, Entries) else {}
        return Send(
            machine=text(row.get("machine")),
            key=self._expression(row.values["key"]),
            command=text(row.get("command")),
            data={name: self._expression(value) for name, value in fields.items()},
            mark=row.mark,
        )

    def _expression(self, node: Node) -> Expression:
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return literal(plain(node))
        try:
            return compile_expression(
                node.value,
                context=field_schemas(self.chart.context),
                data=AnyField(),
                functions=self.functions,
                states=self.chart.states.keys() - {""},
            )
        except ExpressionError as error:
            message = f"{error.message} (in {self.chart.id}@{self.chart.version})"
            place = replace(node.place(error.offset))
            self.findings.append(Finding(place, "bad_expression", message, error.suggestion))
            return literal(None)
