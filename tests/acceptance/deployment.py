"""What the acceptance tests handle: a deployment, a finished command, a customer's endpoint."""

from __future__ import annotations

import io
import os
import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import orjson
import pytest
import redis

from interlock.cli.main import run
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.workers.unfinished import unfinished

PROGRAM = [sys.executable, "-m", "interlock.cli.main"]
START_SECONDS = 60.0


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without settings of a deployment."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("INTERLOCK_") and name != "REDIS_URL"
    }
    # So that `interlock` and `python` in a shell are the ones under test.
    return kept | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"} | more


Interlock = Callable[..., tuple[int, str, str]]
"""Runs a command in the test's own process: code, stdout, stderr."""


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.out)


def _written(stream: io.TextIOWrapper) -> str:
    return cast(io.BytesIO, stream.buffer).getvalue().decode()


@dataclass
class Deployment:
    """A running deployment. ``environment``: what its users set."""

    redis_url: str
    directory: Path
    environment: dict[str, str] = field(repr=False)

    def run(
        self, *arguments: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> Finished:
        """Run one command to its end, in this process: without the half second that one of its own takes to start."""
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.directory)
            wanted = self.environment | dict(env or {})
            for name in os.environ.keys() - wanted.keys():
                patch.delenv(name)
            for name, value in wanted.items():
                patch.setenv(name, value)
            patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin or b""), "utf-8"))
            patch.setattr("sys.stdout", out)
            patch.setattr("sys.stderr", err)
            code = run(list(arguments))
        return Finished(code, _written(out), _written(err))

    def run_process(
        self, *arguments: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> Finished:
        """Run one command to its end, in a process of its own as a shell does."""
        done = subprocess.run(
            [*PROGRAM, *arguments],
            input=stdin,
            capture_output=True,
            cwd=self.directory,
            env=self.environment | dict(env or {}),
            timeout=60,
        )
        return Finished(done.returncode, done.stdout.decode(), done.stderr.decode())

    def json(self, *arguments: str) -> Any:
        """Run one command with ``--json``; it has to end with 0."""
        done = self.run(*arguments, "--json")
        assert done.code == 0, done
        return done.json

    def settle(self) -> None:
        """Until nothing is left to do: every event went its ways, every attempt is recorded."""
        with redis.Redis.from_url(self.redis_url) as client:
            store = Store.open(client, Settings(redis_url=self.redis_url))
            until(lambda: unfinished(store), lambda left: left == 0)

    def client(self) -> redis.Redis:
        """A bare client: what a program in another language has."""
        return redis.Redis.from_url(self.redis_url, decode_responses=True)


def wait_for(
    condition: Callable[[], Any], process: subprocess.Popen[bytes], seconds: float = START_SECONDS
) -> None:
    """Until another process has done something of which it sends no word; fails when it ends first."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"ended with {process.returncode}"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


T = TypeVar("T")


def until(look: Callable[[], T], holds: Callable[[T], Any], seconds: float = START_SECONDS) -> T:
    """What ``look`` gives as soon as it ``holds``: for what a worker does a moment later; fails when it never does."""
    deadline = time.monotonic() + seconds
    while not holds(seen := look()):
        assert time.monotonic() < deadline, f"waited in vain; last seen: {seen}"
        time.sleep(0.02)
    return seen


@dataclass(frozen=True)
class Delivery:
    """One POST as it arrived."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A customer's endpoint. ``answers``: statuses for the next requests, then 204."""

    url: str
    arrived: queue.Queue[Delivery]
    answers: queue.Queue[int]


@contextmanager
def running_dev(directory: Path, *arguments: str, **settings: str) -> Iterator[Deployment]:
    """`interlock dev` on ``directory``'s data, told to stop at the end; its log is ``dev.log`` there."""
    status = directory / "data" / "dev.json"
    status.unlink(missing_ok=True)
    environment = clean_environment(INTERLOCK_SECRET_KEY_FILE=str(directory / "secret.key"), **settings)
    with (directory / "dev.log").open("ab") as log:
        process = subprocess.Popen(
            [*PROGRAM, "dev", "--data-dir", str(directory / "data"), *arguments],
            cwd=directory,
            env=environment,
            stderr=log,
        )
        try:
            wait_for(status.exists, process)
            url = orjson.loads(status.read_bytes())["redis_url"]
            yield Deployment(url, directory, environment | {"INTERLOCK_REDIS_URL": url})
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
