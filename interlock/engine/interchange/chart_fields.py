"""The context of an imported chart: the document's own fields, and those that stand for what was code there."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from keyword import kwlist
from typing import Any

from interlock.engine.chart_declarations import nullable
from interlock.engine.chart_words import FIELD_NAME
from interlock.engine.durations import MAX_DELAY_MS, delay_ms, meant_as_delay
from interlock.engine.expressions import ExpressionError, compile_expression
from interlock.engine.interchange.chart_events import schema_or_any
from interlock.engine.interchange.chart_names import Names, snake_case
from interlock.engine.interchange.chart_places import Places
from interlock.engine.interchange.model import Assigns, Combined, Config, Guard, InState, Named, Note, Text
from interlock.engine.interchange.yaml_text import Remark, one_line

_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000))
_A_WORD = re.compile(r"[A-Za-z_]\w*")

Schemas = Mapping[str, Mapping[str, Any]]


class Fields:
    """Context fields by our names. A field is added where a guard, a delay or an action needs one."""

    def __init__(
        self,
        config: Config,
        origin: str,
        places: Places,
        functions: Mapping[str, Callable[..., Any]],
        notes: list[Note],
    ) -> None:
        self.origin = origin
        self.places = places
        self.functions = functions
        self.notes = notes
        self.paths = frozenset(places.paths)
        self.names = Names(FIELD_NAME, "field")
        self.words: dict[str, Any] = {}
        self.schemas: dict[str, Mapping[str, Any]] = {}
        kept = config.rest.get("context")
        given = kept if isinstance(kept, Mapping) else config.context
        is_declared = config.is_ours or isinstance(kept, Mapping)
        later = _literals(config)
        for key, value in given.items():
            is_schema = is_declared and isinstance(value, Mapping)
            words = value if is_schema else _schema_of(value, later.get(key, []))
            name = self._declare(key, key, words)
            if name != key:
                message = f"the context field is called {name!r} here, not {key[:64]!r}"
                notes.append(Note(f"context.{key}", "renamed", message))

    def _declare(self, key: str, wish: str, words: Mapping[str, Any], comment: str = "") -> str:
        # ``context.not`` is no expression; the document's own fields keep their names all the same.
        name = self.names.give(key, wish, () if key == wish else kwlist)
        if name not in self.words:
            own = ("default", "public")
            schema = {word: value for word, value in words.items() if word not in own}
            sound = schema_or_any(schema)
            self.schemas[name] = sound if "default" in words else nullable(dict(sound))
            self.words[name] = Remark(dict(words), comment) if comment else dict(words)
        return name

    def tree(self) -> dict[str, Any]:
        return dict(self.words)

    def assigned(self, key: str, place: str) -> str:
        """Our name of a field that an action sets, declared where the document does not."""
        if key not in self.names.given:
            message = f"context.{key[:64]} is set and has no value at the start: it takes any"
            self.notes.append(Note(place, "undeclared_field", message, "Write its schema."))
        return self._declare(key, key, {"default": None})

    def compiles(self, text: str, data: Schemas | None) -> bool:
        """Whether a text is an expression of our language here."""
        try:
            compile_expression(
                text, context=self.schemas, data=data, functions=self.functions, states=self.paths
            )
        except (ExpressionError, ValueError):
            return False
        return True

    # Guards

    def guard(self, guard: Guard | None, data: Schemas | None, place: str) -> Any:
        """The guard's expression, with a comment for each part that was code; None where there is no guard."""
        if guard is None:
            return None
        remarks: list[str] = []
        text = self._expression(guard, data, f"{place}.guard", remarks, "")
        value: Any = {"true": True, "false": False}.get(text, text)
        if not remarks:
            return value
        names = list(dict.fromkeys(remarks))
        guards = "guards" if len(names) > 1 else "guard"
        return Remark(value, f"{self.origin} {guards} {', '.join(names)}: write the condition here")

    def _expression(
        self, guard: Guard, data: Schemas | None, place: str, remarks: list[str], outer: str
    ) -> str:
        match guard:
            case Combined(word="not", guards=(inner,)):
                text = f"not {self._expression(inner, data, place, remarks, 'not')}"
                return f"({text})" if outer == "not" else text
            case Combined(word=word, guards=guards):
                parts = [self._expression(each, data, place, remarks, word) for each in guards]
                text = f" {word} ".join(parts)
                return f"({text})" if outer and outer != word and len(parts) > 1 else text
            case InState(path=path):
                return f"in_state('{self.places.dotted(path)}')" if path else "true"
            case Text(source=source):
                return self._text(source, data, place, remarks, outer)
        name = guard.name if isinstance(guard, Named) else ""
        params = guard.params if isinstance(guard, Named) else None
        is_text = params is None and not _A_WORD.fullmatch(name)
        if is_text and self.compiles(name, data):
            return f"({name})" if outer else name
        return self._named(name, params, place, remarks)

    def _text(self, source: str, data: Schemas | None, place: str, remarks: list[str], outer: str) -> str:
        if source in ("true", "false") or self.compiles(source, data):
            return f"({source})" if outer and not _A_WORD.fullmatch(source) else source
        message = f"the guard is no expression of this chart: {source[:100]!r}"
        self.notes.append(Note(place, "bad_expression", message, "Write the condition again."))
        return self._named(source, None, place, remarks)

    def _named(self, name: str, params: Any, place: str, remarks: list[str]) -> str:
        told = name[:100] + ("" if params is None else f" {one_line(params)}")
        key = f"guard {name} {one_line(params, 2000)}"
        is_new = key not in self.names.given
        words = {"type": "boolean", "default": False}
        field = self._declare(key, snake_case(name) or "guard", words, f"the {self.origin} guard {told}")
        if is_new:
            message = f"the guard {name[:64]!r} is code there: context.{field}, which is false, stands for it"
            self.notes.append(
                Note(place, "named_guard", message, "Write its condition and remove the field.")
            )
        remarks.append(told)
        return f"context.{field}"

    # Delays

    def delay(self, delay: int | float | str, place: str) -> str:
        """The delay as a chart writes it: a duration, an expression, or the field that stands for a name."""
        if isinstance(delay, str):
            if meant_as_delay(delay) and _is_duration(delay):
                return delay
            if not _A_WORD.fullmatch(delay) and self.compiles(delay, None):
                return delay
            return self._named_delay(delay, place)
        if not 0 <= delay <= MAX_DELAY_MS or math.isnan(delay):
            message = "a delay is from 0 to ten years: it is cut to that"
            self.notes.append(Note(place, "bad_delay", message))
        return duration(delay)

    def _named_delay(self, name: str, place: str) -> str:
        key = f"delay {name}"
        is_new = key not in self.names.given
        words = {"type": ["number", "null"], "default": None}
        wish = snake_case(name) or "delay"
        field = self._declare(
            key, wish, words, f"seconds of the {self.origin} delay {name[:80]}; null: never"
        )
        if is_new:
            message = f"the delay {name[:64]!r} is code there: context.{field} holds its seconds"
            hint = "Give it a default, or write the delay where it stands."
            self.notes.append(Note(place, "named_delay", message, hint))
        return f"context.{field}"


def duration(milliseconds: int | float) -> str:
    """``30m`` of 1800000: in the largest unit that takes it whole."""
    whole = round(min(max(milliseconds, 0), MAX_DELAY_MS))
    for unit, size in _UNITS:
        if whole and whole % size == 0:
            return f"{whole // size}{unit}"
    return f"{whole}ms"


def _literals(config: Config) -> dict[str, list[Any]]:
    """The values, other than texts, that actions set each context field to."""
    found: dict[str, list[Any]] = {}
    for act in (act for place in config.root.walk() for act in place.acts()):
        if isinstance(act, Assigns):
            for key, value in act.fields.items():
                if not isinstance(value, str):
                    found.setdefault(key, []).append(value)
    return found


def _is_duration(text: str) -> bool:
    try:
        delay_ms(text)
    except ValueError:
        return False
    return True


def _schema_of(value: Any, later: list[Any]) -> dict[str, Any]:
    """The words for a field that begins with a value. ``later``: other values that it is set to."""
    if value is None:
        return {"default": None}
    kinds = list(dict.fromkeys(_kind(each) for each in (value, *later)))
    return {"type": kinds if len(kinds) > 1 else kinds[0], "default": value}


def _kind(value: Any) -> str:
    """The JSON kind of a value; every number is a ``number``."""
    kinds = {bool: "boolean", int: "number", float: "number", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "null")
