"""What happens now, laid over a chart: where an instance is and was, or how many instances are where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from interlock.engine.chart import Chart, StateDef, TransitionDef
from interlock.engine.errors import InterlockError


class DiagramError(InterlockError):
    """A picture cannot be drawn; the text says what to correct or to install."""


Place = tuple[int, int]
"""Line and column of a transition in its chart: which one it is, among those of one state and event."""


@dataclass(frozen=True, slots=True)
class Overlay:
    """What is laid over a chart; most fields are arguments of `interlock.engine.diagrams.draw`.

    ``active``: with all states around. ``taken``: state and event; ``arrows``: single transitions;
    ``crossings``: how often each was taken.
    """

    active: frozenset[str] = frozenset()
    counts: Mapping[str, int] | None = None
    taken: frozenset[tuple[str, str]] = frozenset()
    arrows: frozenset[Place] = frozenset()
    crossings: Mapping[Place, int] = field(default_factory=dict)
    timers: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self != NOTHING

    def has_taken(self, transition: TransitionDef) -> bool:
        """Whether an instance went this way."""
        known = _place(transition) in self.arrows or (transition.source, transition.event) in self.taken
        return known or bool(self.times(transition))

    def times(self, transition: TransitionDef) -> int | None:
        """How often it was taken; None where nobody counted."""
        return self.crossings.get(_place(transition))

    def count(self, state: StateDef) -> int | None:
        """Instances in a state; None where nobody counted, or none is counted there."""
        counted = state.path in (self.counts or {}) or (state.kind in ("atomic", "final") and state.path)
        return None if self.counts is None or not counted else self.counts.get(state.path, 0)


NOTHING = Overlay()


def lay_over(
    chart: Chart,
    *,
    active: Sequence[str] = (),
    counts: Mapping[str, int] | None = None,
    taken: Sequence[tuple[str, str] | TransitionDef] = (),
    crossings: Sequence[tuple[TransitionDef, int]] = (),
    timers: Mapping[str, str] | None = None,
) -> Overlay:
    """The overlay of these arguments, which are those of `interlock.engine.diagrams.draw`.

    Raises `DiagramError` where ``active``, ``taken`` or ``timers`` name a state that the chart does not have.
    """
    known = {state.path: state for state in chart.root.walk()}
    events = [each for each in taken if not isinstance(each, TransitionDef)]
    arrows = [each for each in taken if isinstance(each, TransitionDef)]
    for path in (*active, *(source for source, _ in events), *(timers or {})):
        _must_exist(path, known, chart)
    return Overlay(
        active=frozenset(ancestor for path in active for ancestor in ancestors(path)),
        counts=counts,
        taken=frozenset(_arrow_taken(source, event, known) for source, event in events),
        arrows=frozenset(_place(each) for each in arrows),
        crossings={_place(each): times for each, times in crossings},
        timers=timers or {},
    )


def ancestors(path: str) -> tuple[str, ...]:
    """``a.b.c`` and all above it, the root ("") last."""
    if not path:
        return ("",)
    parts = path.split(".")
    return (*(".".join(parts[:length]) for length in range(len(parts), 0, -1)), "")


def contains(outer: str, inner: str) -> bool:
    """Whether ``inner`` is ``outer`` or stands in it."""
    return outer in ("", inner) or inner.startswith(f"{outer}.")


def _must_exist(path: str, known: Mapping[str, StateDef], chart: Chart) -> None:
    if path in known:
        return
    near = get_close_matches(path, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise DiagramError(
        f"chart {chart.id} version {chart.version} has no state {path!r}{hint}"
        " Draw an instance with the chart version that it runs on."
    )


def _place(transition: TransitionDef) -> Place:
    return transition.mark.line, transition.mark.column


def _arrow_taken(source: str, event: str, known: Mapping[str, StateDef]) -> tuple[str, str]:
    """The state, from ``source`` outwards, that has a transition for ``event``."""
    for path in ancestors(source):
        if any(transition.event == event for transition in transitions_at(known[path])):
            return path, event
    return source, event


def transitions_at(state: StateDef) -> tuple[TransitionDef, ...]:
    """All transitions that stand at a state: by event, eventless, by time."""
    return (*state.on, *state.always, *state.after)
