"""``interlock worker``: starts the worker processes, keeps them running, ends them in order.

None of them holds anything that its death could lose, so a child that died is simply started again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import redis
import structlog

from interlock.engine.clients import connect, connect_rq
from interlock.engine.collecting import end_loading
from interlock.engine.errors import ChartError, ServerUnreachable
from interlock.engine.settings import Settings
from interlock.engine.store import ChartConflict, Store
from interlock.statecharts.catalog import Catalog
from interlock.statecharts.invocable import offered
from interlock.workers.processes import EXIT_INVALID, EXIT_UNREACHABLE, Kind, register_charts
from interlock.workers.rq_adapter import registered_pids
from interlock.workers.stop_signals import STOPPING, SignalInbox
from interlock.workers.unfinished import unfinished

_FIRST_BACKOFF_SECONDS = 0.1
_LONGEST_BACKOFF_SECONDS = 2.0
_STEADY_SECONDS = 10.0
"""A child that lived so long was healthy: its next death is a first one."""
_TICK_SECONDS = 0.2
_QUIET_TICKS = 2
_DRAIN_SECONDS = 60.0

log = structlog.get_logger()


@dataclass(slots=True)
class _Child:
    kind: Kind
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restart_at: float = 0.0
    backoff_seconds: float = _FIRST_BACKOFF_SECONDS
    launches: int = 0


@dataclass(slots=True)
class Supervisor:
    """The worker processes of one machine, kept running; with ``burst`` until nothing is left to do.

    ``processes`` apply commands, ``delivery_processes`` send webhooks, and one pumps. Start it from a thread
    that lives as long as they should (see `lifeline`); `run` needs the main thread.
    """

    settings: Settings
    processes: int = 1
    delivery_processes: int = 1
    burst: bool = False
    _children: list[_Child] = field(default_factory=list)
    _stopping: bool = False
    _verdict: int = 0

    def start(self) -> None:
        """Start all processes."""
        kinds = [Kind.PUMP] + [Kind.DRAIN] * self.processes + [Kind.DELIVER] * self.delivery_processes
        if offered():
            kinds.append(Kind.INVOKE)
        self._children = [_Child(kind) for kind in kinds]
        for child in self._children:
            self._launch(child)

    def pids(self) -> list[int]:
        """Process ids of those that live."""
        return [child.process.pid for child in self._children if child.process is not None]

    def ready(self) -> bool:
        """Whether every worker process has announced itself to RQ."""
        workers = {
            child.process.pid if child.process is not None else 0
            for child in self._children
            if child.kind is not Kind.PUMP
        }
        try:
            client = connect_rq(self.settings)
        except ServerUnreachable:
            return False
        with client:
            return workers <= registered_pids(client, self.settings)

    def tend(self) -> None:
        """Reap what has died and start again what is due. Call it often."""
        for child in self._children:
            self._reap(child)
            if child.process is None and not self._stopping and time.monotonic() >= child.restart_at:
                self._launch(child)

    def run(self, on_tick: Callable[[], None] = lambda: None) -> int:
        """Start, tend, and stop on SIGTERM or SIGINT: 0 once all have ended their work in order.

        143 or 130 after a second signal, which kills; 4 where a child found a chart invalid. ``on_tick`` is
        called a few times a second.
        """
        end_loading()
        with SignalInbox() as inbox:
            try:
                self.start()
                self._keep_running(inbox, on_tick)
                return self._wind_down(inbox) or self._verdict
            finally:
                self.kill()

    def _keep_running(self, inbox: SignalInbox, on_tick: Callable[[], None]) -> None:
        quiet = 0
        while not self._verdict and quiet < _QUIET_TICKS and not STOPPING & set(inbox.wait(_TICK_SECONDS)):
            self.tend()
            on_tick()
            quiet = quiet + 1 if self.burst and self._idle() else 0

    def stop(self) -> None:
        """Have all end their work in order; kill those that have not after a minute."""
        self._signal_all(signal.SIGTERM)
        deadline = time.monotonic() + _DRAIN_SECONDS
        for child in self._children:
            if child.process is not None:
                try:
                    child.process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    self.kill()
            self._reap(child)

    def kill(self) -> None:
        """End all at once; what they had not committed is done again by their successors."""
        self._signal_all(signal.SIGKILL)
        for child in self._children:
            if child.process is not None:
                child.process.wait()
            self._reap(child)

    def _wind_down(self, inbox: SignalInbox) -> int:
        self._signal_all(signal.SIGTERM)
        deadline = time.monotonic() + _DRAIN_SECONDS
        while self.pids() and time.monotonic() < deadline:
            for number in inbox.wait(_TICK_SECONDS):
                if number in STOPPING:
                    return 128 + number
            self.tend()
        return 0

    def _signal_all(self, number: signal.Signals) -> None:
        self._stopping = True
        for child in self._children:
            if child.process is not None:
                child.process.send_signal(number)

    def _launch(self, child: _Child) -> None:
        child.process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
            [sys.executable, "-m", "interlock.workers", child.kind.value, str(os.getpid())],
            env=self.settings.environment(),
            stdin=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C reaches the supervisor alone, which tells the children
        )
        child.started_at = time.monotonic()
        child.launches += 1

    def _reap(self, child: _Child) -> None:
        if child.process is None or child.process.poll() is None:
            return
        if not self._stopping:
            if time.monotonic() - child.started_at >= _STEADY_SECONDS:
                child.backoff_seconds = _FIRST_BACKOFF_SECONDS
            log.warning(
                "worker_died",
                kind=child.kind.value,
                child_pid=child.process.pid,
                exit_code=child.process.returncode,
                restart_seconds=child.backoff_seconds,
            )
            if child.process.returncode == EXIT_INVALID and child.launches == 1:
                self._verdict = EXIT_INVALID  # it would end so every time
            elif child.process.returncode == EXIT_INVALID:
                # It ran before, so somebody has broken a chart since: what else runs must not end for that.
                log.error("chart_broken_since", next_step="interlock check names the place; mend it")
            child.restart_at = time.monotonic() + child.backoff_seconds
            child.backoff_seconds = min(child.backoff_seconds * 2, _LONGEST_BACKOFF_SECONDS)
        child.process = None

    def _idle(self) -> bool:
        try:
            with connect(self.settings) as client:
                store = Store.open(client, self.settings)
                return unfinished(store, deliveries=self.delivery_processes > 0) == 0
        except (redis.RedisError, ServerUnreachable):
            return False


def _warn_of_missing(catalog: Catalog) -> None:
    """Say which invoked functions no package offers: their runs wait for a worker that has them."""
    there = offered()
    for chart in catalog.charts:
        for invoke in (each for state in chart.states.values() for each in state.invoke):
            if invoke.function not in there:
                log.warning("function_missing", place=str(invoke.mark), function=invoke.function)


def run_workers(
    settings: Settings, *, processes: int = 1, delivery_processes: int = 1, burst: bool = False
) -> int:
    """The command ``interlock worker``; its exit code: 0, 4 invalid chart, 5 no server, 130 or 143."""
    try:
        catalog = Catalog.load(settings.charts)
        with connect(settings) as client:
            register_charts(Store.open(client, settings, found=True), catalog)
        _warn_of_missing(catalog)
        connect_rq(settings).close()
    except (ChartError, ChartConflict) as error:
        print(error, file=sys.stderr)  # noqa: T201  # findings are for people: file:line:column
        return EXIT_INVALID
    except ServerUnreachable as error:
        print(error, file=sys.stderr)  # noqa: T201
        return EXIT_UNREACHABLE
    return Supervisor(settings, processes, delivery_processes, burst).run()
