"""Whether what charts send to one another can arrive: a question about several charts, so none of one chart's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from interlock.engine.chart import Action, Chart, CommandDef, Send
from interlock.engine.errors import Finding
from interlock.engine.policy import Policy
from interlock.engine.spelling import did_you_mean


def check_sends(charts: Iterable[Chart], policy: Policy | None = None) -> list[Finding]:
    """A warning for each ``send`` of a chart or of a rule that no chart among ``charts`` takes: its machine, command
    or data field is declared in no version, or a field is left out that every version requires.

    Raises ChartError where a rule does not fit the chart that it follows.
    """
    known: dict[str, list[Chart]] = {}
    every = list(charts)
    for chart in every:
        known.setdefault(chart.id, []).append(chart)
    sends = [send for chart in every for send in _sends(chart)]
    for chart in every if policy else ():
        rules = policy.rules_of(chart).values() if policy else ()
        sends += [send for row in rules for rule in row for send in rule.send]
    return [
        finding for send in {send.mark: send for send in sends}.values() for finding in _findings(send, known)
    ]


def _sends(chart: Chart) -> Iterator[Send]:
    for state in chart.states.values():
        actions: list[Action] = [*state.standing]
        for transition in (*state.on, *state.always, *state.after):
            actions += transition.actions
        yield from (action for action in actions if isinstance(action, Send))


def _findings(send: Send, known: Mapping[str, list[Chart]]) -> Iterator[Finding]:
    versions = known.get(send.machine)
    if versions is None:
        hint = did_you_mean(send.machine, known)
        yield _warning(send, "unknown_machine", f"no chart has the id {send.machine!r}", hint)
        return
    takers = [chart.commands[send.command] for chart in versions if send.command in chart.commands]
    if not takers:
        hint = did_you_mean(send.command, versions[-1].commands)
        yield _warning(send, "unknown_command", f"{send.machine!r} has no command {send.command!r}", hint)
        return
    yield from _data(send, takers)


def _data(send: Send, takers: list[CommandDef]) -> Iterator[Finding]:
    declared = {field for taker in takers for field in taker.schema["properties"]}
    for field in send.data:
        if field not in declared:
            message = f"{send.command!r} of {send.machine!r} has no data field {field!r}"
            yield _warning(send, "unknown_field", message, did_you_mean(field, declared))
    required = set.intersection(*(set(taker.schema["required"]) for taker in takers))
    for field in sorted(required - send.data.keys()):
        message = f"{send.command!r} of {send.machine!r} needs the data field {field!r}"
        yield _warning(send, "missing_field", message, "Send it.")


def _warning(send: Send, code: str, message: str, suggestion: str) -> Finding:
    return Finding(send.mark, code, message, suggestion, severity="warning")
