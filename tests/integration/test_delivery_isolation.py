"""Answers that are meant to hurt: each attempt ends in time, little of it is kept, memory stays where it was."""

from __future__ import annotations

import asyncio
import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from delivery_desk import Desk
from hostile_receiver import Behaviour, Receiver, drip_body, drip_headers, hang

from interlock.engine import subscriptions

DEADLINE_SECONDS = 1.0
_PROCESS = """
from pathlib import Path
from interlock.engine.clients import connect
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.workers.delivery import deliver

def peak_mb():  # of this process alone: what `resource` tells begins with its parent's
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024

settings = Settings()
store = Store.open(connect(settings), settings)
store.client.rename("warm", "{interlock:0}:outbox")
deliver(store, settings, shift_seconds=5)
before = peak_mb()
store.client.copy("hostile", "{interlock:0}:outbox", replace=True)
deliver(store, settings, shift_seconds=5)
print("memory", peak_mb() - before)
"""


def big(status: int, *headers: str, body: bytes) -> Behaviour:
    async def behave(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()

    return behave


def endless(framing: str) -> Behaviour:
    async def behave(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 X\r\n{framing}\r\n\r\n".encode())
        while True:
            writer.write(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")
            await writer.drain()

    return behave


async def endless_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Many: " + b"x" * 4000 + b"\r\n")
        await writer.drain()


async def endless_line(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 0x8000)
        await writer.drain()


BOMB = gzip.compress(bytes(50 * 1024 * 1024))
HOSTILE: dict[str, Behaviour] = {
    "a hang": hang,
    "a header drip": drip_headers,
    "a body drip": drip_body(200),
    "endless headers": endless_headers,
    "an endless status line": endless_line,
    "an endless chunked body": endless("Transfer-Encoding: chunked"),
    "an endless body of no length": endless("Connection: close"),
    "a body of 10 MB": big(500, body=b"x" * 10 * 1024 * 1024),
    "a gzip bomb": big(200, "Content-Encoding: gzip", body=BOMB),
}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's own peak")
# Guards http_client.py: one deadline around everything, and the end of a long answer unread.
def test_hostile_answers_cost_neither_time_nor_memory(
    make_desk: Callable[..., Desk], receiver: Receiver
) -> None:
    desk = make_desk(partitions=1, webhook_timeout_seconds=DEADLINE_SECONDS, webhook_retry_schedule="")
    webhooks = {}
    for number, (name, behaviour) in enumerate(HOSTILE.items()):
        webhooks[name], _ = desk.subscribe(receiver.url(f"/{number}", behaviour), "ticket.hostile")
    desk.subscribe(receiver.url("/warm"), "ticket.warm")
    # Two streams that become the outbox in turn: the second goes on behind the first.
    now_ms = subscriptions.server_ms(desk.client)
    warm = orjson.dumps({"id": "w", "type": "ticket.warm"})
    desk.client.xadd("warm", {"event": warm}, id=f"{now_ms}-0")
    for number in range(3):
        event = orjson.dumps({"id": f"e-{number}", "type": "ticket.hostile"})
        desk.client.xadd("hostile", {"event": event}, id=f"{now_ms}-{number + 1}")
    done = subprocess.run(
        [sys.executable, "-c", _PROCESS], env=desk.environment(), capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    grown = float(done.stdout.rpartition(b"memory ")[2])
    assert 0 < grown <= 20.0, f"memory grew by {grown} MB"
    assert len(receiver.at("/warm")) == 1
    for name, webhook in webhooks.items():
        log = desk.log(webhook)
        assert len(log) == 3, name
        for one in log:
            assert one["status"] in ("delivered", "dead"), name
            [attempt] = one["attempts"]
            assert attempt["duration_ms"] <= (DEADLINE_SECONDS + 1) * 1000, name
            assert len(orjson.dumps(attempt)) < 16 * 1024, name
    assert desk.log(webhooks["a gzip bomb"])[0]["attempts"][0]["status"] == 200
    assert desk.log(webhooks["a body of 10 MB"])[0]["attempts"][0]["status"] == 500
