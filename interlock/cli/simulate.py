"""``simulate``: step a chart under a virtual clock, by hand, from a file, or case by case for other programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import orjson
import typer

from interlock.cli.chart_source import find_chart
from interlock.cli.exits import CliError, Exit
from interlock.cli.output import compact, print_json, print_line, say

if TYPE_CHECKING:
    from interlock.engine.messages import Actor
    from interlock.engine.simulation import Simulation, Told

app = typer.Typer(rich_markup_mode=None)

MAX_LINE = 8 * 1024 * 1024
"""Bytes of a line of events or cases."""
_EVENT_WORDS = frozenset({"type", "data", "actor", "advance", "expect"})


@app.command()
def simulate(
    chart: Annotated[str | None, typer.Argument(metavar="CHART", help="A file, or a chart's id.")] = None,
    events: Annotated[
        str | None, typer.Option(metavar="FILE", help="JSON lines of events; - reads stdin.")
    ] = None,
    cases: Annotated[
        str | None, typer.Option(metavar="FILE", help="JSON lines of cases, one answer each; - reads stdin.")
    ] = None,
    key: Annotated[str, typer.Option(help="The instance's key.")] = "1",
    at: Annotated[
        str, typer.Option(metavar="TIME", help="Where the clock begins (RFC 3339).")
    ] = "2026-01-01T00:00:00Z",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Step a chart under a virtual clock; without --events, by hand.

    An event is {"type", "data", "actor", "expect"} or {"advance": milliseconds or "30m"}. Exit code with --events:
    0 done, 1 something was not as expected, 6 a command was refused that was not expected to be.
    """
    if cases is not None:
        if chart is not None or events is not None:
            raise CliError(Exit.USAGE, "--cases brings its own charts and events. Leave out the others.")
        _cases(cases)
        return
    if chart is None:
        raise CliError(Exit.USAGE, "Which chart? Name a file or a chart's id, or --cases FILE.")
    simulation = _simulation(chart, key, at)
    if events is None:
        from interlock.cli.simulate_by_hand import Console

        Console(simulation).run()
        return
    raise typer.Exit(_from_events(simulation, events, as_json))


# Cases


def _cases(name: str) -> None:
    from interlock.engine.interchange.cases import run_case
    from interlock.statecharts.functions import FUNCTIONS

    with _opened(name, "--cases") as file:
        for line in _lines(file):
            if isinstance(line, str):
                answer = {"error": line}
            else:
                try:
                    answer = run_case(orjson.loads(line), functions=FUNCTIONS)
                except orjson.JSONDecodeError as error:
                    answer = {"error": f"the line is not JSON: {error}"}
            sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
            sys.stdout.buffer.flush()


@contextmanager
def _opened(name: str, what: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(name).open("rb") as file:
            yield file
    except FileNotFoundError:
        raise CliError(
            Exit.NOT_FOUND, f"{what} {name}: there is no such file. Name one, or - for stdin."
        ) from None
    except OSError as error:
        raise CliError(
            Exit.USAGE, f"{what} {name}: {error.strerror}. Name a file that can be read."
        ) from None


def _lines(file: BinaryIO) -> Iterator[bytes | str]:
    """The lines that say something; a sentence instead of one that is too long."""
    while line := file.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE and not line.endswith(b"\n"):
            while (rest := file.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                pass
            yield f"a line over {MAX_LINE} bytes"
        elif line.strip():
            yield line


# Events


def _simulation(chart: str, key: str, at: str) -> Simulation:
    from interlock.engine.machine import Machine
    from interlock.engine.messages import is_key, parse_time
    from interlock.engine.simulation import Simulation

    if not is_key(key):
        raise CliError(Exit.USAGE, "--key is a text of 1 to 256 characters.")
    try:
        now = parse_time(at)
    except ValueError:
        raise CliError(Exit.USAGE, f"--at {at!r} is no time. Write it as in 2026-01-31T09:00:00Z.") from None
    return Simulation(Machine(find_chart(chart)), now, key)


def _from_events(simulation: Simulation, name: str, as_json: bool) -> int:
    steps: list[dict[str, Any]] = []
    refused = unmet = False
    with _opened(name, "--events") as file:
        for number, line in enumerate(_lines(file), 1):
            event = _event(line, number)
            told = apply(simulation, event, number)
            problems = _unmet(event.get("expect"), simulation, told)
            refused |= any(one.status == "refused" for one in told) and "expect" not in event
            unmet |= bool(problems)
            steps.append({"event": event, "told": [one.shown() for one in told]})
            if problems:
                steps[-1]["unmet"] = problems
            if not as_json:
                print_told(event, told, simulation)
            for problem in problems:
                say(f"event {number}: {problem}")
    if as_json:
        snapshot = simulation.snapshot
        instance = snapshot.shown(simulation.machine.chart) if snapshot else None
        print_json({"steps": steps, "instance": instance})
    return Exit.FAILED if unmet else Exit.REFUSED if refused else Exit.DONE


def _event(line: bytes | str, number: int) -> dict[str, Any]:
    where = f"event {number}"
    if isinstance(line, str):
        raise CliError(Exit.INVALID, f"{where} is {line}.")
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise CliError(Exit.INVALID, f"{where} is not JSON: {error}. Write one event on each line.") from None
    if not isinstance(event, dict) or ("type" in event) == ("advance" in event):
        raise CliError(
            Exit.INVALID, f'{where} is neither {{"type": "assign", "data": {{}}}} nor {{"advance": "30m"}}.'
        )
    unknown = sorted(event.keys() - _EVENT_WORDS)
    if unknown:
        raise CliError(
            Exit.INVALID, f"{where} has no {unknown[0]!r}: it has {', '.join(sorted(_EVENT_WORDS))}."
        )
    return event


def apply(simulation: Simulation, event: Mapping[str, Any], number: int) -> list[Told]:
    """What an event does. Raises CliError (invalid), which names the event by its number."""
    from interlock.engine.simulation import NotSimulated, passing
    from interlock.engine.virtual_time import AdvanceError

    try:
        if "advance" in event:
            return simulation.advance(passing(event["advance"]))
        data = event.get("data", {})
        if not isinstance(event["type"], str) or not isinstance(data, dict):
            raise NotSimulated("'type' is a command's name, 'data' an object")
        return [simulation.send(event["type"], data, actor_of(event.get("actor")))]
    except (NotSimulated, AdvanceError, ValueError) as error:
        raise CliError(Exit.INVALID, f"event {number}: {_first_line(error)}.") from None


def actor_of(written: Any) -> Actor | None:
    """The actor of an event. Raises ValueError."""
    from pydantic import ValidationError

    from interlock.engine.messages import Actor

    if written is None:
        return None
    try:
        return Actor.model_validate(written)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in ("actor", *first["loc"]))
        raise ValueError(f"{place}: {first['msg']}") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0].rstrip(".")


def _unmet(expected: Any, simulation: Simulation, told: list[Told]) -> list[str]:
    """What is not as an event's ``expect`` says: ``status``, ``code``, ``state``, ``events``, ``context``."""
    if expected is None:
        return []
    if not isinstance(expected, dict):
        return ["'expect' is an object"]
    snapshot = simulation.snapshot
    last = told[-1] if told else None
    found: dict[str, Any] = {
        "status": last.status if last else None,
        "code": last.error.code if last and last.error else None,
        "state": snapshot.state if snapshot else None,
        "events": [event for one in told for event in one.events],
    }
    problems = []
    for word, value in expected.items():
        if word == "context" and isinstance(value, dict):
            context = snapshot.context if snapshot else {}
            problems += [
                f"context.{name} is {compact(context.get(name))}, not {compact(wanted)}"
                for name, wanted in value.items()
                if context.get(name) != wanted
            ]
        elif word not in found:
            problems.append(f"nothing can be expected of {word!r}: {', '.join(found)}, context")
        elif found[word] != (sorted(value) if word == "state" and isinstance(value, list) else value):
            problems.append(f"{word} is {compact(found[word])}, not {compact(value)}")
    return problems


def print_told(event: Mapping[str, Any], told: list[Told], simulation: Simulation) -> None:
    """What an event has done, for people."""
    if "advance" in event:
        passed = event["advance"]
        print_line(f"+{passed if isinstance(passed, str) else f'{passed}ms'}  {len(told)} fired")
    for one in told:
        words = [one.cause, one.status]
        if one.error:
            words.append(f"{one.error.error_class} {one.error.code}: {one.error.message}")
        else:
            words += [f"v{one.version}", ", ".join(one.state or ())]
        print_line(f"{one.at}  {'  '.join(words)}")
        for announced in one.events:
            print_line(f"    announced {announced}")
        for sent in one.sends:
            print_line(f"    sent {sent['machine']}/{sent['key']} {sent['name']}")
        for run in one.runs:
            print_line(f"    began {run}")
    snapshot = simulation.snapshot
    for timer in sorted(snapshot.timers, key=lambda each: each.due) if snapshot else ():
        print_line(f"    timer {timer.event} due {timer.due}")
