"""Whoever can write to Redis can put jobs there; none but ours runs, and none of theirs stops a worker."""

from __future__ import annotations

import json
import pickle
import signal
import socket
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import rq
import structlog.testing
from rq.job import Job

from interlock.engine.settings import Settings
from interlock.workers.job_calls import AllowedFunction
from interlock.workers.rq_adapter import DrainWorker, wake_drain

SETTINGS = Settings(redis_url="redis://unused")
QUEUE = SETTINGS.queue_names[0]
CALL = json.dumps(["interlock.drain", None, [1], {}]).encode()
PAYLOAD = "forged_payload"


@pytest.fixture(autouse=True)
def signal_handlers() -> Iterator[None]:
    """A worker leaves its signal handlers behind."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that appears when the module ``forged_payload`` is imported or its functions are called."""
    marker = tmp_path / "touched"
    code = f"import pathlib\npathlib.Path({str(marker)!r}).touch()\ndef run(*args, **kwargs): pass\n"
    (tmp_path / f"{PAYLOAD}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    return marker


class Touch:
    """A pickle of it touches the file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def forge(client: redis.Redis, job_id: str, **fields: bytes | str | int) -> None:
    """A job as an intruder would write it."""
    client.hset(f"rq:job:{job_id}", mapping={"origin": QUEUE, "status": "queued", **fields})
    client.rpush(f"rq:queue:{QUEUE}", job_id)


def work(client: redis.Redis, run: Any = lambda *args: None) -> list[dict[str, Any]]:
    """Work the queue until it is empty, an honest wake-up of partition 7 at its end; returns the log.

    Fails unless that wake-up was obeyed and nothing of the jobs is left.
    """
    ran: list[tuple[Any, ...]] = []

    def record(*args: Any) -> None:
        ran.append(args)
        run(*args)

    wake_drain(client, SETTINGS, 7)
    worker = DrainWorker(client, QUEUE, {"interlock.drain": AllowedFunction(record, 60)}, threading.Event())
    with structlog.testing.capture_logs() as log:
        worker.work(burst=True)
    assert ran[-1] == (7,)
    assert client.keys("rq:job:*") == []
    return list(log)


def refusals(log: list[dict[str, Any]]) -> list[str]:
    return [entry["reason"] for entry in log if entry["event"] == "job_refused"]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(json.dumps([f"{PAYLOAD}.run", None, [], {}]).encode(), id="a function of theirs"),
        pytest.param(json.dumps(["os.system", None, ["true"], {}]).encode(), id="a shell command"),
        pytest.param(json.dumps(["interlock.deliver", None, [], {}]).encode(), id="a job of another queue"),
        pytest.param(json.dumps(["__class__", f"{PAYLOAD}.run", [], {}]).encode(), id="a method"),
        pytest.param(zlib.compress(b" " * 50_000_000), id="a decompression bomb"),
        pytest.param(b"\xff\xfe", id="bytes"),
    ],
)
def test_a_job_that_is_none_of_ours_is_removed_and_logged(
    redis_client: redis.Redis, touched: Path, data: bytes
) -> None:
    forge(redis_client, "forged", data=data)
    assert len(refusals(work(redis_client))) == 1
    assert not touched.exists()


def test_a_pickle_is_not_loaded(redis_client: redis.Redis, touched: Path) -> None:
    call = pickle.dumps((f"{PAYLOAD}.run", None, (Touch(touched),), {}))
    forge(redis_client, "plain", data=call, meta=pickle.dumps(Touch(touched)))
    forge(redis_client, "compressed", data=zlib.compress(call), result=pickle.dumps(Touch(touched)))
    assert refusals(work(redis_client)) == ["its data is not JSON"] * 2
    assert not touched.exists()


def hostile_fields(port: int) -> dict[str, bytes | str | int]:
    return {
        **{f"{kind}_callback_name": f"{PAYLOAD}.run" for kind in ("success", "failure", "stopped")},
        "webhooks": json.dumps(
            [{"url": f"http://127.0.0.1:{port}/", "job_status": status} for status in ("finished", "failed")]
        ),
        "repeats_left": 3,
        "repeat_intervals": "[0]",
        "retries_left": 3,
        "timeout": 60,
    }


@pytest.mark.parametrize("outcome", ["success", "failure"])
def test_what_a_job_wants_done_afterwards_is_not_done(
    redis_client: redis.Redis, touched: Path, outcome: str
) -> None:
    runs: list[int] = []

    def run(partition: int) -> None:
        runs.append(partition)
        if outcome == "failure" and partition == 1:
            raise RuntimeError("as it happens")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0)
        forge(redis_client, "hostile", data=CALL, **hostile_fields(listener.getsockname()[1]))
        redis_client.sadd("rq:job:hostile:dependents", "next")
        redis_client.hset("rq:job:next", mapping={"data": CALL, "status": "deferred", "origin": QUEUE})
        redis_client.expire("rq:job:next", 1)
        wake_drain(redis_client, SETTINGS, 7)
        worker = DrainWorker(
            redis_client, QUEUE, {"interlock.drain": AllowedFunction(run, 60)}, threading.Event()
        )
        worker.work(burst=True)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert runs == [1, 7]
    assert not touched.exists()
    assert redis_client.exists("rq:job:hostile") == (outcome == "failure")
    assert not redis_client.exists(f"rq:scheduled:{QUEUE}", f"rq:queue:{QUEUE}")


def test_a_plain_rq_worker_would_have_done_it(redis_client: redis.Redis, touched: Path) -> None:
    """The control of the test above: its job is forged well enough to work on RQ's own worker."""
    forge(redis_client, "hostile", data=b'["builtins.len", null, ["x"], {}]', **hostile_fields(9))
    worker = rq.SimpleWorker([QUEUE], connection=redis_client, serializer="json")
    worker.work(burst=True, max_jobs=1, logging_level="CRITICAL")
    assert touched.exists()


def test_ids_and_keys_that_are_none_do_not_stop_the_worker(redis_client: redis.Redis) -> None:
    for job_id in (b"\xff\xfe", b"", b"../../x", b"a:b", b"x" * 1_000_000):
        redis_client.rpush(f"rq:queue:{QUEUE}", job_id)
    redis_client.set("rq:job:string", "no hash")
    redis_client.rpush(f"rq:queue:{QUEUE}", "string")
    forge(redis_client, "no-data", description="nothing to do")
    redis_client.rpush(f"rq:queue:{QUEUE}", "never-was")
    log = work(redis_client)
    assert len(refusals(log)) == 7
    assert all(len(str(entry)) < 1000 for entry in log)


def test_fields_that_are_not_what_rq_expects_do_not_matter(redis_client: redis.Redis) -> None:
    forge(redis_client, "odd", data=CALL, timeout="soon", created_at="then", result_ttl="x", status="?")
    assert refusals(work(redis_client)) == []


def test_a_job_that_fails_does_not_stop_the_worker_and_stands_in_rqs_registry(
    redis_client: redis.Redis,
) -> None:
    def run(partition: int) -> None:
        if partition == 1:
            raise RuntimeError("as it happens")

    forge(redis_client, "failing", data=CALL)
    wake_drain(redis_client, SETTINGS, 7)
    jobs = {"interlock.drain": AllowedFunction(run, 60)}
    worker = DrainWorker(redis_client, QUEUE, jobs, threading.Event())
    with structlog.testing.capture_logs() as log:
        worker.work(burst=True)
    assert [entry["job_id"] for entry in log if entry["event"] == "job_failed"] == ["failing"]
    (failed,) = rq.Queue(QUEUE, connection=redis_client, serializer="json").failed_job_registry.get_job_ids()
    job = Job.fetch(failed, redis_client, serializer="json")
    result = job.latest_result()
    assert result is not None
    assert (job.get_status(), "as it happens" in str(result.exc_string)) == ("failed", True)
    assert 0 < redis_client.ttl("rq:job:failing") <= 3600


def test_a_job_that_does_not_end_is_broken_off(redis_client: redis.Redis) -> None:
    hanging = threading.Event()
    jobs = {"interlock.drain": AllowedFunction(lambda partition: hanging.wait(30), 1)}
    wake_drain(redis_client, SETTINGS, 1)
    worker = DrainWorker(redis_client, QUEUE, jobs, threading.Event())
    with structlog.testing.capture_logs() as log:
        worker.work(burst=True)
    assert [entry["event"] for entry in log if entry["log_level"] == "error"] == ["job_failed"]


def test_a_worker_takes_no_commands_over_pubsub(redis_client: redis.Redis) -> None:
    listeners: list[int] = []

    def run(partition: int) -> None:
        names = [key.decode().removeprefix("rq:worker:") for key in redis_client.keys("rq:worker:*")]
        (name,) = [name for name in names if not name.endswith(":executions")]
        listeners.append(redis_client.publish(f"rq:pubsub:{name}", '{"command": "shutdown"}'))

    work(redis_client, run)
    assert listeners == [0]
