"""The first page: all charts, and who sends what to whom. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from interlock.engine.chart import Send
from interlock.engine.machine import Machine
from tools.lifecycles.by_itself import actions_of
from tools.lifecycles.markdown import codes, prose, table


def index_page(machines: Mapping[str, Machine]) -> str:
    """The page as text."""
    return "\n".join(_lines(machines)).rstrip() + "\n"


def _lines(machines: Mapping[str, Machine]) -> Iterator[str]:
    yield from ("# The lifecycles", "")
    yield (
        "One page a shipped chart, made of the chart by `make docs`; [the policy between them and its "
        "scenarios](orchestration.md); and [the four source documents beside what is here](comparison.md)."
    )
    rows: list[tuple[str, ...]] = [
        (f"[{name}]({name}.md)", prose(machine.chart.description)) for name, machine in machines.items()
    ]
    yield from ("", *table(("Chart", "What it is"), rows), "", "## Who sends what to whom", "")
    yield (
        "Each of these goes out with the commit of the step that causes it, and is applied once. Solid arrows stand in "
        "the charts, dashed ones in the policy."
    )
    yield from ("", "```mermaid", "flowchart LR")
    sent = {
        (name, to): commands for name, machine in machines.items() for to, commands in _sent(machine).items()
    }
    yield from (f"  {name} --> {to}" for name, to in sent)
    yield from (
        f"  {name} -.-> {to}" for name, to in dict.fromkeys((name, to) for name, to, _ in _ruled(machines))
    )
    yield from ("```", "")
    yield from table(
        ("From", "To", "Commands"), ((name, to, codes(all_)) for (name, to), all_ in sent.items())
    )
    if ruled := _ruled(machines):
        yield from ("", "By the policy, when an event is announced:", "")
        rows = [(name, to, codes([command]), codes(events)) for (name, to, command), events in ruled.items()]
        yield from table(("From", "To", "Command", "Events"), rows)


def _ruled(machines: Mapping[str, Machine]) -> dict[tuple[str, str, str], list[str]]:
    """(chart, chart that is sent to, command) -> the events that a rule of the policy follows with it."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for name, machine in machines.items():
        for event, rules in machine.rules.items():
            for send in (send for rule in rules for send in rule.send):
                events = found.setdefault((name, send.machine, send.command), [])
                if event not in events:
                    events.append(event)
    return found


def _sent(machine: Machine) -> dict[str, list[str]]:
    """Chart -> the commands that this one sends there, in the order of the file."""
    found: dict[str, list[str]] = {}
    for _, action in actions_of(machine.chart.root):
        if isinstance(action, Send) and action.command not in found.setdefault(action.machine, []):
            found[action.machine].append(action.command)
    return found
