"""What every payload profile answers with: the request of one attempt, and what its answer means. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

GONE = 410
_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What is posted in one attempt. The headers carry a signature or a secret: never log them."""

    body: bytes
    headers: Mapping[str, str] = field(repr=False)


class Verdict(StrEnum):
    """What an answer means for the delivery."""

    DELIVERED = "delivered"
    """The endpoint took the event."""
    RETRY = "retry"
    """It failed, or nobody answered: again after the schedule's next delay."""
    DEAD = "dead"
    """It will never take this event: no further attempt."""
    DISABLE = "disable"
    """It is gone: no further attempt, of this event or any other."""


class Profile(Protocol):
    """How deliveries look to a receiver, and what its answers mean."""

    @property
    def name(self) -> str:
        """As `webhook add --profile` takes it."""

    @property
    def schedule(self) -> tuple[float, ...] | None:
        """Seconds between attempts; None: the setting's."""

    @property
    def timeout_seconds(self) -> float | None:
        """Deadline of one attempt; None: the setting's."""

    def request(
        self, event: bytes, *, message: str, webhook_id: str, secrets: Sequence[bytes], at: datetime
    ) -> Outgoing:
        """The request of an attempt at ``at``.

        ``event``: the CloudEvent as it stands in the outbox, a JSON object; ``message``: the ``webhook-id``;
        ``secrets``: in plain, the current one first, never empty.
        """

    def verdict(self, status: int | None, headers: Mapping[str, str]) -> Verdict:
        """What an answer means. ``status``: None without an answer; ``headers``: names in lower case."""


def judge(status: int | None) -> Verdict:
    """What an answer means where a vendor says nothing else: any 2xx counts, 410 ends the webhook."""
    if status is None:
        return Verdict.RETRY
    if status in _SUCCESS:
        return Verdict.DELIVERED
    return Verdict.DISABLE if status == GONE else Verdict.RETRY


def only_200(status: int | None) -> Verdict:
    """`judge` for the vendors to whom no other 2xx is a success."""
    verdict = judge(status)
    return Verdict.RETRY if verdict is Verdict.DELIVERED and status != 200 else verdict
