"""Runs the functions that charts invoke, and publishes what comes of them as commands.

A run is taken for a while, not owned: where its worker dies, another takes it when that while is over. The
outcome is published together with the end of the run, in one script, and under the run's own id; so it is
applied once, and not at all where the state was left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import structlog

from interlock.engine.fencing import run_script
from interlock.engine.invoking import Run
from interlock.engine.keys import PartitionKeys
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.statecharts.invocable import Invocable

log = structlog.get_logger()

INVOKE_SECONDS = 300
"""How long one attempt may take."""
CLAIM_MS = (INVOKE_SECONDS + 30) * 1000
MAX_ERROR = 500
"""Characters of an error that are told to the chart."""
_ENVELOPE_BYTES = 2048


class Invoker:
    """Runs what is due, one attempt at a time, with the functions of one process."""

    def __init__(self, store: Store, settings: Settings, functions: Mapping[str, Invocable]) -> None:
        self._store = store
        self._functions = functions
        self._max_bytes = settings.max_command_bytes - _ENVELOPE_BYTES
        self._next = 0

    def run_one(self) -> bool:
        """Make one attempt of a run that is due; false where none is."""
        now_ms = self._now_ms()
        pipeline = self._store.client.pipeline(transaction=False)
        partitions = list(self._store.partitions())
        for keys in partitions:
            pipeline.zcount(keys.runs_due, "-inf", now_ms)
        waiting = cast(list[int], pipeline.execute())
        for step in range(len(partitions)):
            number = (self._next + step) % len(partitions)
            if waiting[number] and self._claim(partitions[number], now_ms):
                self._next = number + 1
                return True
        return False

    def _now_ms(self) -> int:
        seconds, micros = self._store.client.time()
        return seconds * 1000 + micros // 1000

    def _claim(self, keys: PartitionKeys, now_ms: int) -> bool:
        names = [keys.runs_due, keys.runs, keys.run_attempts]
        claimed = run_script(self._store.client, "claim", names, [now_ms, now_ms + CLAIM_MS])
        if not claimed:
            return False
        raw, attempt = cast("tuple[bytes, int]", claimed)
        run = Run.from_bytes(raw)
        told = log.bind(run=run.id, function=run.function, machine=run.machine, key=run.key, attempt=attempt)
        if attempt > run.attempts:
            self._settle(keys, run, run.outcome(error="no attempt came to its end: the worker died in each"))
            told.error("run_failed", reason="its workers died")
            return True
        try:
            outcome = self._attempt(run)
        except (
            Exception
        ) as fault:  # the function's own, whatever it is: the run has failed, the worker goes on
            reason = f"{type(fault).__name__}: {fault}"[:MAX_ERROR]
            if attempt < run.attempts:
                due = self._now_ms() + run.pause_ms(attempt)
                self._store.client.zadd(keys.runs_due, {run.id: due}, xx=True)
                told.warning("run_failed", reason=reason, again_in_ms=run.pause_ms(attempt))
                return True
            told.error("run_failed", reason=reason)
            outcome = run.outcome(error=reason.encode("utf-8", "replace").decode())
        self._settle(keys, run, outcome)
        return True

    def _attempt(self, run: Run) -> bytes:
        function = self._functions.get(run.function)
        if function is None:
            raise LookupError(f"no installed package offers the function {run.function!r}")
        outcome = run.outcome(output=function(cast("Mapping[str, Any]", run.input)))
        if len(outcome) > self._max_bytes:
            raise ValueError(f"its output is larger than {self._max_bytes} bytes")
        return outcome

    def _settle(self, keys: PartitionKeys, run: Run, outcome: bytes) -> None:
        names = [keys.runs_due, keys.runs, keys.run_attempts, self._store.keys.commands]
        if not run_script(self._store.client, "settle", names, [run.id, outcome]):
            log.info("run_not_wanted", run=run.id, machine=run.machine, key=run.key)
