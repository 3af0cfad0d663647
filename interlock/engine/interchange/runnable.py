"""A `Config` made ready to run as it stands: nothing in it has to be declared.

Guards answer by verdicts that are given from outside, actions are told by name; so the step that the product takes
can be compared with other engines, chart by chart. What the language of charts refuses and XState runs (the root as
a target, a region that is final, a final state with transitions) runs here too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from interlock.engine.chart import (
    INVOKE_DONE,
    INVOKE_ERROR,
    Action,
    Assign,
    Cancel,
    Chart,
    Delay,
    Emit,
    InvokeDef,
    Raise,
    StateDef,
    TransitionDef,
    timer_event,
)
from interlock.engine.durations import MAX_DELAY_MS, delay_ms, meant_as_delay
from interlock.engine.errors import Mark
from interlock.engine.expressions import (
    AnyField,
    Expression,
    ExpressionError,
    Scope,
    compile_expression,
    literal,
)
from interlock.engine.interchange.model import (
    Act,
    Assigns,
    Cancels,
    Combined,
    Config,
    Emits,
    Guard,
    InState,
    Invocation,
    Named,
    NotReadable,
    Path,
    Place,
    Raises,
    Text,
    Way,
)
from interlock.engine.machine import Machine

ACTION = "action:"
"""Begins what a step tells of a named action; what it announces as an event begins with `EVENT`."""
EVENT = "event:"

_DONE = "done.state."
_RESERVED = ("done", "error", "after")
_SAFE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_PLAIN_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_NAME_OF_CODE = re.compile(r"[\w$ .:/-]+")


class Runnable:
    """A machine of a `Config`. ``verdicts``: what a named guard answers, false where it names none; it may change
    between steps. Raises NotReadable where a place has no meaning that can be run."""

    def __init__(
        self,
        config: Config,
        verdicts: dict[str, bool],
        *,
        functions: Mapping[str, Callable[..., Any]] | None = None,
        verdict_names: frozenset[str] = frozenset(),
    ) -> None:
        self.config = config
        self.verdicts = verdicts
        self._functions = functions
        self._named = verdict_names | verdicts.keys()
        self._texts: list[str] = []
        self._names = _safe_names(config.root)
        root = self._state(config.root)
        mark = _mark("")
        chart = Chart(
            id=config.id,
            version=1,
            description="",
            context={},
            commands={},
            root=root,
            source=" ".join(self._texts),
            digest="",
            mark=mark,
            states={state.path: state for state in root.walk()},
        )
        self.machine = Machine(chart)
        self.ids = {self._names[place.path]: place.id for place in config.root.walk()}
        """A state's id by the path that the machine knows it by."""

    def event(self, name: str) -> str:
        """What the machine calls an event, or an event descriptor, of the document."""
        if self.config.is_ours:
            return name
        first, dot, rest = name.partition(".")
        if first == "xstate":
            return self._of_xstate(rest) if dot else name
        # Not to be taken for an event that the machine makes itself.
        return f"~{name}" if first.lstrip("~") in _RESERVED else name

    def _of_xstate(self, rest: str) -> str:
        for theirs, ours in (("done.actor.", INVOKE_DONE), ("error.actor.", INVOKE_ERROR)):
            if rest.startswith(theirs):
                return ours + rest.removeprefix(theirs)
        if rest.startswith(_DONE):
            wanted = rest.removeprefix(_DONE)
            path = next((p.path for p in self.config.root.walk() if p.id == wanted), None)
            return rest if path is None else self._done(path)
        return rest

    def _done(self, path: Path) -> str:
        return f"{_DONE}{self._names[path]}" if path else "done.state"

    # States

    def _state(self, place: Place) -> StateDef:
        path = self._names[place.path]
        if place.is_history and any(
            target[: len(place.path) - 1] != place.path[:-1] for target in place.initial
        ):
            raise NotReadable("a history leads into its own parent only", f"{place.place}.target")
        # A history without a target of its own begins as its parent does.
        above = place.is_history and not place.initial
        begins = self.config.at(place.path[:-1]) if above else place
        return StateDef(
            path=path,
            kind=place.kind,
            mark=_mark(place.place),
            children=tuple(self._state(child) for child in place.children),
            initial=tuple(self._names[path] for path in begins.initial),
            initial_actions=self._actions(begins.initial_actions, place.place),
            entry=self._actions(place.entry, place.place),
            exit=self._actions(place.exit, place.place),
            on=tuple(self._on(place)),
            always=tuple(self._way(way, path, "") for way in place.always),
            after=tuple(self._timers(place)),
            tags=place.tags,
            invoke=tuple(_invoke(invocation, place) for invocation in place.invoke),
        )

    def _on(self, place: Place) -> Iterator[TransitionDef]:
        path = self._names[place.path]
        for event, ways in place.on:
            yield from (self._way(way, path, self.event(event)) for way in ways)
        yield from (self._way(way, path, self._done(place.path)) for way in place.done)
        for invocation in place.invoke:
            yield from (self._way(way, path, f"{INVOKE_DONE}{invocation.id}") for way in invocation.done)
            yield from (self._way(way, path, f"{INVOKE_ERROR}{invocation.id}") for way in invocation.error)

    def _timers(self, place: Place) -> Iterator[TransitionDef]:
        path = self._names[place.path]
        for written, ways in place.after:
            delay = self._delay(written, f"{place.place}.after.{written}")
            event = timer_event(path, delay.text)
            yield from (self._way(way, path, event, delay) for way in ways)

    def _way(self, way: Way, source: str, event: str, delay: Delay | None = None) -> TransitionDef:
        targets = tuple(self._names[path] for path in way.targets or ())
        self._check_targets(way)
        return TransitionDef(
            event=event,
            source=source,
            targets=targets,
            mark=_mark(way.place),
            guard=None if way.guard is None else self._guard(way.guard, way.place),
            actions=self._actions(way.actions, way.place),
            reenter=way.reenter,
            forbidden=way.forbidden,
            delay=delay,
        )

    def _check_targets(self, way: Way) -> None:
        targets = way.targets or ()
        for number, one in enumerate(targets):
            for other in targets[:number]:
                common = _common(one, other)
                if common in (one, other) or self.config.at(common).kind != "parallel":
                    raise NotReadable(
                        f"{'.'.join(other)!r} and {'.'.join(one)!r} are never active together",
                        f"{way.place}.target",
                    )

    # Names and texts

    def _guard(self, guard: Guard, place: str) -> Expression:
        match guard:
            case Text(source=source):
                return self._expression(source, f"{place}.guard")
            case InState(path=path):
                return self._expression(f"in_state({self._names[path]!r})", f"{place}.guard")
            case Combined(word=word, guards=guards):
                parts = [self._guard(each, place) for each in guards]
                return _combined(word, parts)
        return self._named_guard(guard, place)

    def _named_guard(self, guard: Named, place: str) -> Expression:
        if guard.name in self._named:
            return self._verdict(guard.name)
        if self.config.is_ours or not _PLAIN_NAME.fullmatch(guard.name):
            try:
                return self._compiled(guard.name)
            except ExpressionError:
                if not _NAME_OF_CODE.fullmatch(guard.name):
                    raise NotReadable(
                        f"{guard.name[:64]!r} is neither a guard with a verdict nor an expression",
                        f"{place}.guard",
                    ) from None
        return self._verdict(guard.name)

    def _verdict(self, name: str) -> Expression:
        return Expression(name, frozenset(), lambda _: self.verdicts.get(name, False))

    def _expression(self, text: str, place: str) -> Expression:
        try:
            return self._compiled(text)
        except ExpressionError as error:
            raise NotReadable(str(error), place) from None

    def _compiled(self, text: str) -> Expression:
        made = compile_expression(text, context=AnyField(), data=AnyField(), functions=self._functions)
        self._texts.append(text)
        return made

    def _delay(self, written: int | float | str, place: str) -> Delay:
        if isinstance(written, (int, float)):
            if not 0 <= written <= MAX_DELAY_MS:
                raise NotReadable("a delay is from 0 milliseconds to ten years", place)
            return Delay(str(written), int(written))
        if meant_as_delay(written):
            try:
                return Delay(written, delay_ms(written))
            except ValueError as error:
                raise NotReadable(str(error), place) from None
        return Delay(written, expression=self._expression(written, place))

    def _actions(self, acts: Sequence[Act], place: str) -> tuple[Action, ...]:
        return tuple(self._action(act, place) for act in acts)

    def _action(self, act: Act, place: str) -> Action:
        mark = _mark(place)
        match act:
            case Named(name=name):
                return Emit(f"{ACTION}{name}", mark)
            case Emits(type=name):
                return Emit(f"{EVENT}{name}", mark)
            case Assigns(fields=fields):
                return Assign({name: self._assigned(value) for name, value in fields.items()}, mark)
            case Raises(event=event, delay=delay):
                waits = None if delay is None else self._delay(delay, f"{place}.delay")
                return Raise(self.event(event), mark, waits, act.id)
            case Cancels(id=name):
                return Cancel(name, mark)
        # A command to another instance leaves the machine: here it is told, as what is announced is.
        return Emit(f"{EVENT}send", mark)

    def _assigned(self, value: Any) -> Expression:
        if isinstance(value, str):
            try:
                return self._compiled(value)
            except ExpressionError:
                pass  # in XState's words a string is itself
        return literal(value)


def _combined(word: str, parts: Sequence[Expression]) -> Expression:
    def run(scope: Scope) -> bool:
        verdicts = (bool(part.evaluate(scope)) for part in parts)
        return not next(verdicts) if word == "not" else all(verdicts) if word == "and" else any(verdicts)

    return Expression(word, frozenset(), run)


def _invoke(invocation: Invocation, place: Place) -> InvokeDef:
    return InvokeDef(invocation.id, invocation.src, {}, 1, 0, 1.0, _mark(place.place))


def _safe_names(root: Place) -> dict[Path, str]:
    """A dotted path for each state; keys that could be taken for something else get a number instead."""
    names: dict[Path, str] = {(): ""}
    for number, place in enumerate(root.walk()):
        if place.path:
            key = place.key if _SAFE_KEY.fullmatch(place.key) else f"~{number}"
            above = names[place.path[:-1]]
            names[place.path] = f"{above}.{key}" if above else key
    return names


def _common(one: Path, other: Path) -> Path:
    length = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        length += 1
    return one[:length]


def _mark(place: str) -> Mark:
    return Mark(place, 1, 1)
