"""10,000 random commands with a worker process killed now and then: every list equals a full scan."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import orjson
import pytest
import redis

from interlock.engine.embedded import EmbeddedServer
from interlock.engine.loader import parse_chart
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.statecharts.registered import RegisteredCharts
from interlock.workers.reindex import Reindex
from interlock.workers.supervisor import Supervisor
from tests.listing_model import V1, V2, check_lists, random_command
from tests.storms import part

COMMANDS = part(10_000)
INSTANCES = 400
QUERIES = 150
SEED = 20261126
PATIENCE_SECONDS = 60.0


def fire(settings: Settings, store: Store, dice: random.Random, commands: int, first: int) -> int:
    """Publish so many commands while workers are killed, wait until all are applied; how many were killed."""
    supervisor = Supervisor(settings, processes=4)
    supervisor.start()
    kills = 0
    try:
        while not supervisor.ready():
            supervisor.tend()
            time.sleep(0.02)
        next_kill = time.monotonic() + 0.5
        for number in range(first, first + commands):
            raw = orjson.dumps({**random_command(dice, INSTANCES), "id": f"c{number}"})
            store.client.xadd(store.keys.commands, {"command": raw})
            if number % 20 == 0:
                supervisor.tend()
                time.sleep(0.02)
            if time.monotonic() > next_kill and (pids := supervisor.pids()):
                os.kill(dice.choice(pids), signal.SIGKILL)
                kills += 1
                next_kill = time.monotonic() + 0.5
        deadline = time.monotonic() + PATIENCE_SECONDS
        while sum(store.counters().values()) < first + commands and time.monotonic() < deadline:
            supervisor.tend()
            time.sleep(0.02)
        assert sum(store.counters().values()) == first + commands
    finally:
        supervisor.stop()
    return kills


@pytest.mark.storm
def test_after_10000_random_commands_every_list_is_that_of_a_full_scan(tmp_path: Path) -> None:
    dice = random.Random(SEED)
    charts = {1: parse_chart(V1), 2: parse_chart(V2)}
    with EmbeddedServer(None, appendfsync="no") as server:
        settings = Settings(redis_url=server.url, charts=[tmp_path], log_level="error")
        store = Store.open(redis.Redis.from_url(server.url), settings, found=True)
        kills = 0
        for version, text in ((1, V1), (2, V2)):
            (tmp_path / f"parcel-{version}.yaml").write_text(text)
            kills += fire(settings, store, dice, COMMANDS // 2, COMMANDS // 2 * (version - 1))
        assert kills >= 5
        snapshots = list(store.instances("parcel"))
        assert {snapshot.chart_version for snapshot in snapshots} == {1, 2}
        assert check_lists(store, charts, dice, QUERIES) > QUERIES
        found = Reindex(store, RegisteredCharts(store).chart).run()
        assert (found.found, found.skipped, found.instances) == (0, 0, len(snapshots))
