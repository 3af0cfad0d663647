"""Publishing the desk's commands as a program in any other language would: plain ``XADD`` of JSON.

Each command names one ``reply_to`` list; what comes out of it is counted and timed here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Any

import orjson

from interlock.cli.demo.stage import Stage
from interlock.engine.errors import InterlockError
from interlock.engine.store import Store

IN_FLIGHT = 400
"""Commands that are published and not yet answered: enough to keep the workers busy, few enough that the
time from publish to commit is theirs and not the queue's."""
_CHUNK = 100
_SILENCE_SECONDS = 30
_SLICE_SECONDS = 2  # shorter than the client's socket timeout


class NoAnswer(InterlockError):
    """The workers have answered nothing for half a minute."""


@dataclass
class Played:
    """What came back. ``latencies``: seconds from just before XADD to the result being read, sorted at the end;
    the commit is in between, so publish-to-commit is no longer than this."""

    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return len(self.results) / self.seconds if self.seconds else 0.0

    def percentile(self, part: float) -> float:
        """The latency in seconds that ``part`` (0 to 1) of the commands did not exceed."""
        return (
            self.latencies[min(int(part * len(self.latencies)), len(self.latencies) - 1)]
            if self.latencies
            else 0.0
        )


def play(stage: Stage, commands: Sequence[dict[str, Any]], on_answers: Callable[[int], None]) -> Played:
    """Publish ``commands`` in order and wait for all results. Raises NoAnswer, StageFailed."""
    store = stage.store
    reply_to = store.keys.reply(f"demo-{token_urlsafe(8)}")
    played = Played()
    published: dict[str, float] = {}
    started = time.perf_counter()
    while len(played.results) < len(commands):
        if len(published) < len(commands) and len(published) - len(played.results) <= IN_FLIGHT - _CHUNK:
            chunk = commands[len(published) : len(published) + _CHUNK]
            now = time.perf_counter()
            published.update(dict.fromkeys((command["id"] for command in chunk), now))
            _publish(store, chunk, reply_to)
            answers = _waiting_answers(store, reply_to)
        else:
            answers = _next_answers(stage, reply_to)
        now = time.perf_counter()
        for result in answers:
            played.results[result["id"]] = result
            played.latencies.append(now - published[result["id"]])
        on_answers(len(answers))
    played.seconds = time.perf_counter() - started
    played.latencies.sort()
    return played


def _publish(store: Store, chunk: Sequence[dict[str, Any]], reply_to: str) -> None:
    pipeline = store.client.pipeline(transaction=False)
    for command in chunk:
        pipeline.xadd(store.keys.commands, {"command": orjson.dumps(command | {"reply_to": reply_to})})
    pipeline.execute()


def _next_answers(stage: Stage, reply_to: str) -> list[dict[str, Any]]:
    for _ in range(0, _SILENCE_SECONDS, _SLICE_SECONDS):
        first: Any = stage.store.client.blpop([reply_to], timeout=_SLICE_SECONDS)
        if first is not None:
            return [orjson.loads(first[1]), *_waiting_answers(stage.store, reply_to)]
        stage.check()
    raise NoAnswer(f"No command was answered for {_SILENCE_SECONDS} s. {stage.worker_words()}")


def _waiting_answers(store: Store, reply_to: str) -> list[dict[str, Any]]:
    waiting: Any = store.client.lpop(reply_to, IN_FLIGHT)
    return [orjson.loads(raw) for raw in waiting or ()]
