"""What the charts of a deployment declare: those in files that this process sees, and those that workers registered."""

from __future__ import annotations

from interlock.engine.errors import ChartError
from interlock.engine.event_fields import Declared
from interlock.engine.settings import Settings
from interlock.engine.store import Store
from interlock.statecharts.catalog import Catalog


def declared_charts(store: Store, settings: Settings) -> list[Declared]:
    """All versions that are known. A registered text that is no chart is left out: nothing runs by it.

    Raises ChartError for a file of the configured directories.
    """
    catalog = Catalog.load(settings.charts)
    found = [Declared.of(chart) for chart in catalog.charts]
    in_files = {(chart.id, chart.version) for chart in catalog.charts}
    for name, source in sorted(store.charts().items()):
        if name not in in_files:
            try:
                found.append(Declared.read(source))
            except ChartError:
                continue
    return found
