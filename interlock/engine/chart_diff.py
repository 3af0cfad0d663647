"""What is different between two versions of a chart, and what each difference means for live instances.

Classed by what moving an instance from one version to the other asks for: `Verdict`. A change can be
compatible for instances and yet break those outside: publishers and subscribers are named apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from typing import Any

from interlock.engine.chart import Chart, CommandDef, ContextField, StateDef, TransitionDef
from interlock.engine.expressions import Expression
from interlock.engine.schema_widening import accepts_all_of

HISTORY = ("shallow_history", "deep_history")


class Verdict(StrEnum):
    """What a change means for live instances, from good to bad."""

    COMPATIBLE = "compatible"
    """They move as they are."""
    NEEDS_MAPPING = "needs_mapping"
    """Those that it concerns move only where a mapping says how."""
    IMPOSSIBLE = "impossible"
    """None of them can move, whatever a mapping says."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``what``: chart, state, timer, transition, command, context or event; ``name``: which;
    ``change``: added, removed or changed; ``message``: a sentence for people; ``breaks``: whom it breaks
    beside the instances, ``publishers`` or ``subscribers``.
    """

    what: str
    name: str
    change: str
    verdict: Verdict
    message: str
    breaks: tuple[str, ...] = ()


def diff_charts(old: Chart, new: Chart) -> list[Change]:
    """All differences: of the chart, its states with their timers and transitions, commands, context, events."""
    return [
        *_charts(old, new),
        *_states(old, new),
        *_commands(old, new),
        *_context(old, new),
        *_events(old, new),
    ]


def worst(changes: Iterable[Change]) -> Verdict:
    """The gravest verdict; compatible where there is no change."""
    order = list(Verdict)
    return max((change.verdict for change in changes), key=order.index, default=Verdict.COMPATIBLE)


def _charts(old: Chart, new: Chart) -> Iterator[Change]:
    if old.id != new.id:
        message = f"{old.id} and {new.id} are two machines, not two versions of one"
        yield Change("chart", new.id, "changed", Verdict.IMPOSSIBLE, message)
    elif old.version == new.version and old.digest != new.digest:
        message = f"one version has one text: call this one version {new.version + 1}"
        yield Change("chart", f"{new.id}@{new.version}", "changed", Verdict.IMPOSSIBLE, message)
    if old.index != new.index:
        message = "an instance that has moved is listed by the new ones"
        yield Change("chart", "index", "changed", Verdict.COMPATIBLE, message)
    if old.description != new.description:
        yield Change("chart", "description", "changed", Verdict.COMPATIBLE, "words for people")


def _events(old: Chart, new: Chart) -> Iterator[Change]:
    for name in old.events:
        if name not in new.events:
            message = "it is announced no more"
            yield Change("event", name, "removed", Verdict.COMPATIBLE, message, ("subscribers",))
    for name in new.events:
        if name not in old.events:
            yield Change("event", name, "added", Verdict.COMPATIBLE, "it is announced by the new version")


# States


def _states(old: Chart, new: Chart) -> Iterator[Change]:
    for path, state in old.states.items():
        if path not in new.states:
            yield _removed_state(state)
        else:
            yield from _changed_state(state, new.states[path])
    for path in new.states:
        if path not in old.states:
            message = "nobody is in it yet"
            parent = new.states[path.rpartition(".")[0]]
            if parent.kind == "parallel" and parent.path in old.states:
                message = "an instance in the states around it enters it when it moves"
            yield Change("state", path, "added", Verdict.COMPATIBLE, message)


def _removed_state(state: StateDef) -> Change:
    if state.kind in HISTORY:
        return Change("state", state.path, "removed", Verdict.COMPATIBLE, "what it remembers is forgotten")
    if state.kind == "final" and "." not in state.path:
        message = "instances that ended in it stay with their version"
        return Change("state", state.path, "removed", Verdict.COMPATIBLE, message)
    message = "an instance in it, or one that remembers it, has nowhere to go"
    return Change("state", state.path, "removed", Verdict.NEEDS_MAPPING, message)


def _changed_state(old: StateDef, new: StateDef) -> Iterator[Change]:
    name = _named(old.path)
    if old.kind != new.kind:
        verdict, message = _kind_verdict(old.kind, new.kind)
        yield Change("state", name, "changed", verdict, f"{old.kind} becomes {new.kind}: {message}")
    words = list(
        dict.fromkeys(
            word.removesuffix("_actions")
            for word in ("initial", "initial_actions", "entry", "exit", "tags", "description")
            if _plain(getattr(old, word)) != _plain(getattr(new, word))
        )
    )
    if words:
        message = f"{', '.join(words)}: it counts from the next step on"
        yield Change("state", name, "changed", Verdict.COMPATIBLE, message)
    if _plain(old.invoke) != _plain(new.invoke):
        message = "a run goes on where its state keeps the same invokes by id; where one is new, all begin"
        yield Change("state", name, "changed", Verdict.COMPATIBLE, f"invoke: {message}")
    yield from _timers(name, old, new)
    yield from _transitions(name, old, new)


def _kind_verdict(old: str, new: str) -> tuple[Verdict, str]:
    if old in HISTORY:
        return Verdict.COMPATIBLE, "no instance is ever in a history state"
    if new in HISTORY:
        return Verdict.NEEDS_MAPPING, "no instance can be in a history state"
    if new == "final":
        return Verdict.NEEDS_MAPPING, "an instance in it would be at its end; say that it is meant"
    if new == "atomic" and old != "final":
        return Verdict.NEEDS_MAPPING, "an instance in a state below it has nowhere to go"
    if old == "parallel":
        return Verdict.NEEDS_MAPPING, "an instance is in several states below it, and may be in one only"
    return Verdict.COMPATIBLE, "an instance in it enters what is entered by default"


def _timers(name: str, old: StateDef, new: StateDef) -> Iterator[Change]:
    before, after = _by(old.after, "delay_text"), _by(new.after, "delay_text")
    for delay in dict.fromkeys([*before, *after]):
        timer = f"{name} after {delay}"
        if delay not in after:
            yield Change("timer", timer, "removed", Verdict.COMPATIBLE, "where it runs, it is cancelled")
        elif delay not in before:
            message = "an instance in the state has it run from the moment it moves"
            yield Change("timer", timer, "added", Verdict.COMPATIBLE, message)
        elif _plain(before[delay]) != _plain(after[delay]):
            message = "where it runs, it keeps its due time, and does the new thing"
            yield Change("timer", timer, "changed", Verdict.COMPATIBLE, message)


def _transitions(name: str, old: StateDef, new: StateDef) -> Iterator[Change]:
    before = _by((*old.on, *old.always), "event")
    after = _by((*new.on, *new.always), "event")
    for event in dict.fromkeys([*before, *after]):
        arrow = f"{name} on {event}" if event else f"{name} always"
        if event not in after:
            change, message = "removed", "it is taken no more"
        elif event not in before:
            change, message = "added", "it may be taken from the next step on"
        elif _plain(before[event]) != _plain(after[event]):
            change, message = "changed", "the new one counts from the next step on"
        else:
            continue
        yield Change("transition", arrow, change, Verdict.COMPATIBLE, message)


def _by(arrows: Iterable[TransitionDef], word: str) -> dict[str, list[TransitionDef]]:
    found: dict[str, list[TransitionDef]] = {}
    for arrow in arrows:
        found.setdefault(getattr(arrow, word), []).append(arrow)
    return found


# Commands


def _commands(old: Chart, new: Chart) -> Iterator[Change]:
    for name, command in old.commands.items():
        if name not in new.commands:
            message = "it is refused as unknown once an instance has moved"
            yield Change("command", name, "removed", Verdict.COMPATIBLE, message, ("publishers",))
        else:
            yield from _changed_command(command, new.commands[name])
    for name in new.commands:
        if name not in old.commands:
            yield Change("command", name, "added", Verdict.COMPATIBLE, "an instance that has moved knows it")


def _changed_command(old: CommandDef, new: CommandDef) -> Iterator[Change]:
    narrower = list(_narrowed(old, new))
    if narrower:
        message = "; ".join(narrower)
        yield Change("command", old.name, "changed", Verdict.COMPATIBLE, message, ("publishers",))
    elif _plain(old) != _plain(new):
        message = "whoever sends it as before is understood as before"
        yield Change("command", old.name, "changed", Verdict.COMPATIBLE, message)


def _narrowed(old: CommandDef, new: CommandDef) -> Iterator[str]:
    """What a publisher could do before, and can do no more."""
    if old.creates != new.creates:
        yield "it creates an instance now" if new.creates else "it creates no instance any more"
    elif old.if_missing and not new.if_missing:
        yield "an instance that exists refuses it now"
    if new.by and not (old.by and set(old.by) <= set(new.by)):
        yield f"only {', '.join(new.by)} may send it"
    before, after = old.schema["properties"], new.schema["properties"]
    for field in new.schema["required"]:
        if field not in old.schema["required"]:
            yield f"data.{field} is required now"
    for field, schema in before.items():
        if field not in after:
            yield f"data.{field} is unknown now"
        elif not accepts_all_of(after[field], schema):
            yield f"data.{field} may be refused where it was accepted"


# Context


def _context(old: Chart, new: Chart) -> Iterator[Change]:
    for name, field in old.context.items():
        if name not in new.context:
            message = "its values are dropped only where the mapping says so, or reads them"
            yield Change("context", name, "removed", Verdict.NEEDS_MAPPING, message)
        else:
            yield from _changed_field(field, new.context[name])
    for name in new.context:
        if name not in old.context:
            yield Change("context", name, "added", Verdict.COMPATIBLE, "it gets its default")


def _changed_field(old: ContextField, new: ContextField) -> Iterator[Change]:
    if not accepts_all_of(new.schema, old.schema):
        message = "a value may break the new schema"
        yield Change("context", old.name, "changed", Verdict.NEEDS_MAPPING, message)
    elif dict(old.schema) != dict(new.schema):
        message = "every value fits the new schema"
        yield Change("context", old.name, "changed", Verdict.COMPATIBLE, message)
    if new.public and not old.public:
        message = "it was private: it is shown only where the mapping says that it is meant"
        yield Change("context", old.name, "changed", Verdict.NEEDS_MAPPING, message)
    elif old.public and not new.public:
        message = "it is private now"
        yield Change("context", old.name, "changed", Verdict.COMPATIBLE, message, ("subscribers",))
    if old.default != new.default:
        yield Change("context", old.name, "changed", Verdict.COMPATIBLE, "new instances get the new default")


def _named(path: str) -> str:
    return path or "(root)"


def _plain(value: Any) -> Any:
    """A part of a chart as values that can be compared: places in files aside, expressions as their text."""
    if isinstance(value, Expression):
        return value.source
    if is_dataclass(value):
        return type(value).__name__, {
            each.name: _plain(getattr(value, each.name)) for each in fields(value) if each.name != "mark"
        }
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    return value
