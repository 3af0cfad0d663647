"""``paths``: the shortest command sequence to every state and over every transition of a chart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlock.cli.chart_source import find_chart
from interlock.cli.exits import CliError, Exit
from interlock.cli.output import compact, print_json, print_line, say

if TYPE_CHECKING:
    from interlock.engine.chart import Chart
    from interlock.engine.exploration import Event, Exploration, Found, Missing

app = typer.Typer(rich_markup_mode=None)

MAX_LIMIT = 100_000_000


@app.command()
def paths(
    what: Annotated[str, typer.Argument(metavar="CHART", help="A file, or a chart's id.")],
    to: Annotated[
        str | None, typer.Option("--to", metavar="STATE", help="Only the way to this state.")
    ] = None,
    over: Annotated[
        str | None,
        typer.Option(
            "--over", metavar="ID", help="Only the way over this transition, such as queued:assign."
        ),
    ] = None,
    states: Annotated[bool, typer.Option("--states", help="Only the ways to states.")] = False,
    transitions: Annotated[
        bool, typer.Option("--transitions", help="Only the ways over transitions.")
    ] = False,
    events: Annotated[
        bool,
        typer.Option("--events", help="Only the events of the one way, as JSON lines for simulate."),
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(min=1, max=MAX_LIMIT, metavar="N", help="Give up after so many tries. [100000]"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tests out of a chart: the shortest sequence of commands to every state and over every transition.

    Each is found by running the chart, with data and actors made of its schemas and expressions. What is not
    reached is named, with the reason. Exit code 1 where the way that was asked for is not found.
    """
    from interlock.engine.exploration import DEFAULT_LIMIT, explore
    from interlock.engine.machine import Machine

    _check_choice(to, over, states, transitions, events)
    machine = Machine(find_chart(what))
    report = explore(machine, limit or DEFAULT_LIMIT, state=to, transition=over)
    if to is not None or over is not None:
        _one(machine.chart, report, to, over, events, as_json)
        return
    kinds = {"state": report.states, "transition": report.transitions}
    if states != transitions:
        kinds.pop("transition" if states else "state")
    if as_json:
        rows = {f"{kind}s": [_row(kind, name, way, report) for name, way in found.items()]
                for kind, found in kinds.items()}  # fmt: skip
        print_json({**_head(machine.chart, report), **rows})
    else:
        _tell(kinds, report)
    _sum_up(machine.chart, report)


def _check_choice(to: str | None, over: str | None, states: bool, transitions: bool, events: bool) -> None:
    if to is not None and over is not None:
        raise CliError(Exit.USAGE, "--to and --over each name one way. Give one of them.")
    if (to or over) and (states or transitions):
        raise CliError(Exit.USAGE, "--to and --over name one way, --states and --transitions many. Choose.")
    if events and to is None and over is None:
        raise CliError(Exit.USAGE, "--events writes one way. Say which with --to STATE or --over ID.")


def _one(
    chart: Chart, report: Exploration, to: str | None, over: str | None, events: bool, as_json: bool
) -> None:
    from interlock.engine.exploration import Missing
    from interlock.engine.spelling import did_you_mean

    kind, name = ("state", to) if to is not None else ("transition", over)
    found = report.states if to is not None else report.transitions
    if name is None or name not in found:
        hint = did_you_mean(name or "", found)
        raise CliError(Exit.NOT_FOUND, f"{chart.id} has no {kind} {name} that can be reached. {hint}")
    way = found[name]
    if as_json and not events:
        print_json({**_head(chart, report), **_row(kind, name, way, report)})
    if isinstance(way, Missing):
        for condition in way.conditions:
            say(f"  {condition}")
        raise CliError(Exit.FAILED, f"{name}: {_why(way)}")
    if events:
        for event in (*way.events[:-1], {**way.events[-1], "expect": way.expect}):
            print_line(compact(event))
    elif not as_json:
        print_line(_in_words(way))


def _head(chart: Chart, report: Exploration) -> dict[str, Any]:
    from interlock.engine.exploration import KEY, START
    from interlock.engine.messages import format_time

    return {
        "chart": chart.id,
        "version": chart.version,
        "key": KEY,
        "starts_at": format_time(START),
        "tries": report.tries,
        "complete": report.complete,
    }


def _row(kind: str, name: str, way: Found | Missing, report: Exploration) -> dict[str, Any]:
    from interlock.engine.exploration import Found

    use = {"use": report.uses[name]} if kind == "transition" else {}
    if isinstance(way, Found):
        found = {"shortest": way.shortest, "events": list(way.events), "expect": way.expect}
        return {kind: name, **use, "reached": True, **found}
    told = {"structural": way.structural, "why": way.why, "conditions": list(way.conditions)}
    return {kind: name, **use, "reached": False, **told}


def _tell(kinds: Mapping[str, Mapping[str, Found | Missing]], report: Exploration) -> None:
    from interlock.engine.exploration import Found, Missing

    for kind, found in kinds.items():
        reached = {name: way for name, way in found.items() if isinstance(way, Found)}
        width = max(map(len, reached), default=0)
        print_line(f"{kind}s")
        for name, way in reached.items():
            use = report.uses.get(name) if kind == "transition" else None
            note = f"  ({use})" if use not in (None, "taken") else ""
            print_line(f"  {name.ljust(width)}  {_in_words(way)}{note}")
        missing = {name: way for name, way in found.items() if isinstance(way, Missing)}
        if missing:
            print_line(f"{kind}s not reached")
        for name, lost in missing.items():
            print_line(f"  {name}: {_why(lost)}")
            for condition in lost.conditions:
                print_line(f"      {condition}")


def _sum_up(chart: Chart, report: Exploration) -> None:
    from interlock.engine.exploration import Found

    shares = [
        f"{sum(isinstance(way, Found) for way in found.values())} of {len(found)} {kind}"
        for kind, found in (("states", report.states), ("transitions", report.transitions))
    ]
    say(f"{chart.id} version {chart.version}: {' and '.join(shares)} reached, by {report.tries:,} tries.")
    if any(
        isinstance(w, Found) and not w.shortest
        for w in (*report.states.values(), *report.transitions.values())
    ):
        say("Of the longest ways, shorter ones may exist: a greater --limit looks further.")


def _why(way: Missing) -> str:
    return f"{way.why}." if way.structural or not way.conditions else f"{way.why}; on a way to it stands:"


def _in_words(way: Found) -> str:
    return " > ".join(_event_in_words(event) for event in way.events)


def _event_in_words(event: Event) -> str:
    """``assign {"agent":"one"} by agent one (monitor_tasks)``; ``wait 30m``."""
    if "advance" in event:
        return f"wait {_duration(event['advance'])}"
    words = [event["type"]]
    if event["data"]:
        words.append(compact(event["data"]))
    if actor := event.get("actor"):
        words.append(f"by {actor['kind']} {actor['id']}")
        if actor["permissions"]:
            words.append(f"({', '.join(actor['permissions'])})")
    return " ".join(words)


def _duration(milliseconds: int) -> str:
    """As charts write delays: ``30m``."""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)):
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms"
