"""Move all live instances of a machine: look at each first, then send each its command and gather the answers.

Looking changes nothing, and is no promise: an instance may have gone on until a worker decides its move.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from secrets import token_urlsafe
from typing import Any, cast

import orjson
import uuid_utils

from interlock.engine.machine import Machine
from interlock.engine.messages import Command
from interlock.engine.migration_command import MIGRATE, migrate
from interlock.engine.outcome import Decision
from interlock.engine.publishing import Publisher
from interlock.engine.snapshot import Snapshot
from interlock.engine.store import Store
from interlock.statecharts.functions import FUNCTIONS
from interlock.statecharts.registered import RegisteredCharts
from interlock.statecharts.sealed_commands import CommandSealer

AT_ONCE = 500
"""Instances read at once, and moves that wait for their answer at once."""
_SLICE_SECONDS = 1.0

Row = tuple[str, str, str]
"""What stands in the way: what it is (state, context or command), which, and why."""


@dataclass(slots=True)
class Survey:
    """``moves``: keys, each with the data of its command; ``problems``: how many instances each concerns.

    ``instances``: how many are meant; ``already``: are where they shall go; ``ended``: have come to their end
    and stay; ``stay``: have moved on since they were migrated, or never were (undo only).
    """

    moves: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    problems: Counter[Row] = field(default_factory=Counter)
    instances: int = 0
    already: int = 0
    ended: int = 0
    stay: int = 0


@dataclass(slots=True)
class Outcome:
    """``moved``, ``unanswered``: numbers of instances; ``refused``: how many for which reason."""

    moved: int = 0
    unanswered: int = 0
    refused: Counter[Row] = field(default_factory=Counter)


def survey(
    store: Store,
    machine: str,
    to: int,
    mapping: Mapping[str, Any],
    only_from: int | None = None,
    functions: Mapping[str, Callable[..., Any]] = FUNCTIONS,
) -> Survey:
    """What a move of all instances to version ``to`` would do. ``only_from``: only those at this version.
    ``functions``: what the charts' expressions may call.

    Raises ChartUnknown and ChartError where a version that instances are at cannot be had.
    """
    find = _Versions(RegisteredCharts(store, functions), machine)
    found = Survey()
    for snapshot in store.instances(machine):
        if snapshot.chart_version == to:
            found.already += 1
        elif only_from not in (None, snapshot.chart_version):
            continue
        elif snapshot.done:
            found.ended += 1
        else:
            data = {"from": snapshot.chart_version, "to": to, **mapping}
            found.instances += 1
            found.problems.update(_problems(_try(find, snapshot, data)))
            found.moves.append((snapshot.key, data))
    return found


def survey_undo(store: Store, machine: str, to: int, only_from: int | None = None) -> Survey:
    """What taking back the moves to version ``to`` would do. ``only_from``: only of those that came from there."""
    found = Survey()
    for snapshot in store.instances(machine, private=False):
        if snapshot.chart_version != to:
            continue
        last = store.history(machine, snapshot.key, snapshot.version, private=False)
        cause = last[-1]["command"] if last else {}
        if cause.get("name") != MIGRATE or cause["data"].get("undo"):
            found.stay += 1
        elif only_from in (None, cause["data"]["from"]):
            found.instances += 1
            found.moves.append((snapshot.key, {"from": to, "to": cause["data"]["from"], "undo": True}))
    return found


def apply_moves(
    store: Store, machine: str, moves: Sequence[tuple[str, dict[str, Any]]], patience_seconds: float
) -> Outcome:
    """Send each instance its command and wait for the answers, at most ``patience_seconds`` for the next one."""
    outcome = Outcome()
    publisher = Publisher(store.client, store.keys, CommandSealer(store))
    run = str(uuid_utils.uuid7())
    for start in range(0, len(moves), AT_ONCE):
        chunk = moves[start : start + AT_ONCE]
        reply_to = store.keys.reply(token_urlsafe(16))
        for key, data in chunk:
            publisher.publish(machine, key, MIGRATE, data, correlation_id=run, reply_to=reply_to)
        missing = len(chunk)
        for answer in _answers(store, reply_to, len(chunk), patience_seconds):
            missing -= 1
            if answer["status"] in ("applied", "ignored"):
                outcome.moved += 1
            else:
                outcome.refused.update(_told(answer.get("error") or {}))
        if missing:
            # Nobody works: the rest stays unsent, and a later run finds what this one has done.
            outcome.unanswered = missing + len(moves) - start - len(chunk)
            return outcome
    return outcome


class _Versions(dict[int, Machine]):
    """The compiled charts of one machine, each when it is first asked for."""

    def __init__(self, charts: RegisteredCharts, machine: str) -> None:
        super().__init__()
        self._charts = charts
        self._machine = machine

    def __missing__(self, version: int) -> Machine:
        return self.setdefault(version, Machine(self._charts.chart(self._machine, version)))


def _try(find: _Versions, snapshot: Snapshot, data: dict[str, Any]) -> Decision:
    command = Command(machine=snapshot.machine, key=snapshot.key, name=MIGRATE, data=data, id="survey")
    return migrate(find.__getitem__, snapshot, command, datetime.now(UTC))


def _problems(decision: Decision) -> list[Row]:
    error = decision.result.error
    return _told(error.as_dict()) if error else []


def _told(error: Mapping[str, Any]) -> list[Row]:
    problems = (error.get("details") or {}).get("problems")
    if problems:
        return [(each["what"], each["name"], each["message"]) for each in problems]
    return [("command", str(error.get("code")), str(error.get("message")))]


def _answers(store: Store, reply_to: str, count: int, patience_seconds: float) -> Iterator[dict[str, Any]]:
    deadline = time.monotonic() + patience_seconds
    while count and (left := deadline - time.monotonic()) > 0:
        found = cast(
            "tuple[bytes, bytes] | None",
            store.client.blpop([reply_to], timeout=max(min(left, _SLICE_SECONDS), 0.01)),
        )
        if found is not None:
            count -= 1
            deadline = time.monotonic() + patience_seconds
            yield orjson.loads(found[1])
