"""Python's search for cyclic garbage, kept away from what a process loads once and holds until it ends.

While modules and charts are loaded nothing of them becomes garbage, but the search goes through all of it again and
again: a quarter of the processor time of a start. Afterwards each full search would go through it too.
"""

from __future__ import annotations

import gc

_USUAL = gc.get_threshold()
_WHILE_LOADING = 1_000_000
"""Objects made before the next search: more than are loaded, and still a bound where loading never ends."""


def begin_loading() -> None:
    """Search for next to nothing until `end_loading`. For the first line of a process, before it imports the rest."""
    gc.set_threshold(_WHILE_LOADING, *_USUAL[1:])


def end_loading() -> None:
    """From now on search as ever, but never in what is there already."""
    gc.freeze()
    gc.set_threshold(*_USUAL)
