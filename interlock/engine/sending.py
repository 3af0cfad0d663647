"""Commands that a step sends to other instances: what they say, and how long a chain of them may be. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from interlock.engine.errors import CommandRefused, ErrorClass
from interlock.engine.expressions import EvaluationError
from interlock.engine.ids import sent_id
from interlock.engine.messages import MAX_ID_LENGTH, format_time, is_key
from interlock.engine.snapshot import DelayedSend
from interlock.engine.tenancy import beside, plain

HOP_LIMIT = 100
"""Commands in a chain, each sent by the step of the one before. Charts that answer one another without end
stop there; a timer, and a send delayed by `NEW_CHAIN` or longer, begin a new chain."""
NEW_CHAIN = timedelta(seconds=1)

_SENT_ID = re.compile(r"s([1-9][0-9]{0,2})-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Sent:
    """A command that a step sends. ``due``: not before this, None for at once; ``name``: what cancels it."""

    machine: str
    key: str
    command: str
    data: dict[str, Any]
    due: datetime | None
    name: str


@dataclass(frozen=True, slots=True)
class Sender:
    """The step that sends: its instance and version, when, and what it was taken for."""

    machine: str
    key: str
    version: int
    now: datetime
    cause_id: str
    correlation_id: str | None
    traceparent: str | None

    @property
    def causation_id(self) -> str | None:
        """The cause's id; None where it is longer than a command may name."""
        return self.cause_id if len(plain(self.cause_id)) <= MAX_ID_LENGTH else None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """``commands``: JSON, ready for the ingress stream; ``delayed``: what is remembered of those that wait;
    ``told``: what the history says of each."""

    commands: tuple[bytes, ...]
    delayed: list[DelayedSend]
    told: list[dict[str, Any]]


def outgoing(sender: Sender, sent: Sequence[Sent]) -> Outgoing:
    """The commands that a step sends, each under an id that its cause and place give it, to its own tenant's instances.

    Raises CommandRefused (guard_error) where the chain of sends is over `HOP_LIMIT`, and EvaluationError where a
    key can be none.
    """
    commands: list[bytes] = []
    delayed: list[DelayedSend] = []
    told: list[dict[str, Any]] = []
    for ordinal, one in enumerate(sent):
        command_id = sent_id(
            _hops(sender, one), sender.machine, sender.key, sender.version, ordinal, sender.cause_id
        )
        due = format_time(one.due) if one.due else None
        key = beside(sender.key, one.key)
        if not is_key(key):
            raise EvaluationError("send: the key is over 256 characters, or holds what cannot be printed")
        address = {"machine": one.machine, "key": key, "name": one.command, "id": command_id}
        optional = {
            "data": one.data or None,
            "not_before": due,
            "correlation_id": sender.correlation_id,
            "causation_id": sender.causation_id,
            "traceparent": sender.traceparent,
        }
        given = {name: value for name, value in optional.items() if value is not None}
        commands.append(orjson.dumps({**address, **given}))
        told.append({**address, "not_before": due} if due else address)
        if due:
            delayed.append(DelayedSend(one.name, command_id, one.machine, key, due))
    return Outgoing(tuple(commands), delayed, told)


def _hops(sender: Sender, one: Sent) -> int:
    if one.due is not None and one.due - sender.now >= NEW_CHAIN:
        return 1
    chain = _SENT_ID.fullmatch(sender.cause_id)
    hops = int(chain[1]) + 1 if chain else 1
    if hops > HOP_LIMIT:
        raise CommandRefused(
            ErrorClass.GUARD_ERROR,
            "endless_sends",
            f"{HOP_LIMIT} commands were each sent by the one before: look at the charts' send",
        )
    return hops
