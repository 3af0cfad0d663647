"""Commands a second from publish to commit, and the latency of an idle command: ``python -m benchmarks.commands``.

In one run and in turn: Interlock with one worker process, over a chart where one command is one transition, then
over the same with a private field; the shipped tickets through queues and agents (`routed`); plain RQ with one
SimpleWorker that takes one job a command (`plain_rq`); the bare Redis writes of our commits with no engine.
Prints medians and ratios.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

import orjson
import redis
from rq import Queue

from benchmarks.desk import Rate, Watch, counters, publish, request, server_url, wait_until_quiet, workers
from benchmarks.routed import Routed, routed_rate
from interlock.engine.embedded import EmbeddedServer
from interlock.engine.keys import Keys

INSTANCES = 200


def commands(total: int, machine: str) -> list[bytes]:
    """A request's life, for ``INSTANCES`` of them in turn."""
    made = []
    for number in range(total):
        key, turn = f"B-{number % INSTANCES}", number // INSTANCES
        command = {
            "machine": machine,
            "key": key,
            "name": "open",
            "id": f"b{number}",
            "data": {"queue": "english"},
        }
        if turn:
            command |= {"name": "note", "data": {"text": f"The customer called, for the {turn}. time."}}
        if turn % 2 == 1:
            command |= {"name": "transfer", "data": {"agent": f"A-{turn}"}}
        made.append(orjson.dumps(command))
    return made


def interlock_rate(client: redis.Redis, total: int, machine: str = "request") -> Rate:
    """From the first XADD to the last commit."""
    client.flushall()
    keys, bodies = Keys(), commands(total, machine)
    with workers(server_url(client)) as pid:
        request(client, keys, machine, "warm", "open")
        watch = Watch(pid)
        publish(client, keys.commands, bodies)
        wait_until_quiet(client, keys)
        elapsed, used = watch.read()
        ended = counters(client, keys)
        assert ended == {"applied": total + 1}, ended
        assert client.exists(keys.result(f"b{total - 1}"))
    return Rate(total / elapsed, used / total)


def idle_latency(client: redis.Redis, total: int) -> list[float]:
    """Sorted milliseconds of single commands, one at a time, 20 ms apart."""
    client.flushall()
    keys = Keys()
    with workers(server_url(client)):
        request(client, keys, "request", "warm", "open")
        found = []
        for number in range(total):
            time.sleep(0.02)
            found.append(1000 * request(client, keys, "request", f"L-{number}", "open"))
    return sorted(found)


def plain_rate(client: redis.Redis, total: int) -> Rate:
    """Jobs of plain RQ: from the first enqueue to the end of the last job."""
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
        watch = Watch(worker.pid)
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
        elapsed, used = watch.read()
        return Rate(total / elapsed, used / total)
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
    parser.add_argument("--tickets", type=int, default=1_000)
    parser.add_argument("--plain", type=int, default=1_000)
    parser.add_argument("--idle", type=int, default=300)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--appendfsync", default="everysec", choices=["everysec", "always", "no"])
    options = parser.parse_args()
    rates: dict[str, list[Rate]] = {name: [] for name in _ROWS}
    routed: list[Routed] = []
    with (
        EmbeddedServer(None, appendfsync=options.appendfsync) as server,
        redis.Redis.from_url(server.url) as client,
    ):
        for _ in range(options.runs):
            rates["interlock"].append(interlock_rate(client, options.commands))
            rates["sealed"].append(interlock_rate(client, options.commands, "sealed_request"))
            routed.append(routed_rate(client, options.tickets))
            rates["routed"].append(routed[-1].applied)
            rates["plain"].append(plain_rate(client, options.plain))
            rates["bare"].append(Rate(bare_rate(client, options.commands), 0.0))
        idle = idle_latency(client, options.idle)
    print(
        f"appendfsync {options.appendfsync}, {options.runs} runs, {options.commands} commands, "
        f"{options.tickets} tickets, load {os.getloadavg()[0]:.1f}"
    )
    for name, title in _ROWS.items():
        found = [one.per_second for one in rates[name]]
        used = [1e6 * one.processor for one in rates[name]]
        print(
            f"{title:42}{statistics.median(found):8.0f} commands/s {[round(one) for one in found]}, "
            f"to plain RQ {_ratio(rates, name, 'plain'):.2f}, to interlock {_ratio(rates, name, 'interlock'):.2f}; "
            f"{statistics.median(used):.0f} us of processor time each {[round(one) for one in used]}"
        )
    print(
        f"tickets through queues and agents: {statistics.median(one.tickets for one in routed):.0f} tickets/s, "
        f"{statistics.median(one.each for one in routed):.1f} applied commands each"
    )
    print(
        f"idle command, XADD to reply: p50 {idle[len(idle) // 2]:.2f} ms, p99 {idle[int(len(idle) * 0.99)]:.2f} ms"
    )


_ROWS = {
    "interlock": "interlock, one worker process",
    "sealed": "the same with a private field",
    "routed": "shipped tickets through queues and agents",
    "plain": "plain RQ, one SimpleWorker",
    "bare": "bare Redis writes",
}


def _ratio(rates: Mapping[str, Sequence[Rate]], one: str, other: str) -> float:
    """The median of the ratios by the clock, each within one round."""
    pairs = zip(rates[one], rates[other], strict=True)
    return statistics.median(left.per_second / right.per_second for left, right in pairs)


if __name__ == "__main__":
    main()
