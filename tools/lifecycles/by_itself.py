"""What a chart does without being asked: timers, delayed events, `always`, and events that it raises. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from interlock.engine.chart import Action, Cancel, Delay, Raise, StateDef
from interlock.engine.machine import Machine
from tools.lifecycles.cells import follow_cells, guard_cell, outcome_cell, state_cell
from tools.lifecycles.consequences import of_arrow
from tools.lifecycles.markdown import code, lines, prose

Row = tuple[str, ...]
_OUTAGES = {
    "deadline": "",
    "remaining": "time in which nothing ran does not count",
    "restart": "begins anew after a time in which nothing ran",
}


def timer_rows(machine: Machine) -> list[Row]:
    """Every `after`, in document order."""
    rows: list[Row] = []
    for node in machine.nodes:
        for arrow in node.after:
            definition = arrow.definition
            outcome, _, about = outcome_cell(definition).partition("<br>")
            if about == "" and definition.description:
                about = prose(definition.description)
            follows = follow_cells(of_arrow(machine, arrow))
            about = lines((about, _OUTAGES[definition.outage]))
            when = delay_words(definition.delay)
            rows.append((state_cell(node.path), when, about, guard_cell(definition), outcome, *follows))
    return rows


def raise_rows(machine: Machine) -> list[Row]:
    """Every delayed `raise`, with where it is begun and where `cancel` stops it."""
    begun: dict[tuple[str, str, str], list[str]] = {}
    stopped: dict[str, list[str]] = {}
    for place, action in actions_of(machine.chart.root):
        if isinstance(action, Raise) and action.delay:
            begun.setdefault((action.event, delay_words(action.delay), action.id), []).append(place)
        elif isinstance(action, Cancel):
            stopped.setdefault(action.id, []).append(place)
    return [
        (code(event), delay, code(name) if name else "", _places(places), _places(stopped.get(name, [])))
        for (event, delay, name), places in begun.items()
    ]


def step_rows(machine: Machine) -> list[Row]:
    """Every `always` and every transition on an event that no command is."""
    rows: list[Row] = []
    for node in machine.nodes:
        taken = [("always", arrow) for arrow in node.always]
        taken += [
            (code(event), arrow)
            for event, arrows in node.on.items()
            for arrow in arrows
            if event not in machine.chart.commands and arrow not in node.after
        ]
        for event, arrow in taken:
            follows = follow_cells(of_arrow(machine, arrow))
            definition = arrow.definition
            rows.append(
                (state_cell(node.path), event, guard_cell(definition), outcome_cell(definition), *follows)
            )
    return rows


def delay_words(delay: Delay | None) -> str:
    """How long: as the chart writes it."""
    return code(delay.text) if delay else ""


def _places(places: list[str]) -> str:
    return lines(dict.fromkeys(places))


def actions_of(root: StateDef) -> Iterator[tuple[str, Action]]:
    """Every action of the chart, with the state it stands in and what runs it."""
    for state in root.walk():
        where = state_cell(state.path)
        yield from ((f"{where}, entry", action) for action in (*state.entry, *state.initial_actions))
        yield from ((f"{where}, exit", action) for action in state.exit)
        for transition in (*state.on, *state.always, *state.after):
            event = f"after {delay_words(transition.delay)}" if transition.delay else code(transition.event)
            yield from (
                (f"{where}, {event if transition.event else 'always'}", action)
                for action in transition.actions
            )
