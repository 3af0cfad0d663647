"""``docs/lifecycles/seeds.yaml``: what the four source documents ask for, and what we do with it.

Everything it names is checked against the charts: see `problems`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.engine.chart import Chart
from interlock.engine.yaml_source import plain, read_yaml

WAYS = ("commands", "reads", "is", "input", "key", "computed", "left_out")
"""How an operation or a field is met; each entry has one. ``commands``: of charts; ``reads``: instances of charts are
shown; ``is``: context fields; ``input``: data of commands; ``key``: of charts; ``computed``: in words; ``left_out``:
why."""
_NAMES = ("commands", "reads", "is", "input", "key")
"""Ways that name parts of charts."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An operation or a field. ``names``: parts of charts (`WAYS`); ``of``: fields that a computed one is made of."""

    subject: str
    way: str
    names: tuple[str, ...]
    text: str
    of: tuple[str, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A place where a document is ambiguous: what it says, how we read it, where that is changed, and the parts of
    charts by which it can be seen."""

    says: str
    reading: str
    change: str
    seen: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seed:
    """A source document. ``later``: operations that only later documents of the same vendor have, or we ourselves."""

    id: str
    title: str
    operations: tuple[Entry, ...]
    later: tuple[Entry, ...]
    fields: tuple[Entry, ...]
    readings: tuple[Reading, ...]


def read_seeds(path: Path) -> list[Seed]:
    """The seeds of a file. Raises ValueError with the place of the first word that is not known or missing."""
    text: Any = plain(read_yaml(path.read_text(encoding="utf-8"), str(path)))
    return [_seed(each) for each in text["seeds"]]


def operations_by_command(seeds: Iterable[Seed], chart: str) -> dict[str, list[str]]:
    """Command of a chart -> the operations that it serves, those of the documents first."""
    found: dict[str, list[str]] = {}
    for seed in seeds:
        for entry in (*seed.operations, *seed.later):
            for name in entry.names if entry.way == "commands" else ():
                machine, _, command = name.partition(".")
                if machine == chart:
                    found.setdefault(command, []).append(entry.subject)
    return found


def problems(seeds: Iterable[Seed], charts: Mapping[str, Chart]) -> list[str]:
    """Every name that no chart has, as a sentence."""
    return [
        f"{seed.id}: {where}: no chart has {name!r} as {what}; correct docs/lifecycles/seeds.yaml"
        for seed in seeds
        for where, what, name in _named(seed)
        if not _exists(charts, what, name)
    ]


def _named(seed: Seed) -> Iterator[tuple[str, str, str]]:
    for entry in (*seed.operations, *seed.later, *seed.fields):
        yield from ((entry.subject, entry.way, name) for name in entry.names)
        yield from ((entry.subject, "is", name) for name in entry.of)
    for reading in seed.readings:
        yield from ((reading.says, "seen", name) for name in reading.seen)


def _exists(charts: Mapping[str, Chart], way: str, name: str) -> bool:
    machine, _, part = name.partition(".")
    chart = charts.get(machine)
    if chart is None or way in ("reads", "key"):
        return chart is not None and not part
    first, _, second = part.partition(".")
    command = chart.commands.get(first)
    match way:
        case "commands":
            return part in chart.commands
        case "is":
            return part in chart.context
        case "input":
            return command is not None and second in command.schema["properties"]
    return (
        part in chart.commands
        or part in chart.context
        or part in chart.states
        or f"{machine}.{part}" in _events(chart)
    )


def _events(chart: Chart) -> set[str]:
    return set(chart.events)


def _seed(given: Mapping[str, Any]) -> Seed:
    known = {"id", "title", "operations", "later", "fields", "readings"}
    _only(given, known, f"seed {given.get('id')}")
    return Seed(
        id=given["id"],
        title=given["title"],
        operations=tuple(_entry(each, "operation") for each in given["operations"]),
        later=tuple(_entry(each, "operation") for each in given.get("later", ())),
        fields=tuple(_entry(each, "field") for each in given["fields"]),
        readings=tuple(_reading(each) for each in given["readings"]),
    )


def _entry(given: Mapping[str, Any], word: str) -> Entry:
    subject = given.get(word)
    _only(given, {word, "of", "note", *WAYS}, str(subject))
    ways = [way for way in WAYS if way in given]
    if not isinstance(subject, str) or len(ways) != 1:
        raise ValueError(f"{given}: name one {word} and one of {', '.join(WAYS)}")
    way = ways[0]
    value = given[way]
    names = tuple([value] if isinstance(value, str) else value) if way in _NAMES else ()
    return Entry(
        subject,
        way,
        names,
        "" if way in _NAMES else str(value),
        tuple(given.get("of", ())),
        given.get("note", ""),
    )


def _reading(given: Mapping[str, Any]) -> Reading:
    _only(given, {"says", "reading", "change", "seen"}, str(given.get("says")))
    return Reading(given["says"], given["reading"], given["change"], tuple(given.get("seen", ())))


def _only(given: Mapping[str, Any], known: set[str], where: str) -> None:
    if unknown := given.keys() - known:
        raise ValueError(
            f"{where}: unknown {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}"
        )
