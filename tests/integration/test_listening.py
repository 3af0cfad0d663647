"""Listening to the outboxes of a real server: nothing missed, nothing twice, whatever else stands there."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis
from delivery_desk import Desk
from hostile_receiver import Receiver, answer, hang

from interlock.engine.delivery_log import Attempt
from interlock.engine.event_filters import EventFilter
from interlock.workers import listening
from interlock.workers.listening import Heard, Listener


@dataclass
class Ear:
    """What was heard so far."""

    heard: list[str] = field(default_factory=list)
    attempts: list[tuple[str, Attempt]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, done: Callable[[], bool], seconds: float = 15) -> None:
        with self.changed:
            assert self.changed.wait_for(done, seconds), (len(self.heard), len(self.attempts))


@contextmanager
def listening_to(desk: Desk, url: str | None = None, kind: str = "*") -> Iterator[Ear]:
    """Listens in a thread of its own until the end of the block."""
    ear, ready = Ear(), threading.Event()

    def heard(one: Heard) -> None:
        with ear.changed:
            ear.heard.append(one.id)
            ear.changed.notify_all()

    def answered(one: Heard, attempt: Attempt) -> None:
        with ear.changed:
            ear.attempts.append((one.id, attempt))
            ear.changed.notify_all()

    loop = asyncio.new_event_loop()
    listener = Listener(EventFilter((kind,)), ready.set, heard, answered)
    task = loop.create_task(listening.listen(desk.settings, desk.keys, listener, url=url, secret=b"s" * 32))

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(10)
        yield ear
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
        loop.close()


@pytest.fixture
def desk(redis_client: redis.Redis, valkey_url: str, tmp_path: Path) -> Desk:
    return Desk.open(redis_client, valkey_url, tmp_path, webhook_timeout_seconds=0.5)


def numbered(first: int, last: int) -> list[str]:
    return [f"e-{number}" for number in range(first, last)]


def announce(desk: Desk, ids: list[str], partition: int = 0) -> None:
    with desk.client.pipeline(transaction=False) as pipe:
        for one in ids:
            event = b'{"id":"%s","type":"t.a","data":{}}' % one.encode()
            pipe.xadd(desk.keys.partition(partition).outbox, {"event": event})
        pipe.execute()


def test_a_burst_is_heard_whole_in_order_and_once(desk: Desk) -> None:
    announce(desk, ["before"])
    with listening_to(desk) as ear:
        announce(desk, numbered(0, 2500))
        ear.wait(lambda: len(ear.heard) >= 2500)
        assert ear.heard == numbered(0, 2500)


def test_all_partitions_are_heard(desk: Desk) -> None:
    with listening_to(desk) as ear:
        for partition in range(desk.keys.partitions):
            announce(desk, [f"p-{partition}"], partition)
        ear.wait(lambda: len(ear.heard) >= desk.keys.partitions)
        assert Counter(ear.heard) == Counter(f"p-{number}" for number in range(desk.keys.partitions))


def test_what_is_not_ours_is_passed_over(desk: Desk) -> None:
    desk.client.set(desk.keys.partition(1).outbox, "somebody else was here")
    with listening_to(desk) as ear:
        outbox = desk.keys.partition(0).outbox
        desk.client.xadd(outbox, {"event": b"no JSON"})
        desk.client.xadd(outbox, {"another": b"field"})
        for strange in (b"[]", b"null", b"{}", b'{"id":7,"type":"t.a"}', b'{"id":"e","type":null}'):
            desk.client.xadd(outbox, {"event": strange})
        announce(desk, ["e-1"])
        ear.wait(lambda: ear.heard == ["e-1"])
        desk.client.set(desk.keys.partition(2).outbox, "and now here")
        announce(desk, ["e-2"])
        announce(desk, ["e-3"], partition=3)
        ear.wait(lambda: sorted(ear.heard) == ["e-1", "e-2", "e-3"])


def test_a_receiver_that_hangs_delays_its_own_answers_only(desk: Desk) -> None:
    with Receiver() as receiver:
        url = receiver.url("/hook", hang, answer(200))
        with listening_to(desk, url) as ear:
            announce(desk, numbered(0, 3))
            ear.wait(lambda: len(ear.heard) == 3, 0.4)
            assert ear.attempts == [], "the first is still waiting"
            ear.wait(lambda: len(ear.attempts) == 3)
            assert [(one, made.status) for one, made in ear.attempts] == [
                ("e-0", None),
                ("e-1", 200),
                ("e-2", 200),
            ]
            assert "no answer within 0.5 s" in (ear.attempts[0][1].error or "")


def test_nothing_is_left_behind(desk: Desk) -> None:
    with Receiver() as receiver, listening_to(desk, receiver.url("/hook"), kind="t.*") as ear:
        before = set(desk.client.scan_iter())
        announce(desk, ["e-1"])
        ear.wait(lambda: len(ear.attempts) == 1)
        assert set(desk.client.scan_iter()) - before <= {desk.keys.partition(0).outbox.encode()}
