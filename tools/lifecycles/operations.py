"""The table of operations: seed operation, command, guards in order, refusals, events. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from interlock.engine.chart import CommandDef, Requirement
from interlock.engine.errors import ErrorClass
from interlock.engine.machine import Machine
from tools.lifecycles.cells import (
    check_words,
    follow_cells,
    guard_cell,
    outcome_cell,
    refusal_cell,
    refusal_words,
    state_cell,
)
from tools.lifecycles.consequences import Consequences, of_arrow, of_beginning
from tools.lifecycles.markdown import code, codes, lines, prose

Row = tuple[str, ...]
FIRST = "*first*"
"""Stands for the state where a row holds before the state is looked at."""


def operation_rows(machine: Machine, operations: Mapping[str, Sequence[str]]) -> Iterator[Row]:
    """The rows of all commands, in the chart's order; ``operations`` as in `page.chart_page`."""
    for command in machine.chart.commands.values():
        served = lines(prose(name) for name in operations.get(command.name, ()))
        rows = [*_rows(machine, command)] or [("any state", "", "", "not accepted anywhere", "", "")]
        for row in rows:
            yield (served, code(command.name), *row)


def _rows(machine: Machine, command: CommandDef) -> Iterator[Row]:
    if everywhere := _everywhere(command):
        yield everywhere
    if command.creates:
        then = "begins" + (", then as below" if command.if_missing else "")
        yield ("(none yet)", "", "", then, *follow_cells(of_beginning(machine)))
    for node in machine.nodes:
        for arrow in node.on.get(command.name, ()):
            definition = arrow.definition
            found = Consequences() if arrow.ignore or arrow.forbidden else of_arrow(machine, arrow)
            refused = refusal_cell(definition.require)
            guards = guard_cell(definition)
            if any(row.check.source.strip() == "false" for row in definition.require):
                yield (state_cell(node.path), guards, refused, "refused", "", "")
            else:
                yield (state_cell(node.path), guards, refused, outcome_cell(definition), *follow_cells(found))


def _check(row: Requirement) -> tuple[str, str]:
    return check_words(row), refusal_words(row.error_class, row.code, row.message)


def _everywhere(command: CommandDef) -> Row | None:
    """What is checked whatever the state: one at a time, who may, and the command's own requirements.

    Of an exclusive command the rows of the class not_found go before the slot (`decision.hidden`).
    """
    hidden = [row for row in command.require if command.exclusive and row.error_class == ErrorClass.NOT_FOUND]
    checks = [_check(row) for row in hidden]
    if command.exclusive:
        one = f"no other {code(command.name)} of it is queued or running"
        checks.append((one, refusal_words("in_flight", f"{command.name}_in_flight", "")))
    if command.by:
        checks.append(
            (f"the actor is one of {codes(command.by)}", refusal_words("forbidden", "actor_kind", ""))
        )
    checks += [_check(row) for row in command.require if row not in hidden]
    if not checks:
        return None
    guards, refusals = ([*each] for each in zip(*checks, strict=True))
    numbers = [f"{number}. " if len(guards) > 1 else "" for number in range(1, len(guards) + 1)]
    return (
        FIRST,
        lines(number + text for number, text in zip(numbers, guards, strict=True)),
        lines(number + text for number, text in zip(numbers, refusals, strict=True)),
        "as below" if not command.creates or command.if_missing else "",
        "",
        "",
    )
