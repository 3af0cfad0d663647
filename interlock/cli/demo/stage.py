"""What the demo runs on: a server, workers and a webhook receiver, each a process of its own, all on loopback.

Everything is stopped and removed at the end; where the demo itself is killed, the processes go with it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.request import urlopen

import orjson

from interlock.engine import lifeline, subscriptions
from interlock.engine.clients import connect
from interlock.engine.embedded import EmbeddedServer
from interlock.engine.errors import InterlockError
from interlock.engine.settings import Settings
from interlock.engine.store import Store

WORKER_PROCESSES = 2
RETRY_SCHEDULE = "0.2,0.5,1,2,4"
ALLOWED_NETWORK = "127.0.0.0/8"
_START_SECONDS = 20.0
_STOP_SECONDS = 15.0
_HTTP_SECONDS = 10.0
_LOG_LINES = 10


class StageFailed(InterlockError):
    """A process of the demo did not do its part; the message holds the end of its log."""


@dataclass(frozen=True)
class Stage:
    """The running processes, as the demo needs them. ``receiver_url``: ends without a slash."""

    store: Store
    receiver_url: str
    workers: subprocess.Popen[bytes]
    worker_log: Path

    def ask(self, path: str) -> dict[str, Any]:
        """GET a JSON object from the receiver."""
        with urlopen(f"{self.receiver_url}{path}", timeout=_HTTP_SECONDS) as answer:  # noqa: S310 - our own, http
            found: dict[str, Any] = orjson.loads(answer.read())
            return found

    def check(self) -> None:
        """Raises StageFailed where the workers' supervisor has ended."""
        if self.workers.poll() is not None:
            raise StageFailed(f"The workers ended with {self.workers.returncode}. {self.worker_words()}")

    def worker_words(self) -> str:
        """The last lines that the workers have logged."""
        return _tail(self.worker_log)


@contextlib.contextmanager
def stage() -> Iterator[Stage]:
    """Start server, receiver and workers; subscribe the receiver. Raises StageFailed, EmbeddedServerError."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(EmbeddedServer(None))
        # In the server's own directory: what a killed demo leaves there, the next server removes.
        directory = server.data_dir / "demo"
        directory.mkdir(mode=0o700)
        environment = _environment(server.url)
        secret_file = directory / "receiver.secret"
        receiver_url = stack.enter_context(_receiver(directory, secret_file, environment))
        settings = _settings(server.url, environment)
        store = Store.open(connect(settings), settings, found=True)
        _subscribe(store, settings, receiver_url, secret_file)
        worker_log = directory / "workers.log"
        workers = stack.enter_context(_workers(directory, worker_log, environment))
        ready = Stage(store, receiver_url, workers, worker_log)
        _wait_for_workers(ready, settings)
        yield ready


def _wait_for_workers(running: Stage, settings: Settings) -> None:
    """Until all are at work: the time that Python takes to start is not the engine's."""
    client, deadline = running.store.client, time.monotonic() + _START_SECONDS
    drains = f"rq:workers:{settings.queue_names[0]}"
    while not (client.scard(drains) == WORKER_PROCESSES and client.exists(running.store.keys.pump)):
        running.check()
        if time.monotonic() > deadline:
            raise StageFailed(
                f"The workers did not start within {_START_SECONDS:g} s. {running.worker_words()}"
            )
        time.sleep(0.02)  # other processes' keys: there is nothing to wait on


def _environment(redis_url: str) -> dict[str, str]:
    """The environment of all processes: nothing of another deployment, no file with a key."""
    ours = dict(os.environ)
    inherited = {
        name: value
        for name, value in ours.items()
        if not name.startswith("INTERLOCK_") and name != "REDIS_URL"
    }
    return inherited | {
        "INTERLOCK_REDIS_URL": redis_url,
        "INTERLOCK_SECRET_KEY": secrets.token_urlsafe(32) + "=",
        "INTERLOCK_WEBHOOK_ALLOW_CIDRS": ALLOWED_NETWORK,
        "INTERLOCK_WEBHOOK_RETRY_SCHEDULE": RETRY_SCHEDULE,
        "INTERLOCK_LOG_LEVEL": ours.get("INTERLOCK_LOG_LEVEL", "warning"),
        "INTERLOCK_LOG_FORMAT": "json",
    }


def _settings(redis_url: str, environment: Mapping[str, str]) -> Settings:
    # All named, so that neither the caller's environment nor an interlock.toml here has a say.
    return Settings(
        redis_url=redis_url,
        rq_redis_url=None,
        prefix="interlock",
        partitions=16,
        charts=[],
        webhook_allow_cidrs=ALLOWED_NETWORK,  # split by its validator
        secret_key=environment["INTERLOCK_SECRET_KEY"],
    )


def _subscribe(store: Store, settings: Settings, url: str, secret_file: Path) -> None:
    _, secret = subscriptions.add(
        store.client, store.keys, settings, f"{url}/", events=["ticket.*"], description="the demo's receiver"
    )
    descriptor = os.open(secret_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)


@contextlib.contextmanager
def _receiver(directory: Path, secret_file: Path, environment: Mapping[str, str]) -> Iterator[str]:
    arguments = [
        "-m",
        "interlock.cli.demo.receiver",
        "--secret-file",
        str(secret_file),
        "--parent-pid",
        str(os.getpid()),
    ]
    log = directory / "receiver.log"
    with _process(arguments, directory, log, environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise StageFailed(f"The webhook receiver did not start. {_tail(log)}")
        yield f"http://127.0.0.1:{orjson.loads(line)['port']}"


@contextlib.contextmanager
def _workers(directory: Path, log: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    arguments = ["-m", "interlock.cli.main", "worker", "--processes", str(WORKER_PROCESSES)]
    with _process(arguments, directory, log, environment, stdout=subprocess.DEVNULL) as process:
        yield process


@contextlib.contextmanager
def _process(
    arguments: list[str], directory: Path, log: Path, environment: Mapping[str, str], stdout: int
) -> Iterator[subprocess.Popen[bytes]]:
    parent = os.getpid()
    with log.open("wb") as stderr:
        process = subprocess.Popen(  # noqa: S603 - our own modules
            [sys.executable, *arguments],
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            process_group=0,  # Ctrl-C is for the demo, which then stops them in order
            preexec_fn=(lambda: lifeline.die_with_parent(parent)) if lifeline.kernel_watches else None,
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    pipe: IO[bytes] | None = process.stdout
    if pipe is not None:
        pipe.close()


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return "It said: " + " | ".join(lines[-_LOG_LINES:]) if lines else "It said nothing."
