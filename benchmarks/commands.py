"""Commands a second from publish to commit, and the latency of an idle command: ``python -m benchmarks.commands``.

In one run and in turn: Interlock with one worker process; plain RQ with one SimpleWorker that takes one job
a command (`plain_rq`); the bare Redis writes of our commits with no engine. Prints medians and ratios.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import orjson
import redis
from rq import Queue

from interlock.engine.embedded import EmbeddedServer
from interlock.engine.keys import Keys

INSTANCES = 200


@contextmanager
def workers(url: str) -> Iterator[None]:
    """One drain process, one delivery process, one pump."""
    environment = {**os.environ, "INTERLOCK_REDIS_URL": url, "INTERLOCK_LOG_LEVEL": "warning"}
    command = [sys.executable, "-m", "interlock.cli.main", "worker", "--processes", "1"]
    process = subprocess.Popen(command, env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def server_url(client: redis.Redis) -> str:
    where = client.connection_pool.connection_kwargs
    return f"redis://{where['host']}:{where['port']}/0"


def commands(total: int) -> list[bytes]:
    """A ticket's life, for ``INSTANCES`` tickets in turn."""
    made = []
    for number in range(total):
        key, turn = f"B-{number % INSTANCES}", number // INSTANCES
        command = {
            "machine": "ticket",
            "key": key,
            "name": "open",
            "id": f"b{number}",
            "data": {"queue": "english"},
        }
        if turn:
            command |= {"name": "note", "data": {}}
        if turn % 2 == 1:
            command |= {"name": "transfer", "data": {"agent": f"A-{turn}"}}
        made.append(orjson.dumps(command))
    return made


def publish(client: redis.Redis, stream: str, bodies: list[bytes]) -> None:
    for start in range(0, len(bodies), 500):
        pipeline = client.pipeline(transaction=False)
        for body in bodies[start : start + 500]:
            pipeline.xadd(stream, {"command": body})
        pipeline.execute()


def interlock_rate(client: redis.Redis, total: int) -> float:
    """Commands a second from the first XADD to the last commit."""
    client.flushall()
    keys, bodies = Keys(), commands(total)
    with workers(server_url(client)):
        request(client, keys, "warm", "open")
        begun = time.perf_counter()
        publish(client, keys.commands, bodies)
        while not client.exists(keys.result(f"b{total - 1}")) or client.xlen(keys.commands):
            time.sleep(0.005)
        while any(client.xlen(keys.partition(p).inbox) for p in range(keys.partitions)):
            time.sleep(0.005)
        elapsed = time.perf_counter() - begun
        counters = client.hgetall(keys.counters)
        assert int(counters[b"applied"]) == total + 1, counters
    return total / elapsed


def request(client: redis.Redis, keys: Keys, key: str, name: str) -> float:
    """Seconds from XADD to the reply of one command."""
    reply = keys.reply(os.urandom(8).hex())
    body = orjson.dumps({"machine": "ticket", "key": key, "name": name, "reply_to": reply})
    begun = time.perf_counter()
    client.xadd(keys.commands, {"command": body})
    answer = None
    while answer is None:
        assert time.perf_counter() - begun < 30, "no answer"
        answer = client.blpop([reply], timeout=2)
    assert orjson.loads(answer[1])["status"] == "applied", answer
    return time.perf_counter() - begun


def idle_latency(client: redis.Redis, total: int) -> list[float]:
    """Sorted milliseconds of single commands, one at a time, 20 ms apart."""
    client.flushall()
    keys = Keys()
    with workers(server_url(client)):
        request(client, keys, "warm", "open")
        found = []
        for number in range(total):
            time.sleep(0.02)
            found.append(1000 * request(client, keys, f"L-{number}", "open"))
    return sorted(found)


def plain_rate(client: redis.Redis, total: int) -> float:
    """Jobs a second of plain RQ: from the first enqueue to the end of the last job."""
    client.flushall()
    url = server_url(client)
    queue = Queue("plain", connection=client)
    environment = {**os.environ, "INTERLOCK_REDIS_URL": url}
    command = [
        sys.executable,
        "-m",
        "rq.cli",
        "worker",
        "--url",
        url,
        "--worker-class",
        "rq.SimpleWorker",
        "--quiet",
    ]
    worker = subprocess.Popen([*command, "plain"], env=environment)
    try:
        queue.enqueue("benchmarks.plain_rq.apply", "warm", "assign", {}, result_ttl=60).latest_result(
            timeout=30
        )
        begun = time.perf_counter()
        for start in range(0, total, 500):
            queue.enqueue_many(
                [
                    Queue.prepare_data(
                        "benchmarks.plain_rq.apply",
                        (f"B-{n % INSTANCES}", "assign", {"agent": "A"}),
                        result_ttl=0,
                    )
                    for n in range(start, min(total, start + 500))
                ]
            )
        while queue.count or len(queue.started_job_registry):
            time.sleep(0.01)
        return total / (time.perf_counter() - begun)
    finally:
        worker.terminate()
        worker.wait(30)


def bare_rate(client: redis.Redis, total: int) -> float:
    """Commands a second of the writes alone that a commit makes, in batches of 200."""
    client.flushall()
    snapshot, entry, event, result = b"s" * 700, b"h" * 350, b"e" * 900, b"r" * 200
    begun = time.perf_counter()
    for start in range(0, total, 200):
        pipeline = client.pipeline(transaction=True)
        for number in range(start, min(total, start + 200)):
            key = number % INSTANCES
            pipeline.set(f"i:{key}", snapshot)
            pipeline.rpush(f"h:{key}", entry)
            pipeline.xadd("outbox", {"event": event})
            pipeline.set(f"m:{number}", b"f" * 32, ex=600)
            pipeline.set(f"r:{number}", result, ex=600)
        pipeline.execute()
    return total / (time.perf_counter() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=20_000)
    parser.add_argument("--plain", type=int, default=1_000)
    parser.add_argument("--idle", type=int, default=300)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--appendfsync", default="everysec", choices=["everysec", "always", "no"])
    options = parser.parse_args()
    ours, plain, bare = [], [], []
    with (
        EmbeddedServer(None, appendfsync=options.appendfsync) as server,
        redis.Redis.from_url(server.url) as client,
    ):
        for _ in range(options.runs):
            ours.append(interlock_rate(client, options.commands))
            plain.append(plain_rate(client, options.plain))
            bare.append(bare_rate(client, options.commands))
        idle = idle_latency(client, options.idle)
    ratio = [a / b for a, b in zip(ours, plain, strict=True)]
    print(f"appendfsync {options.appendfsync}, {options.runs} runs, {options.commands} commands")
    print(
        f"interlock, one worker process  {statistics.median(ours):9.0f} commands/s  {[round(x) for x in ours]}"
    )
    print(
        f"plain RQ, one SimpleWorker     {statistics.median(plain):9.0f} commands/s  {[round(x) for x in plain]}"
    )
    print(
        f"bare Redis writes              {statistics.median(bare):9.0f} commands/s  {[round(x) for x in bare]}"
    )
    print(f"interlock : plain RQ           {statistics.median(ratio):9.1f}")
    print(
        f"idle command, XADD to reply    p50 {idle[len(idle) // 2]:.2f} ms, p99 {idle[int(len(idle) * 0.99)]:.2f} ms"
    )


if __name__ == "__main__":
    main()
