"""What the native API shows, for its OpenAPI document: the shapes of the wire contract, under their names.

Answers are not built from these models: what the engine wrote goes out as it is.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from interlock.engine.audit import Action
from interlock.engine.messages import Command
from interlock.gateway.shown import Count, Shown, Time


class ResultError(Shown):
    error_class: str = Field(
        alias="class", description="What the caller must do: `forbidden`, `stale_version`, ..."
    )
    code: str = Field(description="A stable word for programs.")
    message: str
    details: dict[str, Any]


class CommandResult(Shown):
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


class Pending(Shown):
    """The command is on the stream; its answer did not come within `wait`."""

    id: str
    status: Literal["pending"]


class RunningTimer(Shown):
    id: str
    event: str
    state: str = Field(description="Path of the state whose timer it is; empty: of none.")
    due: Time


class Instance(Shown):
    machine: str
    key: str
    chart_version: int
    version: int
    state: list[str] = Field(description="The active atomic states, each as its path from the root.")
    context: dict[str, Any] = Field(description="What the chart calls public.")
    timers: list[RunningTimer]
    created_at: Time
    updated_at: Time


class InstancePage(Shown):
    instances: list[Instance]
    next: str | None = Field(description="`cursor` of the next page; null at the end.")
    count: Count | None = Field(
        default=None, description="How many there are in all; only where `count` asked."
    )
    count_exact: bool | None = Field(default=None, description="False: there are at least so many.")


class HistoryCommand(Shown):
    id: str
    name: str
    data: dict[str, Any]


class HistoryEntry(Shown):
    version: int
    at: Time
    command: HistoryCommand | None = Field(description="Null: a timer fired.")
    actor: dict[str, Any] | None
    from_: list[str] | None = Field(alias="from")
    to: list[str] | None
    events: list[str]
    correlation_id: str | None
    causation_id: str | None


class HistoryPage(Shown):
    history: list[HistoryEntry]
    next: int | None = Field(description="`first` of the next page; null at the end.")


class Capabilities(Shown):
    version: int
    commands: list[str]


class Explanation(Shown):
    machine: str
    key: str
    version: int
    state: list[str]
    timers: list[RunningTimer]
    last: HistoryEntry | None = Field(description="The step that led here.")
    accepts: list[str] = Field(description="Commands that the caller could send now.")


class Trial(Shown):
    """What a command would be answered."""

    status: Literal["applied", "ignored", "refused"]
    state: list[str] | None
    version: int | None
    events: list[str]
    error: ResultError | None


class Replayed(Shown):
    version: int
    same: bool | None
    instance: Instance


class ChartVersions(Shown):
    id: str
    versions: list[int]


class ChartList(Shown):
    charts: list[ChartVersions]


class ChartText(Shown):
    id: str
    version: int
    description: str | None
    states: list[str] = Field(description="Paths of all states.")
    commands: list[str]
    index: list[str] = Field(description="Fields to list by.")
    source: str = Field(description="The YAML.")


class Doer(Shown):
    id: str = Field(description="A principal's, or USER@HOST at the command line.")
    kind: str = Field(description="A principal's, or `cli`.")
    tenant: str


class DeedShown(Shown):
    at: Time
    actor: Doer
    action: Action
    target: str
    details: dict[str, Any]


class AuditPage(Shown):
    audit: list[DeedShown]
    next: str | None


class LetterCommand(Shown):
    name: str
    data: dict[str, Any]


class LetterShown(Shown):
    letter_id: str
    at: Time
    id: str | None
    machine: str | None
    key: str | None
    error: ResultError
    raw_bytes: Count
    command: LetterCommand | None = Field(
        description="What its chart calls public; null where no chart says."
    )


class LetterList(Shown):
    letters: list[LetterShown]


class Retried(Shown):
    letter_id: str
    command: str = Field(description="The new command's id.")


class BulkOne(Shown):
    key: str
    status: Literal["applied", "ignored", "refused", "dead", "pending"]
    error: ResultError | None


class BulkOutcome(Shown):
    dry_run: bool
    counts: dict[str, Count] = Field(description="Number of instances by status.")
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


class Liveness(Shown):
    status: Literal["alive"]


class Readiness(Shown):
    status: Literal["ready"]
    server: Literal["up"] = Field(description="Of the state.")
    pump_leads: bool = Field(description="False: no worker takes commands in; they wait.")
    backlog: Count = Field(description="Commands that are published and not yet committed.")
    earliest_timer: Time | None = Field(description="When the first running timer is due.")
    timer_lag_seconds: float = Field(ge=0, description="How long it has been due; 0 where it is not.")


def command_body() -> dict[str, Any]:
    """The JSON Schema of a command as it comes over HTTP: the wire's, without what the gateway fills in."""
    schema = Command.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    schema["required"] = [name for name in schema["required"] if name != "id"]
    schema["properties"]["id"]["type"] = ["string", "null"]  # null: as if it were not there
    for name in NOT_OVER_HTTP:
        del schema["properties"][name]
    return schema


NOT_OVER_HTTP = {
    "actor": "it is filled from the token",
    "reply_to": "the answer comes over HTTP",
}
"""Fields of the wire's command that a request may not name, and why."""
