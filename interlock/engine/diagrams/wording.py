"""Words of a chart as pictures show them: on one line, visible, actions in short and in full."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from interlock.engine.chart import Action, Assign, Cancel, Delay, Emit, InvokeDef, Raise, Send

BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str) -> str:
    """``text`` on one line, with no character that XML forbids or that turns the reading direction.

    Control characters become their pictures (a newline: ``␊``), so that two names stay two names.
    """
    return "".join(_visible_character(character) for character in text)


def _visible_character(character: str) -> str:
    code = ord(character)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    forbidden = unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or code in (0xFFFE, 0xFFFF)
    return "\ufffd" if forbidden or character in BIDI_CONTROLS else character


def one_line(text: str) -> str:
    """Prose or an expression on one line: every run of white space becomes one space."""
    return visible(" ".join(text.split()))


def full_words(actions: Sequence[Action]) -> tuple[str, ...]:
    """Actions in words: ``assignee = data.agent``, ``emit ticket.assigned``, ``raise done``."""
    return tuple(text for action in actions for text in _action_texts(action))


def gist_words(actions: Sequence[Action]) -> tuple[str, ...]:
    """As `full_words`, with one ``set assignee, assigned_at`` for each assignment."""
    return tuple(
        text
        for action in actions
        for text in (
            (f"set {', '.join(visible(name) for name in action.fields)}",)
            if isinstance(action, Assign)
            else _action_texts(action)
        )
    )


def _action_texts(action: Action) -> tuple[str, ...]:
    if isinstance(action, Assign):
        return tuple(
            f"{visible(name)} = {one_line(expression.source)}" for name, expression in action.fields.items()
        )
    match action:
        case Emit():
            return (f"emit {visible(action.type)}",)
        case Raise():
            return (f"raise {visible(action.event)}{_later(action.delay)}",)
        case Send():
            key = one_line(action.key.source)
            return (
                f"send {visible(action.command)} to {visible(action.machine)}/{key}{_later(action.delay)}",
            )
        case Cancel():
            return (f"cancel {visible(action.id)}",)


def invoke_words(invoke: InvokeDef) -> str:
    """An invoked function in words: ``look_up as customer, up to 3 times``."""
    name = "" if invoke.id == invoke.function else f" as {visible(invoke.id)}"
    often = f", up to {invoke.attempts} times" if invoke.attempts > 1 else ""
    return f"{visible(invoke.function)}{name}{often}"


def _later(delay: Delay | None) -> str:
    return f" after {one_line(delay.text)}" if delay else ""
