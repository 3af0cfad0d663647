"""The shipped desk under load: tickets that queues give to agents, and that these close.

One command of a customer is many here: the ticket tells its queue, the queue asks an agent, the agent offers
itself, the ticket confirms, and each tells the others what changed. So applied commands are counted.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import orjson
import redis

from benchmarks.desk import (
    counters,
    in_state,
    publish,
    request,
    server_url,
    wait_until_quiet,
    workers,
)
from interlock.engine.keys import Keys

QUEUES = [f"language-{number}" for number in range(8)]
AGENTS_OF_QUEUE = 5
CAPACITY = 20
WAVE = len(QUEUES) * AGENTS_OF_QUEUE * CAPACITY // 2
"""Tickets that are open at once: half of what the agents can take, so that nobody waits for a place."""


@dataclass(frozen=True, slots=True)
class Routed:
    """``applied``: commands a second; ``tickets``: a second, from open to closed; ``each``: commands a ticket."""

    applied: float
    tickets: float
    each: float


def routed_rate(client: redis.Redis, total: int) -> Routed:
    """Open ``total`` tickets in waves, wait until each has an agent, close them."""
    client.flushall()
    keys = Keys()
    with workers(server_url(client)):
        _staff(client, keys)
        before, begun = counters(client, keys), time.perf_counter()
        for start in range(0, total, WAVE):
            wave = range(start, min(total, start + WAVE))
            publish(client, keys.commands, [_command(number, "open") for number in wave])
            wait_until_quiet(client, keys)
            assigned = in_state(client, keys, "ticket", "open.work.assigned")
            assert assigned == len(wave), f"{assigned} of {len(wave)} tickets have an agent"
            publish(client, keys.commands, [_command(number, "close") for number in wave])
            wait_until_quiet(client, keys)
        elapsed = time.perf_counter() - begun
        after = counters(client, keys)
    ended = {name: number - before.get(name, 0) for name, number in after.items()}
    closed = in_state(client, keys, "ticket", "closed")
    assert closed == total, f"{closed} of {total} tickets are closed"
    failed = {name for name, number in ended.items() if number and name.startswith(("refused", "dead"))}
    assert not failed, ended
    return Routed(ended["applied"] / elapsed, total / elapsed, ended["applied"] / total)


def _staff(client: redis.Redis, keys: Keys) -> None:
    for queue in QUEUES:
        for number in range(AGENTS_OF_QUEUE):
            agent = f"{queue}-{number}"
            request(client, keys, "agent", agent, "define", queues=[queue], capacity={"chat": CAPACITY})
            request(client, keys, "agent", agent, "online")
    wait_until_quiet(client, keys)


def _command(number: int, name: str) -> bytes:
    data = {"queue": QUEUES[number % len(QUEUES)], "channel": "chat"} if name == "open" else {}
    return orjson.dumps({"machine": "ticket", "key": f"T-{number}", "name": name, "data": data})
