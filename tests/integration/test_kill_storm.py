"""Workers killed each second and the server twice: nothing lost, nothing twice, nothing out of order."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import orjson
import pytest
import redis

from interlock.engine.chart import Chart
from interlock.engine.decision import replay
from interlock.engine.embedded import EmbeddedServer
from interlock.engine.loader import parse_chart
from interlock.engine.machine import Machine
from interlock.engine.publishing import Publisher
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.workers.supervisor import Supervisor
from tests.storms import STORM_SECONDS

CHART = """\
id: tally
version: 1
description: Keeps the last number it was given.
context:
  last: {type: integer, default: 0}
commands:
  start: {creates: true}
  put: {data: {number: {type: integer}}, required: [number]}
initial: open
states:
  open:
    on:
      put: {actions: [{assign: {last: data.number}}]}
"""
INSTANCES = 40
COMMANDS_A_SECOND = 250
SHORT_SECONDS = 8.0
LONG_SECONDS = STORM_SECONDS
SEED = 20260101


class Storm:
    """A deployment under fire: publishes, kills what is due, and keeps the supervisor tending."""

    def __init__(self, server: EmbeddedServer, supervisor: Supervisor, seconds: float) -> None:
        self.seconds, self.commands = seconds, int(seconds * COMMANDS_A_SECOND)
        self.client = redis.Redis.from_url(server.url)
        self._server = server
        self._supervisor = supervisor
        self._random = random.Random(SEED)
        self._publisher = Publisher(self.client)
        self._began = time.monotonic()
        self._kills = [(seconds / 3, "server"), (2 * seconds / 3, "server")]
        self._kills += [(second, "worker") for second in range(1, int(seconds) + 1)]
        self._kills.sort()
        self.killed: list[str] = []

    def wait_until_ready(self) -> None:
        while not self._supervisor.ready():
            self._supervisor.tend()
            time.sleep(0.02)
        self._began = time.monotonic()

    def publish(self, key: str, name: str, number: int) -> None:
        """Until it is taken, under one id: what a publisher does when the server goes away."""
        data = {"number": number} if number else {}
        while True:
            try:
                self._publisher.publish("tally", key, name, data, id=f"{key}:{number}")
                return
            except redis.RedisError:
                self.tend()

    def tend(self) -> None:
        while self._kills and time.monotonic() - self._began > self._kills[0][0]:
            self._kill(self._kills.pop(0)[1])
            self._mend()
        self._mend()
        self._supervisor.tend()

    def _mend(self) -> None:
        # Between two kills too: on a slow machine several are due at once, and what is dead cannot be killed.
        if not self._server.running:
            self._server.restart()

    def fire(self) -> dict[str, int]:
        """Publish all commands in the storm's time; returns how many ``put`` each instance got."""
        puts = dict.fromkeys((f"k{number}" for number in range(INSTANCES)), 0)
        for key in puts:
            self.publish(key, "start", 0)
        for sent in range(self.commands - INSTANCES):
            key = self._random.choice(list(puts))
            puts[key] += 1
            self.publish(key, "put", puts[key])
            while time.monotonic() - self._began < self.seconds * sent / self.commands:
                self.tend()
                time.sleep(0.002)
        while self._kills:
            self.tend()
        return puts

    def _kill(self, what: str) -> None:
        pids = [self._server.pid] if what == "server" else self._supervisor.pids()
        if pids:
            os.kill(self._random.choice(pids), signal.SIGKILL)
            self.killed.append(what)
            while what == "server" and self._server.running:
                time.sleep(0.002)


@pytest.fixture
def chart(tmp_path: Path) -> Chart:
    (tmp_path / "tally.yaml").write_text(CHART)
    return parse_chart(CHART)


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(SHORT_SECONDS, id="short"),
        pytest.param(LONG_SECONDS, id="long", marks=pytest.mark.storm),
    ],
)
def test_kills_lose_nothing_double_nothing_and_keep_the_order(
    tmp_path: Path, chart: Chart, seconds: float
) -> None:
    with EmbeddedServer(None, appendfsync="always") as server:
        settings = Settings(redis_url=server.url, charts=[tmp_path], log_level="error")
        supervisor = Supervisor(settings, processes=4)
        supervisor.start()
        try:
            storm = Storm(server, supervisor, seconds)
            storm.wait_until_ready()
            puts = storm.fire()
            assert storm.killed.count("server") == 2
            assert storm.killed.count("worker") >= seconds - 1
            store = Store.open(storm.client, settings)
            deadline = time.monotonic() + 15
            while store.counters().get("applied", 0) < storm.commands and time.monotonic() < deadline:
                storm.tend()
                time.sleep(0.02)
            assert store.counters()["applied"] == storm.commands
            assert set(store.counters()) <= {"applied", "duplicate"}
            check(store, chart, puts)
        finally:
            supervisor.stop()


def check(store: Store, chart: Chart, puts: dict[str, int]) -> None:
    """Each instance has each of its numbers once, in order, in its history and in what was announced."""
    machine = Machine(chart)
    announced: dict[str, list[int]] = {}
    for keys in store.partitions():
        for _, fields in store.client.xrange(keys.outbox):
            event = orjson.loads(fields[b"event"])
            announced.setdefault(event["subject"], []).append(event["sequence"])
    for key, count in puts.items():
        history = store.history("tally", key)
        assert [entry["command"]["data"].get("number", 0) for entry in history] == list(range(count + 1))
        snapshot = store.snapshot("tally", key)
        assert snapshot is not None
        assert snapshot.version == len(history)
        assert announced[key] == list(range(1, snapshot.version + 1))
        assert replay(machine, key, history).to_bytes() == snapshot.to_bytes()
