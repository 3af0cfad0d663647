"""Signed deliveries a second by one process, and what one hanging endpoint costs the others.

``python -m benchmarks.deliveries [--plain PYTHON]``. In one run and in turn: our delivery process; one RQ
SimpleWorker that takes one job a delivery and posts it with `requests` (`plain_webhook`, in the environment whose
interpreter ``--plain`` names). Both post to the same local receiver. Prints medians and ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import redis

from interlock.engine import subscriptions
from interlock.engine.delivery_log import deliveries
from interlock.engine.embedded import EmbeddedServer
from interlock.engine.messages import parse_time, time_to_ms
from interlock.engine.settings import Settings
from interlock.engine.store import Store

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
DATA = {"context": {"queue": "fr", "priority": 2, "note": "y" * 400}, "from": ["queued"], "to": ["assigned"]}
_DELIVER = (
    "from interlock.engine.clients import connect; from interlock.engine.settings import Settings; "
    "from interlock.engine.store import Store; from interlock.workers.delivery import deliver; "
    "s = Settings(); store = Store.open(connect(s), s); deliver(store, s, shift_seconds=0.01); "
    "print(flush=True); input(); deliver(store, s, shift_seconds=300)"
)


@contextmanager
def receiver() -> Iterator[str]:
    """The URL of a receiver in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.fast_receiver"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait()


def counts(url: str) -> dict[str, int]:
    with urllib.request.urlopen(url) as answer:
        return dict(json.load(answer))


def wait_for(url: str, path: str, count: int) -> None:
    while (arrived := counts(url).get(path, 0)) < count:
        time.sleep(0.02 if count - arrived > 200 else 0.002)


def event(number: int) -> bytes:
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": f"e-{number}",
            "source": "/interlock/ticket",
            "type": "ticket.assigned",
            "subject": f"T-{number % 200}",
            "time": "2026-01-01T00:00:00.000Z",
            "datacontenttype": "application/json",
            "sequence": number,
            "data": DATA,
        }
    )


class Deployment:
    """A fresh deployment on the server, with one delivery process that waits for the word."""

    def __init__(self, client: redis.Redis, url: str, directory: Path) -> None:
        client.flushall()
        self.settings = Settings(
            redis_url=url, secret_key_file=directory / "secret.key", webhook_allow_cidrs="127.0.0.0/8"
        )
        self.store = Store.open(client, self.settings)
        self.client = client

    def subscribe(self, url: str, **options: object) -> subscriptions.Subscription:
        return subscriptions.add(self.client, self.store.keys, self.settings, url, **options)[0]

    def announce(self, total: int, first: int = 0) -> None:
        keys = self.store.keys
        pipeline = self.client.pipeline(transaction=False)
        for number in range(first, first + total):
            pipeline.xadd(keys.of_instance("ticket", f"T-{number % 200}").outbox, {"event": event(number)})
        pipeline.execute()

    @contextmanager
    def process(self) -> Iterator[None]:
        environment = self.settings.environment() | {"INTERLOCK_LOG_LEVEL": "error"}
        process = subprocess.Popen(
            [sys.executable, "-c", _DELIVER], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdout.readline()
            process.stdin.write(b"\n")
            process.stdin.flush()
            yield
        finally:
            process.kill()
            process.wait()


def our_rate(client: redis.Redis, server_url: str, total: int, *, ordered: bool = False) -> float:
    """Deliveries a second, dispatch included: from the start of the shift to the last arrival."""
    with receiver() as url, tempfile.TemporaryDirectory() as directory:
        deployment = Deployment(client, server_url, Path(directory))
        deployment.subscribe(f"{url}/hook", secret=SECRET, ordered=ordered)
        deployment.announce(total)
        with deployment.process():
            begun = time.perf_counter()
            wait_for(url, "/hook", total)
            return total / (time.perf_counter() - begun)


def plain_rate(client: redis.Redis, server_url: str, python: str, total: int) -> float:
    """Deliveries a second of one SimpleWorker: from its start of work to the last arrival."""
    from rq import Queue

    client.flushall()
    with receiver() as url:
        queue = Queue("plain", connection=client)
        environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
        command = [python, "-m", "rq.cli", "worker", "--url", server_url, "--quiet"]
        worker = subprocess.Popen([*command, "--worker-class", "rq.SimpleWorker", "plain"], env=environment)
        job = "benchmarks.plain_webhook.post"
        try:
            queue.enqueue(job, f"{url}/warm", "msg_warm", SECRET, event(0).decode(), result_ttl=60)
            wait_for(url, "/warm", 1)
            begun = time.perf_counter()
            jobs = [
                Queue.prepare_data(job, (f"{url}/hook", f"msg_{n}", SECRET, event(n).decode()), result_ttl=0)
                for n in range(total)
            ]
            queue.enqueue_many(jobs)
            wait_for(url, "/hook", total)
            return total / (time.perf_counter() - begun)
        finally:
            worker.kill()
            worker.wait()


def latencies(client: redis.Redis, server_url: str, total: int, *, hanging: bool) -> list[float]:
    """Sorted milliseconds from the outbox to the start of the attempt, at nine endpoints beside a tenth."""
    with receiver() as url, tempfile.TemporaryDirectory() as directory:
        deployment = Deployment(client, server_url, Path(directory))
        webhooks = [deployment.subscribe(f"{url}/hook{n}") for n in range(9)]
        deployment.subscribe(f"{url}/{'hang' if hanging else 'well'}")
        with deployment.process():
            for number in range(total):
                deployment.announce(1, number)
                time.sleep(0.02)
            for number in range(9):
                wait_for(url, f"/hook{number}", total)
            time.sleep(0.5)  # until the last is recorded
        found = []
        for webhook in webhooks:
            cursor = None
            while True:
                page = deliveries(client, deployment.store.keys, webhook.id, 1000, cursor)
                found += [_waited_ms(deployment, one["id"], one["attempts"]) for one in page["deliveries"]]
                cursor = page["next"]
                if cursor is None:
                    break
        return sorted(found)


def _waited_ms(deployment: Deployment, delivery_id: str, attempts: list[dict[str, str]]) -> float:
    keys = deployment.store.keys
    for number in range(keys.partitions):
        raw = deployment.client.get(keys.partition(number).delivery(delivery_id))
        if raw:
            announced_ms = int(orjson.loads(raw)["entry"].partition("-")[0])
            return float(time_to_ms(parse_time(attempts[0]["at"])) - announced_ms)
    raise AssertionError(delivery_id)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=10_000)
    parser.add_argument("--plain", metavar="PYTHON", help="interpreter with requirements-deliveries.txt")
    parser.add_argument("--plain-deliveries", type=int, default=1_000)
    parser.add_argument("--events", type=int, default=300, help="for the latencies, 50 a second")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    ours, ordered, plain = [], [], []
    with EmbeddedServer(None) as server, redis.Redis.from_url(server.url) as client:
        for _ in range(options.runs):
            ours.append(our_rate(client, server.url, options.deliveries))
            ordered.append(our_rate(client, server.url, options.deliveries, ordered=True))
            if options.plain:
                plain.append(plain_rate(client, server.url, options.plain, options.plain_deliveries))
        well, hanging = [], []
        for _ in range(options.runs):
            well.append(_p99(latencies(client, server.url, options.events, hanging=False)))
            hanging.append(_p99(latencies(client, server.url, options.events, hanging=True)))
    print(f"interlock, one delivery process  {statistics.median(ours):8.0f} deliveries/s {_rounded(ours)}")
    print(
        f"the same, ordered, 200 instances {statistics.median(ordered):8.0f} deliveries/s {_rounded(ordered)}"
    )
    if plain:
        ratio = statistics.median(a / b for a, b in zip(ours, plain, strict=True))
        print(
            f"plain RQ with requests           {statistics.median(plain):8.0f} deliveries/s {_rounded(plain)}"
        )
        print(f"interlock : plain RQ             {ratio:8.1f}")
    quiet, stuck = statistics.median(well), statistics.median(hanging)
    print(f"p99 to the attempt, ten well     {quiet:8.1f} ms {_rounded(well)}")
    print(f"p99 of nine, the tenth hangs     {stuck:8.1f} ms {_rounded(hanging)}")
    print(f"hanging : well                   {stuck / quiet:8.2f}")


def _p99(found: list[float]) -> float:
    return found[int(len(found) * 0.99)]


def _rounded(values: list[float]) -> list[int]:
    return [round(value) for value in values]


if __name__ == "__main__":
    main()
