"""The gateway as a process: how it starts, waits, ends; its command line; `interlock dev` around it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
import redis

from interlock.engine import tokens
from interlock.engine.embedded import EmbeddedServer
from tests.integration.gateway_setup import KEYS, Gateway, run
from tests.integration.http_client import (
    Client,
    environment,
    free_port,
    start,
    url_in,
    wait_until,
)

# The process


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[tuple[EmbeddedServer, subprocess.Popen[bytes], Client]]:
    """A server and a gateway, and no workers."""
    with EmbeddedServer(tmp_path / "data") as server, redis.Redis.from_url(server.url) as client:
        token = tokens.create(client, KEYS, "admin")["token"]
        log = tmp_path / "serve.log"
        process = start(log, environment(INTERLOCK_REDIS_URL=server.url), "serve", "--port", "0")
        try:
            yield server, process, Client(url_in(log, process), token)
        finally:
            process.kill()
            process.wait()


def test_while_the_server_is_away_the_answer_is_503_and_after_it_all_is_well(
    alone: tuple[EmbeddedServer, subprocess.Popen[bytes], Client],
) -> None:
    server, _, client = alone
    post = {"data": {"owner": "ann"}, "headers": {"idempotency_key": "again"}, "wait": 0}
    assert client.command("parcel/a", "post", **post).status == 202
    os.kill(server.pid, signal.SIGKILL)
    wait_until(lambda: not server.running)
    assert client.get("/livez").status == 200
    for answer in (client.get("/readyz"), client.command("parcel/a", "post", **post)):
        assert (answer.status, answer.is_problem) == (503, True)
        assert int(answer.headers["retry-after"]) >= 1
    server.restart()
    wait_until(lambda: client.get("/readyz").status == 200)
    assert client.command("parcel/a", "post", **post).status == 202
    # One that hangs keeps those who probe no longer than they are ready to wait.
    os.kill(server.pid, signal.SIGSTOP)
    try:
        hangs = [client.send(way, "/readyz", timeout_seconds=10) for way in ("GET", "HEAD")]
        assert [(one.status, one.headers["retry-after"]) for one in hangs] == [(503, "1")] * 2
        assert client.send("HEAD", "/livez", timeout_seconds=10).status == 200
    finally:
        os.kill(server.pid, signal.SIGCONT)


def test_sigterm_tells_those_who_wait_their_ids_and_ends_with_0(
    alone: tuple[EmbeddedServer, subprocess.Popen[bytes], Client],
) -> None:
    server, process, client = alone
    with concurrent.futures.ThreadPoolExecutor(1) as pool, redis.Redis.from_url(server.url) as look:
        waiting = pool.submit(client.command, "parcel/a", "post", wait=30, id="told")
        wait_until(lambda: look.xlen(KEYS.commands))
        process.send_signal(signal.SIGTERM)
        answer = waiting.result(5)
    assert (answer.status, answer.body["id"]) == (202, "told")
    assert process.wait(5) == 0


def test_a_second_signal_ends_it_at_once(
    alone: tuple[EmbeddedServer, subprocess.Popen[bytes], Client],
) -> None:
    _, process, client = alone
    place = client.url.removeprefix("http://").split(":")
    with socket.create_connection((place[0], int(place[1]))) as half:
        half.sendall(b"POST /interlock/v1/commands HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n")
        half.sendall(f"Authorization: Bearer {client.token}\r\n\r\n".encode())
        client.get("/livez")  # so that the half request was read
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1)
        assert process.poll() is None, "it waits for the request that is under way"
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 128 + signal.SIGTERM


def test_serve_without_a_server_ends_with_5_and_shows_no_password() -> None:
    url = f"redis://user:hunter2@127.0.0.1:{free_port()}/0"
    done = run(environment(INTERLOCK_REDIS_URL=url), "serve", "--port", "0")
    assert (done.returncode, b"hunter2" in done.stderr, b"Traceback" in done.stderr) == (5, False, False)


def test_serve_on_a_port_that_is_taken_says_so(gateway: Gateway) -> None:
    done = run(gateway.environ, "serve", "--port", gateway.url.rpartition(":")[2])
    assert done.returncode == 1
    assert b"Cannot listen" in done.stderr


# The command line


def test_the_command_line_makes_lists_and_revokes_tokens(gateway: Gateway) -> None:
    made = run(
        *(gateway.environ, "token", "create", "--kind", "agent", "--id", "cli", "--tenant", "default"),
        *("--permission", "read:chat", "--permission", "monitor_tasks", "--json"),
    )
    assert made.returncode == 0, made.stderr
    token = orjson.loads(made.stdout)
    assert token.keys() == {"id", "token", "key_id", "secret"}
    client = Client(gateway.url, token["token"])
    assert client.command("parcel/cli", "post", data={"owner": "ann"}).status == 200
    listed = run(gateway.environ, "token", "list", "--json")
    assert token["secret"].encode() not in listed.stdout
    (mine,) = [one for one in orjson.loads(listed.stdout)["tokens"] if one["id"] == "cli"]
    assert mine["permissions"] == ["read:chat", "monitor_tasks"]
    for form in (["token", "list"], ["token", "create", "--kind", "bot", "--id", "shown"]):
        assert run(gateway.environ, *form).returncode == 0
    revoked = run(gateway.environ, "token", "revoke", "cli", "--json")
    assert orjson.loads(revoked.stdout) == {"revoked": [token["key_id"]]}
    assert client.command("parcel/cli", "send").status == 401
    assert run(gateway.environ, "token", "revoke", "cli").returncode == 3


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--kind", "root"], 2),
        ([], 2),
        (["--kind", "agent", "--tenant", "a/b"], 4),
        (["--kind", "agent", "--permission", "Anything Goes"], 4),
    ],
)
def test_a_token_that_cannot_be_is_refused_with_its_exit_code(
    gateway: Gateway, arguments: list[str], code: int
) -> None:
    done = run(gateway.environ, "token", "create", *arguments)
    assert (done.returncode, b"Traceback" in done.stderr, done.stdout) == (code, False, b"")
