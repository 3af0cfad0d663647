"""What the native API shows, for its OpenAPI document: the shapes of the wire contract, under their names.

Answers are not built from these models: what the engine wrote goes out as it is.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from interlock.engine.audit import Action
from interlock.engine.messages import Command


class ResultError(BaseModel):
    error_class: str = Field(
        alias="class", description="What the caller must do: `forbidden`, `stale_version`, ..."
    )
    code: str = Field(description="A stable word for programs.")
    message: str
    details: dict[str, Any]


class CommandResult(BaseModel):
    """The engine's answer to a command."""

    id: str | None
    status: Literal["applied", "ignored", "refused", "dead"]
    machine: str | None
    key: str | None
    version: int | None
    state: list[str] | None
    events: list[str]
    error: ResultError | None
    duplicate: bool = Field(default=False, description="True: sent before; this is the first answer.")


class Pending(BaseModel):
    """The command is on the stream; its answer did not come within `wait`."""

    id: str
    status: Literal["pending"]


class RunningTimer(BaseModel):
    id: str
    event: str
    state: str
    due: str = Field(json_schema_extra={"format": "date-time"})


class Instance(BaseModel):
    machine: str
    key: str
    chart_version: int
    version: int
    state: list[str] = Field(description="The active atomic states, each as its path from the root.")
    context: dict[str, Any] = Field(description="What the chart calls public.")
    timers: list[RunningTimer]
    created_at: str = Field(json_schema_extra={"format": "date-time"})
    updated_at: str = Field(json_schema_extra={"format": "date-time"})


class InstancePage(BaseModel):
    instances: list[Instance]
    next: str | None = Field(description="`cursor` of the next page; null at the end.")
    count: int | None = Field(
        default=None, description="How many there are in all; only where `count` asked."
    )
    count_exact: bool | None = Field(default=None, description="False: there are at least so many.")


class HistoryCommand(BaseModel):
    id: str
    name: str
    data: dict[str, Any]


class HistoryEntry(BaseModel):
    version: int
    at: str
    command: HistoryCommand | None = Field(description="Null: a timer fired.")
    actor: dict[str, Any] | None
    from_: list[str] | None = Field(alias="from")
    to: list[str] | None
    events: list[str]
    correlation_id: str | None = None
    causation_id: str | None = None


class HistoryPage(BaseModel):
    history: list[HistoryEntry]
    next: int | None = Field(description="`first` of the next page; null at the end.")


class Capabilities(BaseModel):
    version: int
    commands: list[str]


class Explanation(BaseModel):
    machine: str
    key: str
    version: int
    state: list[str]
    timers: list[RunningTimer]
    last: HistoryEntry | None = Field(description="The step that led here.")
    accepts: list[str] = Field(description="Commands that the caller could send now.")


class Trial(BaseModel):
    """What a command would be answered."""

    status: Literal["applied", "ignored", "refused"]
    state: list[str] | None
    version: int | None
    events: list[str]
    error: ResultError | None


class Replayed(BaseModel):
    version: int
    same: bool | None
    instance: Instance


class ChartVersions(BaseModel):
    id: str
    versions: list[int]


class ChartList(BaseModel):
    charts: list[ChartVersions]


class ChartText(BaseModel):
    id: str
    version: int
    description: str | None
    states: list[str] = Field(description="Paths of all states.")
    commands: list[str]
    index: list[str] = Field(description="Fields to list by.")
    source: str = Field(description="The YAML.")


class Doer(BaseModel):
    id: str = Field(description="A principal's, or USER@HOST at the command line.")
    kind: str = Field(description="A principal's, or `cli`.")
    tenant: str


class DeedShown(BaseModel):
    at: str = Field(json_schema_extra={"format": "date-time"})
    actor: Doer
    action: Action
    target: str
    details: dict[str, Any]


class AuditPage(BaseModel):
    audit: list[DeedShown]
    next: str | None


class WebhookKeys(BaseModel):
    id: str
    secret: str | None = Field(description="Told this once; null with ed25519.")
    public_key: str | None = None


class WebhookShown(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: str
    url: str
    events: list[str]
    enabled: bool
    profile: str
    ordered: bool


class WebhookList(BaseModel):
    webhooks: list[WebhookShown]


class AttemptShown(BaseModel):
    at: str
    status: int | None = Field(description="The HTTP status; null without an answer.")
    duration_ms: int
    error: str | None
    reply: str | None = None


class DeliveryShown(BaseModel):
    model_config = ConfigDict(extra="allow")

    id: str
    event_id: str = Field(description="The header `webhook-id`.")
    status: Literal["pending", "delivered", "dead", "cancelled"]
    attempts: list[AttemptShown]


class DeliveryPage(BaseModel):
    deliveries: list[DeliveryShown]
    next: str | None


class Requested(BaseModel):
    id: str
    requested: int


class LetterCommand(BaseModel):
    name: str
    data: dict[str, Any]


class LetterShown(BaseModel):
    letter_id: str
    at: str
    id: str | None
    machine: str | None
    key: str | None
    error: dict[str, Any]
    raw_bytes: int
    command: LetterCommand | None = Field(
        description="What its chart calls public; null where no chart says."
    )


class LetterList(BaseModel):
    letters: list[LetterShown]


class Retried(BaseModel):
    letter_id: str
    command: str = Field(description="The new command's id.")


class BulkOne(BaseModel):
    key: str
    status: Literal["applied", "ignored", "refused", "dead", "pending"]
    error: ResultError | None


class BulkOutcome(BaseModel):
    dry_run: bool
    counts: dict[str, int] = Field(description="Number of instances by status.")
    instances: list[BulkOne]


class ProblemDetails(BaseModel):
    """RFC 9457."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str = Field(description="A stable word for programs.")


PROBLEM_SCHEMA = {"$ref": "#/components/schemas/ProblemDetails"}


class Readiness(BaseModel):
    status: Literal["ready"]
    server: Literal["up"] = Field(description="Of the state.")
    pump_leads: bool = Field(description="False: no worker takes commands in; they wait.")
    backlog: int = Field(description="Commands that are published and not yet committed.")
    earliest_timer: str | None = Field(description="When the first running timer is due.")
    timer_lag_seconds: float = Field(description="How long it has been due; 0 where it is not.")


def command_body() -> dict[str, Any]:
    """The JSON Schema of a command as it comes over HTTP: the wire's, without what the gateway fills in."""
    schema = Command.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    schema["required"] = [name for name in schema["required"] if name != "id"]
    for name in NOT_OVER_HTTP:
        del schema["properties"][name]
    return schema


NOT_OVER_HTTP = {
    "actor": "it is filled from the token",
    "reply_to": "the answer comes over HTTP",
}
"""Fields of the wire's command that a request may not name, and why."""
