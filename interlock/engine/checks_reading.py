"""What the checks of a chart read: its transitions, its actions, what encloses what."""

from __future__ import annotations

from collections.abc import Iterator

from interlock.engine.chart import Action, Chart, StateDef, TransitionDef
from interlock.engine.chart_outline import parent
from interlock.engine.errors import Finding, Mark
from interlock.engine.expressions import Expression

_LITERALLY_TRUE = frozenset({"true", "True"})
_LITERALLY_FALSE = frozenset({"false", "False"})
DONE = "done.state."


def warning(mark: Mark, code: str, message: str, suggestion: str) -> Finding:
    """A finding that leaves the chart loadable."""
    return Finding(mark, code, message, suggestion, severity="warning")


def transitions_of(state: StateDef) -> Iterator[TransitionDef]:
    """All transitions that stand at a state: by event, eventless, by time."""
    yield from state.on
    yield from state.always
    yield from state.after


def all_transitions(chart: Chart) -> Iterator[TransitionDef]:
    """All transitions of a chart, by state in document order."""
    for state in chart.states.values():
        yield from transitions_of(state)


def actions_of(chart: Chart) -> Iterator[Action]:
    """All actions of a chart, in no order."""
    for state in chart.states.values():
        yield from state.standing
        for each in transitions_of(state):
            yield from each.actions


def always_holds(guard: Expression | None) -> bool:
    """True for no guard at all and for a literal true."""
    return guard is None or guard.source.strip() in _LITERALLY_TRUE


def never_holds(guard: Expression | None) -> bool:
    """True for a literal false."""
    return guard is not None and guard.source.strip() in _LITERALLY_FALSE


def is_inside(path: str, above: str) -> bool:
    """Whether a state is ``above`` or stands in it."""
    return path == above or path.startswith(f"{above}." if above else "")


def chain(path: str) -> Iterator[str]:
    """The state, then all around it, the root last."""
    while path:
        yield path
        path = parent(path)
    yield ""


def is_history(state: StateDef) -> bool:
    return state.kind in ("shallow_history", "deep_history")


def regions(state: StateDef) -> list[StateDef]:
    """What is active at once in a parallel state."""
    return [child for child in state.children if not is_history(child)]


def handles(handled: set[str], event: str) -> bool:
    """Whether one of these event keys takes the event, wildcards included."""
    if event in handled or "*" in handled:
        return True
    return any(each.endswith(".*") and f"{event}.".startswith(each[:-1]) for each in handled)
