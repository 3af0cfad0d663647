"""JSON Schema in a few words, for a cell of a table. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from interlock.engine.chart import ContextField
from tools.lifecycles.markdown import code

_LIMITS = (
    ("minimum", "at least {}"),
    ("exclusiveMinimum", "more than {}"),
    ("maximum", "at most {}"),
    ("minLength", "{} or more characters"),
    ("maxLength", "at most {} characters"),
    ("pattern", "as {}"),
    ("format", "as {}"),
    ("minItems", "{} or more"),
    ("maxItems", "at most {}"),
    ("minProperties", "{} or more keys"),
    ("maxProperties", "at most {} keys"),
)
_SPOKEN = {"uniqueItems": "each once"}


def constraint(schema: Mapping[str, Any]) -> str:
    """The values that a schema allows: ``string, 1 or more characters``; ``one of `a`, `b```."""
    return ", ".join([_kind(schema), *_limits(schema)])


def default_of(field: ContextField) -> str:
    """A field's default as JSON; a field without one is null until somebody sets it."""
    return code(orjson.dumps(field.default).decode())


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(code(_spelled(value)) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(constraint(each) for each in schema["anyOf"])
    kinds = schema.get("type", "anything")
    words = " or ".join([kinds] if isinstance(kinds, str) else kinds)
    if "items" in schema:
        return f"{words} of ({constraint(schema['items'])})"
    if "properties" in schema:
        return f"{words} of {', '.join(code(name) for name in schema['properties'])}"
    values = schema.get("additionalProperties")
    return f"{words} of ({constraint(values)})" if isinstance(values, Mapping) else words


def _limits(schema: Mapping[str, Any]) -> Iterator[str]:
    for word, text in _LIMITS:
        if word in schema:
            limit = schema[word]
            yield text.format(code(limit) if isinstance(limit, str) else limit)
    for word, text in _SPOKEN.items():
        if schema.get(word):
            yield text


def _spelled(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
