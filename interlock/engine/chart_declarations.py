"""What a chart declares beside its states: context fields and commands, each with its JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from interlock.engine.chart import CommandDef, ContextField
from interlock.engine.chart_outline import text, texts
from interlock.engine.chart_words import IF_MISSING
from interlock.engine.errors import Finding, Mark
from interlock.engine.spelling import did_you_mean
from interlock.engine.yaml_source import Entries, Node, plain

_OWN_WORDS = ("default", "public")


def context_fields(node: Node | None, findings: list[Finding]) -> dict[str, ContextField]:
    """The declared context fields by name."""
    fields = {}
    for name, entries, mark in _rows(node):
        schema = _schema(entries, mark, findings)
        default = plain(entries.values["default"]) if "default" in entries.values else None
        if "default" not in entries.values:
            schema = nullable(schema)
        elif schema is not None:
            place = entries.values["default"].mark
            _check_value(default, schema, place, f"the default of context.{name}", findings)
        fields[name] = ContextField(name, schema or {}, default, _public(entries), mark)
    return fields


def commands(node: Node | None, findings: list[Finding]) -> dict[str, CommandDef]:
    """The declared commands by name."""
    made = {name: _command(name, entries, mark, findings) for name, entries, mark in _rows(node)}
    if isinstance(node, Entries) and not any(command.creates for command in made.values()):
        message = "no command makes an instance"
        findings.append(Finding(node.mark, "no_creating_command", message, "Mark one with creates: true."))
    return made


def nullable(schema: dict[str, Any] | None) -> dict[str, Any]:
    """The schema that accepts null besides."""
    if not schema or valid(None, schema):
        return schema or {}
    if not {"anyOf", "oneOf", "allOf", "not", "const"} & schema.keys():
        wider = dict(schema)
        if "type" in wider:
            kinds = wider["type"] if isinstance(wider["type"], list) else [wider["type"]]
            wider["type"] = [*kinds, "null"]
        if "enum" in wider:
            wider["enum"] = [*wider["enum"], None]
        return wider
    return {"anyOf": [schema, {"type": "null"}]}


def valid(value: Any, schema: Mapping[str, Any]) -> bool:
    """True where the value fits the schema."""
    return jsonschema_rs.validator_for(dict(schema)).is_valid(value)


def field_schemas(fields: Mapping[str, ContextField]) -> dict[str, Mapping[str, Any]]:
    """Name -> schema, as expressions want it."""
    return {name: field.schema for name, field in fields.items()}


def _rows(node: Node | None) -> list[tuple[str, Entries, Mark]]:
    if not isinstance(node, Entries):
        return []
    empty = Entries({}, {}, node.mark)
    return [
        (name, value if isinstance(value, Entries) else empty, node.keys[name])
        for name, value in node.values.items()
    ]


def _public(entries: Entries) -> bool:
    written = entries.get("public")
    return written is None or plain(written) is not False


def _schema(entries: Entries, mark: Mark, findings: list[Finding]) -> dict[str, Any] | None:
    """None where the words make no JSON Schema."""
    schema = {word: plain(value) for word, value in entries.values.items() if word not in _OWN_WORDS}
    try:
        jsonschema_rs.validator_for(schema)
    except (jsonschema_rs.ValidationError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        findings.append(Finding(mark, "bad_schema", f"this is no JSON Schema: {reason}"))
        return None
    return schema


def _check_value(
    value: Any, schema: Mapping[str, Any], mark: Mark, what: str, findings: list[Finding]
) -> None:
    error = next(iter(jsonschema_rs.validator_for(dict(schema)).iter_errors(value)), None)
    if error is not None:
        findings.append(Finding(mark, "invalid_value", f"{what} breaks its schema: {error.message}"))


def _command(name: str, entries: Entries, mark: Mark, findings: list[Finding]) -> CommandDef:
    rows = _rows(entries.get("data"))
    properties = {field: _schema(words, at, findings) or {} for field, words, at in rows}
    required = texts(entries.get("required"))
    for field, at in required:
        if field not in properties:
            hint = did_you_mean(field, properties)
            findings.append(Finding(at, "unknown_field", f"data.{field} of {name!r} is not declared", hint))
    return CommandDef(
        name=name,
        creates=_flag(entries, "creates") or text(entries.get("creates")) == IF_MISSING,
        if_missing=text(entries.get("creates")) == IF_MISSING,
        schema={
            "type": "object",
            "properties": properties,
            "required": [field for field, _ in required],
            "additionalProperties": False,
        },
        by=tuple(kind for kind, _ in texts(entries.get("by"))),
        mark=mark,
        private=frozenset(field for field, words, _ in rows if not _public(words)),
        description=text(entries.get("description")),
        exclusive=_flag(entries, "exclusive"),
    )


def _flag(entries: Entries, word: str) -> bool:
    written = entries.get(word)
    return written is not None and plain(written) is True
