"""The words of OneView's part of the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"


class OneViewMetadata(BaseModel):
    ccr: Any = Field(default=None, description="Why the customer asks.")
    agentJwt: Any = Field(default=None, description="For the agent in charge alone.")
    roomId: Any = None
    roomName: Any = None
    roomSubscriptionToken: Any = Field(default=None, description="For the agent in charge alone.")
    orderId: Any = None
    agentAccesses: Any = None


class OneViewCustomer(BaseModel):
    id: Any = None
    firstName: Any = None
    lastName: Any = None


class OneViewTicket(BaseModel):
    """What is empty is left out. Times are seconds since 1970."""

    id: str
    ticketStatus: Literal["ASSIGNED", "ESCALATED", "CLOSED"]
    assignedTime: int | None = None
    createdAt: int
    queue: str
    channel: str
    content: dict[str, Any]
    metadata: OneViewMetadata
    statusReason: str | None = None
    priority: int = Field(description="The list is sorted by it; 1 is the most urgent.")
    customer: OneViewCustomer


class OneViewAgent(BaseModel):
    id: str
    name: str | None = None
    lastLoginTime: int | None = None
    updatedAt: int = Field(description="When they went online or offline.")
    agentTimeInStatus: int = Field(description="Seconds since then.")


class OneViewDepartment(BaseModel):
    id: str
    name: str


class OneViewError(BaseModel):
    errorCode: int
    errorMessage: str


class OneViewErrorTitle(BaseModel):
    status: str
    title: str


class OneViewErrors(OneViewError):
    """Of version 2."""

    errors: list[OneViewErrorTitle]


def errors(model: type[BaseModel], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI words for these statuses."""
    return {status: {"model": model, "description": "Refused."} for status in statuses}
