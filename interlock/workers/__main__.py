"""A process that the supervisor starts: ``python -m interlock.workers KIND PARENT_PID``; see `processes`."""

from __future__ import annotations

import sys

from interlock.engine.collecting import begin_loading


def main(argv: list[str]) -> int:
    """What `processes.main` does, and what it returns."""
    begin_loading()
    from interlock.workers import processes

    return processes.main(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
