"""Which tests pytest-xdist gives to one of its processes: those of a file, and of all files that share a fixture with
processes of its own, so that these are started once and not in each."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadFileScheduling

SHARED = ("deployment: Deployment", "gateway: Gateway")
"""How a test asks for such a fixture."""


@cache
def _group(file: str) -> str:
    text = (Path(__file__).parents[1] / file).read_text("utf-8")
    return next((fixture for fixture in SHARED if fixture in text), file)


class SharedFixtures(LoadFileScheduling):  # type: ignore[misc]
    """Files as ``--dist loadfile`` has them, those with the same shared fixture as one."""

    def _split_scope(self, nodeid: str) -> str:
        return _group(super()._split_scope(nodeid))
