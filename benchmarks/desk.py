"""A deployment for the benchmarks of commands: its processes, and commands put in and waited for."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import redis

from interlock.engine.keys import Keys

CHARTS = Path(__file__).parent / "charts"
PATIENCE_SECONDS = 300


@contextmanager
def workers(url: str) -> Iterator[int]:
    """One drain process, one delivery process, one pump, with the charts of the benchmarks; their parent's id."""
    environment = {
        **os.environ,
        "INTERLOCK_REDIS_URL": url,
        "INTERLOCK_CHARTS": str(CHARTS),
        "INTERLOCK_LOG_LEVEL": "warning",
    }
    command = [sys.executable, "-m", "interlock.cli.main", "worker", "--processes", "1"]
    process = subprocess.Popen(command, env=environment)
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


def processor_seconds(pid: int) -> float:
    """What a process and those below it have used so far: what other work on the machine takes is not in it. Linux."""
    found, waiting = 0.0, [pid]
    while waiting:
        place = Path(f"/proc/{waiting.pop()}")
        ticks = (place / "stat").read_text().rpartition(")")[2].split()[11:13]
        found += sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
        for children in place.glob("task/*/children"):
            waiting += map(int, children.read_text().split())
    return found


@dataclass(frozen=True, slots=True)
class Rate:
    """``per_second`` by the clock; ``processor``: seconds of processor time for one."""

    per_second: float
    processor: float


class Watch:
    """Measures a process and those below it from now on."""

    def __init__(self, pid: int) -> None:
        self._pid, self._used, self._begun = pid, processor_seconds(pid), time.perf_counter()

    def read(self) -> tuple[float, float]:
        """Seconds by the clock, and seconds of processor time."""
        return time.perf_counter() - self._begun, processor_seconds(self._pid) - self._used


def server_url(client: redis.Redis) -> str:
    where = client.connection_pool.connection_kwargs
    return f"redis://{where['host']}:{where['port']}/0"


def publish(client: redis.Redis, stream: str, bodies: Sequence[bytes]) -> None:
    for start in range(0, len(bodies), 500):
        pipeline = client.pipeline(transaction=False)
        for body in bodies[start : start + 500]:
            pipeline.xadd(stream, {"command": body})
        pipeline.execute()


def request(client: redis.Redis, keys: Keys, machine: str, key: str, name: str, **data: object) -> float:
    """Seconds from XADD to the reply of one command."""
    reply = keys.reply(os.urandom(8).hex())
    body = orjson.dumps({"machine": machine, "key": key, "name": name, "data": data, "reply_to": reply})
    begun = time.perf_counter()
    client.xadd(keys.commands, {"command": body})
    answer = None
    while answer is None:
        assert time.perf_counter() - begun < 30, "no answer"
        answer = client.blpop([reply], timeout=2)
    assert orjson.loads(answer[1])["status"] == "applied", answer
    return time.perf_counter() - begun


def wait_until_quiet(client: redis.Redis, keys: Keys) -> None:
    """Until no command is on its way, also none that another has sent.

    All streams are looked at in one transaction: a command goes from one to the next without a gap.
    """
    ends = time.monotonic() + PATIENCE_SECONDS
    while True:
        with client.pipeline(transaction=True) as pipe:
            pipe.xlen(keys.commands)
            for number in range(keys.partitions):
                pipe.xlen(keys.partition(number).inbox)
            lengths = pipe.execute()
        if not any(lengths):
            return
        assert time.monotonic() < ends, lengths
        time.sleep(0.005)


def counters(client: redis.Redis, keys: Keys) -> dict[str, int]:
    """How many commands had which end so far."""
    found: Any = client.hgetall(keys.counters)
    return {name.decode(): int(number) for name, number in found.items()}


def in_state(client: redis.Redis, keys: Keys, machine: str, state: str) -> int:
    """How many instances are in a state."""
    with client.pipeline(transaction=False) as pipe:
        for number in range(keys.partitions):
            pipe.zcard(keys.partition(number).state_index(machine, state))
        return sum(pipe.execute())
