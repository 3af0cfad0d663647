"""The page of one chart. Pure: a chart and what the seeds ask of it in, Markdown out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from interlock.engine.chart import Chart, CommandDef, StateDef
from interlock.engine.diagrams import draw
from interlock.engine.machine import Machine
from tools.lifecycles.by_itself import raise_rows, step_rows, timer_rows
from tools.lifecycles.markdown import code, codes, lines, prose, table
from tools.lifecycles.operations import operation_rows
from tools.lifecycles.schema_words import constraint, default_of

KINDS = {
    "compound": "has states of its own",
    "parallel": "its regions run side by side",
    "final": "final",
    "shallow_history": "history",
    "deep_history": "history",
}


def chart_page(machine: Machine, operations: Mapping[str, Sequence[str]]) -> str:
    """The page as text, with the rules of the policy that follow its events. ``operations``: by command, the
    operations of the seeds that it serves."""
    return "\n".join(_lines(machine, operations)).rstrip() + "\n"


def _lines(machine: Machine, operations: Mapping[str, Sequence[str]]) -> Iterator[str]:
    chart = machine.chart
    yield from (f"# {chart.id}", "", prose(chart.description), "")
    file = Path(chart.mark.file).name
    yield f"Made of `interlock/statecharts/{file}` by `make docs`: change the chart, not this page."
    yield "How to read a chart: [charts.md](../charts.md); its words: [glossary.md](../glossary.md)."
    yield from (
        "",
        "## Picture",
        "",
        "```mermaid",
        draw(chart, "mermaid", brief=True).decode().rstrip(),
        "```",
        "",
    )
    yield from ("## States", "", *table(("State", "What it is", ""), map(_state_row, _below(chart))), "")
    yield from ("## Fields", "", _ABOUT_FIELDS, "")
    yield from (*table(("Field", "Type", "Default", "Public", "Index", "What it is"), _field_rows(chart)), "")
    yield from ("## Commands", "", _ABOUT_COMMANDS, "")
    yield from (*table(("Command", "What it is", "Data"), _command_rows(chart)), "")
    yield from ("## Operations, guards, refusals, events", "", *_about_operations(chart), "")
    head = ("Seed operation", "Command", "In state", "Guards, in order", "Refused", "Then", "Events", "Sends")
    yield from (*table(head, operation_rows(machine, operations)), "")
    yield from _by_itself(machine)
    if rules := [*_rule_rows(machine)]:
        yield from ("## Rules that follow its events", "", _ABOUT_RULES, "")
        yield from (*table(("Event", "When", "Sends", "What it is"), rules), "")


def _by_itself(machine: Machine) -> Iterator[str]:
    timers, raises, steps = timer_rows(machine), raise_rows(machine), step_rows(machine)
    yield from ("## Timers", "")
    if timers:
        yield from (
            *table(("In state", "After", "What it is", "Guards", "Then", "Events", "Sends"), timers),
            "",
        )
    if raises:
        yield from ("Events that the chart raises for itself, later; leaving a state does not stop them:", "")
        yield from (*table(("Event", "After", "Name", "Begun by", "Stopped by"), raises), "")
    if not timers and not raises:
        yield from ("It has none.", "")
    if steps:
        yield from ("## What it does by itself", "", _ABOUT_STEPS, "")
        yield from (*table(("In state", "On", "Guards", "Then", "Events", "Sends"), steps), "")


_STAR = r"\*"
_ABOUT_FIELDS = (
    "What is not public leaves the engine in no event, answer or log. Instances are listed by what has an index, "
    "beside state."
)
_ABOUT_COMMANDS = "A star: it has to be given. An unknown field is refused."
_ABOUT_STEPS = (
    "Within the step that a command or a timer has begun: what stands *always* in a state, and events raised."
)


_ABOUT_RULES = (
    "They stand in the policy, not in this chart; another policy has others "
    "([charts.md](../charts.md#between-lifecycles))."
)


def _about_operations(chart: Chart) -> Iterator[str]:
    yield (
        "The rows *first* are checked before all others, wherever the instance is. Then the innermost state that "
        "knows the command decides, by the first of its rows whose *if* holds; where none does, the state around it is "
        "asked, last the chart itself (*any state*). The other guards of that row are checked one after the other, and "
        "the first that does not hold refuses the command with the class, the code and the message beside it. *Then* "
        "says where it leads, and which events it raises within the same step. "
        "Events and sends in *italics* follow in some cases only. "
        f"A step that announces nothing is told as `{chart.id}.updated`, a first one as `{chart.id}.created`."
    )
    yield ""
    yield (
        "Before that, every command is refused where the instance does not exist (`not_found` `not_found`; a creating "
        "one where it does: `already_exists` `already_exists`), is elsewhere than `expected_version` says "
        "(`stale_version` `stale_version`), or where the data break their schema (`invalid_data` `invalid_data`). "
        "After that, where no row is for its state: `not_accepted` `not_accepted`, in a final one `not_accepted` "
        "`settled`."
    )


def _rule_rows(machine: Machine) -> Iterator[tuple[str, str, str, str]]:
    for event, rules in machine.rules.items():
        for rule in rules:
            when = code(rule.when.source) if rule.when else ""
            sends = lines(
                f"{code(f'{send.machine} {send.command}')} to {code(send.key.source)}" for send in rule.send
            )
            yield code(event), when, sends, prose(rule.description)


def _below(chart: Chart) -> list[StateDef]:
    return [state for state in chart.states.values() if state.path]


def _state_row(state: StateDef) -> tuple[str, str, str]:
    kind = [KINDS[state.kind]] if state.kind in KINDS else []
    return (
        code(state.path),
        prose(state.description),
        "; ".join([*kind, *(f"tag {code(tag)}" for tag in state.tags)]),
    )


def _field_rows(chart: Chart) -> Iterator[tuple[str, ...]]:
    for field in chart.context.values():
        public = "yes" if field.public else "**no**"
        index = "yes" if field.name in chart.listed_by else ""
        about = prose(field.schema.get("description", ""))
        yield code(field.name), constraint(field.schema), default_of(field), public, index, about


def _command_rows(chart: Chart) -> Iterator[tuple[str, str, str]]:
    for command in chart.commands.values():
        yield code(command.name), lines((prose(command.description), *_traits(command))), _data(command)


def _traits(command: CommandDef) -> Iterator[str]:
    if command.if_missing:
        yield "*creates the instance where there is none*"
    elif command.creates:
        yield "*creates the instance*"
    if command.exclusive:
        yield "*exclusive*"
    if command.by:
        yield f"*by* {codes(command.by)}"


def _data(command: CommandDef) -> str:
    required = command.schema["required"]
    return lines(
        f"{code(name)}{_STAR if name in required else ''} {constraint(schema)}"
        + (" (private)" if name in command.private else "")
        + (f": {prose(schema['description'])}" if schema.get("description") else "")
        for name, schema in command.schema["properties"].items()
    )
