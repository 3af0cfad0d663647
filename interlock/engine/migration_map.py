"""What a person says about the move of instances from one version of a chart to another. Pure.

``states``: old path to new path; a path stands for all below it, the longest that fits counts. ``context``:
new field to an expression over the old context (a value that is no string stands for itself). ``drop``: old
fields whose values may go. What the map does not mention stays what it is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from interlock.engine.chart import Chart
from interlock.engine.errors import InterlockError
from interlock.engine.expressions import Expression, ExpressionError, compile_expression, literal
from interlock.engine.spelling import did_you_mean

WORDS = ("states", "context", "drop")


class MappingError(InterlockError):
    """A mapping does not fit the two charts. Correct it."""


@dataclass(frozen=True, slots=True)
class MigrationMap:
    """A mapping, read and found sound for two charts."""

    states: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, Expression] = field(default_factory=dict)
    drop: frozenset[str] = frozenset()

    def state(self, path: str, known: Mapping[str, Any]) -> str:
        """What the old state ``path`` is called in the new chart, whose states are ``known``.

        Below a path that is named: the same names below its new path, where they are known, else that itself.
        """
        names = path.split(".")
        for length in range(len(names), 0, -1):
            target = self.states.get(".".join(names[:length]))
            if target is not None:
                below = ".".join([target, *names[length:]])
                return below if below in known else target
        return path

    def names(self, path: str) -> bool:
        """Whether the mapping says something about this old state."""
        return any(path == old or path.startswith(f"{old}.") for old in self.states)

    @property
    def reads(self) -> frozenset[str]:
        """The old context fields that some expression reads."""
        found = (name for expression in self.context.values() for name in expression.names)
        return frozenset(name.split(".")[1] for name in found if name.startswith("context."))


def read_map(given: Mapping[str, Any], old: Chart, new: Chart) -> MigrationMap:
    """The mapping in ``given`` (JSON values) for these two charts. Raises MappingError, which names the fault.

    Expressions may call the built-in functions only: an application's change with its code, and a history
    has to replay.
    """
    for word in given:
        if word not in WORDS:
            raise MappingError(f"a mapping has no {word[:64]!r}. {did_you_mean(word, WORDS)}")
    states, context, drop = given.get("states") or {}, given.get("context") or {}, given.get("drop") or []
    if not (isinstance(states, dict) and isinstance(context, dict) and isinstance(drop, list)):
        raise MappingError("in a mapping, states and context are tables, and drop is a list")
    _check_states(states, old, new)
    for name in context:
        _check_known(name, new.context, f"context.{name[:64]}", new)
    for name in drop:
        _check_known(name, old.context, f"drop: {str(name)[:64]}", old)
        if name in new.context:
            raise MappingError(f"drop: {name} is a field of version {new.version} too; leave it out")
    compiled = {name: _expression(name, value, old) for name, value in context.items()}
    return MigrationMap(states, compiled, frozenset(drop))


def _check_states(states: Mapping[str, Any], old: Chart, new: Chart) -> None:
    for path, target in states.items():
        _check_known(path, _real(old), f"states: {path[:64]}", old)
        if not isinstance(target, str):
            raise MappingError(f"states: {path} leads to one state, named by its path")
        _check_known(target, _real(new), f"states: {path}: {target[:64]}", new)


def _real(chart: Chart) -> list[str]:
    return [path for path, state in chart.states.items() if path and not state.kind.endswith("_history")]


def _check_known(name: object, known: Iterable[str], what: str, chart: Chart) -> None:
    names = list(known)
    if name not in names:
        hint = did_you_mean(str(name), names)
        raise MappingError(f"{what} is not in version {chart.version} of {chart.id}. {hint}".rstrip())


def _expression(name: str, value: Any, old: Chart) -> Expression:
    if not isinstance(value, str):
        return literal(value)
    schemas = {field_name: declared.schema for field_name, declared in old.context.items()}
    try:
        return compile_expression(value, context=schemas, data=None, states=list(old.states))
    except ExpressionError as error:
        raise MappingError(f"context.{name}: {error}") from None


def unnamed(mapping: MigrationMap, names: Iterable[str]) -> Iterator[str]:
    """Those old context fields of ``names`` that the mapping neither drops nor reads."""
    return (name for name in names if name not in mapping.drop and name not in mapping.reads)
