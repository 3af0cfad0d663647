"""What Sunshine's clients send: the schema of each body, which the OpenAPI document shows and requests are held to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema_rs
from fastapi import Request

from interlock.engine.messages import MAX_ID_LENGTH, text_schema
from interlock.gateway.dialects.sunshine.errors import CODES, SunshineError, bad_request
from interlock.gateway.parameters import json_body
from interlock.statecharts.functions import metadata_bytes

Schema = dict[str, Any]
_MAX_PROBLEMS = 10
_MASK = "what was sent"
"""Stands for values in messages: they may be secret."""

_ID: Schema = text_schema(MAX_ID_LENGTH)
_EXTERNAL_ID: Schema = {"type": "string", "minLength": 1, "maxLength": 1024}
_HUNDRED: Schema = {"type": "string", "minLength": 1, "maxLength": 100}
_URL: Schema = {"type": "string", "minLength": 1, "maxLength": 2048}
_MAX_BODY_BYTES = 100_000
_MAX_METADATA_BYTES = 4096
_METADATA: Schema = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean"]},
    "description": "Flat. 4 KB of JSON at most.",
}
_REASON: Schema = {"type": "string", "enum": ["ticketClosed", "transferToEmail"]}
_FLAG: Schema = {"type": "boolean"}
_NAME: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 128,
    "pattern": r"^[A-Za-z0-9_-]+$",
    "not": {"const": "next"},
}


def _body(properties: Schema, *needed: str, **more: Any) -> Schema:
    words = {"required": list(needed)} if needed else {}
    return {"type": "object", "properties": properties, "additionalProperties": False, **words, **more}


_EITHER_USER = [{"required": ["userId"]}, {"required": ["userExternalId"]}]
_USER = {"userId": _ID, "userExternalId": _EXTERNAL_ID}
_PARTICIPANT = _body({**_USER, "subscribeSDKClient": _FLAG}, oneOf=_EITHER_USER)
_INTEGRATION = {
    "name": _NAME,
    "integrationId": _ID,
    "integrationType": _ID,
    "deliverStandbyEvents": _FLAG,
    "nextSwitchboardIntegrationId": {**_ID, "type": ["string", "null"]},
    "messageHistoryCount": {"type": ["integer", "null"], "minimum": 1, "maximum": 10},
}
_CONVERSATION = {"displayName": _HUNDRED, "description": _HUNDRED, "iconUrl": _URL, "metadata": _METADATA}

PASS = _body(
    {"switchboardIntegration": _ID, "metadata": _METADATA, "reason": _REASON}, "switchboardIntegration"
)
OFFER = _body({"switchboardIntegration": _ID, "metadata": _METADATA}, "switchboardIntegration")
ACCEPT = _body({"metadata": _METADATA})
RELEASE = _body({"metadata": _METADATA, "reason": _REASON})

SWITCHBOARD_CREATE = _body({})
SWITCHBOARD_UPDATE = _body({"enabled": _FLAG, "defaultSwitchboardIntegrationId": _ID})
INTEGRATION_CREATE = _body(
    _INTEGRATION, "name", oneOf=[{"required": ["integrationId"]}, {"required": ["integrationType"]}]
)
INTEGRATION_UPDATE = _body(_INTEGRATION, **{"not": {"required": ["integrationId", "integrationType"]}})

CONVERSATION_CREATE = _body(
    {
        "type": {"type": "string", "enum": ["personal", "sdkGroup"]},
        "participants": {"type": "array", "items": _PARTICIPANT, "maxItems": 10},
        **_CONVERSATION,
    },
    "type",
    anyOf=[
        {"properties": {"type": {"const": "sdkGroup"}}},
        {"required": ["participants"], "properties": {"participants": {"minItems": 1, "maxItems": 1}}},
    ],
)
CONVERSATION_UPDATE = _body(_CONVERSATION)
PARTICIPANT_JOIN = _PARTICIPANT
PARTICIPANT_LEAVE = _body(
    {**_USER, "participantId": _ID}, oneOf=[*_EITHER_USER, {"required": ["participantId"]}]
)

_AUTHOR = _body(
    {
        "type": {"type": "string", "enum": ["user", "business"]},
        **_USER,
        "displayName": {"type": "string", "maxLength": 1024},
        "avatarUrl": _URL,
        "subtypes": {"type": "array", "items": {"type": "string", "enum": ["AI", "activity"]}, "maxItems": 2},
    },
    "type",
    anyOf=[{"properties": {"type": {"const": "business"}}}, {"oneOf": _EITHER_USER}],
)
_TEXT: Schema = {"type": "string", "maxLength": 4096}
_TEXTS = {"text": _TEXT, "htmlText": _TEXT, "markdownText": _TEXT, "actions": {"type": "array"}}


def _some(maximum: int) -> Schema:
    return {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": maximum}


def _where_type(kind: str, schema: Schema) -> Schema:
    return {"if": {"properties": {"type": {"const": kind}}}, "then": schema}


_COORDINATES: Schema = {
    "type": "object",
    "required": ["lat", "long"],
    "properties": {"lat": {"type": "number"}, "long": {"type": "number"}},
}
_NEEDED: dict[str, Schema] = {
    "carousel": {"items": _some(10)},
    "file": {"mediaUrl": _URL},
    "form": {"fields": _some(20)},
    "formResponse": {"fields": _some(20)},
    "image": {"mediaUrl": _URL},
    "list": {"items": _some(10)},
    "location": {"coordinates": _COORDINATES},
    "template": {"template": {"type": "object"}},
}
"""By the type of a message, what it has to have. A text has one of four things."""
_CONTENT: Schema = {
    "type": "object",
    "required": ["type"],
    "properties": {"type": {"type": "string", "enum": ["text", *_NEEDED]}},
    "allOf": [
        _where_type("text", {"properties": _TEXTS, "anyOf": [{"required": [name]} for name in _TEXTS]}),
        *(
            _where_type(kind, {"properties": properties, "required": [*properties]})
            for kind, properties in _NEEDED.items()
        ),
    ],
}
MESSAGE = _body(
    {
        "author": _AUTHOR,
        "content": _CONTENT,
        "destination": {"type": "object"},
        "metadata": _METADATA,
        "override": {"type": "object"},
        "schema": {"type": "string"},
    },
    "author",
    "content",
)
ACTIVITY = _body(
    {
        "type": {"type": "string", "enum": ["conversation:read", "typing:start", "typing:stop"]},
        "author": _AUTHOR,
    },
    "type",
    "author",
    anyOf=[
        {"properties": {"type": {"const": "conversation:read"}}},
        {"properties": {"author": {"properties": {"type": {"const": "business"}}}}},
    ],
)

_SHORT: Schema = {"type": "string", "minLength": 1, "maxLength": 128}
_PERSON = {
    "signedUpAt": {"type": "string", "format": "date-time", "maxLength": 64},
    "toBeRetained": _FLAG,
    "profile": _body(
        {
            "givenName": _SHORT,
            "surname": _SHORT,
            "email": _SHORT,
            "avatarUrl": _URL,
            "locale": {"type": "string", "minLength": 1, "maxLength": 64},
        }
    ),
    "metadata": _METADATA,
}
USER_CREATE = _body({"externalId": _EXTERNAL_ID, **_PERSON}, "externalId")
USER_UPDATE = _body(_PERSON)


def taken(schema: Schema) -> Callable[[Request], Any]:
    """A dependency: the body, where it fits the schema. Raises SunshineError (400, 413), and Problem as `json_body`."""
    validator = jsonschema_rs.validator_for(schema, mask=_MASK, validate_formats=True)

    async def read(request: Request) -> dict[str, Any]:
        if len(await request.body()) > _MAX_BODY_BYTES:
            raise SunshineError(413, CODES[413], "The body is over 100 kB. Send less.")
        body = await json_body(request)
        titles = []
        for problem in validator.iter_errors(body):
            place = "/".join(str(part) for part in problem.instance_path) or "body"
            titles.append(f"{place}: {problem.message[:300]}. Correct it.")
            if len(titles) == _MAX_PROBLEMS:
                break
        if not titles and metadata_bytes(body.get("metadata")) > _MAX_METADATA_BYTES:
            titles.append("metadata: what was sent takes over 4 KB. Correct it.")
        if titles:
            raise bad_request(*titles)
        return body

    return read
