"""What every picture of a chart shows: one model, from which each format is written.

A chart is a tree of states (`Node`) and the arrows between them (`Edge`). Transitions that go nowhere, or
from a state to itself, are no arrows: they stand inside their state (`Node.lines`), as UML draws them. What
happens now (active states, counts, timers, transitions taken) is laid over the same model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from interlock.engine.chart import Action, Chart, StateDef, StateKind, TransitionDef
from interlock.engine.diagrams.overlay import Overlay, contains, lay_over, transitions_at
from interlock.engine.diagrams.wording import full_words, gist_words, invoke_words, one_line, visible

HISTORY_SIGNS = {"shallow_history": "H", "deep_history": "H*"}


@dataclass(frozen=True, slots=True)
class Label:
    """The words on an arrow, in parts, so that each format sets them in its own way.

    ``event``: the command or internal event, ``after 30m`` for a timer, ``always`` where there is none.
    ``refusals``: the codes of the ``require`` rows, in order. ``actions``: in full; ``gist``: the same with
    the names of the fields set, without their values, as pictures show them. ``notes``: ``ignored``, ``not accepted``,
    ``re-enters``, ``starts its inside anew``, ``starts everything anew``, ``taken 3 times``,
    ``never taken``.
    """

    event: str
    guard: str = ""
    refusals: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    gist: tuple[str, ...] = ()
    delay: str = ""
    notes: tuple[str, ...] = ()

    def parts(self, *, full: bool = False) -> tuple[str, ...]:
        """Each part as one line: ``assign``, ``[guard]``, ``! code``, ``/ action``, ``(note)``."""
        return (
            *((self.event,) if self.event else ()),
            *((f"[{self.guard}]",) if self.guard else ()),
            *(f"! {code}" for code in self.refusals),
            *(f"/ {action}" for action in (self.actions if full else self.gist)),
            *(f"({note})" for note in self.notes),
        )

    def brief(self) -> Label:
        """The event alone."""
        return Label(self.event, delay=self.delay)


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow between two states.

    ``inside``: the target stands in the source: the arrow starts at the source's *any state* marker, for
    no box can point into itself. ``never``: somebody has counted, and nothing has ever taken it.
    """

    source: str
    target: str
    label: Label
    inside: bool = False
    taken: bool = False
    never: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """A state. ``lines``: what happens without an arrow (entry, exit, transitions that stay in it).

    ``initial``: paths that its initial marker points to; ``start``: what happens on that way.
    ``any_state``: it has an *any state* marker.
    ``count``: instances in this state, None where nobody counted; ``heat``: that count on a scale from
    0 to 1. ``timer``: when its timer is due, as text.
    """

    path: str
    name: str
    kind: StateKind
    children: tuple[Node, ...] = ()
    initial: tuple[str, ...] = ()
    lines: tuple[Label, ...] = ()
    any_state: bool = False
    tags: tuple[str, ...] = ()
    description: str = ""
    active: bool = False
    count: int | None = None
    heat: float = 0.0
    timer: str = ""
    start: Label = Label("")

    def walk(self) -> Iterator[Node]:
        """This state and all below it, in document order."""
        yield self
        for child in self.children:
            yield from child.walk()

    def has_initial_marker(self) -> bool:
        """Whether a dot with an arrow to the initial state stands in it."""
        return bool(self.children and self.initial)


@dataclass(frozen=True, slots=True)
class Diagram:
    """A whole picture.

    ``starts``: the creating commands, named at the root's initial marker. ``commands``: those with
    ``require`` rows of their own, which hold in every state.
    """

    title: str
    description: str
    root: Node
    edges: tuple[Edge, ...]
    starts: tuple[str, ...] = ()
    commands: tuple[Label, ...] = ()

    def states(self) -> tuple[Node, ...]:
        """Every state but the root, in document order."""
        return tuple(self.root.walk())[1:]

    def start_label(self, node: Node) -> Label:
        """The words at a state's initial marker; the root's names the creating commands."""
        return node.start if node.path else replace(node.start, event=", ".join(self.starts))


def build_diagram(
    chart: Chart,
    *,
    active: Sequence[str] = (),
    counts: Mapping[str, int] | None = None,
    taken: Sequence[tuple[str, str] | TransitionDef] = (),
    crossings: Sequence[tuple[TransitionDef, int]] = (),
    timers: Mapping[str, str] | None = None,
    brief: bool = False,
) -> Diagram:
    """The model of ``chart``; the arguments are those of `interlock.engine.diagrams.draw`.

    Raises `DiagramError` where ``active``, ``taken`` or ``timers`` name a state that the chart does not have.
    """
    overlay = lay_over(chart, active=active, counts=counts, taken=taken, crossings=crossings, timers=timers)
    known = chart.states
    edges = tuple(edge for state in known.values() for edge in _edges(state, overlay, brief=brief))
    return Diagram(
        title=f"{visible(chart.id)} v{chart.version}",
        description=_description(chart, counts, known),
        root=_node(chart.root, chart.id, edges, overlay, brief=brief),
        edges=edges,
        starts=tuple(visible(name) for name, command in chart.commands.items() if command.creates),
        commands=tuple(
            Label(visible(name), refusals=tuple(visible(row.code) for row in command.require))
            for name, command in chart.commands.items()
            if command.require and not brief
        ),
    )


def _edges(state: StateDef, overlay: Overlay, *, brief: bool) -> Iterator[Edge]:
    for transition in transitions_at(state):
        if _stays(transition):
            continue
        label = _label(transition, state, overlay)
        times = overlay.times(transition)
        short = replace(label.brief(), notes=_crossed(times))
        for number, target in enumerate(transition.targets):
            yield Edge(
                source=state.path,
                target=target,
                label=short if brief or number else label,
                inside=contains(state.path, target),
                taken=overlay.has_taken(transition),
                never=times == 0,
            )


def _stays(transition: TransitionDef) -> bool:
    # To the root, which no picture has as a box, leads no arrow either.
    return transition.targets in ((), (transition.source,), ("",))


def _label(transition: TransitionDef, state: StateDef, overlay: Overlay) -> Label:
    delay = visible(transition.delay_text)
    event = f"after {delay}" if delay else visible(transition.event) or "always"
    return Label(
        event=event,
        guard=one_line(transition.guard.source) if transition.guard else "",
        refusals=tuple(visible(row.code) for row in transition.require),
        actions=full_words(transition.actions),
        gist=gist_words(transition.actions),
        delay=delay,
        notes=(*_notes(transition, state), *_crossed(overlay.times(transition))),
    )


def _notes(transition: TransitionDef, state: StateDef) -> tuple[str, ...]:
    if transition.ignore:
        return ("ignored",)
    if transition.targets == ("",) and state.path:
        return ("starts everything anew",)
    if transition.reenter and transition.targets:
        return ("re-enters",)
    if state.children and transition.targets == (state.path,):
        return ("starts its inside anew",)
    return ("not accepted",) if transition.forbidden else ()


def _crossed(times: int | None) -> tuple[str, ...]:
    if times is None:
        return ()
    return (f"taken {times:,} time" + ("" if times == 1 else "s") if times else "never taken",)


def _node(state: StateDef, name: str, edges: tuple[Edge, ...], overlay: Overlay, *, brief: bool) -> Node:
    lines = () if brief else tuple(_lines(state, overlay))
    count = overlay.count(state)
    return Node(
        path=state.path,
        name=visible(name),
        kind=state.kind,
        children=tuple(_node(child, child.name, edges, overlay, brief=brief) for child in state.children),
        initial=state.initial,
        lines=lines,
        any_state=any(edge.inside and edge.source == state.path for edge in edges)
        or bool(lines and not state.path),
        tags=tuple(visible(tag) for tag in state.tags),
        description=one_line(state.description),
        active=state.path in overlay.active,
        count=count,
        heat=_heat(count, overlay.counts),
        timer=one_line(overlay.timers.get(state.path, "")),
        start=Label("") if brief or state.kind != "compound" else _actions_label("", state.initial_actions),
    )


def _heat(count: int | None, counts: Mapping[str, int] | None) -> float:
    """Square root of the share of the greatest count: small numbers beside great ones stay visible."""
    greatest = max((counts or {}).values(), default=0)
    return math.sqrt(count / greatest) if count and greatest > 0 else 0.0


def _lines(state: StateDef, overlay: Overlay) -> Iterator[Label]:
    if state.entry:
        yield _actions_label("entry", state.entry)
    if state.exit:
        yield _actions_label("exit", state.exit)
    for invoke in state.invoke:
        words = (invoke_words(invoke),)
        yield Label("invoke", actions=words, gist=words)
    for transition in transitions_at(state):
        if _stays(transition):
            yield _label(transition, state, overlay)


def _actions_label(word: str, actions: Sequence[Action]) -> Label:
    return Label(word, actions=full_words(actions), gist=gist_words(actions))


def _description(chart: Chart, counts: Mapping[str, int] | None, known: Mapping[str, StateDef]) -> str:
    """The chart's own words; counts in states that this version lacks are said, not dropped."""
    elsewhere = sum(count for path, count in (counts or {}).items() if path not in known)
    note = f"{elsewhere} more in states that version {chart.version} does not have." if elsewhere else ""
    return one_line(f"{chart.description} {note}")
