"""The words of Engage's part of the OpenAPI document.

Parameters come in the query, in a form or as JSON: each is declared in the query and in the body, and needed in one
of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field
from pydantic.config import JsonDict

_DATE: JsonDict = {"format": "date-time"}


class EngageIntervention(BaseModel):
    """What is empty is left out."""

    id: str
    source_id: str | None = None
    thread_id: str | None = None
    content_id: str | None = Field(default=None, description="The content that it was opened on.")
    identity_id: str | None = Field(default=None, description="The customer.")
    identity_group_id: str | None = None
    user_id: str | None = Field(default=None, description="The agent in charge.")
    category_ids: list[str]
    custom_fields: dict[str, Any]
    comments_count: int
    user_replies_count: int
    first_user_reply_id: str | None = None
    first_user_reply_in: int | None = Field(default=None, description="Seconds.")
    last_user_reply_in: int | None = None
    user_reply_in_average: int | None = None
    user_reply_in_average_count: int
    closed: bool
    closed_at: str | None = Field(default=None, json_schema_extra=_DATE)
    closed_automatically: str | None = None
    deferred_at: str | None = Field(
        default=None, description="The time that it is put off to.", json_schema_extra=_DATE
    )
    status: str = Field(description="`Opened`, `Reopened`, `Deferred`, `Closed`, `Cancelled`.")
    created_at: str = Field(json_schema_extra=_DATE)
    updated_at: str = Field(json_schema_extra=_DATE)


class EngageInterventions(BaseModel):
    count: int = Field(description="How many there are in all.")
    offset: int
    limit: int
    records: list[EngageIntervention]


class EngageContent(BaseModel):
    """What is empty is left out."""

    id: str
    source_id: str
    thread_id: str | None = None
    identity_id: str | None = None
    identity_group_id: str | None = None
    author_id: str | None = None
    creator_id: str | None = Field(default=None, description="The agent, of an answer.")
    body: str
    in_reply_to_id: str | None = None
    intervention_id: str | None = Field(default=None, description="The intervention that counts an answer.")
    created_at: str = Field(json_schema_extra=_DATE)
    updated_at: str = Field(json_schema_extra=_DATE)


class EngageDone(BaseModel):
    status: str
    message: str


class EngageError(BaseModel):
    """Engage's envelope of everything that goes wrong."""

    error: str
    message: str
    status: int


TEXT: Mapping[str, Any] = {"type": "string"}
TEXTS: Mapping[str, Any] = {"type": "array", "items": {"type": "string"}}
FLAG: Mapping[str, Any] = {"type": "boolean"}
WHOLE: Mapping[str, Any] = {"type": "integer", "minimum": 0}
FIELDS: Mapping[str, Any] = {"type": "object", "additionalProperties": True}
_EVERYWHERE = {"impersonated_user_id": TEXT}
_FORMS = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI words for these statuses, each in Engage's envelope."""
    return {status: {"model": EngageError, "description": "Refused."} for status in statuses}


def takes(
    parameters: Mapping[str, Mapping[str, Any]] | None = None, *, has_body: bool = True
) -> dict[str, Any]:
    """The OpenAPI words for what an operation takes."""
    known = {**(parameters or {}), **_EVERYWHERE}
    words: dict[str, Any] = {"parameters": [_in_query(name, dict(schema)) for name, schema in known.items()]}
    if has_body:
        schema = {"type": "object", "properties": {name: dict(one) for name, one in known.items()}}
        words["requestBody"] = {
            "required": False,
            "content": {media_type: {"schema": schema} for media_type in _FORMS},
        }
    return words


def _in_query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    if schema["type"] == "array":
        return {"name": f"{name}[]", "in": "query", "required": False, "schema": schema}
    if schema["type"] == "object":
        return {"name": name, "in": "query", "required": False, "style": "deepObject", "schema": schema}
    return {"name": name, "in": "query", "required": False, "schema": schema}
