"""The words of Engage's part of the OpenAPI document.

Parameters come in the query, in a form or as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from interlock.engine.messages import PRINTABLE, text_schema
from interlock.gateway.parameters import MAX_QUERY_TEXT
from interlock.gateway.shown import Count, Shown, Time

MAX_TEXT = 128
"""Characters of an id or another short text."""
MAX_BODY = 65_536
"""Characters of a content or a comment."""
MAX_WHOLE = 2**31 - 1


class EngageIntervention(Shown):
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
    comments_count: Count
    user_replies_count: Count
    first_user_reply_id: str | None = None
    first_user_reply_in: int | None = Field(default=None, description="Seconds.")
    first_user_reply_in_bh: int | None = Field(
        default=None, description="Business seconds; left out without a calendar."
    )
    last_user_reply_in: int | None = None
    last_user_reply_in_bh: int | None = None
    user_reply_in_average: int | None = None
    user_reply_in_average_bh: int | None = None
    user_reply_in_average_count: Count
    closed: bool
    closed_at: Time | None = None
    closed_automatically: str | None = None
    deferred_at: Time | None = Field(default=None, description="The time that it is put off to.")
    status: Literal["Opened", "Reopened", "Deferred", "Closed", "Cancelled"]
    created_at: Time
    updated_at: Time


class EngageRecords(Shown):
    """What all lists have beside their records."""

    count: Count = Field(description="How many there are in all.")
    offset: Count
    limit: Count


class EngageInterventions(EngageRecords):
    records: list[EngageIntervention]


class EngageContent(Shown):
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
    created_at: Time
    updated_at: Time


class EngageContents(EngageRecords):
    records: list[EngageContent]


class EngageComment(Shown):
    """What is empty is left out."""

    id: str
    intervention_id: str
    thread_id: str | None = None
    identity_id: str | None = Field(default=None, description="The customer.")
    user_id: str | None = Field(default=None, description="Who wrote it.")
    body: str
    created_at: Time
    updated_at: Time


class EngageComments(EngageRecords):
    records: list[EngageComment]


class EngageChannelStatus(Shown):
    id: str
    name: str
    status: Literal["available", "away"]
    busyness: Literal["unoccupied", "ok", "busy", "full"]


class EngageCustomStatus(Shown):
    id: str


class EngageAgentStatus(Shown):
    agent_id: str
    channels: list[EngageChannelStatus]
    custom_status: EngageCustomStatus | None = None


class EngageAgentStatuses(EngageRecords):
    records: list[EngageAgentStatus]


class EngageDone(Shown):
    status: str
    message: str


class EngageError(Shown):
    """Engage's envelope of everything that goes wrong."""

    error: str
    message: str
    status: int


ID = text_schema(MAX_TEXT)
BODY: dict[str, Any] = {
    "type": "string",
    "minLength": 1,
    "description": f"In the query {MAX_QUERY_TEXT} characters at most, in the body {MAX_BODY}.",
}
FILTER: dict[str, Any] = {"type": "string", "maxLength": MAX_TEXT, "description": "Empty: any."}
IDS: dict[str, Any] = {"type": "array", "items": {"type": "string", "maxLength": MAX_TEXT}, "minItems": 1}
FLAG: dict[str, Any] = {"type": "string", "enum": ["true", "false", "True", "False", "1", "0", ""]}
FIELDS: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {"type": "string"},
    "propertyNames": {"pattern": r"^[^\[\]]+$"},
}
_EVERYWHERE = {
    "impersonated_user_id": {"type": "string", "maxLength": MAX_TEXT, "pattern": PRINTABLE.replace("+", "*")}
}
_ANYTHING: dict[str, Any] = {
    "type": "object",
    "description": "Parameters may stand here instead of in the query; what is here counts.",
}
_FORMS = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI words for these statuses, each in Engage's envelope."""
    return {status: {"model": EngageError, "description": "Refused."} for status in statuses}


def one_of(*values: str) -> dict[str, Any]:
    """The schema of a parameter with few values; empty, it counts as missing."""
    return {"type": "string", "enum": [*values, ""]}


def whole(least: int, most: int = MAX_WHOLE) -> dict[str, Any]:
    """The schema of a whole number."""
    return {"type": "integer", "format": "int32", "minimum": least, "maximum": most}


def takes(
    needed: Mapping[str, dict[str, Any]] | None = None,
    optional: Mapping[str, dict[str, Any]] | None = None,
    *,
    has_body: bool = True,
) -> dict[str, Any]:
    """The OpenAPI words for what an operation takes.

    The parameters are declared where the vendor declares them, in the query. OpenAPI cannot say that a body will do
    instead, so the body is declared as optional, and as any object.
    """
    parameters = [_in_query(name, schema, required=True) for name, schema in (needed or {}).items()]
    others = {**(optional or {}), **_EVERYWHERE}
    parameters += [_in_query(name, schema, required=False) for name, schema in others.items()]
    words: dict[str, Any] = {"parameters": parameters}
    if has_body:
        content = {media_type: {"schema": _ANYTHING} for media_type in _FORMS}
        words["requestBody"] = {"required": False, "content": content}
    return words


def _in_query(name: str, schema: dict[str, Any], *, required: bool) -> dict[str, Any]:
    shown = {"name": name, "in": "query", "required": required, "schema": schema}
    if schema["type"] == "array":
        return {**shown, "name": f"{name}[]"}
    return {**shown, "style": "deepObject", "explode": True} if schema["type"] == "object" else shown
