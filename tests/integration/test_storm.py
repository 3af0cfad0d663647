"""Kill workers and the server under load, then count: nothing lost, nothing twice, every order kept."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest
import redis

from interlock.engine.decision import replay
from interlock.engine.embedded import EmbeddedServer
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.statecharts.catalog import Catalog

SECONDS = float(os.environ.get("INTERLOCK_STORM_SECONDS", "20"))
COMMANDS = max(2000, int(100 * SECONDS))
INSTANCES = 40
WORKERS = 4


@contextmanager
def running_workers(url: str) -> Iterator[int]:
    """`interlock worker` with its children; yields the supervisor's pid."""
    environment = {**os.environ, "INTERLOCK_REDIS_URL": url, "INTERLOCK_LOG_LEVEL": "error"}
    command = [sys.executable, "-m", "interlock.cli.main", "worker", "--processes", str(WORKERS)]
    process = subprocess.Popen(command, env=environment)
    try:
        yield process.pid
    finally:
        process.terminate()
        assert process.wait(60) == 0


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def publish_all(url: str) -> None:
    """Publish every command in order; where the server does not answer, again under the same id."""
    client = redis.Redis.from_url(url)
    pause = SECONDS / COMMANDS
    for number in range(COMMANDS):
        key, turn = f"S-{number % INSTANCES}", number // INSTANCES
        command = {"machine": "ticket", "key": key, "name": "note" if turn else "open", "id": f"{key}/{turn}"}
        body = orjson.dumps(command)
        while True:
            try:
                client.xadd("interlock:commands", {"command": body})
                break
            except redis.RedisError:
                time.sleep(0.05)
        time.sleep(pause)


@pytest.mark.storm
def test_kills_of_workers_and_server_lose_double_and_reorder_nothing(tmp_path: Path) -> None:
    chance = random.Random(7)
    with (
        EmbeddedServer(tmp_path / "data", appendfsync="always") as server,
        running_workers(server.url) as supervisor,
    ):
        publisher = threading.Thread(target=publish_all, args=(server.url,))
        begun = time.monotonic()
        publisher.start()
        server_kills = [SECONDS / 3, 2 * SECONDS / 3]
        killed = 0
        while publisher.is_alive():
            time.sleep(1.0)
            victims = children_of(supervisor)
            if victims:
                os.kill(chance.choice(victims), signal.SIGKILL)
                killed += 1
            if server_kills and time.monotonic() - begun > server_kills[0]:
                server_kills.pop(0)
                os.kill(server.pid, signal.SIGKILL)
                server.restart()
        publisher.join()
        assert killed >= int(SECONDS / 2)
        assert server_kills == []
        published = time.monotonic()
        check(server.url, published + 30)
        print(
            f"storm: {killed} kills, all committed {time.monotonic() - published:.1f} s after the last command"
        )


def check(url: str, deadline: float) -> None:
    client = redis.Redis.from_url(url)
    settings = Settings()
    store = Store.open(client, settings)
    machine = Catalog.load().machine("ticket")
    assert machine is not None
    turns = COMMANDS // INSTANCES
    while store.backlog():
        assert time.monotonic() < deadline, f"{store.backlog()} commands are stuck"
        time.sleep(0.1)
    sequences: dict[str, list[int]] = {}
    for keys in store.partitions():
        for _, fields in client.xrange(keys.outbox):
            event = orjson.loads(fields[b"event"])
            sequences.setdefault(event["subject"], []).append(event["sequence"])
    for number in range(INSTANCES):
        key = f"S-{number}"
        history = store.history("ticket", key)
        assert [entry["command"]["id"] for entry in history] == [f"{key}/{turn}" for turn in range(turns)]
        snapshot = store.snapshot("ticket", key)
        assert snapshot is not None
        assert snapshot.version == turns
        assert sequences[key] == list(range(1, turns + 1))
        assert replay(machine, key, history).to_bytes() == snapshot.to_bytes()
