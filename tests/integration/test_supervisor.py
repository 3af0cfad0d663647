"""``interlock worker`` and ``interlock dev`` as processes: they start, survive, take over and end in order."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from interlock.engine.embedded import EmbeddedServer
from interlock.engine.keys import Keys
from interlock.engine.loader import parse_chart
from interlock.engine.publishing import Publisher
from interlock.engine.settings import Settings
from interlock.engine.store import Store

COUNTER = """\
id: counter
version: 1
description: Adds up.
context:
  total: {type: integer, default: 0}
commands:
  start: {creates: true}
  add: {data: {number: {type: integer}}, required: [number]}
initial: counting
states:
  counting:
    on:
      add: {actions: [{assign: {total: "context.total + data.number"}}]}
"""
WORKER = """
import sys
from interlock.engine.settings import Settings
from interlock.workers.supervisor import run_workers
sys.exit(run_workers(Settings(), processes=int(sys.argv[1]), burst=sys.argv[2] == "burst"))
"""
DEV = """
import sys
from pathlib import Path
from interlock.engine.settings import Settings
from interlock.cli.dev import run_dev
sys.exit(run_dev(Settings(), Path(sys.argv[1]), processes=1))
"""
KEYS = Keys()


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(holds: Callable[[], Any], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"did not happen in {seconds} s"
        time.sleep(0.01)


class Started:
    """Processes of one test; what is left of them at its end is killed."""

    def __init__(self, environment: dict[str, str], logs: Path) -> None:
        self._environment = environment
        self._logs = logs
        self._processes: list[subprocess.Popen[bytes]] = []

    def python(self, code: str, *args: object, **environment: str) -> subprocess.Popen[bytes]:
        with self._log(len(self._processes)).open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", code, *map(str, args)],
                env={**self._environment, **environment},
                stderr=log,
            )
        self._processes.append(process)
        return process

    def finished(self, process: subprocess.Popen[bytes], seconds: float = 60.0) -> tuple[int, str]:
        """Exit code and log, once it has ended."""
        code = process.wait(seconds)
        return code, self._log(self._processes.index(process)).read_text()

    def end(self) -> None:
        for process in self._processes:
            left = children(process.pid)
            process.kill()
            process.wait()
            for pid in left:
                if alive(pid):
                    os.kill(pid, signal.SIGKILL)

    def _log(self, number: int) -> Path:
        return self._logs / f"process-{number}.log"


@contextmanager
def starting(directory: Path) -> Iterator[Started]:
    charts = directory / "charts"
    charts.mkdir()
    (charts / "counter.yaml").write_text(COUNTER)
    mine = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
    processes = Started({**mine, "INTERLOCK_CHARTS": str(charts), "INTERLOCK_LOG_FORMAT": "json"}, directory)
    yield processes
    processes.end()


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    with starting(tmp_path) as processes:
        yield processes


def children(pid: int, kind: str = "") -> list[int]:
    """Process ids of the children of ``pid`` whose command line contains ``kind``."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if parent == pid and f"interlock.workers {kind}" in command and alive(int(entry.name)):
            found.append(int(entry.name))
    return found


def register_counter(url: str) -> None:
    """As a worker does at its start."""
    with redis.Redis.from_url(url) as client:
        Store.open(client, Settings()).register_chart(parse_chart(COUNTER))


def workers_ready(client: redis.Redis, number: int) -> bool:
    return int(client.scard("rq:workers")) == number and bool(client.exists(KEYS.pump))


def applied(client: redis.Redis) -> int:
    return int(client.hget(KEYS.counters, "applied") or 0)


@pytest.fixture
def worker(started: Started, valkey_url: str, redis_client: redis.Redis) -> subprocess.Popen[bytes]:
    """A running supervisor of one drain worker, one delivery worker and the pump."""
    process = started.python(WORKER, 1, "stay", INTERLOCK_REDIS_URL=valkey_url)
    wait_until(lambda: workers_ready(redis_client, 2))
    return process


@dataclass(frozen=True)
class Standing:
    """A supervisor as `worker` is one, for tests that leave it running, each with an instance of its own."""

    worker: subprocess.Popen[bytes]
    client: redis.Redis


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    directory = tmp_path_factory.mktemp("standing")
    with (
        EmbeddedServer(directory / "data") as server,
        redis.Redis.from_url(server.url) as client,
        starting(directory) as processes,
    ):
        process = processes.python(WORKER, 1, "stay", INTERLOCK_REDIS_URL=server.url)
        wait_until(lambda: workers_ready(client, 2))
        yield Standing(process, client)


def test_a_command_goes_through_and_sigterm_ends_all_in_order(
    started: Started, worker: subprocess.Popen[bytes], redis_client: redis.Redis
) -> None:
    result = Publisher(redis_client).request("counter", "a", "start", timeout_seconds=60)
    assert result is not None
    assert result["status"] == "applied"
    pids = children(worker.pid)
    assert len(pids) == 3
    worker.send_signal(signal.SIGTERM)
    code, log = started.finished(worker, 8)  # less than an idle worker's wait for a job
    assert (code, [pid for pid in pids if alive(pid)]) == (0, [])
    assert "Traceback" not in log
    assert redis_client.scard("rq:workers") == 0


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.storm)]
)
def test_a_second_signal_stops_at_once(
    started: Started, worker: subprocess.Popen[bytes], number: signal.Signals, code: int
) -> None:
    pids = children(worker.pid)
    (drain,) = children(worker.pid, "drain")
    os.kill(drain, signal.SIGSTOP)  # so that it cannot end in order
    worker.send_signal(number)
    wait_until(lambda: len(children(worker.pid)) == 1)
    worker.send_signal(number)
    assert started.finished(worker)[0] == code
    assert [pid for pid in pids if alive(pid)] == []


def test_a_killed_child_is_started_again(standing: Standing) -> None:
    pid = standing.worker.pid
    for kind in ("pump", "drain", "deliver"):
        (before,) = children(pid, kind)
        os.kill(before, signal.SIGKILL)
        wait_until(lambda kind=kind, before=before: children(pid, kind) not in ([], [before]))


def test_nothing_outlives_a_killed_supervisor(worker: subprocess.Popen[bytes]) -> None:
    pids = children(worker.pid)
    worker.kill()
    wait_until(lambda: not any(alive(pid) for pid in pids))


def test_a_partition_whose_worker_is_killed_in_a_batch_is_taken_over_within_ten_seconds(
    standing: Standing,
) -> None:
    client = standing.client
    publisher, store = Publisher(client), Store.open(client, Settings())
    before = applied(client)
    assert publisher.request("counter", "over", "start", timeout_seconds=60)
    lease = store.keys.of_instance("counter", "over").lease
    (drain,) = children(standing.worker.pid, "drain")
    published = 1
    while True:  # until it is stopped while it holds the partition
        seen = applied(client)
        for _ in range(500):
            publisher.publish("counter", "over", "add", {"number": 1})
        published += 500
        wait_until(lambda seen=seen: applied(client) > seen)
        os.kill(drain, signal.SIGSTOP)
        if client.exists(lease) and store.backlog():
            break
        os.kill(drain, signal.SIGCONT)
    done = applied(client)
    os.kill(drain, signal.SIGKILL)
    wait_until(lambda: applied(client) > done, 10)
    wait_until(lambda: applied(client) == before + published)
    snapshot = store.snapshot("counter", "over")
    assert snapshot is not None
    assert (snapshot.version, snapshot.context["total"]) == (published, published - 1)
    assert [entry["version"] for entry in store.history("counter", "over")] == list(range(1, published + 1))


def test_a_lost_wake_up_loses_nothing(standing: Standing) -> None:
    client, store = standing.client, Store.open(standing.client, Settings())
    (drain,) = children(standing.worker.pid, "drain")
    os.kill(drain, signal.SIGSTOP)
    Publisher(client).publish("counter", "lost", "start")
    queue = f"rq:queue:{Settings().queue_names[0]}"
    wait_until(lambda: client.delete(queue) or store.snapshot("counter", "lost"))
    os.kill(drain, signal.SIGCONT)
    wait_until(lambda: store.snapshot("counter", "lost"), 10)


def test_a_burst_does_what_is_there_and_ends(
    started: Started, valkey_url: str, redis_client: redis.Redis
) -> None:
    publisher = Publisher(redis_client)
    for number in range(50):
        publisher.publish("counter", f"k{number}", "start")
    code, log = started.finished(started.python(WORKER, 2, "burst", INTERLOCK_REDIS_URL=valkey_url))
    assert (code, applied(redis_client), Store.open(redis_client, Settings()).backlog()) == (0, 50, 0), log


def test_without_a_server_the_exit_code_is_5_and_no_password_is_shown(started: Started) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    url = f"redis://user:hunter2@127.0.0.1:{port}/0"
    code, log = started.finished(started.python(WORKER, 1, "stay", INTERLOCK_REDIS_URL=url))
    assert code == 5
    assert str(port) in log
    assert "hunter2" not in log


def test_with_an_invalid_chart_the_exit_code_is_4_and_its_place_is_named(
    started: Started, valkey_url: str, tmp_path: Path
) -> None:
    (tmp_path / "charts" / "counter.yaml").write_text(
        COUNTER.replace("initial: counting", "initial: nowhere")
    )
    code, log = started.finished(started.python(WORKER, 1, "stay", INTERLOCK_REDIS_URL=valkey_url))
    assert code == 4
    assert "counter.yaml:9:10: " in log


def test_a_changed_chart_under_its_old_version_ends_with_4(
    started: Started, valkey_url: str, tmp_path: Path
) -> None:
    register_counter(valkey_url)
    (tmp_path / "charts" / "counter.yaml").write_text(COUNTER.replace("Adds up.", "Counts."))
    code, log = started.finished(started.python(WORKER, 1, "stay", INTERLOCK_REDIS_URL=valkey_url))
    assert code == 4
    assert "raise its version" in log


def test_dev_with_a_chart_that_was_changed_under_its_old_version_ends_with_4(
    started: Started, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    with EmbeddedServer(data_dir) as server:
        register_counter(server.url)
    (tmp_path / "charts" / "counter.yaml").write_text(COUNTER.replace("Adds up.", "Counts."))
    code, log = started.finished(started.python(DEV, data_dir))
    assert (code, "raise its version" in log) == (4, True)
