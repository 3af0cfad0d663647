"""The words of Sunshine's part of the OpenAPI document: the shapes of its answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import unquote

from fastapi import Path
from pydantic import BaseModel, BeforeValidator

from interlock.gateway.shown import Count, Shown, Time

ConversationId = Annotated[str, Path(alias="conversationId", min_length=1), BeforeValidator(unquote)]


class SunshineErrorOne(Shown):
    code: str
    title: str


class SunshineErrors(Shown):
    """Sunshine's envelope of everything that goes wrong."""

    errors: list[SunshineErrorOne]


class SunshineDone(Shown):
    """An empty object."""


class SunshineSwitchboard(Shown):
    id: str
    enabled: bool
    defaultSwitchboardIntegrationId: str | None = None


class SunshineSwitchboardOne(Shown):
    switchboard: SunshineSwitchboard


class SunshineSwitchboards(Shown):
    switchboards: list[SunshineSwitchboard]


class SunshineIntegration(Shown):
    id: str
    name: str
    integrationId: str
    integrationType: str
    deliverStandbyEvents: bool
    nextSwitchboardIntegrationId: str | None = None
    messageHistoryCount: int | None = None


class SunshineIntegrationOne(Shown):
    switchboardIntegration: SunshineIntegration


class SunshineIntegrations(Shown):
    switchboardIntegrations: list[SunshineIntegration]


class SunshineControl(Shown):
    id: str
    name: str
    integrationId: str
    integrationType: str


class SunshineConversation(Shown):
    id: str
    type: Literal["personal", "sdkGroup"]
    metadata: dict[str, Any] | None = None
    activeSwitchboardIntegration: SunshineControl | None = None
    pendingSwitchboardIntegration: SunshineControl | None = None
    isDefault: bool
    displayName: str | None = None
    description: str | None = None
    iconUrl: str | None = None
    businessLastRead: Time | None = None
    lastUpdatedAt: Time
    createdAt: Time


class SunshineMeta(Shown):
    hasMore: bool
    afterCursor: str | None = None
    beforeCursor: str | None = None


class SunshineConversationOne(Shown):
    conversation: SunshineConversation


class SunshineConversations(Shown):
    conversations: list[SunshineConversation]
    meta: SunshineMeta
    links: dict[str, str]


class SunshineMessage(Shown):
    id: str
    received: Time
    author: dict[str, Any]
    content: dict[str, Any]
    source: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


class SunshineMessages(Shown):
    messages: list[SunshineMessage]
    meta: SunshineMeta | None = None
    links: dict[str, str] | None = None


class SunshineUser(Shown):
    id: str
    authenticated: bool
    externalId: str
    signedUpAt: str | None = None
    toBeRetained: bool | None = None
    profile: dict[str, Any]
    metadata: dict[str, Any]
    identities: list[dict[str, Any]]


class SunshineUserOne(Shown):
    user: SunshineUser


class SunshineParticipant(Shown):
    id: str
    userId: str
    userExternalId: str | None = None
    unreadCount: Count
    lastRead: Time | None = None


class SunshineParticipantOne(Shown):
    participant: SunshineParticipant


class SunshineParticipants(Shown):
    participants: list[SunshineParticipant]
    meta: SunshineMeta
    links: dict[str, str]


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI words for these statuses, each in Sunshine's envelope."""
    return {status: {"model": SunshineErrors, "description": "Refused."} for status in statuses}


def answers(model: type[BaseModel], status: int = 200) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI words for what is answered where all goes well."""
    return {status: {"model": model, "description": "Done."}}
