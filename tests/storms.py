"""How long the storms are: whole with `make storm`, a part of it with fewer STORM_SECONDS, as `.ci/run` has it."""

from __future__ import annotations

import os

WHOLE_SECONDS = 60.0
STORM_SECONDS = float(os.environ.get("INTERLOCK_STORM_SECONDS", str(WHOLE_SECONDS)))


WHOLE = STORM_SECONDS >= WHOLE_SECONDS
"""Whether it is a whole storm, and not the short form of one."""


def part(whole: int) -> int:
    """Of ``whole`` repetitions as many as fit the length of this storm; at least one."""
    return max(1, round(whole * min(1.0, STORM_SECONDS / WHOLE_SECONDS)))
