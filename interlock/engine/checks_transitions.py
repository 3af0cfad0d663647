"""Checks of single transitions: which are never tried, and which change nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from interlock.engine.chart import Chart, StateDef, TransitionDef
from interlock.engine.checks_reading import (
    DONE,
    all_transitions,
    always_holds,
    handles,
    is_history,
    never_holds,
    regions,
    transitions_of,
    warning,
)
from interlock.engine.errors import Finding


def shadowed_transitions(chart: Chart) -> Iterator[Finding]:
    """A candidate behind another that always holds, or that has the same guard: it is never tried."""
    for state in chart.states.values():
        for rows in _by_event(state):
            for number, row in enumerate(rows):
                rival = next((each for each in rows[:number] if _shadows(each, row)), None)
                if rival is not None:
                    yield _shadowed(row, rival)


def _by_event(state: StateDef) -> Iterable[list[TransitionDef]]:
    grouped: dict[str, list[TransitionDef]] = {}
    for each in transitions_of(state):
        grouped.setdefault(each.event, []).append(each)
    return grouped.values()


def _shadows(first: TransitionDef, row: TransitionDef) -> bool:
    same = first.guard and row.guard and first.guard.source.split() == row.guard.source.split()
    return always_holds(first.guard) or bool(same)


def _shadowed(row: TransitionDef, rival: TransitionDef) -> Finding:
    if row.guard is None and rival.guard is None:
        return warning(
            row.mark,
            "two_unguarded",
            f"a second candidate for {row.event or 'always'!r} without a guard: line {rival.mark.line} is always taken",
            "Guard the first, or remove one.",
        )
    why = "always holds" if always_holds(rival.guard) else "has the same guard"
    return warning(
        row.mark,
        "shadowed_transition",
        f"never tried: the candidate at line {rival.mark.line} {why}",
        "Guard the first otherwise, put this one before it, or remove it.",
    )


def overridden_transitions(chart: Chart) -> Iterator[Finding]:
    """A transition of a state with children, where each child takes the event before it can."""
    for state in chart.states.values():
        for each in state.on if state.children else ():
            if not each.event.endswith("*") and not each.event.startswith(DONE) and _below(state, each.event):
                yield warning(
                    each.mark,
                    "overridden_transition",
                    f"never taken: the states in {state.path or chart.id!r} take {each.event!r} themselves",
                    "Remove it, or guard theirs.",
                )


def _below(state: StateDef, event: str) -> bool:
    """Whether wherever the state is, a state in it takes the event for certain."""
    if state.kind == "parallel":
        return any(_taken(region, event) for region in regions(state))
    # Once a final state of the root is reached, no event is taken at all.
    asked = [
        child for child in state.children if not is_history(child) and (state.path or child.kind != "final")
    ]
    return bool(asked) and all(_taken(child, event) for child in asked)


def _taken(state: StateDef, event: str) -> bool:
    own = any(handles({each.event}, event) and always_holds(each.guard) for each in state.on)
    return own or (bool(state.children) and _below(state, event))


def impossible_guards(chart: Chart) -> Iterator[Finding]:
    """A guard that is a literal false."""
    for each in all_transitions(chart):
        if never_holds(each.guard):
            yield warning(
                each.mark,
                "never_holds",
                "never taken: its guard is false",
                "Remove it, or write null for a command that is not accepted here.",
            )


def idle_requirements(chart: Chart) -> Iterator[Finding]:
    """A row of ``require`` that refuses nothing."""
    rows = [row for command in chart.commands.values() for row in command.require]
    rows += [row for each in all_transitions(chart) for row in each.require]
    for row in rows:
        if always_holds(row.check):
            yield warning(
                row.mark,
                "idle_requirement",
                f"{row.code!r} refuses nothing: its check is true",
                "Write what has to hold, or false to refuse always.",
            )


def idle_transitions(chart: Chart) -> Iterator[Finding]:
    """A transition that leads nowhere and does nothing: of a timer, or of a command that it accepts."""
    for state in chart.states.values():
        for each in (*state.on, *state.after):
            if not _is_idle(each, state):
                continue
            if each.delay_text:
                yield warning(
                    each.mark,
                    "idle_timer",
                    f"nothing happens after {each.delay_text}",
                    "Give it a target or actions, or remove it.",
                )
            elif each.event in chart.commands and not (each.guard or each.require):
                yield warning(
                    each.mark,
                    "idle_transition",
                    f"{each.event!r} is accepted and changes nothing",
                    "Say ignore: true for a harmless duplicate, null to refuse it, or give it a target or actions.",
                )


def _is_idle(each: TransitionDef, state: StateDef) -> bool:
    stays = each.targets == (state.path,) and not state.children and not each.reenter
    return not (each.forbidden or each.ignore or each.actions or (each.targets and not stays))


def reentering_nothing(chart: Chart) -> Iterator[Finding]:
    """``reenter`` on a transition that leaves nothing."""
    for each in all_transitions(chart):
        if each.reenter and not each.targets:
            yield warning(
                each.mark,
                "idle_reenter",
                "'reenter' without a target re-enters nothing",
                f"Name the target: {each.source.rpartition('.')[2] or 'a state'}.",
            )


def equal_timers(chart: Chart) -> Iterator[Finding]:
    """Two timers of a state that are due at the same moment."""
    for state in chart.states.values():
        seen: dict[int, str] = {}
        for each in state.after:
            if each.delay_ms is None:
                continue
            first = seen.setdefault(each.delay_ms, each.delay_text)
            if first != each.delay_text:
                yield warning(
                    each.mark,
                    "equal_timers",
                    f"after {each.delay_text} is the same moment as after {first}",
                    "Write both under one delay, as candidates in order.",
                )
