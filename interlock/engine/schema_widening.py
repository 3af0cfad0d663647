"""Whether whatever one JSON Schema accepts is accepted by another too, as far as that can be told. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_NOTES = frozenset({"title", "description", "examples", "default", "$comment", "public"})
"""Words that accept and refuse nothing."""
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_DROPPABLE = frozenset({"const", "pattern", "format", "multipleOf", "uniqueItems", "required"})
"""Words that only ever refuse: without one of them, a schema accepts more."""


def accepts_all_of(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """True only where every value that ``old`` accepts is accepted by ``new``; False also where that is not
    plain to see (words that combine schemas, changed words of objects and lists)."""
    before = {word: value for word, value in old.items() if word not in _NOTES}
    after = {word: value for word, value in new.items() if word not in _NOTES}
    return not after or all(
        before.get(word) == after.get(word) or _wider(word, before, after)
        for word in before.keys() | after.keys()
    )


def _wider(word: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    if word == "type":
        return word not in new or (word in old and _kinds(old[word]) <= _kinds(new[word]))
    if word == "enum":
        return word not in new or (word in old and all(value in new[word] for value in old[word]))
    if word in _LOWER:
        return word not in new or bool(word in old and new[word] <= old[word])
    if word in _UPPER:
        return word not in new or bool(word in old and new[word] >= old[word])
    return word in _DROPPABLE and word not in new


def _kinds(kinds: str | list[str]) -> set[str]:
    """The kinds of a ``type``; a number may be an integer."""
    found = {kinds} if isinstance(kinds, str) else set(kinds)
    return found | {"integer"} if "number" in found else found
