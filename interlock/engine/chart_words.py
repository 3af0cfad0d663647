"""The words of the chart language, once: the loader checks by this table, the editor's schema is made of it.

A shape says what may stand at a place; `check_shape` finds what does not fit, `json_schema` says the same in
JSON Schema (draft-07) words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from interlock.engine.errors import ErrorClass
from interlock.engine.messages import ActorKind
from interlock.engine.outages import POLICIES


@dataclass(frozen=True, slots=True)
class Text:
    """A string. ``pattern`` with ``form``, its words for people; or one of ``choices``."""

    pattern: str = ""
    form: str = ""
    choices: tuple[str, ...] = ()

    def fits(self, text: str) -> bool:
        if self.choices:
            return text in self.choices
        return not self.pattern or re.fullmatch(self.pattern, text) is not None


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer of at least ``minimum``."""

    minimum: int | None = None


@dataclass(frozen=True, slots=True)
class Decimal:
    """Any number."""


@dataclass(frozen=True, slots=True)
class Flag:
    """``true`` or ``false``."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """``null``, or nothing after the colon."""


@dataclass(frozen=True, slots=True)
class Anything:
    """Any JSON value."""


@dataclass(frozen=True, slots=True)
class Word:
    """A key of the language: what stands behind it, and one line for people."""

    shape: Shape
    description: str = ""
    required: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """A mapping with known keys. ``what``: its name in messages. ``one``: exactly one key of them."""

    what: str
    words: Mapping[str, Word]
    one: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping whose keys the author chooses. ``what``: what a key names."""

    what: str
    key: Text
    value: Shape


@dataclass(frozen=True, slots=True)
class Rows:
    """A list; ``single``: one item may stand there without a list."""

    item: Shape
    single: bool = False


@dataclass(frozen=True, slots=True)
class Either:
    """One of several shapes of different kinds."""

    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A shape of `DEFINITIONS`, because it holds itself."""

    name: str


Shape = Text | Whole | Decimal | Flag | Nothing | Anything | Words | Table | Rows | Either | Named

IF_MISSING = "if_missing"
"""Of ``creates``: the command makes the instance where there is none, and is taken either way."""
_NAME = "letters, digits, - and _, beginning with a letter"
CHART_ID = Text(r"[a-z][a-z0-9_-]{0,63}", "up to 64 small letters, digits, - and _, beginning with a letter")
STATE_NAME = Text(r"[A-Za-z_][A-Za-z0-9_-]{0,127}", "letters, digits, - and _, beginning with a letter or _")
COMMAND_NAME = Text(r"[A-Za-z][A-Za-z0-9_-]{0,127}", _NAME)
FIELD_NAME = Text(r"[A-Za-z][A-Za-z0-9_]{0,127}", "letters, digits and _, beginning with a letter")
EVENT_NAME = Text(r"[A-Za-z_][A-Za-z0-9_.-]{0,255}", "letters, digits, ., - and _, beginning with a letter")
EVENT_KEY = Text(
    r"\*|[A-Za-z_][A-Za-z0-9_.-]{0,255}(\.\*)?", "a command's name, an event's name, prefix.* or *"
)
EVENT_TYPE = Text(r"[a-z][a-z0-9_-]*\.[a-z][a-z0-9_]*", "<machine>.<past-tense verb>, as in ticket.assigned")
CODE = Text(r"[a-z][a-z0-9_]*", "small letters, digits and _")
DELAY = Text(
    r"[0-9]+(ms|s|m|h|d)|P[0-9WDTHMS.]+", "500ms, 30s, 30m, 12h, 7d or an ISO 8601 duration as in PT1H30M"
)
DELAY_KEY = Text(
    rf"{DELAY.pattern}|(?![0-9.]+[A-Za-z]*$|P[0-9WDTHMS.]+$)[\s\S]+", f"{DELAY.form}, or an expression"
)
WAITING_ID = Text(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", "letters, digits, - and _, beginning with a letter or _")
_TEXT, _FLAG, _SCHEMA = Text(), Flag(), Named("fieldSchema")
_COUNT = Whole(0)
_KINDS = Text(choices=("string", "integer", "number", "boolean", "object", "array", "null"))

_DESCRIPTION = Word(_TEXT, "One line for people; shown in diagrams.")
_EXPRESSION = Either((_TEXT, _FLAG))

_FIELD_WORDS: Mapping[str, Word] = {
    "type": Word(Rows(_KINDS, single=True), "JSON kind, or a list of them."),
    "enum": Word(Rows(Anything()), "The values that it may have."),
    "const": Word(Anything(), "The one value that it may have."),
    "minimum": Word(Decimal()),
    "maximum": Word(Decimal()),
    "exclusiveMinimum": Word(Decimal()),
    "exclusiveMaximum": Word(Decimal()),
    "multipleOf": Word(Decimal()),
    "minLength": Word(_COUNT),
    "maxLength": Word(_COUNT),
    "pattern": Word(_TEXT, "A regular expression that is found in the string."),
    "format": Word(_TEXT, "Such as date-time, email, uri, uuid."),
    "items": Word(_SCHEMA, "The schema of each item."),
    "minItems": Word(_COUNT),
    "maxItems": Word(_COUNT),
    "uniqueItems": Word(_FLAG),
    "properties": Word(Table("property", Text(), _SCHEMA), "The schema of each known key."),
    "required": Word(Rows(_TEXT), "Keys that must be there."),
    "additionalProperties": Word(Either((_FLAG, _SCHEMA)), "Whether other keys may be there."),
    "minProperties": Word(_COUNT),
    "maxProperties": Word(_COUNT),
    "anyOf": Word(Rows(_SCHEMA)),
    "oneOf": Word(Rows(_SCHEMA)),
    "allOf": Word(Rows(_SCHEMA)),
    "not": Word(_SCHEMA),
    "title": Word(_TEXT),
    "description": Word(_TEXT, "One line for people."),
    "examples": Word(Rows(Anything())),
}
_PUBLIC = Word(_FLAG, "false: the value never leaves the engine (no event, no listing, no log).")
CONTEXT_FIELD = Words(
    "a context field",
    {
        **_FIELD_WORDS,
        "default": Word(Anything(), "Its value before a command sets it; null."),
        "public": _PUBLIC,
    },
)
_DATA_FIELD = Words("a data field", {**_FIELD_WORDS, "public": _PUBLIC})

_REQUIREMENT = Words(
    "a requirement",
    {
        "check": Word(_EXPRESSION, "An expression; where it is false the command is refused.", required=True),
        "error": Word(
            Words(
                "an error",
                {
                    "class": Word(
                        Text(choices=tuple(each.value for each in ErrorClass)), "Class.", required=True
                    ),
                    "code": Word(CODE, "A stable word for programs.", required=True),
                    "message": Word(_TEXT, "A sentence for people."),
                },
            ),
            "What the refusal says.",
            required=True,
        ),
    },
)
_REQUIREMENTS = Rows(_REQUIREMENT, single=True)

_COMMAND = Words(
    "a command",
    {
        "creates": Word(
            Either((_FLAG, Text(choices=(IF_MISSING,)))),
            "true: it makes the instance; if_missing: only where there is none. Other commands need one.",
        ),
        "data": Word(Table("data field", FIELD_NAME, _DATA_FIELD), "Field: JSON Schema words."),
        "required": Word(Rows(_TEXT), "Data fields that must be given; the others are null."),
        "by": Word(
            Rows(Text(choices=get_args(ActorKind)), single=True),
            "Actor kinds that may send it; all, where none.",
        ),
        "require": Word(_REQUIREMENTS, "Checked in every state, before what the transition requires."),
        "exclusive": Word(_FLAG, "true: refused in_flight while another one is queued or running."),
        "description": _DESCRIPTION,
    },
)

_WAITS: Mapping[str, Word] = {
    "delay": Word(DELAY_KEY, "30m, PT1H, or an expression: seconds, such a text, a time; null: none."),
    "id": Word(WAITING_ID, "What cancel calls it; a second of this id replaces the first."),
}
_RAISE = Words("a raise", {"event": Word(EVENT_NAME, "The internal event.", required=True), **_WAITS})
SEND_WORDS = Words(
    "a send",
    {
        "machine": Word(CHART_ID, "Id of the other instance's chart.", required=True),
        "key": Word(
            _TEXT, "An expression: the other instance's key; a list of keys sends to each.", required=True
        ),
        "command": Word(COMMAND_NAME, "The command's name.", required=True),
        "data": Word(
            Table("data field", FIELD_NAME, Anything()),
            "Field: expression (a string) or literal (anything else); null is left out.",
        ),
        **_WAITS,
    },
)
_ACTION = Words(
    "an action",
    {
        "assign": Word(
            Table("context field", FIELD_NAME, Anything()),
            "Field: expression (a string) or literal (anything else).",
        ),
        "emit": Word(EVENT_TYPE, "Announce an event once the step is committed."),
        "raise": Word(
            Either((EVENT_NAME, _RAISE)),
            "Take an internal event within the same step; with a delay, later in a step of its own.",
        ),
        "send": Word(SEND_WORDS, "Publish a command to another instance with this step's commit."),
        "cancel": Word(WAITING_ID, "Stop the delayed raise or send of this id."),
    },
    one=True,
)
_ACTIONS = Rows(_ACTION, single=True)

_TARGET = Rows(Text(r"\S+", "a sibling's name, .child or #id"), single=True)
_TRANSITION = Words(
    "a transition",
    {
        "target": Word(_TARGET, "A sibling's name, .child of this state, or #id anywhere."),
        "guard": Word(_EXPRESSION, "An expression; where it is false the next candidate is tried."),
        "require": Word(
            Rows(_REQUIREMENT, single=True), "Ordered; the first that fails refuses the command."
        ),
        "actions": Word(_ACTIONS, "What happens on the way, in this order."),
        "reenter": Word(_FLAG, "true: the source is left and entered although the target lies in it."),
        "outage": Word(
            Text(choices=POLICIES),
            "Of a timer, where nothing ran for a while: deadline (default), remaining, restart.",
        ),
        "ignore": Word(_FLAG, "true: the command is answered 'ignored' and nothing changes."),
        "description": _DESCRIPTION,
    },
)
_TRANSITIONS = Either((Nothing(), Rows(Either((_TARGET.item, _TRANSITION)), single=True)))
_CHILD = Text(r"\S+", "a state's name")
_INITIAL = Words(
    "an initial",
    {
        "target": Word(_CHILD, "Which child is entered by default.", required=True),
        "actions": Word(_ACTIONS, "What happens then, after this state's own entry."),
        "description": _DESCRIPTION,
    },
)

_INVOKE = Words(
    "an invoke",
    {
        "src": Word(COMMAND_NAME, "The function's name in the application's registry.", required=True),
        "id": Word(WAITING_ID, "Its name in done.invoke.<id> and error.invoke.<id>; as src, where none."),
        "input": Word(
            Table("input field", FIELD_NAME, Anything()),
            "Field: expression (a string) or literal (anything else); what the function is given.",
        ),
        "retry": Word(
            Words(
                "a retry",
                {
                    "attempts": Word(Whole(1), "How often at most; 1 where nothing is said."),
                    "interval": Word(DELAY, "Before the second attempt; 1s."),
                    "backoff": Word(Decimal(), "How many times as long before each one after; 2."),
                },
            ),
            "Whether it is tried again where it fails.",
        ),
        "onDone": Word(_TRANSITIONS, "Taken when it has ended well: data.output."),
        "onError": Word(_TRANSITIONS, "Taken when its last attempt has failed: data.error."),
    },
)

_STATE_WORDS: Mapping[str, Word] = {
    "on": Word(Table("event", EVENT_KEY, _TRANSITIONS), "Event: transition, or candidates in order."),
    "onDone": Word(_TRANSITIONS, "Taken when this state is done: short for on: {done.state.<path>: ...}."),
    "always": Word(_TRANSITIONS, "Taken without an event, as soon as the guard holds."),
    "after": Word(Table("delay", DELAY_KEY, _TRANSITIONS), "Delay or expression: transition; durable."),
    "invoke": Word(Rows(_INVOKE, single=True), "Run a function of the application while in this state."),
    "entry": Word(_ACTIONS, "What happens whenever this state is entered."),
    "exit": Word(_ACTIONS, "What happens whenever this state is left."),
    "states": Word(
        Table("state", STATE_NAME, Either((Nothing(), Named("state")))), "The states in this one."
    ),
    "tags": Word(Rows(_TEXT, single=True), "Words to find states by."),
    "description": _DESCRIPTION,
}
_STATE = Words(
    "a state",
    {
        **_STATE_WORDS,
        "id": Word(STATE_NAME, "A name for #id targets."),
        "include": Word(_TEXT, "A file <name>.part.yaml beside or below this one: more words of this state."),
        "type": Word(Text(choices=("parallel", "final", "history")), "parallel, final or history."),
        "history": Word(Text(choices=("shallow", "deep")), "Of a history state: shallow (default) or deep."),
        "target": Word(_TARGET, "Of a history state: where to go before there is a history."),
        "initial": Word(Either((_CHILD, _INITIAL)), "Which child is entered by default."),
    },
)
CHART = Words(
    "a chart",
    {
        "id": Word(CHART_ID, "The machine's name in commands.", required=True),
        "version": Word(Whole(1), "Raise it with every change.", required=True),
        "context": Word(Table("context field", FIELD_NAME, CONTEXT_FIELD), "Field: JSON Schema words."),
        "commands": Word(
            Table("command", COMMAND_NAME, Either((Nothing(), _COMMAND))), "Name: what it takes.", True
        ),
        "events": Word(Rows(EVENT_TYPE), "The event types that subscribers can count on."),
        "index": Word(Rows(FIELD_NAME), "Context fields to list instances by."),
        "initial": Word(Either((_CHILD, _INITIAL)), "Which state is entered first."),
        "type": Word(Text(choices=("parallel",)), "parallel: all states of the root are active at once."),
        **_STATE_WORDS,
        "states": Word(_STATE_WORDS["states"].shape, "The states.", required=True),
    },
)
DEFINITIONS: Mapping[str, Shape] = {"state": _STATE, "fieldSchema": Words("a schema", _FIELD_WORDS)}


def json_schema(shape: Shape) -> dict[str, Any]:
    """The shape in draft-07 words; `Named` shapes become ``#/definitions/<name>``."""
    match shape:
        case Text():
            if shape.choices:
                return {"type": "string", "enum": list(shape.choices)}
            pattern = {"pattern": f"^(?:{shape.pattern})$"} if shape.pattern else {}
            return {"type": "string", **pattern}
        case Whole():
            return {"type": "integer"} | ({} if shape.minimum is None else {"minimum": shape.minimum})
        case Words():
            return _words_schema(shape)
        case Table():
            names = {"propertyNames": json_schema(shape.key)} if shape.key.pattern else {}
            return {"type": "object", "additionalProperties": json_schema(shape.value), **names}
        case Rows():
            item = json_schema(shape.item)
            rows = {"type": "array", "items": item}
            return {"anyOf": [item, rows]} if shape.single else rows
        case Either():
            return {"anyOf": [json_schema(each) for each in shape.shapes]}
        case Named():
            return {"$ref": f"#/definitions/{shape.name}"}
    kinds = {Decimal: {"type": "number"}, Flag: {"type": "boolean"}, Nothing: {"type": "null"}}
    return dict(kinds.get(type(shape), {}))


def _words_schema(shape: Words) -> dict[str, Any]:
    properties = {}
    for name, word in shape.words.items():
        properties[name] = json_schema(word.shape)
        if word.description and "$ref" not in properties[name]:
            properties[name]["description"] = word.description
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [name for name, word in shape.words.items() if word.required]
    if required:
        schema["required"] = required
    if shape.one:
        schema |= {"minProperties": 1, "maxProperties": 1}
    return schema
