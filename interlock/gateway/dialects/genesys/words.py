"""The words of Genesys' part of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from interlock.engine.messages import MAX_KEY_LENGTH, text_schema
from interlock.gateway.shown import Count, Shown, Time


class GenesysInteractionFields(Shown):
    """What is empty is left out."""

    id: str
    uri: str
    state: str = Field(
        description="Of the caller's leg: `Invited`, `Processing`, `Chatting`, `Composing`, ..."
    )
    workflowState: str = Field(description="Of the interaction: `Queued`, `Routing`, `Delivering`, ...")
    capabilities: list[str] = Field(description="The operations that the caller could call now.")
    channel: str
    mediatype: str
    mediaType: str
    interactionType: str
    interactionSubType: str
    subject: str | None = None
    userData: dict[str, Any]
    currentQueue: str
    queue: str
    outQueues: list[str]
    workbin: str | None = None
    assignedTo: str | None = None
    parentInteractionId: str | None = None
    parentId: str | None = None
    ticketId: str | None = None
    comment: str | None = None
    inFocus: bool
    receivedDate: Time
    receivedAt: Time
    placedInQueueAt: Time | None = None
    deliveredAt: Time | None = None
    assignedAt: Time | None = None


class GenesysStatus(Shown):
    statusCode: Literal[0]
    referenceId: str = Field(description="Id of the call; notifications that come of it name it.")


class GenesysDone(GenesysStatus):
    status: Literal["ok", 0] | None = Field(
        default=None, description="`ok` or 0, where the vendor's page shows it."
    )


class GenesysAccepted(GenesysDone):
    id: str | None = Field(default=None, description="Of the interaction that will be made.")
    uri: str | None = None


class GenesysInteraction(GenesysStatus, GenesysInteractionFields):
    """One, at the top level."""


class GenesysUser(Shown):
    id: str
    userName: str
    displayName: str | None = None
    roles: list[str] = Field(description="`ROLE_AGENT`, `ROLE_SUPERVISOR` or `ROLE_ADMIN`.")
    skills: list[str]
    enabled: bool
    uri: str
    path: str


class GenesysSession(Shown):
    active: bool
    since: Time | None = None


class GenesysUserState(Shown):
    state: str = Field(description="`Ready` or `NotReady`.")


class GenesysChannel(Shown):
    channel: str
    userState: GenesysUserState


class GenesysMe(GenesysStatus):
    user: GenesysUser
    state: str = Field(
        description="`LoggedOut`; in a session `Ready`, where there is a channel, or `NotReady`."
    )
    session: GenesysSession
    channels: list[GenesysChannel] = Field(description="On which they have a capacity, or are ready.")


class GenesysInteractions(GenesysStatus):
    uris: list[str] | None = None
    interactions: list[GenesysInteractionFields] | None = None
    totalCount: Count = Field(description="How many there are in all.")


class GenesysWorkbin(GenesysDone):
    workbin: str
    interactions: list[GenesysInteractionFields]


class GenesysFailure(Shown):
    """What everything that goes wrong is answered."""

    statusCode: int = Field(gt=0)
    statusMessage: str
    referenceId: str
    status: Literal["error"]
    errorDescription: str = Field(description="The `statusMessage`, for clients of the older operations.")


TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
NAME = text_schema(MAX_KEY_LENGTH)
OBJECT: dict[str, Any] = {"type": "object"}
TEXTS: dict[str, Any] = {"type": "array", "items": TEXT, "minItems": 1, "maxItems": 100}
FLAG: dict[str, Any] = {"type": "boolean"}


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI words for these statuses."""
    return {status: {"model": GenesysFailure, "description": "Refused."} for status in statuses}


EVERY_ERROR = errors(400, 401, 403, 404, 409, 413, 429, 500, 503)
ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "model": GenesysAccepted,
        "description": "No worker has answered yet. It will be done once; do not send it again.",
    }
}
DONE: dict[int | str, dict[str, Any]] = {
    200: {"model": GenesysDone, "description": "Done."},
    **ACCEPTED,
    **EVERY_ERROR,
}
"""What an operation answers."""


def operation(
    *names: str,
    needed: Mapping[str, dict[str, Any]] | None = None,
    optional: Mapping[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """The schema of a body with one of these as its ``operationName``."""
    needed = needed or {}
    properties = {"operationName": {"enum": [*names]}, **needed, **(optional or {})}
    return {"type": "object", "properties": properties, "required": ["operationName", *needed]}


def takes(*schemas: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI words for a body that is of one of these."""
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": [*schemas]}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
