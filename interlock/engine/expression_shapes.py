"""What is known at load about the value of an expression's part, so that obvious mistakes are found there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from interlock.engine.messages import ActorKind
from interlock.engine.spelling import did_you_mean

_JSON_KIND = {"integer": "number"}


@dataclass(frozen=True, slots=True)
class Shape:
    """``kinds``: JSON kinds that the value can have besides null (None: any). ``values``: the strings it can
    be, where they are listed. ``schema``: JSON Schema words of a declared field, for the fields below it.
    ``name``: how the expression names it, for messages.
    """

    kinds: frozenset[str] | None = None
    values: frozenset[str] | None = None
    schema: Mapping[str, Any] | None = None
    name: str = ""

    def may_be(self, *kinds: str) -> bool:
        """True where the value can be of one of these kinds."""
        return self.kinds is None or not self.kinds.isdisjoint(kinds)

    def __str__(self) -> str:
        kinds = "any" if self.kinds is None else " or ".join(sorted(self.kinds)) or "null"
        return f"{self.name} ({kinds})" if self.name else kinds


ANY = Shape()
ACTOR_SHAPES: Mapping[str, Shape] = {
    "id": Shape(frozenset({"string"}), name="actor.id"),
    "kind": Shape(frozenset({"string"}), frozenset(get_args(ActorKind)), name="actor.kind"),
    "permissions": Shape(frozenset({"array"}), name="actor.permissions"),
}
SCOPE_SHAPES: Mapping[str, Shape] = {
    "now": Shape(frozenset({"string"}), name="now"),
    "key": Shape(frozenset({"string"}), name="key"),
    "version": Shape(frozenset({"number"}), name="version"),
    "command": Shape(frozenset({"string"}), name="command"),
}


def shape_of(schema: Any, name: str) -> Shape:
    """What a JSON Schema says about a value; composed schemas (``anyOf``, ``$ref``) say nothing here."""
    if not isinstance(schema, Mapping):
        return Shape(name=name)
    words = schema.get("type")
    kinds = None
    if words is not None:
        listed = [words] if isinstance(words, str) else words
        kinds = frozenset(_JSON_KIND.get(word, word) for word in listed) - {"null"}
    values = None
    allowed = schema.get("enum")
    if isinstance(allowed, list) and all(value is None or isinstance(value, str) for value in allowed):
        values = frozenset(value for value in allowed if value is not None)
    return Shape(kinds, values, schema, name)


def shape_below(above: Shape, field: str) -> tuple[Shape, str, str]:
    """The shape of ``above.field``, and why there is none (message, suggestion; empty: there may be one)."""
    name = f"{above.name or 'value'}.{field}"
    if not above.may_be("object"):
        return ANY, f"{above} has no fields", "Declare it as an object."
    schema = above.schema
    if schema is None or not isinstance(schema.get("properties"), Mapping):
        return Shape(name=name), "", ""
    properties = schema["properties"]
    if field not in properties and not schema.get("additionalProperties"):
        return ANY, f"{name} is not declared", did_you_mean(field, properties)
    return shape_of(properties.get(field), name), "", ""
