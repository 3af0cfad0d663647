"""The processes that the command line starts: how they begin, and how they end with all that they started."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis

from interlock.engine.embedded import EmbeddedServer
from tests.acceptance.deployment import PROGRAM, clean_environment, wait_for
from tests.integration.http_client import Client, free_port


@contextmanager
def started(*arguments: str, directory: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """One command in a process and a process group of its own."""
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        cwd=directory,
        env=clean_environment(**environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def alive(pid: int) -> bool:
    """Whether a process runs (one that only waits to be reaped does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pids: list[int], seconds: float = 10.0) -> bool:
    """Whether all have ended within ``seconds``."""
    deadline = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(alive, pids))


def children(pid: int) -> list[int]:
    """All processes below one, grandchildren included."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *children(child)]
    return found


STORM = pytest.mark.storm
ANOTHER = "redis://127.0.0.1:1/0"
"""The server of another deployment; nobody is there."""


def ready(process: subprocess.Popen[bytes], directory: Path) -> Any:
    """What ``dev`` says when it is ready."""
    wait_for((directory / "data" / "dev.json").exists, process)
    return orjson.loads((directory / "data" / "dev.json").read_bytes())


def end(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send it this signal; nothing that it started outlives it."""
    pids = children(process.pid)
    assert len(pids) >= 4
    process.send_signal(number)
    assert process.wait(60) == (-number if number == signal.SIGKILL else 0)
    assert gone(pids)


@pytest.fixture(scope="module")
def standing_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where ``standing`` runs: with a chart of one's own, and the configuration of another deployment."""
    place = tmp_path_factory.mktemp("standing")
    (place / "charts").mkdir()
    (place / "charts" / "door.yaml").write_text(
        "id: door\nversion: 1\ncommands: {build: {creates: true}, open: {}}\ninitial: closed\n"
        "states: {closed: {on: {open: opened}}, opened: {type: final}}\n"
    )
    (place / "interlock.toml").write_text(f'redis_url = "{ANOTHER}"\nrq_redis_url = "{ANOTHER}"\n')
    return place


@pytest.fixture(scope="module")
def standing(standing_directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """For tests that leave it running."""
    arguments = ("dev", "--data-dir", "data", "--charts", "charts")
    servers = {"REDIS_URL": ANOTHER, "INTERLOCK_REDIS_URL": ANOTHER, "INTERLOCK_RQ_REDIS_URL": ANOTHER}
    with started(*arguments, directory=standing_directory, **servers) as process:
        ready(process, standing_directory)
        yield process


def test_dev_says_where_everything_is(standing: subprocess.Popen[bytes], standing_directory: Path) -> None:
    status = ready(standing, standing_directory)
    assert {"redis_url", "http_url", "pids", "admin_token"} <= set(status)
    assert alive(status["pids"]["server"])
    assert all(map(alive, status["pids"]["workers"]))


def test_dev_takes_no_server_of_another_deployment(
    standing: subprocess.Popen[bytes], standing_directory: Path
) -> None:
    # Of its processes none has asked there: they got ready.
    assert ready(standing, standing_directory)["redis_url"] != ANOTHER


def test_dev_refuses_a_data_dir_that_another_one_uses(
    standing: subprocess.Popen[bytes], standing_directory: Path
) -> None:
    with started("dev", "--data-dir", "data", directory=standing_directory) as second:
        _, err = second.communicate(timeout=60)
        assert second.returncode == 1
        assert (b"in use by another server" in err, b"Traceback" in err) == (True, False)
    assert standing.poll() is None


@dataclass
class Life:
    """One run of ``dev`` on the data of the runs before it."""

    process: subprocess.Popen[bytes]
    file: Path
    """Its ``dev.json``."""
    admin: Client

    @property
    def status(self) -> Any:
        """What stands in ``dev.json`` now."""
        return orjson.loads(self.file.read_bytes())

    def publish(self, *command: str) -> Any:
        """The result of a command to the ticket, published from a shell."""
        done = subprocess.run(
            [*PROGRAM, "publish", "ticket/T-1", *command, "--wait", "30", "--json"],
            env=clean_environment(INTERLOCK_REDIS_URL=self.status["redis_url"]),
            capture_output=True,
            timeout=60,
        )
        return orjson.loads(done.stdout)

    def kill(self, name: str) -> None:
        """Kill a process that ``dev`` keeps running, and wait for the next of it in ``dev.json``."""
        before = self.status["pids"][name]
        os.kill(before, signal.SIGKILL)
        wait_for(lambda: self.status["pids"][name] not in (before, None), self.process)

    def end(self, number: signal.Signals) -> None:
        """Send it this signal: nothing of it is left, nor, but after SIGKILL, its file."""
        end(self.process, number)
        assert self.file.exists() == (number == signal.SIGKILL)


@contextmanager
def living(directory: Path, port: int) -> Iterator[Life]:
    file = directory / "data" / "dev.json"
    file.unlink(missing_ok=True)  # of the one that was killed
    arguments = ("dev", "--data-dir", "data", "--port", str(port), "--processes", "1")
    with started(*arguments, directory=directory) as process:
        status = ready(process, directory)
        yield Life(process, file, Client(status["http_url"], status["admin_token"]))


def test_whichever_way_dev_ends_nothing_outlives_it_and_it_keeps_what_it_held(tmp_path: Path) -> None:
    port = free_port()
    with living(tmp_path, port) as life:
        status = life.status
        assert set(status) == {"redis_url", "http_url", "pids", "admin_token"}
        assert set(status["pids"]) == {"server", "workers", "gateway"}
        assert status["http_url"] == f"http://127.0.0.1:{port}"
        assert stat.S_IMODE((tmp_path / "data" / "dev.json").stat().st_mode) == 0o600
        admin, token = life.admin, status["admin_token"]
        assert admin.command("ticket/T-1", "open", data={"queue": "fr"}).body["status"] == "applied"
        life.kill("gateway")  # the socket stays open: whoever comes meanwhile waits and is answered
        assert admin.get("/interlock/v1/instances/ticket/T-1").status == 200
        life.end(signal.SIGKILL)
        assert life.process.stderr is not None
        assert token.encode() not in life.process.stderr.read()
    with living(tmp_path, port) as life:
        assert life.status["admin_token"] != token
        assert admin.get("/interlock/v1/instances/ticket").status == 401, "a token lives as long as its dev"
        url = life.status["redis_url"]
        life.kill("server")
        assert life.status["redis_url"] == url
        assert life.publish("assign", "--data", '{"agent": "ann"}')["version"] == 2
        life.end(signal.SIGTERM)
    with living(tmp_path, port) as life:
        assert life.admin.get("/interlock/v1/instances/ticket/T-1").body["version"] == 2
        life.end(signal.SIGINT)


def test_a_chart_of_ones_own_runs_beside_the_shipped_ones(
    standing: subprocess.Popen[bytes], standing_directory: Path
) -> None:
    environment = clean_environment(INTERLOCK_REDIS_URL=ready(standing, standing_directory)["redis_url"])
    for name, state in (("build", "closed"), ("open", "opened")):
        done = subprocess.run(
            [*PROGRAM, "publish", "door/1", name, "--wait", "30", "--json"],
            env=environment,
            capture_output=True,
            timeout=60,
        )
        assert orjson.loads(done.stdout)["state"] == [state]
    drawn = subprocess.run(
        [*PROGRAM, "diagram", "door", "--format", "text"], env=environment, capture_output=True, timeout=60
    )
    assert b"opened" in drawn.stdout, "a registered chart is known wherever its server is"


def test_workers_refuse_a_chart_with_a_mistake_and_name_its_line(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text(
        "id: door\nversion: 1\ninitial: nowhere\ncommands: {build: {creates: true}}\nstates: {closed: {}}\n"
    )
    with EmbeddedServer(tmp_path / "data") as server:
        done = subprocess.run(
            [*PROGRAM, "worker"],
            env=clean_environment(INTERLOCK_REDIS_URL=server.url, INTERLOCK_CHARTS=str(tmp_path)),
            capture_output=True,
            timeout=60,
        )
    assert done.returncode == 4
    assert f"{tmp_path / 'wrong.yaml'}:3:".encode() in done.stderr


def test_burst_does_what_is_there_and_ends(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "data") as server:
        environment = clean_environment(INTERLOCK_REDIS_URL=server.url)
        for key in range(20):
            publish_from_elsewhere(server.url, f"T-{key}")
        done = subprocess.run(
            [*PROGRAM, "worker", "--burst"],
            env={**environment, "INTERLOCK_PARTITIONS": "3"},  # the worker's word holds for all who read
            capture_output=True,
            timeout=60,
        )
        assert done.returncode == 0
        listed = subprocess.run(
            [*PROGRAM, "list", "ticket", "--json"], env=environment, capture_output=True, timeout=60
        )
        assert len(orjson.loads(listed.stdout)["instances"]) == 20


def publish_from_elsewhere(url: str, key: str) -> None:
    """One XADD, as a program in another language sends it."""
    with redis.Redis.from_url(url) as client:
        client.xadd(
            "interlock:commands", {"command": orjson.dumps({"machine": "ticket", "key": key, "name": "open"})}
        )


def test_the_demo_plays_a_part_of_the_desk_and_leaves_pictures(tmp_path: Path) -> None:
    done = subprocess.run(
        [*PROGRAM, "demo", "--limit", "25", "--out", "pictures", "--json"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode()
    report = orjson.loads(done.stdout)
    assert report["ok"] is True
    assert report["incidents"] == report["replayed"] == sum(report["states"].values()) == 25
    assert report["commands"]["applied"] > 100
    assert report["events"]["announced"] == report["events"]["verified"] > 100
    for picture in report["pictures"]:
        assert b"<svg" in (tmp_path / picture).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pictures"]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=STORM),
        pytest.param(signal.SIGKILL, -9, marks=STORM),
    ],
)
def test_a_demo_that_is_stopped_leaves_no_process_behind(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    (tmp_path / "tmp").mkdir()
    with started("demo", directory=tmp_path, TMPDIR=str(tmp_path / "tmp")) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.stderr.readline()  # it says so when it begins to publish
        pids = children(process.pid)
        assert len(pids) >= 6  # server, receiver, supervisor, pump, drains, delivery
        process.send_signal(number)
        assert process.wait(60) == code
        assert gone(pids)
    left = [path.name for path in (tmp_path / "tmp").iterdir()]
    if number == signal.SIGKILL:  # then the next server clears it away
        assert [name.startswith("interlock-server-") for name in left] == [True]
    else:
        assert left == []
