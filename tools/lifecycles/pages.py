"""All pages of ``docs/lifecycles``, by file name."""

from __future__ import annotations

from pathlib import Path

from interlock.statecharts.catalog import Catalog
from tools.lifecycles.comparison import comparison_page
from tools.lifecycles.markdown import prose, table
from tools.lifecycles.page import chart_page
from tools.lifecycles.seeds import operations_by_command, problems, read_seeds

DIRECTORY = Path(__file__).parents[2] / "docs" / "lifecycles"
SEEDS = DIRECTORY / "seeds.yaml"


def pages() -> dict[str, str]:
    """File name -> text, for each shipped chart, the comparison and the list of both.

    Raises ValueError where the seeds name what no chart has.
    """
    charts = {chart.id: chart for chart in Catalog.load().charts}
    seeds = read_seeds(SEEDS)
    if wrong := problems(seeds, charts):
        raise ValueError("\n".join(wrong))
    made = {
        f"{name}.md": chart_page(chart, operations_by_command(seeds, name)) for name, chart in charts.items()
    }
    rows = [(f"[{name}]({name}.md)", prose(chart.description)) for name, chart in charts.items()]
    made["README.md"] = "\n".join(
        (
            "# The lifecycles",
            "",
            "One page a shipped chart, made of the chart by `make docs`; and [the four source documents beside what is "
            "here](comparison.md).",
            "",
            *table(("Chart", "What it is"), rows),
            "",
        )
    )
    made["comparison.md"] = comparison_page(seeds)
    return made
