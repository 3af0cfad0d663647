"""The words of OneView's part of the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from interlock.gateway.shown import Count, Shown


class OneViewMetadata(Shown):
    ccr: Any = Field(default=None, description="Why the customer asks.")
    agentJwt: Any = Field(default=None, description="For the agent in charge alone.")
    roomId: Any = None
    roomName: Any = None
    roomSubscriptionToken: Any = Field(default=None, description="For the agent in charge alone.")
    orderId: Any = None
    agentAccesses: Any = None


class OneViewCustomer(Shown):
    id: Any = None
    firstName: Any = None
    lastName: Any = None


class OneViewTicket(Shown):
    """What is empty is left out. Times are seconds since 1970."""

    id: str
    ticketStatus: Literal["ASSIGNED", "ESCALATED", "CLOSED"]
    assignedTime: Count | None = None
    createdAt: Count
    queue: str
    channel: str
    content: dict[str, Any]
    metadata: OneViewMetadata
    statusReason: str | None = None
    priority: int = Field(description="The list is sorted by it; 1 is the most urgent.")
    customer: OneViewCustomer


class OneViewAgent(Shown):
    id: str
    name: str | None = None
    lastLoginTime: Count | None = None
    updatedAt: Count = Field(description="When they went online or offline.")
    agentTimeInStatus: Count = Field(description="Seconds since then.")


class OneViewDepartment(Shown):
    id: str
    name: str


class OneViewError(Shown):
    errorCode: int
    errorMessage: str


class OneViewErrorTitle(Shown):
    status: str
    title: str


class OneViewErrors(OneViewError):
    """Of version 2."""

    errors: list[OneViewErrorTitle]


def errors(model: type[BaseModel], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI words for these statuses."""
    return {status: {"model": model, "description": "Refused."} for status in statuses}
