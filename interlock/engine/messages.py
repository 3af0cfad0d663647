"""What goes over the wire: command, result, event, and the shapes that are shown (wire contract).

Commands come from outside and are validated by pydantic; results, history entries and events are made
by us and are plain dataclasses, which orjson writes as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from interlock.engine.tenancy import plain

MAX_ID_LENGTH = 128
MAX_KEY_LENGTH = 256

# Control characters and line separators break logs, terminals and headers; all others may stand in a key.
PRINTABLE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"
"""A pattern: what keys, ids and names consist of."""


def _no_longer(longest: int) -> Callable[[str], str]:
    """Checks the length of a key or an id as its tenant knows it: every tenant has the same room."""

    def check(text: str) -> str:
        if len(text) > longest and len(plain(text)) > longest:
            raise ValueError(f"at most {longest} characters are allowed")
        return text

    return check


def text_schema(longest: int) -> dict[str, Any]:
    """The JSON Schema of a text of 1 to ``longest`` printable characters."""
    return {"type": "string", "minLength": 1, "maxLength": longest, "pattern": PRINTABLE}


def _shown(longest: int) -> WithJsonSchema:
    return WithJsonSchema(text_schema(longest))


_Printable = Annotated[str, StringConstraints(min_length=1, pattern=PRINTABLE)]
Text = Annotated[_Printable, AfterValidator(_no_longer(MAX_KEY_LENGTH)), _shown(MAX_KEY_LENGTH)]
Identifier = Annotated[_Printable, AfterValidator(_no_longer(MAX_ID_LENGTH)), _shown(MAX_ID_LENGTH)]
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_ID_LENGTH, pattern=r"^[A-Za-z][A-Za-z0-9_.:-]*$")
]

ActorKind = Literal["agent", "integration", "bot", "system", "supervisor", "admin"]


_SOUND = re.compile(PRINTABLE)


def is_printable(text: str) -> bool:
    """Whether a text has at least one character, and no control character or line separator."""
    return _SOUND.fullmatch(text) is not None


def is_key(value: object) -> bool:
    """Whether a value can be an instance's key: 1 to 256 characters, without the tenant's name before it, none of them
    a control character."""
    return isinstance(value, str) and len(plain(value)) <= MAX_KEY_LENGTH and is_printable(value)


_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _only_rfc_3339(value: object) -> object:
    """A time is written as RFC 3339 has it: pydantic would take a number, even in a text, for Unix seconds."""
    if not isinstance(value, datetime) and not (isinstance(value, str) and _TIME.fullmatch(value)):
        raise ValueError("an RFC 3339 time with its zone is required, such as 2026-01-31T09:00:00Z")
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_only_rfc_3339)]


class Actor(BaseModel):
    """Who asks. Whoever may write to Redis is trusted with it; no actor at all means the system itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Text
    kind: ActorKind
    permissions: list[str] = Field(default_factory=list)


class Command(BaseModel):
    """One wish, addressed to one instance: together ``ticket/T-1 assign``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    machine: Name = Field(description="Id of the chart.")
    key: Text = Field(description="Key of the instance.")
    name: Name = Field(description="Name of the command, as the chart declares it.")
    data: dict[str, Any] = Field(default_factory=dict, description="Checked against the chart's schema.")
    id: Identifier = Field(description="Idempotency key; a UUIDv7 where the publisher names none.")
    actor: Actor | None = Field(default=None, description="Who asks.")
    expected_version: Annotated[int, Field(ge=0, strict=True)] | None = Field(
        default=None, description="Refuse with stale_version when the instance is elsewhere."
    )
    not_before: Time | None = Field(default=None, description="Apply no earlier than this.")
    correlation_id: Identifier | None = None
    causation_id: Identifier | None = None
    traceparent: Identifier | None = None
    reply_to: Annotated[str, StringConstraints(max_length=MAX_KEY_LENGTH, pattern=PRINTABLE)] | None = Field(
        default=None, description="A list key `<prefix>:reply:<token>` that gets the result by RPUSH."
    )


class Status(StrEnum):
    """What became of a command."""

    APPLIED = "applied"
    """One step was taken; version, history and events tell it."""
    IGNORED = "ignored"
    """A duplicate that the chart calls harmless; nothing changed."""
    REFUSED = "refused"
    """Not now, not so or not by you; ``error`` says why."""
    DEAD = "dead"
    """A fault of ours, or no command at all; kept as a dead letter."""


@dataclass(frozen=True, slots=True)
class Error:
    """The ``error`` of a result. `asdict` gives its wire names."""

    error_class: str
    code: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "class": self.error_class,
            "code": self.code,
            "message": self.message,
            "details": self.details,
        }


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to a command. ``version`` and ``state`` are the instance's after it (null without one).

    ``events``: the types of the events announced, in order.
    """

    id: str | None
    status: Status
    machine: str | None
    key: str | None
    version: int | None
    state: list[str] | None
    events: list[str]
    error: Error | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "status": self.status.value,
            "machine": self.machine,
            "key": self.key,
            "version": self.version,
            "state": self.state,
            "events": self.events,
            "error": self.error.as_dict() if self.error else None,
        }


@lru_cache(maxsize=16)  # a batch has one time
def format_time(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: ``2026-11-22T02:32:00.000Z``. Such texts sort as times do.

    Raises ValueError for a naive datetime.
    """
    if moment.tzinfo is None:
        raise ValueError("a time without zone: pass an aware datetime")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def parse_time(text: str) -> datetime:
    """The aware datetime of an RFC 3339 text. Raises ValueError where it names no zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} names no time zone: end it with Z or +hh:mm")
    return moment.astimezone(UTC)


def time_from_ms(milliseconds: int) -> datetime:
    """The aware datetime of Unix milliseconds."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def time_to_ms(moment: datetime) -> int:
    """Unix milliseconds, rounded down."""
    return int(moment.timestamp() * 1000)
