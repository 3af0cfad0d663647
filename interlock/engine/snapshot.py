"""Where one instance is: everything that the next step needs, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from interlock.engine.chart import Chart
from interlock.engine.errors import InterlockError


class CorruptSnapshot(InterlockError):
    """What is stored under an instance's key is no snapshot: somebody else wrote it. Compare with its history."""


RAISE = "raise."
"""Begins the ids of the timers of delayed ``raise``; those of ``after`` begin with the event, ``after.``."""


@dataclass(frozen=True, slots=True)
class Timer:
    """A running timer. ``id`` names the entry that armed it, so that a timer of a state that was left is told apart.

    ``event``: what it will send; ``state``: path of the state that armed it, empty for a delayed ``raise``;
    ``due``: RFC 3339, UTC. ``correlation_id``, ``causation_id``: of the step that armed it; what it causes goes on
    under them.
    """

    id: str
    event: str
    state: str
    due: str
    correlation_id: str | None = None
    causation_id: str | None = None


@dataclass(frozen=True, slots=True)
class DelayedSend:
    """A command sent with a delay, not due at the last step. ``name``: what ``cancel`` calls it, or empty."""

    name: str
    command_id: str
    machine: str
    key: str
    due: str


@dataclass(frozen=True, slots=True)
class Running:
    """An invoked function that has not come back. ``id``: of this run; ``name``: the invoke's; ``state``: whose."""

    id: str
    name: str
    state: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An instance at one version. ``state``: sorted paths of the active atomic states.

    ``context`` holds every field of the chart, private ones too; `shown` cuts them. ``recorded``: what each
    history state remembers, as paths by the history state's path. ``done``: a final state of the root was
    reached, no command is accepted any more. ``sends``: its own delayed sends that may still be cancelled;
    ``running``: functions that were invoked and have not come back.
    ``entered``: ``state`` in the order of entry, where an ``always`` could tell it from document order.
    """

    machine: str
    key: str
    chart_version: int
    version: int
    state: list[str]
    context: dict[str, Any]
    timers: list[Timer]
    created_at: str
    updated_at: str
    recorded: dict[str, list[str]] = field(default_factory=dict)
    done: bool = False
    sends: list[DelayedSend] = field(default_factory=list)
    running: list[Running] = field(default_factory=list)
    entered: list[str] = field(default_factory=list)

    def to_bytes(self) -> bytes:
        """JSON; equal snapshots give equal bytes."""
        return orjson.dumps(self)

    @classmethod
    def from_bytes(cls, raw: bytes) -> Snapshot:
        """The inverse of `to_bytes`. Raises CorruptSnapshot."""
        try:
            fields = orjson.loads(raw)
            if fields["timers"]:
                fields["timers"] = [Timer(**timer) for timer in fields["timers"]]
            if fields.get("sends"):
                fields["sends"] = [DelayedSend(**send) for send in fields["sends"]]
            if fields.get("running"):
                fields["running"] = [Running(**one) for one in fields["running"]]
            snapshot = cls(**fields)
        except (ValueError, TypeError, KeyError) as error:
            raise CorruptSnapshot(f"no snapshot: {error}") from error
        if not snapshot._is_sound():
            raise CorruptSnapshot("no snapshot: a field holds another type than we wrote")
        return snapshot

    def _is_sound(self) -> bool:
        """Whether everything has the type that is built upon: the rest of the engine trusts it."""
        texts = [*self.state, *(text for timer in self.timers for text in (timer.id, timer.event, timer.due))]
        return (
            type(self.version) is int
            and type(self.chart_version) is int
            and type(self.context) is dict
            and type(self.recorded) is dict
            and all(type(text) is str for text in texts)
        )

    def shown(self, chart: Chart) -> dict[str, Any]:
        """The instance as the command line, HTTP and Python show it; private context fields are cut."""
        return {
            "machine": self.machine,
            "key": self.key,
            "chart_version": self.chart_version,
            "version": self.version,
            "state": self.state,
            "context": public_context(chart, self.context),
            "timers": [{"id": t.id, "event": t.event, "state": t.state, "due": t.due} for t in self.timers],
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }


def public_context(chart: Chart, context: dict[str, Any]) -> dict[str, Any]:
    """The fields that the chart calls public; a field that the chart does not know is not shown."""
    return {name: context[name] for name in chart.public_fields if name in context}
