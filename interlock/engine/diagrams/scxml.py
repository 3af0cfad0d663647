"""SCXML (https://www.w3.org/TR/scxml/): a chart for the engines and editors that read the W3C's format.

What SCXML has no word for is said another way. A row of ``require`` becomes a transition that goes nowhere
and stands before the one it guards. Transitions of the root stand in every state below it; a root with
actions or timers, or that is a target, becomes a state, and as a target SCXML leaves it before it enters it.
A final region becomes a state that is done from the start. An event that is announced is a ``<log>``. A
document without expressions says ``datamodel="null"``, which every processor has; one with them says
``x-interlock``, because they are ours and not ECMAScript. Where an instance is, or how many are where, stands in
attributes of a namespace of ours: ``active``, ``count``, ``due``, and of transitions ``taken``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from xml.sax.saxutils import quoteattr

from interlock.engine.chart import (
    Action,
    Assign,
    Cancel,
    Chart,
    Delay,
    Emit,
    Raise,
    Send,
    StateDef,
    TransitionDef,
)
from interlock.engine.diagrams.overlay import NOTHING, Overlay, contains, transitions_at
from interlock.engine.diagrams.wording import one_line, visible
from interlock.engine.expressions import Expression

DONE = "done.state."
MODEL = "x-interlock"
NAMESPACE = "urn:interlock:now"


def scxml_source(chart: Chart, overlay: Overlay = NOTHING, *, brief: bool = False) -> str:
    """The chart as an SCXML document. ``brief``: states and events only."""
    return "\n".join(
        ['<?xml version="1.0" encoding="UTF-8"?>', *_Writer(chart, overlay, brief).document(), ""]
    )


class _Writer:
    def __init__(self, chart: Chart, overlay: Overlay, brief: bool) -> None:
        self.chart = chart
        self.overlay = overlay
        self.brief = brief
        self.ids = _ids(chart)
        root = chart.root
        ways = [each for state in chart.states.values() for each in transitions_at(state)]
        acts = bool(root.entry or root.exit or root.after or root.initial_actions)
        self.wrapped = root.kind == "parallel" or acts or any("" in each.targets for each in ways)
        self.can_end = root.kind == "parallel" or any(child.kind == "final" for child in root.children)
        self.end = _free(f"{self.ids['']}.ended", self.ids)

    def document(self) -> Iterator[str]:
        root = self.chart.root
        model = MODEL if self.has_expressions() else "null"
        start = [""] if self.wrapped else root.initial
        yield _open(
            "scxml",
            xmlns="http://www.w3.org/2005/07/scxml",
            version="1.0",
            name=self.ids[""],
            datamodel=model,
            initial=self.references(start),
            **({"xmlns:now": NAMESPACE} if self.overlay else {}),
        )
        yield f"  {_comment(f'version {self.chart.version}', self.chart.description)}"
        yield from _indented(self.commands())
        if model == MODEL and self.chart.context:
            defaults = {name: field.default for name, field in self.chart.context.items()}
            text = json.dumps(defaults, ensure_ascii=False)
            yield f"  <datamodel>{_empty('data', id='context', expr=text)}</datamodel>"
        if self.wrapped:
            yield from _indented(self.state(root))
            if self.can_end:
                yield f"  {_empty('final', id=self.end)}"
        else:
            for child in root.children:
                yield from _indented(self.state(child))
        yield "</scxml>"

    def has_expressions(self) -> bool:
        states = self.chart.states.values()
        ways = [each for state in states for each in transitions_at(state)]
        return any(each.delay and each.delay.expression for each in ways) or (
            not self.brief
            and (
                any(each.guard or each.require for each in ways)
                or any(state.invoke for state in states)
                or any(_reads(action) for state in states for action in _actions(state))
            )
        )

    def commands(self) -> Iterator[str]:
        for command in () if self.brief else self.chart.commands.values():
            rows = [f"refused as {row.code} unless {one_line(row.check.source)}" for row in command.require]
            says = ["creates"] if command.creates else []
            says += [f"by {', '.join(command.by)}"] if command.by else []
            if says or rows:
                yield _comment(f"command {command.name}", *says, *rows)

    def state(self, state: StateDef) -> Iterator[str]:
        tag, kind = _tag(state)
        if self.is_final_region(state):
            # SCXML has no such thing: a state that is done from the start.
            tag = "state"
        now = self.now(state)
        yield _open(tag, id=self.ids[state.path], type=kind, initial=self.initial(state), **now)
        yield from _indented(self.contents(state))
        if self.is_final_region(state):
            yield f"  {_empty('final', id=_free(f'{self.ids[state.path]}.ended', self.ids))}"
        yield f"</{tag}>"

    def now(self, state: StateDef) -> dict[str, str]:
        """What the overlay says of a state, in attributes of a namespace that other engines pass by."""
        count = self.overlay.count(state)
        return {
            "now:active": "true" if state.path in self.overlay.active else "",
            "now:count": "" if count is None else str(count),
            "now:due": self.overlay.timers.get(state.path, ""),
        }

    def is_final_region(self, state: StateDef) -> bool:
        above = self.chart.states[state.path.rpartition(".")[0]]
        return state.kind == "final" and above.kind == "parallel"

    def initial(self, state: StateDef) -> str:
        plain = state.kind == "compound" and not self.actions(state.initial_actions)
        return self.references(state.initial) if plain else ""

    def references(self, paths: Iterable[str]) -> str:
        return " ".join(self.ids[path] for path in paths)

    def contents(self, state: StateDef) -> Iterator[str]:
        if state.description:
            yield _comment(state.description)
        if _tag(state)[0] == "history":
            above = self.chart.states[state.path.rpartition(".")[0]]
            targets = state.initial or [each.path for each in above.children if _tag(each)[0] != "history"]
            yield from self.default(targets, state)
            return
        if state.kind == "compound" and self.actions(state.initial_actions):
            yield from _block("initial", list(self.default(state.initial, state)))
        timers = {self.event(each): each.delay for each in state.after}
        yield from _block(
            "onentry",
            [
                *self.actions(state.entry),
                *(_empty("send", event=event, id=event, **_delay(delay)) for event, delay in timers.items()),
            ],
        )
        cancelled = [_empty("cancel", sendid=event) for event in timers]
        yield from _block("onexit", [*self.actions(state.exit), *cancelled])
        for invoke in () if self.brief else state.invoke:
            yield _open("invoke", type=MODEL, src=invoke.function, id=invoke.id)
            yield from _params(invoke.input)
            yield "</invoke>"
        yield from self.transitions(state)
        for child in state.children:
            yield from self.state(child)

    def default(self, targets: Sequence[str], state: StateDef) -> Iterator[str]:
        """The transition of an ``<initial>`` or a ``<history>``."""
        head = _open("transition", target=self.references(targets))
        body = self.actions(state.initial_actions)
        yield from [head, *_indented(iter(body)), "</transition>"] if body else [f"{head[:-1]}/>"]

    def transitions(self, state: StateDef) -> Iterator[str]:
        """In the order in which they are tried: wildcards last, then what the root says for all its states."""
        if state.kind == "final":
            return
        own_done = DONE + state.path
        shared = not self.wrapped and state in self.chart.root.children
        for place in (state, self.chart.root) if shared else (state,):
            ranked = sorted(transitions_at(place), key=lambda one: (_rank(one.event), one.event == own_done))
            for each in ranked:
                yield from self.done_below(state) if each.event == own_done else ()
                yield from self.transition(each, state)
        if self.wrapped and not state.path and self.can_end:
            yield _empty("transition", event=DONE + self.ids[""], target=self.end)

    def done_below(self, state: StateDef) -> Iterator[str]:
        """The done events of states in it go by: SCXML would take them for this one's, by their prefix."""
        for each in tuple(state.walk())[1:]:
            if each.children or self.is_final_region(each):
                yield _empty("transition", event=DONE + self.ids[each.path])

    def transition(self, made: TransitionDef, place: StateDef) -> Iterator[str]:
        """The transition as it stands in ``place``: in its own source, or in a state below the root."""
        guard = made.guard.source if made.guard and not self.brief else ""
        event = self.event(made)
        for row in () if self.brief else made.require:
            yield _comment(f"refused as {row.error_class}: {row.code}", row.message)
            refused = f"not ({row.check.source})"
            cond = f"({guard}) and {refused}" if guard else refused
            yield _empty("transition", event=event, cond=one_line(cond))
        notes = ["ignored"] if made.ignore else ["not accepted"] if made.forbidden else []
        if notes or made.description:
            yield _comment(*notes, made.description)
        targets, internal = self.targets(made, place)
        head = _open(
            "transition",
            event=event,
            cond=one_line(guard),
            target=self.references(targets),
            type="internal" if internal else "",
            **({"now:taken": "true"} if self.overlay.has_taken(made) else {}),
        )
        body = self.actions(made.actions)
        yield from [head, *_indented(iter(body)), "</transition>"] if body else [f"{head[:-1]}/>"]

    def targets(self, made: TransitionDef, place: StateDef) -> tuple[Sequence[str], bool]:
        """SCXML's transitions leave their source unless they are internal; ours stay in it unless they re-enter."""
        targets = made.targets
        if (
            made.source != place.path
            or made.reenter
            or not all(contains(place.path, each) for each in targets)
        ):
            return targets, False
        if place.path in targets:
            return place.initial if place.kind == "compound" else (), bool(place.initial)
        return targets, bool(targets) and place.kind == "compound"

    def event(self, made: TransitionDef) -> str:
        """The event's name; a timer's without the dots that would let ``after.1h.a`` match ``after.1h.a.b`` too."""
        if made.delay_text:
            return f"after.{_token(made.delay_text)}.{self.ids[made.source].replace('.', ':')}"
        if made.event.startswith(DONE) and made.event.removeprefix(DONE) in self.ids:
            return DONE + self.ids[made.event.removeprefix(DONE)]
        return _token(made.event)

    def actions(self, actions: Sequence[Action]) -> list[str]:
        return [] if self.brief else [line for action in actions for line in self.action(action)]

    def action(self, action: Action) -> Iterator[str]:
        match action:
            case Assign(fields=fields):
                for name, value in fields.items():
                    yield _empty("assign", location=f"context.{visible(name)}", expr=one_line(value.source))
            case Emit(type=type_):
                yield _empty("log", label=f"emit {visible(type_)}")
            case Raise(event=event, delay=None):
                yield _empty("raise", event=_token(event))
            case Raise(event=event):
                yield _empty("send", event=_token(event), id=action.id, **_delay(action.delay))
            case Send():
                target = f"'{action.machine}/' + str({one_line(action.key.source)})"
                where = {
                    "event": _token(action.command),
                    "type": MODEL,
                    "targetexpr": target,
                    "id": action.id,
                }
                yield _open("send", **where, **_delay(action.delay))
                yield from _params(action.data)
                yield "</send>"
            case Cancel(id=id_):
                yield _empty("cancel", sendid=id_)


def _ids(chart: Chart) -> dict[str, str]:
    """Path -> an XML id: the path itself, as long as it is one. The root's is the chart's id."""
    ids: dict[str, str] = {}
    for path in chart.states:
        plain = re.sub(r"[^A-Za-z0-9_.-]", lambda match: f"_{ord(match[0]):x}_", path or chart.id)
        plain = plain if re.match(r"[A-Za-z_]", plain) else f"_{plain}"
        ids[path] = _free(plain, ids)
    return ids


def _free(wanted: str, ids: dict[str, str]) -> str:
    while wanted in ids.values():
        wanted += "_"
    return wanted


def _tag(state: StateDef) -> tuple[str, str]:
    if state.kind in ("shallow_history", "deep_history"):
        return "history", state.kind.removesuffix("_history")
    return (state.kind if state.kind in ("parallel", "final") else "state"), ""


def _actions(state: StateDef) -> Iterator[Action]:
    yield from state.standing
    for each in transitions_at(state):
        yield from each.actions


def _rank(event: str) -> int:
    """Exact names first, then the longer prefix: the order in which the machine tries them."""
    return -len(event) if event != "*" and event.endswith(".*") else 0 if event == "*" else -10_000


def _reads(action: Action) -> bool:
    """Whether an action holds an expression."""
    delay = action.delay if isinstance(action, (Raise, Send)) else None
    return isinstance(action, (Assign, Send)) or bool(delay and delay.expression)


def _delay(delay: Delay | None) -> dict[str, str]:
    """The attribute of ``send`` that says when: CSS2's seconds or milliseconds, or an expression."""
    if delay is None:
        return {}
    if delay.milliseconds is None:
        return {"delayexpr": one_line(delay.text)}
    whole = delay.milliseconds % 1000 == 0
    return {"delay": f"{delay.milliseconds // 1000}s" if whole else f"{delay.milliseconds}ms"}


def _params(fields: Mapping[str, Expression]) -> Iterator[str]:
    for name, value in fields.items():
        yield f"  {_empty('param', name=visible(name), expr=one_line(value.source))}"


def _token(event: str) -> str:
    """An event name as SCXML's NMTOKEN; odd characters by their number."""
    return re.sub(r"[^A-Za-z0-9_.*:-]", lambda match: f"_{ord(match[0]):x}_", event)


def _open(tag: str, **values: str) -> str:
    """The start tag, with the attributes that are not empty."""
    written = [f" {name}={quoteattr(visible(value))}" for name, value in values.items() if value]
    return f"<{tag}{''.join(written)}>"


def _empty(tag: str, **values: str) -> str:
    return f"{_open(tag, **values)[:-1]}/>"


def _comment(*parts: str) -> str:
    text = "; ".join(one_line(part) for part in parts if part)
    return f"<!-- {text.replace('--', '- -').replace('--', '- -')} -->"


def _block(tag: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from [f"<{tag}>", *_indented(iter(lines)), f"</{tag}>"]


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)
