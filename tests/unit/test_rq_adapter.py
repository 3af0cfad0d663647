"""What a wake-up looks like in Redis, and what of a job is believed."""

from __future__ import annotations

import json
import threading
import tracemalloc
import zlib
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from rq.job import Job
from rq.queue import Queue

from interlock.engine.keys import Keys
from interlock.engine.settings import Settings
from interlock.workers import delivery
from interlock.workers.drain import DrainSummary
from interlock.workers.job_calls import MAX_CALL_BYTES, JobRefused, read_call
from interlock.workers.jobs import WorkerContext, deliver_jobs, drain_jobs
from interlock.workers.rq_adapter import AllowedJob, wake_deliver, wake_drain
from interlock.workers.shift import MAX_PARTITIONS

SETTINGS = Settings(redis_url="redis://unused")
DRAIN_QUEUE, DELIVER_QUEUE = SETTINGS.queue_names


def test_a_wake_up_is_a_job_that_rq_itself_reads(fake_client: redis.Redis) -> None:
    wake_drain(fake_client, SETTINGS, 3)
    (job,) = Queue(DRAIN_QUEUE, connection=fake_client, serializer="json").jobs
    assert (job.func_name, job.instance, list(job.args), job.kwargs) == ("interlock.drain", None, [3], {})
    assert [queue.name for queue in Queue.all(fake_client)] == [DRAIN_QUEUE]


def test_deliveries_have_a_queue_of_their_own(fake_client: redis.Redis) -> None:
    wake_deliver(fake_client, SETTINGS)
    (job,) = Queue(DELIVER_QUEUE, connection=fake_client, serializer="json").jobs
    assert (job.func_name, list(job.args)) == ("interlock.deliver", [])
    assert Queue(DRAIN_QUEUE, connection=fake_client).is_empty()


def test_a_wake_up_that_nobody_takes_vanishes(fake_client: redis.Redis) -> None:
    wake_drain(fake_client, SETTINGS, 3)
    (key,) = fake_client.keys("rq:job:*")
    assert 0 < fake_client.ttl(key) <= 30


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x80\x05K\x01.", id="a pickle"),
        pytest.param(zlib.compress(b"\x80\x05K\x01."), id="a compressed pickle"),
        pytest.param(b"[" * 4000, id="nested too deep"),
        pytest.param(b'"interlock.drain"', id="no list"),
        pytest.param(b'["interlock.drain", null, [3]]', id="too short"),
        pytest.param(b'["interlock.drain", {"a": 1}, [3], {}]', id="with an instance"),
        pytest.param(b'["interlock.drain", null, [3], {"a": 1}]', id="with keyword arguments"),
        pytest.param(b'["interlock.drain", null, "3", {}]', id="arguments no list"),
        pytest.param(b"[3, null, [3], {}]", id="name no string"),
        pytest.param(json.dumps(["interlock.drain", None, ["x" * MAX_CALL_BYTES], {}]).encode(), id="large"),
    ],
)
def test_data_that_is_no_call_is_refused(data: bytes) -> None:
    with pytest.raises(JobRefused):
        read_call(data)


def test_a_decompression_bomb_is_refused_before_it_goes_off() -> None:
    bomb = zlib.compress(b" " * 20_000_000)
    tracemalloc.start()
    with pytest.raises(JobRefused, match="larger"):
        read_call(bomb)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1_000_000


def test_nothing_of_a_stored_job_is_read_but_its_call(fake_client: redis.Redis) -> None:
    call = json.dumps(["interlock.drain", None, [3], {}]).encode()
    job = AllowedJob("1", connection=fake_client, serializer="json")
    untouched = dict(vars(job))
    hostile = {
        "success_callback_name": b"os.abort",
        "failure_callback_name": b"os.abort",
        "stopped_callback_name": b"os.abort",
        "webhooks": b'[{"url": "http://169.254.169.254/"}]',
        "dependency_ids": b'["2"]',
        "repeats_left": b"9",
        "retries_left": b"9",
        "timeout": b"not a number",
        "status": b"no status",
        "created_at": b"never",
        "meta": b"\x80\x05K\x01.",
        "group_id": b"g",
        "rate_limit_key": b"k",
    }
    job.restore({b"data": call} | {name.encode(): value for name, value in hostile.items()})
    changed = {name for name, value in vars(job).items() if untouched[name] != value}
    assert changed == {"_func_name", "_instance", "_args", "_kwargs"}


def test_the_name_that_a_job_brings_is_never_imported(fake_client: redis.Redis) -> None:
    job = AllowedJob("1", connection=fake_client, serializer="json")
    job.restore({b"data": b'["os.getcwd", null, [], {}]'})
    assert Job.func.fget(job) is not None  # what RQ would call: it imports by name
    with pytest.raises(JobRefused):
        _ = job.func


MANY = MAX_PARTITIONS + 1
"""So many that each is drained alone."""


class RecordingDrainer:
    """Remembers which partitions it was to drain; answers what it is given."""

    def __init__(self, summary: DrainSummary) -> None:
        self.drained: list[int] = []
        self._summary = summary

    def drain(self, partition: int, stop: threading.Event | None = None) -> DrainSummary:
        self.drained.append(partition)
        return self._summary


def context_of(client: redis.Redis) -> WorkerContext:
    store: Any = SimpleNamespace(client=client, keys=Keys(partitions=MANY))
    return WorkerContext(SETTINGS, store, client, threading.Event())


def run_drain(client: redis.Redis, args: list[Any], summary: DrainSummary | None = None) -> list[int]:
    drainer: Any = RecordingDrainer(summary or DrainSummary())
    drain_jobs(context_of(client), drainer)["interlock.drain"].run(*args)
    return list(drainer.drained)


def queued(client: redis.Redis, queue_name: str) -> list[tuple[str | None, list[Any]]]:
    found = Queue(queue_name, connection=client, serializer="json").jobs
    return [(job.func_name, list(job.args)) for job in found]


@pytest.mark.parametrize("args", [[], [-1], [MANY], ["1"], [True], [1.0], [None], [[1]], [1, 2]])
def test_a_drain_job_with_a_wrong_argument_is_refused(fake_client: redis.Redis, args: list[Any]) -> None:
    with pytest.raises(JobRefused):
        run_drain(fake_client, args)


def test_a_deliver_job_takes_no_argument(fake_client: redis.Redis) -> None:
    with pytest.raises(JobRefused):
        deliver_jobs(context_of(fake_client))["interlock.deliver"].run(1)


def test_a_drain_that_announced_nothing_wakes_nobody(fake_client: redis.Redis) -> None:
    assert run_drain(fake_client, [3]) == [3]
    assert queued(fake_client, DRAIN_QUEUE) == queued(fake_client, DELIVER_QUEUE) == []


def test_a_drain_that_is_not_done_is_queued_again(fake_client: redis.Redis) -> None:
    run_drain(fake_client, [3], DrainSummary(commands=1, more=True))
    assert queued(fake_client, DRAIN_QUEUE) == [("interlock.drain", [3])]


def test_events_wake_one_delivery_until_it_has_begun(
    fake_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        run_drain(fake_client, [3], DrainSummary(commands=1, events=1))
    assert queued(fake_client, DELIVER_QUEUE) == [("interlock.deliver", [])]
    begun: list[float] = []

    def deliver(store: Any, settings: Settings, *, shift_seconds: float, stop: threading.Event) -> None:
        store.client.delete(store.keys.deliver_wake)  # as the real one does first
        begun.append(shift_seconds)

    monkeypatch.setattr(delivery, "deliver", deliver)
    deliver_jobs(context_of(fake_client))["interlock.deliver"].run()
    run_drain(fake_client, [3], DrainSummary(commands=1, events=1))
    assert len(begun) == 1
    assert len(queued(fake_client, DELIVER_QUEUE)) == 2
