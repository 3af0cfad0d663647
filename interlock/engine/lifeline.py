"""A child process that dies with its parent, even when the parent is killed with ``kill -9``.

On Linux the kernel does it (``prctl(PR_SET_PDEATHSIG)``). It watches the *thread* that started the child:
start children from a thread that lives as long as they should. Elsewhere a Python child watches its parent
itself, and a program that is not ours gets a small watchdog beside it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1
_POLL_SECONDS = 0.5
_WATCHDOG = "import os, signal, sys\nif not os.read(0, 1):\n    os.kill(int(sys.argv[1]), signal.SIGKILL)\n"

kernel_watches = sys.platform == "linux"
"""Whether the kernel ties a child to its parent, so that no watchdog is needed."""

_libc = ctypes.CDLL(None, use_errno=True) if kernel_watches else None


def die_with_parent(parent_pid: int) -> None:
    """Tie this process to the one that started it; ``parent_pid`` is the starter's, known to the child.

    Exits at once where the parent has died already: after the tie is made, so that no death goes unseen.
    Safe between fork and exec (`subprocess.Popen(preexec_fn=...)`), and the tie outlives exec.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        threading.Thread(target=_watch, args=(parent_pid,), daemon=True).start()
    if os.getppid() != parent_pid:
        os._exit(1)


def _watch(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(_POLL_SECONDS)
    os._exit(1)


class Watchdog:
    """A process that kills ``pid`` when the pipe from us breaks: for a child that cannot watch us itself."""

    def __init__(self, pid: int) -> None:
        self._process = subprocess.Popen(  # noqa: S603  # our own interpreter, our own text
            [sys.executable, "-I", "-c", _WATCHDOG, str(pid)], stdin=subprocess.PIPE, process_group=0
        )

    def dismiss(self) -> None:
        """End the watchdog and leave the watched process alone."""
        if self._process.stdin is not None:
            try:
                self._process.stdin.write(b".")
                self._process.stdin.close()
            except BrokenPipeError:
                pass
        self._process.wait()
