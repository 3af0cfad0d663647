"""The AsyncAPI 3.0 document (https://www.asyncapi.com/docs/reference/specification/v3.0.0): what goes through Redis
and out to receivers, each command and event of the charts by its name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from interlock.engine.chart import Chart, CommandDef
from interlock.engine.messages import Status
from interlock.engine.policy import announced_by
from interlock.engine.schemas import command_schema, event_schema

VERSION = "3.0.0"
_MAX_ID_BYTES = 128


def asyncapi_document(charts: Iterable[Chart], prefix: str, product_version: str) -> dict[str, Any]:
    """The document of a deployment whose keys begin with ``prefix``. ``charts``: one version of each."""
    machines = sorted(charts, key=lambda chart: chart.id)
    commands = {
        f"{chart.id}.{name}": _command_message(chart, name, declared)
        for chart in machines
        for name, declared in chart.commands.items()
    }
    events = {kind: _event_message(kind) for chart in machines for kind in sorted(announced_by(chart))}
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "Interlock",
            "version": product_version,
            "description": "Commands to statecharts, their results, and the events that tell what happened.",
        },
        "defaultContentType": "application/json",
        "channels": _channels(prefix, list(commands), list(events)),
        "operations": _OPERATIONS,
        "components": {
            "messages": {
                **{f"command.{name}": message for name, message in commands.items()},
                **{f"event.{name}": message for name, message in events.items()},
                "result": {
                    "title": "What became of a command",
                    "correlationId": {"location": "$message.payload#/id"},
                    "payload": {"$ref": "#/components/schemas/result"},
                },
            },
            "schemas": {
                "command": _embedded(command_schema(), "command"),
                "event": _embedded(event_schema(), "event"),
                "result": result_schema(),
            },
        },
    }


def result_schema() -> dict[str, Any]:
    """Schema of a command's result (wire contract)."""
    text = {"type": ["string", "null"]}
    error = {
        "type": ["object", "null"],
        "properties": {
            "class": {"type": "string"},
            "code": {"type": "string"},
            "message": {"type": "string"},
            "details": {"type": "object"},
        },
        "required": ["class", "code", "message", "details"],
    }
    properties: dict[str, Any] = {
        "id": {**text, "description": "The command's."},
        "status": {"enum": [status.value for status in Status]},
        "machine": text,
        "key": text,
        "version": {"type": ["integer", "null"], "minimum": 1, "description": "Of the instance afterwards."},
        "state": {
            "type": ["array", "null"],
            "items": {"type": "string"},
            "description": "Active atomic states afterwards, sorted.",
        },
        "events": {"type": "array", "items": {"type": "string"}, "description": "Types announced, in order."},
        "error": error,
        "duplicate": {"const": True, "description": "This command had been answered before."},
    }
    required = [name for name in properties if name != "duplicate"]
    return {"title": "Interlock result", "type": "object", "properties": properties, "required": required}


def _channels(prefix: str, commands: list[str], events: list[str]) -> dict[str, Any]:
    result = {"result": {"$ref": "#/components/messages/result"}}
    command_id = {"description": f"The command's id, at most {_MAX_ID_BYTES} characters."}
    return {
        "commands": {
            "address": f"{prefix}:commands",
            "title": "A Redis stream",
            "description": "XADD, with the command's JSON in the field `command`.",
            "messages": _references("command", commands),
        },
        "results": {
            "address": f"{prefix}:result:{{id}}",
            "title": "A Redis string for each command, for a while",
            "parameters": {"id": command_id},
            "messages": result,
        },
        "replies": {
            "address": f"{prefix}:reply:{{token}}",
            "title": "A Redis list for one who waits: the `reply_to` of the command",
            "parameters": {"token": {"description": "A word that the publisher chooses and nobody guesses."}},
            "messages": result,
        },
        "webhooks": {
            "address": None,
            "title": "POST to each subscribed URL",
            "description": "Signed by Standard Webhooks; `interlock webhook add URL` subscribes.",
            "messages": _references("event", events),
        },
    }


def _references(kind: str, names: list[str]) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/messages/{kind}.{name}"} for name in names}


_OPERATIONS: dict[str, Any] = {
    "apply_command": {
        "action": "receive",
        "channel": {"$ref": "#/channels/commands"},
        "summary": "Commands are applied in their order, each id once.",
        "reply": {
            "address": {"location": "$message.payload#/reply_to"},
            "channel": {"$ref": "#/channels/replies"},
        },
    },
    "keep_result": {
        "action": "send",
        "channel": {"$ref": "#/channels/results"},
        "summary": "The result of each command, kept under its id.",
    },
    "deliver_event": {
        "action": "send",
        "channel": {"$ref": "#/channels/webhooks"},
        "summary": "Each event at least once, under one `webhook-id` for each receiver.",
    },
}


def _command_message(chart: Chart, name: str, declared: CommandDef) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "machine": {"const": chart.id},
        "name": {"const": name},
        "data": dict(declared.schema),
    }
    required = ["data"] if declared.schema.get("required") else []
    return {
        "title": f"{chart.id} {name}",
        "correlationId": {"location": "$message.payload#/id"},
        "payload": {
            "allOf": [
                {"$ref": "#/components/schemas/command"},
                {"properties": fields, **({"required": required} if required else {})},
            ]
        },
    }


def _event_message(kind: str) -> dict[str, Any]:
    return {
        "title": kind,
        "contentType": "application/cloudevents+json",
        "payload": {
            "allOf": [{"$ref": "#/components/schemas/event"}, {"properties": {"type": {"const": kind}}}]
        },
    }


def _embedded(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """A schema that stood alone, below ``components/schemas``: its references lead there."""

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: moved(one) for key, one in value.items() if key != "$schema"}
        if isinstance(value, list):
            return [moved(one) for one in value]
        if isinstance(value, str) and value.startswith("#/definitions/"):
            return value.replace("#/", f"#/components/schemas/{name}/", 1)
        return value

    return dict(moved(schema))
