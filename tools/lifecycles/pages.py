"""All pages of ``docs/lifecycles``, by file name; and the README's picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from interlock.engine.diagrams import draw
from interlock.statecharts.catalog import Catalog
from tools.lifecycles.comparison import comparison_page
from tools.lifecycles.index import index_page
from tools.lifecycles.orchestration import orchestration_page
from tools.lifecycles.page import chart_page
from tools.lifecycles.seeds import operations_by_command, problems, read_seeds

DIRECTORY = Path(__file__).parents[2] / "docs" / "lifecycles"
SEEDS = DIRECTORY / "seeds.yaml"
SCENARIOS = Path(__file__).parents[2] / "tests" / "scenarios"
PICTURE = DIRECTORY.parent / "img" / "ticket.svg"
"""The picture in the README."""


def pages() -> dict[str, str]:
    """File name -> text, for each shipped chart, the policy, the comparison and the list of all.

    Raises ValueError where the seeds name what no chart has.
    """
    catalog = Catalog.load()
    machines = {chart.id: machine for chart in catalog.charts if (machine := catalog.machine(chart.id))}
    charts = {name: machine.chart for name, machine in machines.items()}
    seeds = read_seeds(SEEDS)
    if wrong := problems(seeds, charts):
        raise ValueError("\n".join(wrong))
    made = {
        f"{name}.md": chart_page(machine, operations_by_command(seeds, name))
        for name, machine in machines.items()
    }
    made["README.md"] = index_page(machines)
    made["comparison.md"] = comparison_page(seeds)
    made["orchestration.md"] = orchestration_page(machines, _scenarios())
    return made


def _scenarios() -> list[dict[str, Any]]:
    """The scenarios, each with the file that it stands in."""
    found: list[dict[str, Any]] = []
    for path in sorted(SCENARIOS.glob("*.yaml")):
        for scenario in yaml.load_all(path.read_text(encoding="utf-8"), yaml.CSafeLoader):
            if isinstance(scenario, dict):
                found.append({**scenario, "file": f"tests/scenarios/{path.name}"})
    return found


def picture() -> bytes:
    """The ticket's states and commands as SVG. Where its boxes stand depends on the version of Graphviz."""
    machine = Catalog.load().machine("ticket")
    assert machine is not None
    return draw(machine.chart, "svg", brief=True)
