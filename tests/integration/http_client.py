"""A small HTTP client that sends what it is told to, however odd, and processes of the command line."""

from __future__ import annotations

import base64
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

PROGRAM = [sys.executable, "-m", "interlock.cli.main"]


@dataclass(frozen=True)
class Answer:
    """``headers``: names in lower case."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return orjson.loads(self.raw)

    @property
    def is_problem(self) -> bool:
        """Whether it is a problem of RFC 9457 that says its own status."""
        fields = {"type", "title", "status", "detail", "code"}
        return (
            self.headers["content-type"] == "application/problem+json"
            and fields <= set(self.body)
            and self.body["status"] == self.status
        )


@dataclass(frozen=True)
class Client:
    """Sends with ``token``, where there is one."""

    url: str
    token: str | None = None

    def send(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        *,
        timeout_seconds: float = 60.0,
        **headers: str,
    ) -> Answer:
        """Header names are written with underscores."""
        place = urlsplit(self.url)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token is not None:
            sent = {"authorization": f"Bearer {self.token}", **sent}
        assert place.hostname
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=timeout_seconds)
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.send("GET", path, **headers)

    def command(
        self, address: str, name: str, *, wait: float = 10, headers: Any = None, **fields: Any
    ) -> Answer:
        machine, _, key = address.partition("/")
        body = {"machine": machine, "key": key, "name": name, **fields}
        return self.send("POST", f"/interlock/v1/commands?wait={wait}", orjson.dumps(body), **(headers or {}))


def basic(key_id: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{key_id}:{secret}".encode()).decode()


def environment(**settings: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
    return {**clean, "INTERLOCK_LOG_FORMAT": "json", "INTERLOCK_RATE_LIMIT": "0", **settings}


def wait_until(holds: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"did not happen in {seconds} s"
        time.sleep(0.02)
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def start(log: Path, environ: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    """A command of ours as a process; it writes to ``log``."""
    with log.open("wb") as file:
        return subprocess.Popen([*PROGRAM, *arguments], env=environ, stdout=file, stderr=file)


def url_in(log: Path, process: subprocess.Popen[bytes]) -> str:
    """Where a gateway listens, as it said in its log."""

    def said() -> str | None:
        assert process.poll() is None, log.read_text()
        for line in log.read_bytes().splitlines():
            if b'"listening"' in line:
                return str(orjson.loads(line)["http_url"])
        return None

    return str(wait_until(said))
