"""Delivery processes killed while endpoints misbehave: every event arrives, signed, the same in each attempt."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
import redis
from delivery_desk import PROCESS, Desk
from hostile_receiver import (
    Behaviour,
    Receiver,
    Request,
    answer,
    answer_and_drop,
    drip_body,
    drip_headers,
    drop,
    hang,
    reset,
)
from standardwebhooks.webhooks import Webhook

from interlock.engine import subscriptions
from interlock.engine.signing import message_id
from interlock.engine.webhook_statistics import statistics
from tests.storms import STORM_SECONDS

BEHAVIOURS: dict[str, tuple[int, Behaviour]] = {
    # how often, what
    "200": (60, answer(200)),
    "204": (10, answer(204)),
    "500": (10, answer(500)),
    "503": (5, answer(503)),
    "429 with Retry-After": (4, answer(429, "Retry-After: 0")),
    "302": (4, answer(302, "Location: http://127.0.0.1:1/")),
    "a reset": (5, reset),
    "a drop without an answer": (5, drop),
    "200 and then a drop": (5, answer_and_drop),
    "a header drip": (1, drip_headers),
    "a body drip after 200": (1, drip_body(200)),
    "a time-out": (1, hang),
}
SCHEDULE = ",".join(["0.1"] * 30)
SEED = 20260401
LONG_SECONDS = STORM_SECONDS


@dataclass(frozen=True)
class Size:
    """How big a storm is. ``kill_every``: seconds between kills, while there are ``kills`` left."""

    events: int
    instances: int
    kills: int
    kill_every: float
    seconds: float


def by_chance(dice: random.Random) -> Behaviour:
    weights, kinds = zip(*BEHAVIOURS.values(), strict=True)

    async def behave(writer: asyncio.StreamWriter) -> None:
        await dice.choices(kinds, weights)[0](writer)

    return behave


class Processes:
    """Two delivery processes, one of which is killed now and then and started again."""

    def __init__(self, desk: Desk) -> None:
        self._environment = desk.environment()
        self._running = [self._start(), self._start()]

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", PROCESS], env=self._environment, stdout=subprocess.DEVNULL
        )

    def kill(self, number: int) -> None:
        self._running[number].kill()
        self._running[number].wait()
        self._running[number] = self._start()

    def tend(self) -> None:
        """Start again what has ended its shift: the pump's part."""
        for number, process in enumerate(self._running):
            if process.poll() is not None:
                assert process.returncode == 0, "it broke"
                self._running[number] = self._start()

    def end(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()


def storm(desk: Desk, receiver: Receiver, size: Size) -> None:
    dice = random.Random(SEED)
    hooks = {}
    for path, ordered in (("/first", False), ("/second", False), ("/ordered", True)):
        hooks[path] = desk.subscribe(receiver.url(path, by_chance(dice)), ordered=ordered)
    gone, _ = desk.subscribe(receiver.url("/gone", answer(410)))
    processes = Processes(desk)
    try:
        each = size.events // size.instances
        for version in range(1, each + 1):
            for number in range(size.instances):
                desk.tell(f"T-{number}", version)
        kills, next_kill = 0, time.monotonic() + size.kill_every
        limit = time.monotonic() + size.seconds
        while not all(pending(desk, webhook) == 0 for webhook, _ in hooks.values()) or kills < size.kills:
            assert time.monotonic() < limit, f"not delivered in time: {state(desk, hooks)}"
            if kills < size.kills and time.monotonic() >= next_kill:
                processes.kill(kills % 2)
                kills, next_kill = kills + 1, time.monotonic() + size.kill_every
            processes.tend()
            time.sleep(0.05)
    finally:
        processes.end()
    for path, (webhook, secret) in hooks.items():
        check(desk, webhook, secret, receiver.at(path), size)
    for key in (f"T-{number}" for number in range(size.instances)):
        events = [orjson.loads(one.body) for one in receiver.at("/ordered")]
        found = [event["sequence"] for event in events if event["subject"] == key]
        assert found == sorted(found), f"{key} went back: {found}"
    assert not subscriptions.get(desk.client, desk.keys, gone.id).enabled


def pending(desk: Desk, webhook: subscriptions.Subscription) -> int:
    found = statistics(desk.client, desk.keys, webhook.id)
    return int(found["pending"]) if found["delivered"] else 1


def state(desk: Desk, hooks: dict[str, tuple[subscriptions.Subscription, str]]) -> str:
    return str({path: statistics(desk.client, desk.keys, one.id) for path, (one, _) in hooks.items()})


def check(
    desk: Desk, webhook: subscriptions.Subscription, secret: str, requests: list[Request], size: Size
) -> None:
    """What arrived is what was announced, each signed, each attempt of it with the same id and bytes."""
    each = size.events // size.instances
    expected = {
        message_id(f"T-{number}:{version}", webhook.id)
        for number in range(size.instances)
        for version in range(1, each + 1)
    }
    bodies: dict[str, set[bytes]] = defaultdict(set)
    for request in requests:
        Webhook(secret).verify(request.body, request.headers)
        bodies[request.headers["webhook-id"]].add(request.body)
    assert bodies.keys() == expected, "each arrives, and nothing unknown"
    assert all(len(found) == 1 for found in bodies.values()), "the same bytes in every attempt"
    log = all_of_log(desk, webhook)
    assert {one["status"] for one in log} == {"delivered"}
    assert len(log) == len(expected)
    arrived = Counter(request.headers["webhook-id"] for request in requests)
    for one in log:  # what a killed process could not record was made even so
        assert 1 <= len(one["attempts"]) <= arrived[one["id"]]
        assert sum(attempt["error"] is None for attempt in one["attempts"]) == 1
    found = statistics(desk.client, desk.keys, webhook.id)
    assert (found["delivered"], found["pending"], found["dead"]) == (len(expected), 0, 0)
    assert found["attempts"] == sum(len(one["attempts"]) for one in log)


def all_of_log(desk: Desk, webhook: subscriptions.Subscription) -> list[dict[str, object]]:
    from interlock.engine import delivery_log

    found, cursor = [], None
    while True:
        page = delivery_log.deliveries(desk.client, desk.keys, webhook.id, 1000, cursor)
        found += page["deliveries"]
        cursor = page["next"]
        if cursor is None:
            return found


def open_desk(client: redis.Redis, url: str, directory: Path) -> Desk:
    return Desk.open(
        client,
        url,
        directory,
        partitions=8,
        webhook_retry_schedule=SCHEDULE,
        webhook_timeout_seconds=0.5,
        lease_seconds=1,
    )


def test_a_short_storm(redis_client: redis.Redis, valkey_url: str, tmp_path: Path) -> None:
    with Receiver() as receiver:
        desk = open_desk(redis_client, valkey_url, tmp_path)
        storm(desk, receiver, Size(events=90, instances=30, kills=3, kill_every=1.5, seconds=60))


@pytest.mark.storm
def test_a_long_storm(redis_client: redis.Redis, valkey_url: str, tmp_path: Path) -> None:
    with Receiver() as receiver:
        desk = open_desk(redis_client, valkey_url, tmp_path)
        kills = max(5, int(LONG_SECONDS / 1.5))
        limit = 120 + 4 * LONG_SECONDS
        storm(desk, receiver, Size(events=1000, instances=100, kills=kills, kill_every=1.5, seconds=limit))
