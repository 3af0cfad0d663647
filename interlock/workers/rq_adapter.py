"""The only module that imports RQ: how a wake-up is enqueued, and the worker that obeys it.

RQ's jobs carry no truth here: they say "look at partition 3". So nothing is lost with one, and nothing that
a job in Redis claims is believed but the name of one of our own jobs and its plain arguments. What RQ would
import, call or send because a job's hash says so (functions, callbacks, webhooks, dependents, repeats) is
never read.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import socket
import threading
import time
import traceback
from collections.abc import Mapping
from functools import lru_cache
from types import FrameType
from typing import Any, NoReturn
from uuid import uuid4

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import worker_registration
from rq.exceptions import StopRequested
from rq.job import Job, JobStatus
from rq.queue import Queue
from rq.results import Result
from rq.timeouts import JobTimeoutException
from rq.utils import now
from rq.version import VERSION
from rq.worker import SimpleWorker
from rq.worker.base import WorkerStatus

from interlock.engine.settings import Settings
from interlock.workers.job_calls import (
    DELIVER_JOB,
    DRAIN_JOB,
    INVOKE_JOB,
    AllowedFunction,
    JobRefused,
    read_call,
)
from interlock.workers.stop_signals import set_from_handler

if VERSION.split(".")[0] != "3":
    raise ImportError(f"Interlock needs RQ 3 and found {VERSION}: pip install 'rq>=3.0,<4'")

_WAKE_TTL_SECONDS = 30  # a wake-up that nobody took by then is void: the sweeper has sent another
_WAKE_TIMEOUT_SECONDS = 120  # for RQ's tools to see; the worker goes by its allow-list
_FAILURE_TTL_SECONDS = 3600
_BLOCK_SECONDS = 10
_WORKER_TTL_SECONDS = 30
_HEARTBEAT_SECONDS = 5.0
_SUSPENSION_SECONDS = 1.0
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0

_JOB_ID = re.compile(rb"[A-Za-z0-9_-]{1,64}")

log = structlog.get_logger()


def wake_drain(client: redis.Redis, settings: Settings, partition: int) -> None:
    """Have some worker drain the partition. ``client``: of the server that holds RQ's queues."""
    _enqueue(client, settings.queue_names[0], DRAIN_JOB, [partition])


def wake_deliver(client: redis.Redis, settings: Settings) -> None:
    """Have some worker send the deliveries that are due."""
    _enqueue(client, settings.queue_names[1], DELIVER_JOB, [])


def wake_invoke(client: redis.Redis, settings: Settings) -> None:
    """Have some worker run an invoked function that is due."""
    _enqueue(client, settings.invoke_queue_name, INVOKE_JOB, [])


def _enqueue(client: redis.Redis, queue_name: str, name: str, args: list[int]) -> None:
    # One round trip: this is on the way of every command that finds its partition idle.
    with client.pipeline(transaction=False) as pipe:
        _queue(client, queue_name).enqueue_call(
            name,
            args=args,
            timeout=_WAKE_TIMEOUT_SECONDS,
            result_ttl=0,
            failure_ttl=_FAILURE_TTL_SECONDS,
            ttl=_WAKE_TTL_SECONDS,
            description=f"{name}({', '.join(map(str, args))})",
            pipeline=pipe,
        )
        pipe.execute()


@lru_cache(maxsize=8)
def _queue(client: redis.Redis, name: str) -> Queue:
    return Queue(name, connection=client, serializer="json", job_class=AllowedJob)


def registered_pids(client: redis.Redis, settings: Settings) -> set[int]:
    """Process ids of the workers of this machine that are registered with RQ, dead ones of late included."""
    found = set()
    for queue_name in (*settings.queue_names, settings.invoke_queue_name):
        start = f"{SimpleWorker.redis_worker_namespace_prefix}{queue_name}-{socket.gethostname()}-"
        for key in worker_registration.get_keys(Queue(queue_name, connection=client)):
            pid = key.removeprefix(start).partition("-")[0]
            if key.startswith(start) and pid.isdecimal():
                found.add(int(pid))
    return found


class AllowedJob(Job):
    """A job of which nothing is read but its call; whatever else its hash holds stays at RQ's defaults."""

    def restore(self, raw_data: Mapping[bytes, bytes]) -> None:
        """Take the call out of the stored hash. Raises JobRefused where it is none."""
        self._func_name, self._args = read_call(raw_data.get(b"data", b""))
        self._instance, self._kwargs = None, {}

    @property
    def func(self) -> NoReturn:
        raise JobRefused("functions are never imported by the name that a job brings")


class DrainWorker(SimpleWorker):
    """An RQ worker for wake-ups: in this process, with one round trip before a job and one after it.

    What RQ's tools see holds: ``rq info`` lists the worker with its state and counts, ``rq suspend`` and
    ``rq resume`` work, a failed job stands in the queue's failed registry. Left out, for speed or safety: the
    registries of started and finished jobs and of executions; RQ's intermediate queue (a wake-up that is lost
    with its worker is sent again by the sweeper); commands over pubsub, so that nobody stops a worker through
    Redis; RQ's own maintenance, which runs callbacks of jobs.

    ``jobs``: the allow-list. ``stop`` is set by SIGTERM or SIGINT, so that a running job can end its shift; a
    second signal ends the process at once.
    """

    def __init__(
        self,
        client: redis.Redis,
        queue_name: str,
        jobs: Mapping[str, AllowedFunction],
        stop: threading.Event,
    ) -> None:
        self._allowed = jobs
        self._stop = stop
        self._popping = False
        self._beat_at = self._suspension_at = float("-inf")
        client.set_retry(Retry(NoBackoff(), 0))  # the loop below waits itself, and hears signals meanwhile
        super().__init__(
            [Queue(queue_name, connection=client, serializer="json", job_class=AllowedJob)],
            name=f"{queue_name}-{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}",
            connection=client,
            job_class=AllowedJob,
            serializer="json",
            log_job_description=False,
            worker_ttl=_WORKER_TTL_SECONDS,
        )
        self._queue = self.queues[0]
        client.connection_pool.disconnect()  # it was made before RQ set the timeout of blocking reads

    @property
    def dequeue_timeout(self) -> int:
        return _BLOCK_SECONDS

    def bootstrap(self, *_args: Any, **_kwargs: Any) -> None:
        """Register with RQ; its log handlers and its subscription to commands are left out."""
        for name in ("rq.worker", "rq.job", "rq.queue"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self.register_birth()  # type: ignore[no-untyped-call]
        self.set_state(WorkerStatus.STARTED)
        log.info("worker_started", queue=self._queue.name, worker=self.name)

    def check_for_suspension(self, burst: bool) -> None:
        if time.monotonic() - self._suspension_at >= _SUSPENSION_SECONDS:
            self._suspension_at = time.monotonic()
            with contextlib.suppress(redis.RedisError):
                super().check_for_suspension(burst)

    def run_maintenance_tasks(self) -> None:
        """Forget workers that are gone and failures that have expired."""
        self.last_cleaned_at = now()  # type: ignore[assignment]
        with contextlib.suppress(redis.RedisError):
            worker_registration.clean_worker_registry(self._queue)
            self._queue.failed_job_registry.cleanup()

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Say that this worker lives; without ``pipeline`` at most once in five seconds, if the server hears."""
        if pipeline is not None:
            super().heartbeat(timeout, pipeline=pipeline)
        elif time.monotonic() - self._beat_at >= _HEARTBEAT_SECONDS:
            with contextlib.suppress(redis.RedisError):
                self._beat(timeout)

    def _beat(self, timeout: int | None) -> None:
        with self.connection.pipeline(transaction=False) as pipe:
            super().heartbeat(timeout, pipeline=pipe)
            forgotten = pipe.execute()[0]
        if forgotten:
            self.connection.hset(self.key, mapping=self.serialize())
            worker_registration.register(self)
        self._beat_at = time.monotonic()

    def dequeue_job_and_maintain_ttl(
        self, timeout: int | None, max_idle_time: int | None = None
    ) -> tuple[Job, Queue] | None:
        """The next job, waiting for it unless ``timeout`` is None; None when there is none or to stop."""
        del max_idle_time
        pause = _FIRST_PAUSE_SECONDS
        while not self._stop_requested:
            try:
                self.heartbeat()
                job_id = self._pop(timeout)
                pause = _FIRST_PAUSE_SECONDS
                job = self._fetch(job_id) if job_id is not None else None
            except redis.RedisError as error:
                log.warning("server_unreachable", error=type(error).__name__, retry_seconds=round(pause, 2))
                time.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
                continue
            if job is not None:
                return job, self._queue
            if job_id is None and timeout is None:
                return None
        return None

    def _pop(self, timeout: int | None) -> bytes | None:
        """The next job id. A stop signal breaks off the wait; a wake-up popped just then is sent again."""
        popped: Any
        if timeout is None:
            popped = self.connection.lpop(self._queue.key)
            return bytes(popped) if popped is not None else None
        self._popping = True
        try:
            if self._stop_requested:
                raise StopRequested
            popped = self.connection.blpop([self._queue.key], timeout)
        finally:
            self._popping = False
        return bytes(popped[1]) if popped else None

    def _fetch(self, job_id: bytes) -> AllowedJob | None:
        """The job, or None where it has expired or is refused."""
        shown = job_id[:64].decode("ascii", "backslashreplace")
        if not _JOB_ID.fullmatch(job_id):
            self._refuse(shown, "its id is no job's id")
            return None
        job = AllowedJob(shown, connection=self.connection, serializer="json")
        with self.connection.pipeline(transaction=False) as pipe:
            pipe.hgetall(job.key)
            self.set_state(WorkerStatus.BUSY, pipeline=pipe)
            stored = pipe.execute(raise_on_error=False)[0]
        try:
            if isinstance(stored, redis.ResponseError) and str(stored).startswith("WRONGTYPE"):
                raise JobRefused("it is no hash")
            if isinstance(stored, Exception):
                raise stored
            if not stored:
                return None
            job.restore(stored)
            job.origin = self._queue.name
        except JobRefused as refusal:
            self._refuse(shown, str(refusal))
            self._record(job, failed=True)
            return None
        return job

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run the job if it is one of ours, then record how it went. A job's error ends here."""
        started = time.monotonic()
        try:
            self._run(job)
        except JobRefused as refusal:
            self._refuse(job.id, str(refusal))
            self._record(job, failed=True)
        except redis.RedisError as error:
            log.warning("job_lost_server", job=job.func_name, job_id=job.id, error=type(error).__name__)
            self._record(job, failed=True)
        except Exception:
            log.exception("job_failed", job=job.func_name, job_id=job.id, queue=queue.name)
            self._record(job, failed=True, failure=traceback.format_exc())
        else:
            self._record(job, failed=False, seconds=time.monotonic() - started)

    def _run(self, job: Job) -> None:
        name = str(job.func_name)
        allowed = self._allowed.get(name)
        if allowed is None:
            raise JobRefused(f"{name[:100]!r} is no job of this queue")
        with self.death_penalty_class(allowed.timeout_seconds, JobTimeoutException, job_id=job.id):
            allowed.run(*job.args)

    def _refuse(self, job_id: str, reason: str) -> None:
        log.warning("job_refused", job_id=job_id, queue=self._queue.name, reason=reason)

    def _record(self, job: Job, *, failed: bool, failure: str = "", seconds: float = 0.0) -> None:
        try:
            with self.connection.pipeline(transaction=False) as pipe:
                if failure:
                    job.set_status(JobStatus.FAILED, pipeline=pipe)
                    self._queue.failed_job_registry.add(job, _FAILURE_TTL_SECONDS, failure, pipe)
                    Result.create_failure(job, _FAILURE_TTL_SECONDS, failure, self.name, pipe)
                else:
                    pipe.delete(job.key, job.dependents_key, job.dependencies_key)
                pipe.hincrby(self.key, "failed_job_count" if failed else "successful_job_count", 1)
                pipe.hincrbyfloat(self.key, "total_working_time", seconds)
                self.set_state(WorkerStatus.IDLE, pipeline=pipe)
                pipe.execute()
        except redis.RedisError as error:
            log.warning("job_not_recorded", job_id=job.id, error=type(error).__name__)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        del signum, frame
        signal.signal(signal.SIGINT, self.request_force_stop)
        signal.signal(signal.SIGTERM, self.request_force_stop)
        self._stop_requested = True
        set_from_handler(self._stop)
        if self._popping:
            raise StopRequested

    def request_force_stop(self, signum: int, frame: FrameType | None) -> NoReturn:
        """Stop in the middle: whatever is not committed is done again by the next owner."""
        del frame
        os._exit(128 + signum)

    def teardown(self) -> None:
        with contextlib.suppress(redis.RedisError):
            super().teardown()  # type: ignore[no-untyped-call]
