"""SIGTERM, SIGINT and the end of a child, as values that a loop waits for.

Python's handlers run in between any two steps of the main thread, where little is safe to do; here they do
nothing, and the loop learns of the signal when it is ready for it.
"""

from __future__ import annotations

import contextlib
import select
import signal
import socket
import threading
from types import FrameType, TracebackType
from typing import Any, Self

STOPPING = frozenset({signal.SIGTERM, signal.SIGINT})


class SignalInbox:
    """A context manager, for the main thread only: puts the handlers of before back at its end."""

    def __init__(self) -> None:
        self._before: dict[signal.Signals, Any] = {}
        self._wakeup_before = -1

    def __enter__(self) -> Self:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._wakeup_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (*STOPPING, signal.SIGCHLD):
            self._before[number] = signal.signal(number, _nothing)
        return self

    def wait(self, timeout_seconds: float) -> list[signal.Signals]:
        """The signals that came, at once when there are some, else after ``timeout_seconds`` at most."""
        select.select([self._reader], [], [], timeout_seconds)
        with contextlib.suppress(BlockingIOError):
            return [signal.Signals(number) for number in self._reader.recv(64)]
        return []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        self._reader.close()
        self._writer.close()


def _nothing(signum: int, frame: FrameType | None) -> None:
    """A handler must be there for the wakeup descriptor to hear the signal."""


def set_from_handler(event: threading.Event) -> None:
    """Set an event inside a signal handler.

    Not directly: the interrupted thread may hold the event's lock, and would wait for itself for ever.
    """
    threading.Thread(target=event.set, daemon=True).start()
