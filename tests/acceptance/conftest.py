"""A whole deployment as a user has it: `interlock dev` in a process of its own, and a customer's endpoint."""

from __future__ import annotations

import http.server
import queue
import signal
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from tests.acceptance.deployment import PROGRAM, Delivery, Deployment, Receiver, clean_environment, wait_for


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One deployment for all tests of this process; each test uses keys of its own."""
    directory = tmp_path_factory.mktemp("deployment")
    environment = clean_environment(
        INTERLOCK_SECRET_KEY_FILE=str(directory / "secret.key"),
        INTERLOCK_WEBHOOK_ALLOW_CIDRS="127.0.0.0/8",
        INTERLOCK_WEBHOOK_RETRY_SCHEDULE="0.1,0.2,0.5",
    )
    log = (directory / "dev.log").open("wb")
    process = subprocess.Popen(
        [*PROGRAM, "dev", "--data-dir", str(directory / "data")], cwd=directory, env=environment, stderr=log
    )
    status = directory / "data" / "dev.json"
    try:
        wait_for(status.exists, process)
        url = orjson.loads(status.read_bytes())["redis_url"]
        yield Deployment(url, directory, environment | {"INTERLOCK_REDIS_URL": url})
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        log.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A real HTTP server on loopback that keeps what it gets."""
    arrived: queue.Queue[Delivery] = queue.Queue()
    answers: queue.Queue[int] = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            arrived.put(Delivery({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(204 if answers.empty() else answers.get())
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            """Silent."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Receiver(f"http://127.0.0.1:{server.server_port}/hook", arrived, answers)
    server.shutdown()
    thread.join()
    server.server_close()
