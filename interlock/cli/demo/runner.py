"""The demo from its start to its end: stage, play, deliveries, verdict, pictures."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from interlock.cli.demo import desk
from interlock.cli.demo.play import Played, play
from interlock.cli.demo.stage import Stage, stage
from interlock.cli.demo.verdict import Verdict, judge, wait_for_deliveries, wait_for_sends
from interlock.cli.exits import CliError, Exit
from interlock.cli.output import say
from interlock.engine.chart import Chart
from interlock.engine.diagrams import DiagramError, draw
from interlock.engine.diagrams.render import find_graphviz
from interlock.statecharts.catalog import Catalog

Step = Callable[[int], None]
"""Called with the number of things done since the last call."""
Counts = dict[str, int]
"""Number of incidents by state."""

_PLACES = (
    Path(__file__).parent / "incidents.csv",  # in the wheel
    Path(__file__).parents[3] / "examples" / "support-desk" / "incidents.csv",  # in the repository
)


@dataclass(frozen=True)
class Outcome:
    """All that the report tells. ``commands``: as published, with what was expected of each."""

    rows: int
    incidents: int
    commands: Sequence[desk.DeskCommand]
    played: Played
    verdict: Verdict
    pictures: list[Path]
    delivery_seconds: float
    total_seconds: float


def run_demo(out: Path, limit: int | None) -> Outcome:
    """Run it all, on the first ``limit`` incidents of the log.

    Raises CliError or InterlockError where it cannot be run; what went otherwise than it should is in the
    outcome's verdict.
    """
    started = time.perf_counter()
    _check_parts(out)
    rows = _rows(limit)
    commands = list(desk.play(rows))
    say(f"Starting an embedded server, the workers and a webhook receiver for {len(commands)} commands.")
    chart = _chart()
    with stage() as running:
        played, halfway = _play(running, chart, commands)
        announced = sum(len(result["events"]) for result in played.results.values())
        wait_for_sends(running)
        counts, delivery_seconds = _deliveries(running, announced)
        verdict = judge(running, chart, played, commands, desk.final_states(rows), counts)
        pictures = _draw(chart, out, {"halfway": halfway, "at-the-end": running.store.counts(chart)})
    return Outcome(
        rows=len(rows),
        incidents=len({row.number for row in rows}),
        commands=commands,
        played=played,
        verdict=verdict,
        pictures=pictures,
        delivery_seconds=delivery_seconds,
        total_seconds=time.perf_counter() - started,
    )


def _check_parts(out: Path) -> None:
    """What would fail at the end only: the verifier, Graphviz, the directory. Raises CliError."""
    if find_spec("standardwebhooks") is None:
        raise CliError(
            Exit.FAILED, 'The receiver needs the library standardwebhooks: pip install "interlock[demo]".'
        )
    try:
        find_graphviz()
    except DiagramError as error:
        raise CliError(Exit.FAILED, str(error)) from None
    if out.exists() and not out.is_dir():
        raise CliError(Exit.USAGE, f"{out} is no directory. Name another with --out.")


def _rows(limit: int | None) -> list[desk.Row]:
    for place in _PLACES:
        if place.exists():
            rows = desk.read_rows(place)
            chosen = set(itertools.islice(dict.fromkeys(row.number for row in rows), limit))
            return [row for row in rows if row.number in chosen]
    raise CliError(Exit.NOT_FOUND, f"The desk's log is not at {_PLACES[0]}. Install interlock again.")


def _chart() -> Chart:
    machine = Catalog.load().machine("ticket")
    assert machine is not None, "it is shipped"
    return machine.chart


def _play(running: Stage, chart: Chart, commands: Sequence[desk.DeskCommand]) -> tuple[Played, Counts]:
    """What came back, and how many incidents were in each state when half of it had."""
    wire = [command.as_dict() for command in commands]
    halfway: Counts = {}
    answered = 0
    with _bar("commands", len(wire)) as step:

        def answers(number: int) -> None:
            nonlocal answered
            answered += number
            step(number)
            if not halfway and answered >= len(wire) / 2:
                halfway.update(running.store.counts(chart))

        return play(running, wire, answers), halfway


def _deliveries(running: Stage, announced: int) -> tuple[dict[str, Any], float]:
    """The receiver's counts once all is there, and the seconds that it took after the last command."""
    started = time.perf_counter()
    with _bar("webhooks", announced) as step:
        done = 0

        def verified(total: int) -> None:
            nonlocal done
            step(total - done)
            done = total

        counts = wait_for_deliveries(running, announced, verified)
    return counts, time.perf_counter() - started


def _draw(chart: Chart, out: Path, scenes: Mapping[str, Counts]) -> list[Path]:
    """The chart with the number of incidents in each state, for each scene; and the whole chart alone."""
    pictures = {
        out / f"ticket-{name}.svg": draw(chart, "svg", counts=found, brief=True)
        for name, found in scenes.items()
    }
    pictures[out / "ticket.svg"] = draw(chart, "svg")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for path, picture in pictures.items():
            path.write_bytes(picture)
    except OSError as error:
        raise CliError(Exit.FAILED, f"{out}: {error.strerror}. Name another directory with --out.") from None
    return list(pictures)


@contextmanager
def _bar(words: str, total: int) -> Iterator[Step]:
    """A progress bar on stderr where that is a terminal; elsewhere one line when it begins."""
    if not sys.stderr.isatty():
        say(f"{words}: {total} ...")
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(words, total=total)
        yield lambda done: progress.advance(task, done)
