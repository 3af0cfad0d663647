"""Which events a subscription wants: pure.

Filters of one kind are alternatives, filters of different kinds must all hold. Events about the webhooks
themselves (``interlock.*``) are sent only to those who name them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from interlock.engine.errors import InterlockError
from interlock.engine.expressions import Expression, ExpressionError, Scope, compile_expression

MAX_FILTERS = 100
OPERATIONAL = "interlock."
"""How the types of events about the webhooks themselves begin."""

_FILTER = re.compile(r"\A(?:\*|[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*(?:\.\*)?)\Z")
_MACHINE = re.compile(r"\A[A-Za-z][A-Za-z0-9_-]{0,127}\Z")


class FilterInvalid(InterlockError):
    """A filter of events is none. Correct what the message names."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """``events``: each ``*``, a type (``ticket.assigned``) or a prefix (``ticket.*``). ``machines``: ids; empty
    for all. ``states``: of those that the step entered, one must match: a path (``open.assigned``, ``open``) or
    ``open.*``; empty for all. ``where``: an expression that must be true; None for all."""

    events: tuple[str, ...] = ("*",)
    machines: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    where: str | None = None

    def wants_type(self, event_type: str) -> bool:
        """Whether the type of an event is asked for."""
        return any(matches(pattern, event_type) for pattern in self.events)

    def wants(self, event: Mapping[str, Any]) -> bool:
        """Whether a CloudEvent is asked for.

        Raises EvaluationError where ``where`` fails, ExpressionError where what is stored is none.
        """
        if not self.wants_type(str(event["type"])):
            return False
        if self.machines and machine_of(event) not in self.machines:
            return False
        if self.states and not any(matches(one, state) for state in entered(event) for one in self.states):
            return False
        return self.where is None or _compiled(self.where).evaluate(_scope(event)) is True


def matches(pattern: str, name: str) -> bool:
    """Whether ``pattern`` (``*``, a dotted name, or one that ends with ``.*``) takes ``name``."""
    if pattern == "*":
        return not name.startswith(OPERATIONAL)
    if pattern.endswith(".*"):
        return name.startswith(pattern[:-1])
    return pattern == name


def checked(
    events: Sequence[str], machines: Sequence[str], states: Sequence[str], where: str | None
) -> EventFilter:
    """A filter as an operator asks for it. Raises FilterInvalid."""
    found = EventFilter(
        tuple(dict.fromkeys(events)) or ("*",),
        tuple(dict.fromkeys(machines)),
        tuple(dict.fromkeys(states)),
        where,
    )
    for kind in (found.events, found.machines, found.states):
        if len(kind) > MAX_FILTERS:
            raise FilterInvalid(f"{len(kind)} filters of one kind: use at most {MAX_FILTERS}, or a wildcard")
    for pattern in found.events:
        if not _FILTER.match(pattern):
            raise FilterInvalid(
                f"{pattern!r} is no event filter: write *, a type such as ticket.assigned, or ticket.*"
            )
    for pattern in found.states:
        if pattern == "*" or not _FILTER.match(pattern):
            raise FilterInvalid(f"{pattern!r} is no state: write its path such as open.assigned, or open.*")
    for machine in found.machines:
        if not _MACHINE.match(machine):
            raise FilterInvalid(f"{machine!r} is no machine: write a chart's id such as ticket")
    if where is not None:
        try:
            _compiled(where)
        except ExpressionError as error:
            raise FilterInvalid(f"--where, column {error.offset + 1}: {error}") from None
    return found


def machine_of(event: Mapping[str, Any]) -> str:
    """The machine whose instance an event is about, by its ``source``."""
    return str(event.get("source", "")).removeprefix("/interlock/")


def entered(event: Mapping[str, Any]) -> set[str]:
    """The paths of all states, compound ones too, that the event's step entered."""
    data = event.get("data")
    if not isinstance(data, dict):
        return set()
    return set(_active(data.get("to"))) - set(_active(data.get("from")))


def _active(states: Any) -> Iterator[str]:
    """The states of a configuration and all above them."""
    for state in states if isinstance(states, list) else ():
        path = str(state)
        yield path
        while "." in path:
            path = path.rpartition(".")[0]
            yield path


class _AnyField(dict[str, Mapping[str, Any]]):
    """Fields of whatever name and type: an event may be of any chart."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> Mapping[str, Any]:
        return {}


@lru_cache(maxsize=512)
def _compiled(text: str) -> Expression:
    """Raises ExpressionError."""
    return compile_expression(text, context=_AnyField(), data=None)


def _scope(event: Mapping[str, Any]) -> Scope:
    """What ``where`` sees: what is public of the instance, and who did what."""
    data = event.get("data")
    data = data if isinstance(data, dict) else {}
    context, actor, command = data.get("context"), data.get("actor"), data.get("command")
    actor = actor if isinstance(actor, dict) else {}
    version = event.get("sequence")
    return Scope(
        context=context if isinstance(context, dict) else {},
        data={},
        actor={"id": actor.get("id"), "kind": actor.get("kind", "system"), "permissions": []},
        now=str(event.get("time", "")),
        key=str(event.get("subject", "")),
        version=version if isinstance(version, int) else 0,
        command=str(command.get("name", "")) if isinstance(command, dict) else "",
        states=frozenset(_active(data.get("to"))),
    )
