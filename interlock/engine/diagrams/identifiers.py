"""Names that every format takes as they are: letters, digits and ``_``, one for each state."""

from __future__ import annotations

import re
from collections.abc import Iterable


def plain_ids(paths: Iterable[str]) -> dict[str, str]:
    """Path -> an id that no other path has and that is no keyword: ``open.assigned`` -> ``s_open_assigned``."""
    ids: dict[str, str] = {}
    used: set[str] = set()
    for number, path in enumerate(paths):
        plain = "s_" + re.sub(r"[^A-Za-z0-9]+", "_", path)
        ids[path] = plain if plain not in used else f"{plain}_{number}"
        used.add(ids[path])
    return ids
