"""Where calendars are found: beside the charts, as policies are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from interlock.engine.calendar_files import CALENDAR_SUFFIX, parse_calendars
from interlock.engine.calendar_functions import Calendars, calendar_functions
from interlock.engine.calendars import Calendar
from interlock.engine.loader import read_source
from interlock.statecharts.sla import sla_functions

SHIPPED = Path(__file__).parent


def load_calendars(directories: Sequence[Path]) -> dict[str, Calendar]:
    """The calendars straight in some directories, by name; the first of a name wins.

    Raises ChartError with the findings of all files; OSError where one cannot be read.
    """
    return parse_calendars((read_source(path), str(path)) for path in files_of(directories, CALENDAR_SUFFIX))


def files_of(directories: Sequence[Path], suffix: str) -> list[Path]:
    """The files straight in some directories whose names end so; the first of a name wins."""
    found: dict[str, Path] = {}
    for directory in directories:
        for path in sorted(directory.glob(f"*{suffix}")) if directory.is_dir() else ():
            found.setdefault(path.name, path)
    return list(found.values())


@cache
def shipped_calendars() -> Mapping[str, Calendar]:
    """The calendars that come with us, read when they are first asked for."""
    return load_calendars([SHIPPED])


def functions_over(directories: Sequence[Path]) -> dict[str, Callable[..., Any]]:
    """All that charts ask of calendars, over those of some directories and the shipped ones.

    Raises ChartError and OSError as `load_calendars` does.
    """
    known = _known(directories)
    return functions_of(lambda: known)


def functions_over_later(directories: Sequence[Path]) -> dict[str, Callable[..., Any]]:
    """The same, where calendars are hardly ever needed: read when an expression first asks for one, which fails where
    they cannot be read."""
    return functions_of(cache(lambda: _known(directories)))


def functions_of(known: Calendars) -> dict[str, Callable[..., Any]]:
    """All that charts ask of calendars, over these."""
    return {**calendar_functions(known), **sla_functions(known)}


def _known(directories: Sequence[Path]) -> dict[str, Calendar]:
    return {**shipped_calendars(), **load_calendars(directories)}
