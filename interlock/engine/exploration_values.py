"""Values worth trying for a field, out of its JSON Schema and of what a chart compares it with. Pure.

Few, simple and always in the same order: members of enum and const, literals, the edges of ranges, plain texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any

import jsonschema_rs
import orjson

from interlock.engine.exploration_reading import Related
from interlock.engine.expression_functions import MAX_INTEGER
from interlock.engine.messages import format_time

PLAIN = ("one", "two")
"""The plain texts. The same for all fields, so that one can name another: an id, and who asks for it."""
MAX_VALUES = 12
"""Values tried for one field."""
_MAX_LENGTH = 1_000
_MAX_DEPTH = 4
_ODD_TEXTS = (
    "a@example.com",
    "https://example.com/",
    "a",
    "A",
    "1",
    "01",
    "001",
    "A1",
    "AB",
    "EUR",
    "+4912345678",
    "",
)
"""Tried where a plain text is not allowed."""
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "array": list,
    "object": dict,
}


def values_for(
    schema: Mapping[str, Any], related: Related, beside: Sequence[Any], moments: Sequence[datetime]
) -> list[Any]:
    """Values that the schema allows, the simplest first, at most `MAX_VALUES`.

    ``beside``: what stands now in the fields that it is compared with; ``moments``: times that may matter.
    """
    found = _distinct(_first(_values(schema, related, beside, moments, 0), schema))
    return found or _distinct(_first(_ODD_TEXTS, schema))


def _distinct(values: Iterable[Any]) -> list[Any]:
    found: dict[bytes, Any] = {}
    for value in values:
        found.setdefault(orjson.dumps(value, option=orjson.OPT_SORT_KEYS), value)
        if len(found) == MAX_VALUES:
            break
    return list(found.values())


def texts_in(value: Any, depth: int = 0) -> Iterator[str]:
    """All texts in a JSON value, the keys of objects too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict) and depth < _MAX_DEPTH:
        for name, item in value.items():
            yield name
            yield from texts_in(item, depth + 1)
    elif isinstance(value, list) and depth < _MAX_DEPTH:
        for item in value:
            yield from texts_in(item, depth + 1)


def _values(
    schema: Mapping[str, Any],
    related: Related,
    beside: Sequence[Any],
    moments: Sequence[datetime],
    depth: int,
) -> Iterator[Any]:
    if "const" in schema:
        yield schema["const"]
    yield from schema.get("enum", ())
    kinds = _kinds_of(schema, related)
    yield from (each for each in related.literals if _is_of(each, kinds))
    for kind in kinds:
        yield from _of_kind(kind, schema, related, beside, moments, depth)
    yield from beside
    yield from schema.get("examples", ())
    for word in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(word, ()):
            if isinstance(part, Mapping):
                yield from _values({**_without_parts(schema), **part}, related, beside, moments, depth + 1)


def _without_parts(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {word: value for word, value in schema.items() if word not in ("anyOf", "oneOf", "allOf")}


def _kinds_of(schema: Mapping[str, Any], related: Related) -> list[str]:
    """The types that the schema names; where it names none, those of what it is compared with, else text."""
    named = schema.get("type")
    if isinstance(named, str):
        return [named]
    if isinstance(named, list):
        return [kind for kind in named if isinstance(kind, str)]
    if "enum" in schema or "const" in schema:
        return []
    if "properties" in schema:
        return ["object"]
    kinds = []
    if any(isinstance(each, bool) for each in related.literals):
        kinds.append("boolean")
    if any(_is_of(each, ["number"]) for each in related.literals):
        kinds.append("number")
    if any(isinstance(each, list) for each in related.literals):
        kinds.append("array")
    return [*kinds, "string", *([] if "boolean" in kinds else ["boolean"]), "null"]


def _is_of(value: Any, kinds: Iterable[str]) -> bool:
    for kind in kinds:
        if (kind == "null" and value is None) or (kind == "boolean" and isinstance(value, bool)):
            return True
        if kind in _KINDS and isinstance(value, _KINDS[kind]) and not isinstance(value, bool):
            return True
    return False


def _of_kind(
    kind: str,
    schema: Mapping[str, Any],
    related: Related,
    beside: Sequence[Any],
    moments: Sequence[datetime],
    depth: int,
) -> Iterator[Any]:
    match kind:
        case "string":
            yield from _texts(schema, related, beside, moments)
        case "integer" | "number":
            yield from _numbers(schema, related, beside)
        case "boolean":
            yield from (True, False)
        case "null":
            yield None
        case "array" if depth < _MAX_DEPTH:
            yield from _lists(schema, related, moments, depth)
        case "object" if depth < _MAX_DEPTH:
            yield from _objects(schema, moments, depth)


def _texts(
    schema: Mapping[str, Any], related: Related, beside: Sequence[Any], moments: Sequence[datetime]
) -> Iterator[str]:
    if schema.get("format") in ("date-time", "date") or related.timed:
        for moment in moments:
            text = format_time(moment)
            yield text[:10] if schema.get("format") == "date" else text
    shortest = schema.get("minLength", 0)
    for text in PLAIN if "format" not in schema else _ODD_TEXTS:
        yield text.ljust(min(shortest, _MAX_LENGTH), "x")[: schema.get("maxLength", _MAX_LENGTH)]
    for value in beside:
        yield from texts_in(value)
    if related.measured:
        yield from ("x" * length for length in _lengths(related))


def _lengths(related: Related) -> list[int]:
    found = [n + more for n in related.literals if type(n) is int for more in (0, 1, -1)]
    return [length for length in found if 0 <= length <= _MAX_LENGTH]


def _numbers(schema: Mapping[str, Any], related: Related, beside: Sequence[Any]) -> Iterator[float]:
    near = [n for n in (*related.literals, *beside) if type(n) in (int, float)]
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    step = schema.get("multipleOf", 1)
    found = [edge for edge in (low, high) if edge is not None]
    found += [n + more for n in near for more in (step, -step)]
    found += [above + step] if above is not None else []
    found += [below - step] if below is not None else []
    yield from (n for n in (*found, 1, 0, step) if abs(n) <= MAX_INTEGER)


def _lists(
    schema: Mapping[str, Any], related: Related, moments: Sequence[datetime], depth: int
) -> Iterator[list[Any]]:
    items = schema.get("items")
    inside = items if isinstance(items, Mapping) else {}
    yield []
    nothing = Related()
    # What is compared with an item stands as a literal or a text beside the list.
    first = list(
        _first(_values(inside, Related(related.literals), (), moments, depth + 1), inside, MAX_VALUES)
    )
    if _is_object(inside):
        yield from _chained(inside, moments, depth)
    yield from ([each] for each in first[: max(1, len(related.literals))])
    if len(first) > 1:
        yield first[:2]
    wanted = [schema.get("minItems", 0), *(_lengths(related) if related.measured else ())]
    plain = list(_first(_values(inside, nothing, (), moments, depth + 1), inside, MAX_VALUES))
    for length in wanted:
        if plain and 1 < length <= _MAX_LENGTH:
            yield [plain[place % len(plain)] for place in range(length)]


def _is_object(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "object" and bool(schema.get("properties"))


def _chained(items: Mapping[str, Any], moments: Sequence[datetime], depth: int) -> Iterator[list[Any]]:
    """Two objects that differ in what they must have; what else the first may say names the second."""
    pair = []
    required = items.get("required", ())
    for own, other in (PLAIN, PLAIN[::-1]):
        row = {}
        for name, field in items["properties"].items():
            wanted = own if name in required else other
            chosen = next(_first(_preferring(wanted, field, moments, depth), field, 1), None)
            if name in required or isinstance(chosen, str):
                row[name] = chosen
        pair.append(row)
    bare = {name: value for name, value in pair[1].items() if name in required}
    yield [pair[0], bare]
    yield [pair[0]]
    yield pair


def _preferring(
    wanted: str, field: Mapping[str, Any], moments: Sequence[datetime], depth: int
) -> Iterator[Any]:
    if _is_of(wanted, _kinds_of(field, Related())):
        yield wanted
    yield from _values(field, Related(), (), moments, depth + 2)


def _objects(schema: Mapping[str, Any], moments: Sequence[datetime], depth: int) -> Iterator[dict[str, Any]]:
    properties = {
        name: field for name, field in schema.get("properties", {}).items() if isinstance(field, Mapping)
    }
    required = {name: properties.get(name, {}) for name in schema.get("required", ())}
    for fields in (required, {**required, **properties}):
        row = {}
        for name, field in fields.items():
            for value in _first(_values(field, Related(), (), moments, depth + 1), field, 1):
                row[name] = value
        yield row
    if not properties and schema.get("additionalProperties") is not False:
        more = schema.get("additionalProperties")
        inside = more if isinstance(more, Mapping) else {"type": "string"}
        for value in _first(_values(inside, Related(), (), moments, depth + 1), inside, 1):
            yield {PLAIN[0]: value}


def _first(values: Iterable[Any], schema: Mapping[str, Any], number: int | None = None) -> Iterator[Any]:
    """The first valid ones; all of them where no number is said."""
    valid = jsonschema_rs.validator_for(dict(schema)).is_valid
    return islice((value for value in values if valid(value)), number)
