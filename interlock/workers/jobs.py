"""The jobs that RQ may run, by the only names a job in Redis can have. Their arguments are checked here."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import redis

from interlock.engine.fencing import take_marker
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.workers.drain import Drainer, DrainSummary
from interlock.workers.invoker import INVOKE_SECONDS, Invoker
from interlock.workers.job_calls import (
    DELIVER_JOB,
    DRAIN_JOB,
    INVOKE_JOB,
    AllowedFunction,
    JobRefused,
)
from interlock.workers.rq_adapter import wake_deliver, wake_drain, wake_invoke
from interlock.workers.shift import Shift

DRAIN_SECONDS = 60
DELIVER_SECONDS = 120
"""How long a job may run before it is broken off: far longer than the shift that it ends by itself."""
DELIVER_SHIFT_SECONDS = 10.0
_DELIVER_WAKE_MS = 5000
_ANNOUNCE_SECONDS = 0.25
"""How long one look at the mark of deliveries tells that somebody will be there."""
_INVOKE_WAKE_MS = 5000


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """What the jobs of one process work with. ``stop`` is set when the process is to end."""

    settings: Settings
    store: Store
    rq_client: redis.Redis
    stop: threading.Event


def drain_jobs(context: WorkerContext, drainer: Drainer) -> Mapping[str, AllowedFunction]:
    """The allow-list of a process that applies commands."""
    return {DRAIN_JOB: AllowedFunction(partial(_drain, context, drainer), DRAIN_SECONDS)}


def deliver_jobs(context: WorkerContext) -> Mapping[str, AllowedFunction]:
    """The allow-list of a process that sends webhooks; apart, so that no receiver holds up commands."""
    from interlock.workers.delivery import deliver  # brings aiohttp, which only this kind of process needs

    def run(*args: object) -> None:
        if args:
            raise JobRefused("it takes no arguments")
        deliver(context.store, context.settings, shift_seconds=DELIVER_SHIFT_SECONDS, stop=context.stop)

    return {DELIVER_JOB: AllowedFunction(run, DELIVER_SECONDS)}


def invoke_jobs(context: WorkerContext, invoker: Invoker) -> Mapping[str, AllowedFunction]:
    """The allow-list of a process that runs invoked functions; apart, so that none holds up commands."""

    def run(*args: object) -> None:
        if args:
            raise JobRefused("it takes no arguments")
        context.store.client.delete(context.store.keys.invoke_wake)
        if invoker.run_one():
            wake_invoke(context.rq_client, context.settings)

    return {INVOKE_JOB: AllowedFunction(run, INVOKE_SECONDS)}


def _drain(context: WorkerContext, drainer: Drainer, *args: object) -> None:
    partitions = context.store.keys.partitions
    match args:
        case (int(partition),) if not isinstance(partition, bool) and 0 <= partition < partitions:
            pass
        case _:
            raise JobRefused(f"its argument is no partition between 0 and {partitions - 1}")
    announcer = _Announcer(context)
    lease_ms = int(context.settings.lease_seconds * 1000)
    shift = Shift(context.store, drainer, lease_ms, context.stop, announcer.told)
    shift.run(partition)
    for number in shift.more:
        wake_drain(context.rq_client, context.settings, number)


class _Announcer:
    """Wakes those who come after a commit, each unless a wake-up is on its way already."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._announced = float("-inf")

    def told(self, summary: DrainSummary) -> None:
        # `deliver` takes the mark away when it begins, and then stays for `IDLE_SECONDS` at the least.
        if summary.events and time.monotonic() - self._announced > _ANNOUNCE_SECONDS:
            store = self._context.store
            if take_marker(store.client, store.keys.deliver_wake, _DELIVER_WAKE_MS):
                wake_deliver(self._context.rq_client, self._context.settings)
            self._announced = time.monotonic()
        if summary.runs:
            announce_runs(self._context)


def announce_runs(context: WorkerContext) -> None:
    """Wake a worker for invoked functions, unless such a wake-up is on its way."""
    store = context.store
    if take_marker(store.client, store.keys.invoke_wake, _INVOKE_WAKE_MS):
        wake_invoke(context.rq_client, context.settings)
