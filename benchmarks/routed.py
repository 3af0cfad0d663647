"""The shipped desk under load: tickets that queues give to agents, and that these close.

One command of a customer is many here: the ticket tells its queue, the queue asks an agent, the agent offers
itself, the ticket confirms, and each tells the others what changed. So applied commands are counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson
import redis

from benchmarks.desk import (
    Rate,
    Watch,
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
    """``applied``: commands a second, and their processor time; ``tickets``: a second, from open to closed;
    ``each``: commands a ticket."""

    applied: Rate
    tickets: float
    each: float


def routed_rate(client: redis.Redis, total: int) -> Routed:
    """Open ``total`` tickets in waves, wait until each has an agent, close them."""
    client.flushall()
    keys = Keys()
    with workers(server_url(client)) as pid:
        _staff(client, keys)
        before, watch = counters(client, keys), Watch(pid)
        for start in range(0, total, WAVE):
            wave = range(start, min(total, start + WAVE))
            publish(client, keys.commands, [_command(number, "open") for number in wave])
            wait_until_quiet(client, keys)
            assigned = in_state(client, keys, "ticket", "open.work.assigned")
            assert assigned == len(wave), f"{assigned} of {len(wave)} tickets have an agent"
            publish(client, keys.commands, [_command(number, "close") for number in wave])
            wait_until_quiet(client, keys)
        elapsed, used = watch.read()
        after = counters(client, keys)
    ended = {name: number - before.get(name, 0) for name, number in after.items()}
    closed = in_state(client, keys, "ticket", "closed")
    assert closed == total, f"{closed} of {total} tickets are closed"
    failed = {name for name, number in ended.items() if number and name.startswith(("refused", "dead"))}
    assert not failed, ended
    applied = ended["applied"]
    return Routed(Rate(applied / elapsed, used / applied), total / elapsed, applied / total)


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
