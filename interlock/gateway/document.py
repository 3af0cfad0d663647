"""The OpenAPI document: what FastAPI makes of the routes, and what it leaves out or says wrongly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from interlock.gateway.problems import MEDIA_TYPE
from interlock.gateway.shapes import PROBLEM_SCHEMA

Words = dict[str, Any]
"""A part of the document."""

_RETRY_AFTER = {
    "description": "Seconds after which it is worth trying again.",
    "required": True,
    "schema": {"type": "integer", "minimum": 1},
}
HEADERS: dict[str, Words] = {
    "401": {
        "WWW-Authenticate": {
            "description": "By what to authenticate.",
            "required": True,
            "schema": {"type": "string"},
        }
    },
    "429": {"Retry-After": _RETRY_AFTER},
    "503": {"Retry-After": _RETRY_AFTER},
}
"""By status, the headers that every such answer has."""

MADE: dict[str, dict[str, str]] = {
    "native_send_command": {"machine": "/machine", "key": "/key"},
    "native_add_webhook": {"webhook_id": "/id"},
    "engage_create_content": {"contentId": "/id"},
    "engage_create_intervention": {"interventionId": "/id"},
    "sunshine_create_conversation": {"conversationId": "/conversation/id"},
    "sunshine_create_switchboard": {"switchboardId": "/switchboard/id"},
    "sunshine_create_switchboard_integration": {"switchboardIntegrationId": "/switchboardIntegration/id"},
    "sunshine_create_user": {"userIdOrExternalId": "/user/id"},
    "genesys_create_interaction": {"id": "/id"},
}
"""By operation, which parameters of other operations its answer holds, and where (JSON pointers)."""

_VALIDATION = "Validation Error"
_PARAMETER = re.compile(r"\{([^{}]+)\}")


def finished(document: Words) -> Words:
    """The same document, exact."""
    for operation in _operations(document):
        for parameter in operation.get("parameters", ()):
            _forbid_null(parameter["schema"])
        answers = operation["responses"]
        # FastAPI adds its own answer to what does not fit, where none is declared; none here answers so.
        if answers.get("422", {}).get("description") == _VALIDATION:
            del answers["422"]
        for status, answer in answers.items():
            _correct_types(answer.get("content", {}))
            if status in HEADERS:
                answer["headers"] = {**answer.get("headers", {}), **HEADERS[status]}
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
    _link(document)
    return document


def _operations(document: Words) -> Iterator[Words]:
    for path in document["paths"].values():
        yield from path.values()


def _forbid_null(schema: Words) -> None:
    """A parameter that is sent is a text, so never null: null is how Python says that it was not sent."""
    others = [one for one in schema.get("anyOf", ()) if one != {"type": "null"}]
    if len(others) == 1:
        del schema["anyOf"]
        schema.update(others[0])


def _correct_types(content: Words) -> None:
    """FastAPI calls every answer application/json: problems are not, and some answers are nothing of the kind."""
    if content.get("application/json", {}).get("schema") == PROBLEM_SCHEMA:
        content[MEDIA_TYPE] = content.pop("application/json")
    if len(content) > 1 and not content.get("application/json", {}).get("schema", True):
        del content["application/json"]


def _link(document: Words) -> None:
    """Say of each operation that makes something which operations take what it has made."""
    by_id = {operation["operationId"]: operation for operation in _operations(document)}
    places = {
        operation["operationId"]: set(_PARAMETER.findall(path))
        for path, operations in document["paths"].items()
        for operation in operations.values()
    }
    for maker, held in MADE.items():
        answers = by_id[maker]["responses"]
        made = answers["201" if "201" in answers else "200"]
        given = {name: f"$request.path.{name}" for name in places[maker]}
        given |= {name: f"$response.body#{place}" for name, place in held.items()}
        made["links"] = {
            taker: {"operationId": taker, "parameters": {name: given[name] for name in sorted(needed)}}
            for taker, needed in places.items()
            if needed <= given.keys() and needed >= held.keys() and _same_api(maker, taker)
        }


def _same_api(one: str, other: str) -> bool:
    return one.partition("_")[0] == other.partition("_")[0]
