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
from interlock.engine.sealing import NotOpened
from interlock.engine.secrets import KEY_FAULTS
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.engine.stored_forms import open_run, sealed_body
from interlock.statecharts.invocable import Invocable

log = structlog.get_logger()

INVOKE_SECONDS = 300
"""How long one attempt may take."""
CLAIM_MS = (INVOKE_SECONDS + 30) * 1000
MAX_ERROR = 500
"""Characters of an error that are told to the chart."""
_ENVELOPE_BYTES = 2048
KEY_PAUSE_MS = 60_000
"""How long a run waits that was sealed under a key that is not here."""


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
        stored = Run.from_bytes(raw)
        try:
            run = open_run(self._store.vault.opener, stored)
        except KEY_FAULTS as fault:
            self._put_back(keys, stored, str(fault))
            return False
        except NotOpened as fault:
            log.error("run_failed", run=stored.id, machine=stored.machine, key=stored.key, reason=str(fault))
            self._settle(keys, stored, stored.outcome(error="its stored input was not sealed here"))
            return True
        secret = run is not stored
        told = log.bind(run=run.id, function=run.function, machine=run.machine, key=run.key, attempt=attempt)
        if attempt > run.attempts:
            died = run.outcome(error="no attempt came to its end: the worker died in each")
            self._settle(keys, run, died, secret=secret)
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
        self._settle(keys, run, outcome, secret=secret)
        return True

    def _put_back(self, keys: PartitionKeys, run: Run, reason: str) -> None:
        """A run that this process cannot read is for another; that it was looked at is no attempt."""
        log.error("run_waits", run=run.id, machine=run.machine, key=run.key, reason=reason)
        pipeline = self._store.client.pipeline(transaction=True)
        pipeline.zadd(keys.runs_due, {run.id: self._now_ms() + KEY_PAUSE_MS}, xx=True)
        pipeline.hincrby(keys.run_attempts, run.id, -1)
        pipeline.execute()

    def _attempt(self, run: Run) -> bytes:
        function = self._functions.get(run.function)
        if function is None:
            raise LookupError(f"no installed package offers the function {run.function!r}")
        outcome = run.outcome(output=function(cast("Mapping[str, Any]", run.input)))
        if len(outcome) > self._max_bytes:
            raise ValueError(f"its output is larger than {self._max_bytes} bytes")
        return outcome

    def _settle(self, keys: PartitionKeys, run: Run, outcome: bytes, *, secret: bool = False) -> None:
        if secret:
            outcome = sealed_body(self._store.vault.sealer, outcome, ("output", "error"))
        names = [keys.runs_due, keys.runs, keys.run_attempts, self._store.keys.commands]
        if not run_script(self._store.client, "settle", names, [run.id, outcome]):
            log.info("run_not_wanted", run=run.id, machine=run.machine, key=run.key)
