"""With what data, and asked by whom, a command is tried: few, simple ones, always in the same order. Pure.

A field that no expression reads is left out. The others vary one at a time, then two at a time, and so on, up
to `MAX_TRIALS`: where a command has many fields, not all that could be said together is tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations, islice, product
from typing import Any, get_args

import orjson

from interlock.engine.chart import CommandDef, TransitionDef
from interlock.engine.exploration_reading import (
    Path,
    Related,
    Relations,
    assignments,
    conditions_of,
    relations,
)
from interlock.engine.exploration_values import PLAIN, texts_in, values_for
from interlock.engine.expressions import Expression
from interlock.engine.messages import Actor, ActorKind, is_key

MAX_TRIALS = 128
"""Trials of one command in one situation."""
MAX_FIRST_TRIALS = 512
"""Trials of a command that creates: it is tried in one situation only."""
KINDS: tuple[str, ...] = get_args(ActorKind)
_LEFT_OUT: Any = object()
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Trial:
    """``actor`` None: the system. ``changes``: in how many places it differs from the simplest trial."""

    data: dict[str, Any]
    actor: Actor | None
    changes: int


@dataclass(frozen=True, slots=True)
class _Field:
    """What is varied in the data: ``path`` without ``data``; ``brief``: that it is given is all that can matter."""

    path: Path
    schema: Mapping[str, Any]
    required: bool
    related: Related
    brief: bool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all commands of a chart share. ``wide``: what its conditions compare; ``deciding``: `deciding_fields`;
    ``ambient``: expressions that any step may come to; ``times``: how far from now a time is tried."""

    wide: Relations
    deciding: frozenset[str]
    ambient: Sequence[Expression]
    times: Sequence[timedelta]


class Trials:
    """The trials of one command or outcome. ``arrows``: the transitions that it may select."""

    def __init__(
        self,
        command: CommandDef,
        arrows: Sequence[TransitionDef],
        around: Surroundings,
        *,
        by_system: bool = False,
    ) -> None:
        self._command = command
        self._by_system = by_system
        self._times = around.times
        checks = [row.check for row in command.require]
        deciding = [*checks, *(each for arrow in arrows for each in conditions_of(arrow))]
        made = [pair for arrow in arrows for pair in assignments(arrow.actions)]
        self._decisive = relations(deciding)
        self._read = relations([*deciding, *(expression for _, expression in made)])
        self._actor_read = relations([*deciding, *(each for _, each in made), *around.ambient])
        self._fed: dict[Path, Related] = {}
        for name, expression in made:
            if name in around.deciding:
                for path in relations([expression]):
                    self._feed(path, around.wide.get(("context", name), Related()))
        if command.creates:
            for name in command.schema.get("properties", {}):
                if name in around.deciding:
                    self._feed(("data", name), around.wide.get(("context", name), Related()))
        self._fields = list(self._variables())
        self._beside = sorted(
            {path for field in self._fields for path in field.related.paths} | self._actor_paths()
        )
        self._timed = any(field.related.timed for field in self._fields)
        self._made: dict[bytes, list[Trial]] = {}

    def at(self, context: Mapping[str, Any], now: datetime) -> list[Trial]:
        """The trials where the context is this. The same list object where nothing that matters has changed."""
        beside = {path: _look_up(context, path) for path in self._beside if path[0] == "context"}
        key = orjson.dumps([list(beside.values()), now if self._timed else None])
        if key not in self._made:
            self._made[key] = list(self._make(beside, now))
        return self._made[key]

    def _feed(self, path: Path, related: Related) -> None:
        self._fed.setdefault(path, Related()).take_in(related)

    def _variables(self) -> Iterator[_Field]:
        schema = self._command.schema
        required = schema.get("required", ())
        for name, field in schema.get("properties", {}).items():
            paths = sorted(path[1:] for path in {*self._read, *self._fed} if path[:2] == ("data", name))
            for path in [path for path in paths if len(path) > 1] or [(name,)]:
                whole = ("data", *path)
                related = Related()
                for source in (self._decisive, self._read, self._fed):
                    related.take_in(source.get(whole, Related()))
                if paths or name in required:
                    brief = whole not in self._decisive and whole not in self._fed
                    yield _Field(
                        path, _below(field, path[1:]), path == (name,) and name in required, related, brief
                    )

    def _make(self, beside: Mapping[Path, Any], now: datetime) -> Iterator[Trial]:
        choices = [self._choices(field, beside, now) for field in self._fields]
        choices.append(list(self._actors(beside)))
        if not all(choices):
            return
        bases = {
            name: value
            for name in self._command.schema.get("required", ())
            for value in values_for(self._command.schema["properties"].get(name, {}), Related(), (), ())[:1]
        }
        most = MAX_FIRST_TRIALS if self._command.creates else MAX_TRIALS
        for number, (*values, actor) in islice(_fewest_changes_first(choices), most):
            data = deepcopy(bases)
            for field, value in zip(self._fields, values, strict=True):
                if value is not _LEFT_OUT:
                    _put(data, field.path, value)
            yield Trial(data, actor, number)

    def _choices(self, field: _Field, beside: Mapping[Path, Any], now: datetime) -> list[Any]:
        near = [beside[path] for path in sorted(field.related.paths) if beside.get(path) is not None]
        moments = [now + each for each in self._times]
        found = values_for(field.schema, field.related, near, moments)
        if field.brief:
            found = found[:1]
        return found if field.required else [_LEFT_OUT, *found]

    # Who asks

    def _actor_paths(self) -> set[Path]:
        return set() if self._by_system else self._actor_related("id").paths

    def _actor_related(self, name: str) -> Related:
        found = Related()
        found.take_in(self._actor_read.get(("actor", name), Related()))
        found.take_in(self._fed.get(("actor", name), Related()))
        return found

    def _actors(self, beside: Mapping[Path, Any]) -> Iterator[Actor | None]:
        """The system, then others: each by another kind, id or permission than the one before it in this order."""
        allowed = [kind for kind in KINDS if not self._command.by or kind in self._command.by]
        if self._by_system or "system" in allowed:
            yield None
        read = {path[1] for path in self._actor_read if path[0] == "actor"}
        if self._by_system or not (read or "system" not in allowed):
            return
        kinds = self._kinds(allowed)
        permissions = [each for each in self._actor_related("permissions").literals if isinstance(each, str)]
        ids = list(dict.fromkeys([PLAIN[0], *self._ids(beside)]))
        for kind in kinds:
            yield Actor(id=PLAIN[0], kind=kind)
        for kind in kinds[:1]:
            for other in ids[1:]:
                yield Actor(id=other, kind=kind)
            for held in [[each] for each in permissions] + ([permissions] if len(permissions) > 1 else []):
                yield Actor(id=PLAIN[0], kind=kind, permissions=held)

    def _kinds(self, allowed: Sequence[str]) -> list[str]:
        if self._command.by:
            return [kind for kind in self._command.by if kind != "system" or len(self._command.by) > 1]
        named = [each for each in self._actor_related("kind").literals if each in allowed]
        return list(dict.fromkeys(["agent", *named]))

    def _ids(self, beside: Mapping[Path, Any]) -> Iterator[str]:
        related = self._actor_related("id")
        for value in (*related.literals, *(beside.get(path) for path in sorted(related.paths))):
            yield from (text for text in texts_in(value) if is_key(text))
        if related.paths:
            yield PLAIN[1]


def surroundings(
    wide: Relations, deciding: frozenset[str], ambient: Iterable[Expression], longest_ms: int
) -> Surroundings:
    """What all commands of a chart share; of the ambient expressions only those that read who asks.

    ``longest_ms``: of the chart's delays: a time later than that is tried too.
    """
    kept = [each for each in ambient if any(name.startswith("actor") for name in each.names)]
    times = (_HOUR, -_HOUR, timedelta(milliseconds=longest_ms) + _HOUR)
    return Surroundings(wide, deciding, kept, times)


def _fewest_changes_first(choices: Sequence[Sequence[Any]]) -> Iterator[tuple[int, list[Any]]]:
    """All combinations; first that of all first choices, then those that differ from it in one place, in two, ...;
    each with the number of places."""
    for number in range(len(choices) + 1):
        for places in combinations(range(len(choices)), number):
            for others in product(*(choices[place][1:] for place in places)):
                row = [choice[0] for choice in choices]
                for place, value in zip(places, others, strict=True):
                    row[place] = value
                yield number, row


def _below(schema: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    for name in path:
        inside = schema.get("properties", {}).get(name, {})
        schema = inside if isinstance(inside, Mapping) else {}
    return schema


def _put(data: dict[str, Any], path: Path, value: Any) -> None:
    for name in path[:-1]:
        inside = data.get(name)
        data[name] = inside if isinstance(inside, dict) else {}
        data = data[name]
    data[path[-1]] = value


def _look_up(context: Mapping[str, Any], path: Path) -> Any:
    value: Any = context
    for name in path[1:]:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
