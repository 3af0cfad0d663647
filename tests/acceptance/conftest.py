"""A whole deployment as a user has it: `interlock dev` in a process of its own, and a customer's endpoint."""

from __future__ import annotations

import http.server
import queue
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from interlock.cli.main import run
from tests.acceptance.deployment import Delivery, Deployment, Interlock, Receiver, running_dev


@pytest.fixture(scope="package")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One deployment for the tests of this directory in this process; each test uses keys of its own. It ends with
    them, so that it costs what runs after them nothing."""
    with running_dev(
        tmp_path_factory.mktemp("deployment"),
        INTERLOCK_WEBHOOK_ALLOW_CIDRS="127.0.0.0/8",
        INTERLOCK_WEBHOOK_RETRY_SCHEDULE="0.1,0.2,0.5",
    ) as running:
        yield running


@pytest.fixture
def interlock(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Interlock:
    """Commands without the second that a process of their own takes to start."""
    for name, value in deployment.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(deployment.directory)

    def run_command(*arguments: str) -> tuple[int, str, str]:
        code = run(list(arguments))
        return (code, *capsys.readouterr())

    return run_command


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A real HTTP server on loopback that keeps what it gets, and repeats a challenge."""
    arrived: queue.Queue[Delivery] = queue.Queue()
    answers: queue.Queue[int] = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            arrived.put(Delivery({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204 if answers.empty() else answers.get())
            self.send_header("content-length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            arrived.put(Delivery({name.lower(): value for name, value in self.headers.items()}, b""))
            body = "".join(asked.get("hub.challenge", [])).encode()
            self.send_response(200 if answers.empty() else answers.get())
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: Any) -> None:
            """Silent."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Receiver(f"http://127.0.0.1:{server.server_port}/hook", arrived, answers)
    server.shutdown()
    thread.join()
    server.server_close()
