"""`interlock listen` as a developer has it: a real deployment, a real receiver on the same machine."""

from __future__ import annotations

import queue
import re
import signal
import socket
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import IO

import orjson
import pytest
from standardwebhooks import Webhook

from tests.acceptance.deployment import PROGRAM, Deployment, Receiver

SECONDS = 60


def _without_queues(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """A ticket tells its queue, which announces events of its own: those are not asked about here."""
    if {"--events", "--machine"} & set(arguments):
        return arguments
    return (*arguments, "--events", "ticket.*", "--events", "interaction.*")


class Listening:
    """A running `interlock listen`; its lines as they come."""

    def __init__(self, deployment: Deployment, *arguments: str) -> None:
        # Without the networks that the deployment allows: a local port needs no setting.
        self._process = subprocess.Popen(
            [*PROGRAM, "listen", *_without_queues(arguments)],
            cwd=deployment.directory,
            env=deployment.environment | {"INTERLOCK_WEBHOOK_ALLOW_CIDRS": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._threads: list[threading.Thread] = []
        self._out = self._lines(self._process.stdout)
        self._err = self._lines(self._process.stderr)
        self.told: list[str] = []

    def _lines(self, stream: IO[bytes] | None) -> queue.Queue[str]:
        assert stream is not None
        lines: queue.Queue[str] = queue.Queue()

        def pump() -> None:
            with stream:
                for line in stream:
                    lines.put(line.decode().rstrip("\n"))

        self._threads.append(threading.Thread(target=pump))
        self._threads[-1].start()
        return lines

    def line(self) -> str:
        return self._out.get(timeout=SECONDS)

    def say(self, beginning: str) -> str:
        """The rest of the line for people that begins so."""
        while True:
            self.told.append(self._err.get(timeout=SECONDS))
            if self.told[-1].startswith(beginning):
                return self.told[-1].removeprefix(beginning)

    def interrupt(self) -> int:
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(SECONDS)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def listen(deployment: Deployment) -> Iterator[Callable[..., Listening]]:
    running: list[Listening] = []

    def start(*arguments: str) -> Listening:
        running.append(Listening(deployment, *arguments))
        return running[-1]

    yield start
    for one in running:
        one.end()


def published(deployment: Deployment, machine: str, name: str, key: str = "", **data: str) -> str:
    """Publish as a program in any language would; the key of the instance."""
    key = key or uuid.uuid4().hex
    command = {"machine": machine, "key": key, "name": name, "data": data}
    with deployment.client() as client:
        client.xadd("interlock:commands", {"command": orjson.dumps(command)})
    return key


def opened(deployment: Deployment) -> str:
    return published(deployment, "ticket", "open")


def test_events_are_told_forwarded_and_signed_with_the_sessions_secret(
    deployment: Deployment, receiver: Receiver, listen: Callable[..., Listening]
) -> None:
    before = uuid.uuid4().hex
    deployment.json("publish", f"ticket/{before}", "open", "--wait", "30")
    shell = listen("--forward-to", receiver.url)
    secret = shell.say("The secret of this session is ")
    for _ in range(3):
        key = opened(deployment)
        delivery = receiver.arrived.get(timeout=SECONDS)
        event = Webhook(secret).verify(delivery.body, delivery.headers)
        assert event["subject"] == key != before, "only what comes after the beginning, in order"
        lines = {shell.line(), shell.line()}
        assert lines == {
            f"--> ticket.created [{event['id']}]",
            f"<-- [204] POST {receiver.url} [{event['id']}]",
        }
    assert deployment.json("webhook", "list")["webhooks"] == []
    assert shell.interrupt() == 130


def test_a_receiver_that_is_down_is_told_and_stops_nothing(
    deployment: Deployment, listen: Callable[..., Listening]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        shell = listen("--forward-to", str(port))
        shell.say("The secret of this session is ")
        for _ in range(2):
            opened(deployment)
            lines = sorted([shell.line(), shell.line()])
            assert re.fullmatch(r"--> ticket\.created \[[\w-]+\]", lines[0])
            assert re.fullmatch(
                rf"<-- \[no answer\] POST http://127\.0\.0\.1:{port}/ \[[\w-]+\] no connection \(.*\)",
                lines[1],
            )
    assert shell.interrupt() == 130


def test_filters_choose_and_json_tells_all(
    deployment: Deployment, receiver: Receiver, listen: Callable[..., Listening]
) -> None:
    shell = listen(
        "--events", "ticket.assigned", "--machine", "ticket", "--json", "--forward-to", receiver.url
    )
    shell.say("The secret of this session is ")
    receiver.answers.put(503)
    key = opened(deployment)
    published(deployment, "ticket", "assign", key, agent="ann")
    parts = [orjson.loads(shell.line()), orjson.loads(shell.line())]
    assert parts[0]["event"]["type"] == "ticket.assigned"
    assert parts[0]["event"]["subject"] == key
    attempt = parts[1]["attempt"]
    assert (attempt["event_id"], attempt["url"]) == (parts[0]["event"]["id"], receiver.url)
    assert attempt["status"] == 503
    assert receiver.arrived.qsize() == 1, "the ticket's opening was not asked for"


def test_without_a_receiver_it_only_watches(deployment: Deployment, listen: Callable[..., Listening]) -> None:
    shell = listen("--machine", "interaction")
    shell.say("Listening.")
    opened(deployment)
    published(deployment, "interaction", "create")
    assert shell.line().startswith("--> interaction.created [")
    assert shell.interrupt() == 130
    assert "secret" not in " ".join(shell.told)


def test_a_filter_that_is_none_is_refused(deployment: Deployment) -> None:
    done = deployment.run("listen", "--events", "ticket.*.x")
    assert (done.code, done.out) == (4, "")
    assert "'ticket.*.x' is no event filter" in done.err


def test_only_this_machine_is_reached_without_a_setting(deployment: Deployment) -> None:
    done = deployment.run(
        "listen", "--forward-to", "http://10.0.0.1/", env={"INTERLOCK_WEBHOOK_ALLOW_CIDRS": ""}
    )
    assert (done.code, done.out) == (4, "")
    assert "INTERLOCK_WEBHOOK_ALLOW_CIDRS" in done.err
