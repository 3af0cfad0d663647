"""Findings in a chart that loads: what is allowed and still, as a rule, not meant. All are warnings.

Each check is a function from a chart to findings; `CHECKS` lists them in the order in which they report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from interlock.engine.chart import Action, Chart, Emit, Raise, StateDef, TransitionDef
from interlock.engine.chart_outline import parent
from interlock.engine.errors import Finding, Mark
from interlock.engine.expressions import Expression

_LITERALLY_TRUE = frozenset({"true", "True"})


def check_chart(chart: Chart) -> list[Finding]:
    """All warnings, in the file's order."""
    found = [finding for check in CHECKS for finding in check(chart)]
    return sorted(found, key=lambda finding: (finding.mark.line, finding.mark.column, finding.code))


def _warning(mark: Mark, code: str, message: str, suggestion: str) -> Finding:
    return Finding(mark, code, message, suggestion, severity="warning")


def unreachable_states(chart: Chart) -> Iterator[Finding]:
    """A state that neither an initial nor a transition of a reachable state enters."""
    reached = _reached(chart)
    for path, state in chart.states.items():
        if path and path not in reached and parent(path) in reached:
            yield _warning(
                state.mark,
                "unreachable_state",
                f"nothing leads to {path!r}",
                "Name it as a target or an initial, or remove it.",
            )


def _reached(chart: Chart) -> set[str]:
    reached: set[str] = set()
    waiting = [""]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        state = chart.states[path]
        waiting.extend(state.initial)
        if state.kind == "parallel":
            waiting.extend(child.path for child in state.children)
        waiting.extend(target for each in transitions_of(state) for target in each.targets)
        if path:
            # Whoever enters a state enters all above it, with the other regions of parallel ones.
            waiting.append(parent(path))
    return reached


def dead_ends(chart: Chart) -> Iterator[Finding]:
    """An atomic state that is not final and that neither it nor a state around it has a way out of."""
    for path, state in chart.states.items():
        if state.kind != "atomic" or any(_leaves(each, path) for each in _ways(chart, path)):
            continue
        yield _warning(
            state.mark,
            "dead_end",
            f"no transition leads out of {path!r}",
            "Add one, or say type: final.",
        )


def _ways(chart: Chart, path: str) -> Iterator[TransitionDef]:
    for each in _chain(path):
        yield from transitions_of(chart.states[each])
    for state in chart.states.values():
        if state.kind == "parallel" and path.startswith(f"{state.path}." if state.path else ""):
            # Another region's transition may leave the whole parallel state.
            for below in state.walk():
                yield from (each for each in transitions_of(below) if not _within(each.targets, state.path))


def _leaves(transition: TransitionDef, path: str) -> bool:
    return any(target != path for target in transition.targets)


def _within(targets: Iterable[str], path: str) -> bool:
    return all(target.startswith(f"{path}." if path else "") for target in targets)


def _chain(path: str) -> Iterator[str]:
    """The state, then all around it, the root last."""
    while path:
        yield path
        path = parent(path)
    yield ""


def unhandled_commands(chart: Chart) -> Iterator[Finding]:
    """A declared command that no state handles; one that creates is handled by nature."""
    handled = {each.event for state in chart.states.values() for each in state.on}
    for name, command in chart.commands.items():
        if not command.creates and not _matched(name, handled):
            yield _warning(
                command.mark,
                "unhandled_command",
                f"no state takes the command {name!r}",
                "Add it under a state's 'on', or remove it.",
            )


def unhandled_raises(chart: Chart) -> Iterator[Finding]:
    """A raised event that no state handles."""
    handled = {each.event for state in chart.states.values() for each in state.on}
    for action in actions_of(chart):
        if isinstance(action, Raise) and not _matched(action.event, handled):
            yield _warning(
                action.mark,
                "unhandled_raise",
                f"no state takes the raised event {action.event!r}",
                "Add it under a state's 'on', or remove the raise.",
            )


def _matched(event: str, handled: set[str]) -> bool:
    if event in handled or "*" in handled:
        return True
    return any(each.endswith(".*") and f"{event}.".startswith(each[:-1]) for each in handled)


def shadowed_transitions(chart: Chart) -> Iterator[Finding]:
    """A candidate behind another that always holds: it is never tried."""
    for state in chart.states.values():
        for rows in _by_event(state):
            first = next((row for row in rows if always_holds(row.guard)), None)
            for row in rows[rows.index(first) + 1 :] if first else ():
                yield _warning(
                    row.mark,
                    "shadowed_transition",
                    f"never tried: the candidate at line {first.mark.line if first else 0} always holds",
                    "Guard the first, put this one before it, or remove it.",
                )


def _by_event(state: StateDef) -> Iterable[list[TransitionDef]]:
    grouped: dict[str, list[TransitionDef]] = {}
    for each in transitions_of(state):
        grouped.setdefault(each.event, []).append(each)
    return grouped.values()


def always_holds(guard: Expression | None) -> bool:
    """True for no guard at all and for a literal true."""
    return guard is None or guard.source.strip() in _LITERALLY_TRUE


def undeclared_events(chart: Chart) -> Iterator[Finding]:
    """Where a chart declares its events: one that is emitted undeclared, one declared and never emitted."""
    emitted = [action for action in actions_of(chart) if isinstance(action, Emit)]
    for action in emitted:
        if action.type not in chart.events:
            yield _warning(
                action.mark,
                "undeclared_event",
                f"{action.type!r} is emitted and not declared",
                "Add it to 'events'.",
            )
    # These the engine announces itself, for a step that emits nothing.
    known = {action.type for action in emitted} | {f"{chart.id}.created", f"{chart.id}.updated"}
    for event in chart.events:
        if event not in known:
            yield _warning(
                chart.mark,
                "unused_event",
                f"{event!r} is declared and never emitted",
                "Emit it, or remove it from 'events'.",
            )


def eventless_loops(chart: Chart) -> Iterator[Finding]:
    """Unguarded ``always`` transitions that lead back to where they began: a step that would never end."""
    arrows = {path: _unguarded(state) for path, state in chart.states.items()}
    for start, arrow in arrows.items():
        if arrow is None:
            continue
        path, seen = start, [start]
        while (each := arrows.get(path)) is not None:
            path = _rest(chart, each.targets[0]) if each.targets else path
            if path in seen:
                break
            seen.append(path)
        else:
            continue
        if path == start:
            yield _warning(
                arrow.mark,
                "eventless_loop",
                f"'always' without a guard leads back to {start!r} without end",
                "Guard it, or let an event or a timer take it.",
            )


def _unguarded(state: StateDef) -> TransitionDef | None:
    return next((each for each in state.always if always_holds(each.guard)), None)


def _rest(chart: Chart, path: str) -> str:
    while chart.states[path].kind == "compound" and chart.states[path].initial:
        if _unguarded(chart.states[path]):
            break
        path = chart.states[path].initial[0]
    return path


def futile_timers(chart: Chart) -> Iterator[Finding]:
    """A timer of a state that an unguarded ``always`` leaves at once: it never fires."""
    for state in chart.states.values():
        way_out = _unguarded(state)
        if way_out and way_out.targets and not any(_inside(each, state.path) for each in way_out.targets):
            for timer in state.after:
                yield _warning(
                    timer.mark,
                    "futile_timer",
                    f"{state.path!r} is left at once, so its timer {timer.delay_text} never fires",
                    "Put the timer where the instance waits.",
                )


def _inside(target: str, path: str) -> bool:
    return target == path or target.startswith(f"{path}." if path else "")


def private_indexes(chart: Chart) -> Iterator[Finding]:
    """A private field that instances are listed by: who may list could guess its values."""
    for name in chart.index:
        if not chart.context[name].public:
            yield _warning(
                chart.context[name].mark,
                "private_index",
                f"context.{name} is private and an index",
                "Remove it from 'index', or make it public.",
            )


def unused_data(chart: Chart) -> Iterator[Finding]:
    """A data field of a creating command that fills no context field and that no ``require`` row reads."""
    for name, command in chart.commands.items():
        read = {read for row in command.require for read in row.check.names}
        for field in command.schema["properties"] if command.creates else ():
            if field not in chart.context and f"data.{field}" not in read:
                yield _warning(
                    command.mark,
                    "unused_data",
                    f"data.{field} of {name!r} fills no context field",
                    "Declare a context field of that name, or remove it.",
                )


def transitions_of(state: StateDef) -> Iterator[TransitionDef]:
    """All transitions that stand at a state: by event, eventless, by time."""
    yield from state.on
    yield from state.always
    yield from state.after


def actions_of(chart: Chart) -> Iterator[Action]:
    """All actions of a chart, in no order."""
    for state in chart.states.values():
        yield from state.entry
        yield from state.exit
        for each in transitions_of(state):
            yield from each.actions


CHECKS: tuple[Callable[[Chart], Iterator[Finding]], ...] = (
    unreachable_states,
    dead_ends,
    unhandled_commands,
    unhandled_raises,
    shadowed_transitions,
    undeclared_events,
    eventless_loops,
    futile_timers,
    private_indexes,
    unused_data,
)
