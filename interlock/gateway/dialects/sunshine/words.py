"""The words of Sunshine's part of the OpenAPI document: the shapes of its answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import unquote

from fastapi import Path
from pydantic import BaseModel, BeforeValidator, ConfigDict

ConversationId = Annotated[str, Path(alias="conversationId", min_length=1), BeforeValidator(unquote)]


class _Camel(BaseModel):
    model_config = ConfigDict(extra="allow")


class SunshineErrorOne(BaseModel):
    code: str
    title: str


class SunshineErrors(BaseModel):
    """Sunshine's envelope of everything that goes wrong."""

    errors: list[SunshineErrorOne]


class SunshineDone(BaseModel):
    """An empty object."""

    model_config = ConfigDict(extra="forbid")


class SunshineSwitchboard(_Camel):
    id: str
    enabled: bool
    defaultSwitchboardIntegrationId: str | None = None


class SunshineSwitchboardOne(BaseModel):
    switchboard: SunshineSwitchboard


class SunshineSwitchboards(BaseModel):
    switchboards: list[SunshineSwitchboard]


class SunshineIntegration(_Camel):
    id: str
    name: str
    integrationId: str
    integrationType: str
    deliverStandbyEvents: bool
    nextSwitchboardIntegrationId: str | None = None
    messageHistoryCount: int | None = None


class SunshineIntegrationOne(BaseModel):
    switchboardIntegration: SunshineIntegration


class SunshineIntegrations(BaseModel):
    switchboardIntegrations: list[SunshineIntegration]


class SunshineControl(BaseModel):
    id: str
    name: str
    integrationId: str
    integrationType: str


class SunshineConversation(_Camel):
    id: str
    type: Literal["personal", "sdkGroup"]
    metadata: dict[str, Any] | None = None
    activeSwitchboardIntegration: SunshineControl | None = None
    pendingSwitchboardIntegration: SunshineControl | None = None
    isDefault: bool
    displayName: str | None = None
    description: str | None = None
    iconUrl: str | None = None
    lastUpdatedAt: str
    createdAt: str


class SunshineMeta(BaseModel):
    hasMore: bool
    afterCursor: str | None = None
    beforeCursor: str | None = None


class SunshineConversationOne(BaseModel):
    conversation: SunshineConversation


class SunshineConversations(BaseModel):
    conversations: list[SunshineConversation]
    meta: SunshineMeta
    links: dict[str, str]


class SunshineMessage(_Camel):
    id: str
    received: str
    author: dict[str, Any]
    content: dict[str, Any]


class SunshineMessages(BaseModel):
    messages: list[SunshineMessage]
    meta: SunshineMeta | None = None
    links: dict[str, str] | None = None


class SunshineUser(_Camel):
    id: str
    authenticated: bool
    externalId: str
    signedUpAt: str | None = None
    toBeRetained: bool | None = None
    profile: dict[str, Any]
    metadata: dict[str, Any]
    identities: list[dict[str, Any]]


class SunshineUserOne(BaseModel):
    user: SunshineUser


class SunshineParticipant(_Camel):
    id: str
    userId: str
    userExternalId: str | None = None
    unreadCount: int
    lastRead: str | None = None


class SunshineParticipantOne(BaseModel):
    participant: SunshineParticipant


class SunshineParticipants(BaseModel):
    participants: list[SunshineParticipant]
    meta: SunshineMeta
    links: dict[str, str]


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI words for these statuses, each in Sunshine's envelope."""
    return {status: {"model": SunshineErrors, "description": "Refused."} for status in statuses}


def answers(model: type[BaseModel], status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI words for what is answered where all goes well."""
    return {status: {"model": model, "description": "Done."}}
