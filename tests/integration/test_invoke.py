"""``invoke`` with real processes: a package offers a function, a worker of its own runs it, also after kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from interlock.engine.keys import Keys
from interlock.engine.publishing import Publisher
from interlock.engine.settings import Settings
from interlock.engine.store import Store

CHART = """
id: parcel
version: 1
context: {found: {}, why: {type: [string, "null"], default: null}}
commands: {send: {creates: true}}
initial: asking
states:
  asking:
    invoke:
      src: weigh
      input: {parcel: key}
      retry: {attempts: 5, interval: 0s}
      onDone: {target: weighed, actions: {assign: {found: data.output}}}
      onError: {target: lost, actions: {assign: {why: data.error}}}
  weighed: {type: final}
  lost: {type: final}
"""
FUNCTION = """
import os, pathlib, signal

def weigh(given):
    calls = pathlib.Path(__file__).with_name("calls")
    with calls.open("a") as file:
        file.write(given["parcel"] + "\\n")
    times = calls.read_text().split().count(given["parcel"])
    if given["parcel"] == "heavy":
        raise OverflowError("too heavy")
    if given["parcel"] == "odd" and times < 3:
        raise ValueError("try again")
    return {"grams": len(given["parcel"]), "pid": os.getpid(), "times": times}
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """An installed package that offers one function."""
    metadata = tmp_path / "site" / "scales-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: scales\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[interlock.invocable]\nweigh = scales:weigh\n")
    (tmp_path / "site" / "scales.py").write_text(FUNCTION)
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "parcel.yaml").write_text(CHART)
    return tmp_path / "site"


@pytest.fixture
def worker(package: Path, valkey_url: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        **os.environ,
        "INTERLOCK_REDIS_URL": valkey_url,
        "INTERLOCK_CHARTS": str(package.with_name("charts")),
        "PYTHONPATH": str(package),
    }
    command = [sys.executable, "-m", "interlock.cli.main", "worker", "--processes", "1"]
    with (package / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    yield process
    if process.poll() is None:
        process.terminate()
        process.wait(30)


def wait_until(holds: Callable[[], Any], seconds: float = 30.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, f"did not happen in {seconds} s"
        time.sleep(0.01)
    return found


def settled(store: Store, key: str) -> Any:
    snapshot = store.snapshot("parcel", key)
    return snapshot if snapshot and snapshot.done else None


def test_a_package_s_function_runs_in_a_worker_of_its_own(
    worker: subprocess.Popen[bytes], valkey_url: str, package: Path
) -> None:
    with redis.Redis.from_url(valkey_url) as client:
        store, publisher = Store(client, Keys(), Settings()), Publisher(client)
        for key in ("light", "heavy", "odd"):
            publisher.publish("parcel", key, "send", id=key)
        light, heavy, odd = (
            wait_until(lambda key=key: settled(store, key)) for key in ("light", "heavy", "odd")
        )
        assert (light.state, light.context["found"]["grams"]) == (["weighed"], 5)
        assert (heavy.state, heavy.context["why"]) == (["lost"], "OverflowError: too heavy")
        assert (odd.state, odd.context["found"]["times"]) == (["weighed"], 3)
        calls = (package / "calls").read_text().split()
        assert {key: calls.count(key) for key in set(calls)} == {"light": 1, "heavy": 5, "odd": 3}
        # Its process is killed: the next one takes over.
        os.kill(light.context["found"]["pid"], signal.SIGKILL)
        publisher.publish("parcel", "small", "send", id="small")
        small = wait_until(lambda: settled(store, "small"))
        assert small.context["found"]["pid"] != light.context["found"]["pid"]
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
