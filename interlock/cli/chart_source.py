"""The chart that a command names: a file, or the id of a chart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from interlock.cli.exits import CliError, Exit

if TYPE_CHECKING:
    from interlock.engine.chart import Chart


def find_chart(name: str, *others: str) -> Chart:
    """The chart in this file, else the shipped, configured or registered one of this id, the newest.

    A file's expressions know the calendars beside it. ``others``: what else the caller takes, for the message.
    Raises CliError (not found) and ChartError.
    """
    path = Path(name)
    if path.is_file():
        from interlock.engine.loader import load_chart
        from interlock.statecharts.calendars import functions_over
        from interlock.statecharts.functions import FUNCTIONS

        return load_chart(path, functions={**FUNCTIONS, **functions_over([path.parent])})
    return _chart_by_id(name, others)


def _chart_by_id(name: str, others: Sequence[str]) -> Chart:
    from interlock.cli.inputs import settings
    from interlock.statecharts.catalog import Catalog

    catalog = Catalog.load(settings().charts)
    machine = catalog.machine(name)
    if machine is not None:
        return machine.chart
    registered = _registered_chart(name)
    if registered is None:
        known = ", ".join(sorted({chart.id for chart in catalog.charts}))
        raise CliError(
            Exit.NOT_FOUND,
            f"{name} is no file and no chart's id. Name {', '.join(('a file', *others))}, or one of: {known}.",
        )
    return registered


def _registered_chart(name: str) -> Chart | None:
    """The newest chart of this id that workers have registered; None where there is none, or no server."""
    from interlock.cli.server import Server
    from interlock.engine.errors import ServerUnreachable

    try:
        return Server().latest(name)
    except ServerUnreachable:
        return None
    except CliError as error:
        if error.code is not Exit.NOT_FOUND:
            raise
        return None
