"""The processes that the supervisor starts: ``python -m interlock.workers KIND PARENT_PID``.

``drain`` applies commands, ``deliver`` sends webhooks, ``invoke`` runs what charts invoke, ``pump`` moves
commands to their partitions.
Their settings come from the environment. Each dies with its parent.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from types import FrameType

import structlog

from interlock.engine import lifeline, logs
from interlock.engine.audit import Action, AuditNotKept, Deed, at_the_shell, record
from interlock.engine.clients import connect, connect_rq
from interlock.engine.collecting import end_loading
from interlock.engine.errors import ChartError, ServerUnreachable
from interlock.engine.secrets import KEY_FAULTS
from interlock.engine.settings import Settings
from interlock.engine.store import ChartConflict, Store
from interlock.statecharts.catalog import Catalog
from interlock.statecharts.invocable import InvocableBroken, invocable
from interlock.workers.drain import Drainer
from interlock.workers.invoker import Invoker
from interlock.workers.jobs import WorkerContext, deliver_jobs, drain_jobs, invoke_jobs
from interlock.workers.pump import Pump
from interlock.workers.rq_adapter import DrainWorker, wake_deliver, wake_drain, wake_invoke
from interlock.workers.stop_signals import set_from_handler

EXIT_INVALID = 4
EXIT_UNREACHABLE = 5

log = structlog.get_logger()


class Kind(StrEnum):
    """What a process does."""

    DRAIN = "drain"
    """Applies commands, one partition at a time."""
    DELIVER = "deliver"
    """Sends webhooks."""
    INVOKE = "invoke"
    """Runs the functions that charts invoke."""
    PUMP = "pump"
    """Moves commands, timers and retries to where they are worked on, and sweeps up what was left lying."""


def main(argv: list[str]) -> int:
    """Run one process until it is told to stop; 0, or why it could not: 4 invalid chart, 5 no server."""
    kind, parent_pid = Kind(argv[0]), int(argv[1])
    lifeline.die_with_parent(parent_pid)
    settings = Settings()
    logs.configure(settings)
    structlog.contextvars.bind_contextvars(process=kind.value, pid=os.getpid())
    try:
        _RUN[kind](_context(settings))
    except (ChartError, ChartConflict) as error:
        log.error("chart_invalid", error=str(error))
        return EXIT_INVALID
    except InvocableBroken as error:
        log.error("function_broken", error=str(error))
        return EXIT_INVALID
    except ServerUnreachable as error:
        log.error("server_unreachable", error=str(error))
        return EXIT_UNREACHABLE
    return 0


def _context(settings: Settings) -> WorkerContext:
    store = Store.open(connect(settings), settings, found=True)
    return WorkerContext(settings, store, connect_rq(settings), threading.Event())


def register_charts(store: Store, catalog: Catalog) -> None:
    """Make the charts known to all who read the store; the audit tells which were new, and who brought them.

    Raises ChartConflict: one version has one text.
    """
    if catalog.private.any:
        try:
            store.vault.sealer()  # so that who publishes finds the deployment's key claimed
        except KEY_FAULTS as fault:
            log.error("secret_key_unusable", reason=str(fault))  # who needs none goes on
    for chart in catalog.charts:
        if store.register_chart(chart):
            deed = Deed(at_the_shell(), Action.CHART_REGISTERED, f"{chart.id}@{chart.version}")
            try:
                record(store.client, store.keys, deed)
            except AuditNotKept as error:
                log.error("audit_not_kept", reason=str(error))


def _run_drain(context: WorkerContext) -> None:
    catalog = Catalog.load(context.settings.charts, registered=context.store.charts)
    register_charts(context.store, catalog)
    jobs = drain_jobs(context, Drainer(context.store, catalog, context.settings))
    end_loading()
    DrainWorker(connect_rq(context.settings), context.settings.queue_names[0], jobs, context.stop).work()


def _run_deliver(context: WorkerContext) -> None:
    jobs = deliver_jobs(context)
    end_loading()
    DrainWorker(connect_rq(context.settings), context.settings.queue_names[1], jobs, context.stop).work()


def _run_invoke(context: WorkerContext) -> None:
    jobs = invoke_jobs(context, Invoker(context.store, context.settings, invocable()))
    end_loading()
    queue = context.settings.invoke_queue_name
    DrainWorker(connect_rq(context.settings), queue, jobs, context.stop).work()


def _run_pump(context: WorkerContext) -> None:
    def stop_at_once(signum: int, frame: FrameType | None) -> None:
        del frame
        os._exit(128 + signum)

    def stop(signum: int, frame: FrameType | None) -> None:
        del signum, frame
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop_at_once)
        set_from_handler(context.stop)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    to_rq = context.rq_client, context.settings
    wakes = partial(wake_drain, *to_rq), partial(wake_deliver, *to_rq), partial(wake_invoke, *to_rq)
    pump = Pump(context.store, context.settings, *wakes)
    end_loading()
    pump.run(context.stop)


_RUN: dict[Kind, Callable[[WorkerContext], None]] = {
    Kind.DRAIN: _run_drain,
    Kind.DELIVER: _run_deliver,
    Kind.INVOKE: _run_invoke,
    Kind.PUMP: _run_pump,
}
