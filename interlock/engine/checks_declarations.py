"""Checks of what a chart declares: commands, events, context fields, and who may see them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from interlock.engine.chart import Action, Assign, Chart, Emit, Raise
from interlock.engine.checks_reading import actions_of, all_transitions, handles, warning
from interlock.engine.errors import Finding, Mark
from interlock.engine.expressions import Expression

# Of the verbs that end otherwise than in -ed, those that tell what happened to a piece of work.
_IRREGULAR = """
sent lost left begun began done made found held kept met paid put read run ran set shut sold shown seen split
spent stood taken took thrown told woken won written withdrawn drawn given gone went got gotten hidden hit known
led let brought built bought caught chosen come cut dealt fallen felt fed forgotten forgiven frozen grown heard
hung laid lent lit overdue risen rung said sought shaken shot slept spoken stolen stuck sworn swept taught
thought undone understood unset upset reset worn rebuilt resent redone rewritten overridden overtaken undertaken
withheld quit cast broadcast forecast broken beaten become became born bound online offline
"""
_PAST = frozenset(_IRREGULAR.split())


def unhandled_commands(chart: Chart) -> Iterator[Finding]:
    """A declared command that no state handles; one that creates is handled by nature."""
    handled = {each.event for state in chart.states.values() for each in state.on}
    for name, command in chart.commands.items():
        if (command.if_missing or not command.creates) and not handles(handled, name):
            yield warning(
                command.mark,
                "unhandled_command",
                f"no state takes the command {name!r}",
                "Add it under a state's 'on', or remove it.",
            )


def handled_creations(chart: Chart) -> Iterator[Finding]:
    """A transition for a command that creates: an instance that exists never takes it."""
    for each in all_transitions(chart):
        command = chart.commands.get(each.event)
        if command and command.creates and not command.if_missing:
            yield warning(
                each.mark,
                "creating_command",
                f"never taken: {each.event!r} creates, so it is refused where there is an instance",
                "Remove it, or declare another command for this.",
            )


def unhandled_raises(chart: Chart) -> Iterator[Finding]:
    """A raised event that no state handles."""
    handled = {each.event for state in chart.states.values() for each in state.on}
    for action in actions_of(chart):
        if isinstance(action, Raise) and not handles(handled, action.event):
            yield warning(
                action.mark,
                "unhandled_raise",
                f"no state takes the raised event {action.event!r}",
                "Add it under a state's 'on', or remove the raise.",
            )


def undeclared_events(chart: Chart) -> Iterator[Finding]:
    """Where a chart declares its events: one that is emitted undeclared, one declared and never emitted."""
    emitted = [action for action in actions_of(chart) if isinstance(action, Emit)]
    for action in emitted:
        if action.type not in chart.events:
            yield warning(
                action.mark,
                "undeclared_event",
                f"{action.type!r} is emitted and not declared",
                "Add it to 'events'.",
            )
    # These the engine announces itself, for a step that emits nothing.
    known = {action.type for action in emitted} | {f"{chart.id}.created", f"{chart.id}.updated"}
    for event in chart.events:
        if event not in known:
            yield warning(
                chart.mark,
                "unused_event",
                f"{event!r} is declared and never emitted",
                "Emit it, or remove it from 'events'.",
            )


def event_names(chart: Chart) -> Iterator[Finding]:
    """An event that is not named by what has happened."""
    named = [(action.type, action.mark) for action in actions_of(chart) if isinstance(action, Emit)]
    declared = [(event, chart.mark) for event in chart.events]
    seen: set[str] = set()
    for event, mark in [*named, *declared]:
        verb = event.rpartition(".")[2]
        if event not in seen and not is_past(verb):
            yield warning(
                mark,
                "not_past_tense",
                f"{event!r} does not say what has happened",
                f"Name events in the past tense, such as {chart.id}.{past_tense(verb)}.",
            )
        seen.add(event)


def is_past(words: str) -> bool:
    """Whether one of the words, joined by ``_``, is a verb in the past tense."""
    return any(word.endswith("ed") or word in _PAST for word in words.split("_"))


def past_tense(verb: str) -> str:
    """The regular past tense of the last word."""
    if verb.endswith("e"):
        return f"{verb}d"
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return f"{verb[:-1]}ied"
    return f"{verb}ed"


def private_indexes(chart: Chart) -> Iterator[Finding]:
    """A private field that instances are listed by: who may list could guess its values."""
    for name in chart.index:
        if not chart.context[name].public:
            yield warning(
                chart.context[name].mark,
                "private_index",
                f"context.{name} is private and an index",
                "Remove it from 'index', or make it public.",
            )


def unused_data(chart: Chart) -> Iterator[Finding]:
    """A data field of a creating command that fills no context field and that no ``require`` row reads."""
    for name, command in chart.commands.items():
        read = {read for row in command.require for read in row.check.names}
        for field in command.schema["properties"] if command.creates and not command.if_missing else ():
            if field not in chart.context and f"data.{field}" not in read:
                yield warning(
                    command.mark,
                    "unused_data",
                    f"data.{field} of {name!r} fills no context field",
                    "Declare a context field of that name, or remove it.",
                )


def unused_fields(chart: Chart) -> Iterator[Finding]:
    """A context field that nothing fills, sets or reads."""
    used = {name.removeprefix("context.") for name in _names_read(chart) if name.startswith("context.")}
    used |= {name for action in actions_of(chart) if isinstance(action, Assign) for name in action.fields}
    used |= {
        name
        for command in chart.commands.values()
        if command.creates
        for name in command.schema["properties"]
    }
    for name, field in chart.context.items():
        if name not in used and name not in chart.index:
            yield warning(
                field.mark,
                "unused_field",
                f"nothing fills, sets or reads context.{name}",
                "Use it, or remove it.",
            )


def _names_read(part: Any) -> Iterator[str]:
    """All names that expressions anywhere in a part of a chart read."""
    if isinstance(part, Expression):
        yield from part.names
    elif isinstance(part, Chart):
        yield from _names_read((part.root, tuple(part.commands.values())))
    elif isinstance(part, Mapping):
        yield from _names_read(tuple(part.values()))
    elif isinstance(part, tuple):
        for item in part:
            yield from _names_read(item)
    elif dataclasses.is_dataclass(part):
        yield from _names_read(tuple(getattr(part, field.name) for field in dataclasses.fields(part)))


def leaks(chart: Chart) -> Iterator[Finding]:
    """A private value that is copied as it is into a field that everybody sees."""
    for name, mark, source in (*_copies(chart), *_fillings(chart)):
        if chart.context[name].public:
            yield warning(
                mark,
                "private_leak",
                f"{source} is private, and context.{name} that takes its value is not",
                f"Make context.{name} private: public: false.",
            )


def _copies(chart: Chart) -> Iterator[tuple[str, Mark, str]]:
    private = {f"context.{name}" for name, field in chart.context.items() if not field.public}
    standing = [each for state in chart.states.values() for each in state.standing]
    places: list[tuple[Sequence[Action], frozenset[str]]] = [(standing, frozenset())]
    for transition in all_transitions(chart):
        command = chart.commands.get(transition.event)
        places.append((transition.actions, command.private if command else frozenset()))
    for actions, fields in places:
        hidden = private | {f"data.{name}" for name in fields}
        for action in actions:
            for name, value in action.fields.items() if isinstance(action, Assign) else ():
                if value.source.strip() in hidden:
                    yield name, action.mark, value.source.strip()


def _fillings(chart: Chart) -> Iterator[tuple[str, Mark, str]]:
    for command in chart.commands.values():
        for name in sorted(command.private) if command.creates else ():
            if name in chart.context:
                yield name, command.mark, f"data.{name}"
