"""The functions that charts may invoke: those that installed packages offer, and no others.

A package offers one in its own metadata, so that what may run is decided by who installs code, never by a
chart or by Redis::

    [project.entry-points."interlock.invocable"]
    look_up_customer = "my_package.customers:look_up"

A function takes the object of ``input`` and returns any JSON value, or raises. It may run more than once: a
worker that dies takes the answer with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from interlock.engine.errors import InterlockError

Invocable = Callable[[Mapping[str, Any]], Any]

GROUP = "interlock.invocable"


class InvocableBroken(InterlockError):
    """An installed package offers a function that cannot be loaded. Correct or remove the package."""


def offered() -> frozenset[str]:
    """The names of all functions that are offered, without loading any."""
    return frozenset(entry.name for entry in entry_points(group=GROUP))


def invocable() -> dict[str, Invocable]:
    """Every function that is offered, by its name in ``src``. Raises InvocableBroken."""
    found: dict[str, Invocable] = {}
    for entry in entry_points(group=GROUP):
        try:
            function = entry.load()
        except Exception as error:
            raise InvocableBroken(f"{entry.name} = {entry.value}: {type(error).__name__}: {error}") from error
        if not callable(function):
            raise InvocableBroken(f"{entry.name} = {entry.value}: it is no function")
        found[entry.name] = function
    return found
