"""The JSON Schemas (draft-07) that others read: chart, command, event, configuration.

The chart's is made of the loader's own table, so an editor completes exactly what the loader reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from interlock.engine.chart_outline import MISPLACED
from interlock.engine.chart_words import CHART, DEFINITIONS, json_schema
from interlock.engine.messages import ActorKind, Command
from interlock.engine.settings import Settings

DRAFT_07 = "http://json-schema.org/draft-07/schema#"
_TIME = {"type": "string", "format": "date-time"}
_NULLABLE = {"type": ["string", "null"]}


def chart_schema() -> dict[str, Any]:
    """Schema of a chart file. YAML keys that are written as numbers count as strings."""
    definitions = {name: json_schema(shape) for name, shape in DEFINITIONS.items()}
    definitions["state"]["allOf"] = [
        _of_kind("final", {"properties": {"type": {"const": "final"}}, "required": ["type"]}),
        _of_kind("history", {"properties": {"type": {"const": "history"}}, "required": ["type"]}),
        _of_kind("parallel", _PARALLEL, required=["states"]),
        _of_kind("compound", {**_HAS_STATES, "not": {"required": ["type"]}}, required=["initial"]),
        _of_kind("atomic", {"not": {"anyOf": [{"required": ["type"]}, _HAS_STATES]}}),
    ]
    root = json_schema(CHART)
    root["properties"]["states"]["minProperties"] = 1
    return {
        "$schema": DRAFT_07,
        "title": "Interlock statechart",
        **root,
        "if": _PARALLEL,
        "then": {"properties": {"initial": False}},
        "else": {"required": ["initial"]},
        "definitions": definitions,
    }


_PARALLEL: dict[str, Any] = {"properties": {"type": {"const": "parallel"}}, "required": ["type"]}
_HAS_STATES: dict[str, Any] = {"properties": {"states": {"minProperties": 1}}, "required": ["states"]}


def _of_kind(kind: str, condition: dict[str, Any], required: Sequence[str] = ()) -> dict[str, Any]:
    """What a state of this kind must not say, and what it must: but that may stand in the part that it includes."""
    there: list[dict[str, Any]] = [{"required": [word]} for word in required]
    rule: dict[str, Any] = {"properties": dict.fromkeys(MISPLACED[kind], False)}
    if there:
        rule["anyOf"] = [{"required": ["include"]}, {"allOf": there}]
    if kind in ("atomic", "compound"):
        condition = {"allOf": [condition, {"not": {"required": ["include"]}}]}
    return {"if": condition, "then": rule}


def command_schema() -> dict[str, Any]:
    """Schema of a command as it is published; `Command` is what checks it. ``id`` may be left out there."""
    schema = _draft_07(Command.model_json_schema())
    schema["title"] = "Interlock command"
    schema["required"] = [name for name in schema["required"] if name != "id"]
    return {"$schema": DRAFT_07, **schema}


def event_schema() -> dict[str, Any]:
    """Schema of an event: CloudEvents 1.0 in JSON (https://github.com/cloudevents/spec, v1.0.2)."""
    properties = {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1, "description": "The same after a crash and over retries."},
        "source": {"type": "string", "pattern": "^/", "description": "/interlock/<machine>"},
        "type": {"type": "string", "description": "<machine>.<past-tense verb>"},
        "subject": {"type": "string", "description": "Key of the instance."},
        "time": _TIME,
        "datacontenttype": {"const": "application/json"},
        "sequence": {"type": "integer", "minimum": 1, "description": "The version."},
        "correlationid": {"type": "string"},
        "traceparent": {"type": "string"},
        "data": _event_data(),
    }
    return {
        "$schema": DRAFT_07,
        "title": "Interlock event",
        "type": "object",
        "properties": properties,
        "required": ["specversion", "id", "source", "type", "subject", "time", "data", "sequence"],
    }


def config_schema() -> dict[str, Any]:
    """Schema of ``interlock.toml``; every field is also ``INTERLOCK_<FIELD>`` in the environment."""
    schema = _draft_07(Settings.model_json_schema())
    schema["title"] = "Interlock configuration"
    return {"$schema": DRAFT_07, **schema}


def _event_data() -> dict[str, Any]:
    states = {"type": "array", "items": {"type": "string"}}
    kinds = {"enum": list(get_args(ActorKind))}
    change = {"type": "object", "properties": {"from": {}, "to": {}}, "required": ["from", "to"]}
    properties: dict[str, Any] = {
        "version": {"type": "integer", "minimum": 1},
        "from": {**states, "description": "Active atomic states before, sorted; empty for a creation."},
        "to": {**states, "description": "Active atomic states after, sorted."},
        "command": {
            "type": "object",
            "properties": {"id": _NULLABLE, "name": {"type": "string"}},
            "description": "What caused it: a command, or a timer by the name of its event.",
        },
        "actor": {
            "type": ["object", "null"],
            "properties": {"id": _NULLABLE, "kind": kinds},
            "description": "Who asked; null for a timer.",
        },
        "changed": {
            "type": "object",
            "additionalProperties": change,
            "description": "Public context fields that the step changed.",
        },
        "context": {"type": "object", "description": "All public context fields after the step."},
        "correlation_id": _NULLABLE,
        "causation_id": _NULLABLE,
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def _draft_07(schema: Any) -> Any:
    """Pydantic writes 2020-12: what differs in its output is only where definitions stand."""
    if isinstance(schema, dict):
        return {"definitions" if key == "$defs" else key: _draft_07(value) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_draft_07(item) for item in schema]
    return schema.replace("#/$defs/", "#/definitions/") if isinstance(schema, str) else schema
