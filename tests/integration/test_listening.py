"""Listening to the outboxes of a real server: nothing missed, nothing twice, whatever else stands there."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
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
from interlock.engine.embedded import EmbeddedServer
from interlock.engine.event_filters import EventFilter
from interlock.workers import listening
from interlock.workers.listening import Heard, Listener


@dataclass
class Ear:
    """What was heard so far."""

    heard: list[str] = field(default_factory=list)
    attempts: list[tuple[str, Attempt]] = field(default_factory=list)
    outages: list[str | bool] = field(default_factory=list)
    """What was told of the server: why it does not answer, then whether it came back complete."""
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

    def told(what: str | bool) -> None:
        with ear.changed:
            ear.outages.append(what)
            ear.changed.notify_all()

    loop = asyncio.new_event_loop()
    listener = Listener(EventFilter((kind,)), ready.set, heard, answered, told, told)
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


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server that a test may take away."""
    with EmbeddedServer(tmp_path / "data", appendfsync="always") as server:
        yield server


def kill(server: EmbeddedServer) -> None:
    os.kill(server.pid, signal.SIGKILL)
    os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)


def test_a_server_that_goes_away_is_waited_for_and_nothing_is_missed(
    own_server: EmbeddedServer, tmp_path: Path
) -> None:
    with redis.Redis.from_url(own_server.url) as client, Receiver() as receiver:
        desk = Desk.open(client, own_server.url, tmp_path)
        with listening_to(desk, receiver.url("/hook")) as ear:
            for outage in range(2):
                announce(desk, [f"before-{outage}"])
                ear.wait(lambda: len(ear.heard) == 2 * outage + 1)  # noqa: B023 - called at once
                kill(own_server)
                ear.wait(lambda: len(ear.outages) == 2 * outage + 1)  # noqa: B023
                own_server.restart()
                announce(desk, [f"after-{outage}"])
                ear.wait(lambda: len(ear.heard) == 2 * outage + 2)  # noqa: B023
            ear.wait(lambda: len(ear.attempts) == 4)
            assert ear.heard == ["before-0", "after-0", "before-1", "after-1"]
            assert [one for one, _ in ear.attempts] == ear.heard
            assert ear.outages[1::2] == [True, True], "it had all that was heard"
            assert [bool(why) for why in ear.outages[::2]] == [True, True]


def test_a_server_that_lost_its_data_is_followed_from_where_it_is(
    own_server: EmbeddedServer, tmp_path: Path
) -> None:
    with redis.Redis.from_url(own_server.url) as client:
        desk = Desk.open(client, own_server.url, tmp_path)
        with listening_to(desk) as ear:
            outbox = desk.keys.partition(0).outbox
            # As of a server whose clock is ahead of the one that follows it.
            client.xadd(outbox, {"event": b'{"id":"e-1","type":"t.a"}'}, id="99999999999999-0")
            ear.wait(lambda: ear.heard == ["e-1"])
            kill(own_server)
            ear.wait(lambda: len(ear.outages) == 1)
            shutil.rmtree(own_server.data_dir / "appendonlydir")
            own_server.restart()
            ear.wait(lambda: ear.outages[1:] == [False])
            announce(desk, ["e-2"])
            ear.wait(lambda: ear.heard == ["e-1", "e-2"])
