"""Random charts in XState's words, imported: they do what the original does, step by step."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from interlock.engine.diagrams.xstate import xstate_source
from interlock.engine.interchange.chart_yaml import Imported
from interlock.engine.loader import parse_chart
from interlock.engine.machine import Machine
from interlock.engine.yaml_source import plain, read_yaml
from tests.charting import compile_chart
from tests.imports.running import Json, from_xstate
from tests.oracle.comparison import Tally, difference
from tests.oracle.engines import run_ours
from tests.oracle.random_charts import COMMANDS, Guard, Place, random_chart, random_events
from tests.oracle.spelling import in_our_words, in_xstate_words
from tests.storms import part

DATA = {"commands": {name: {"data": {"flag": {"type": "boolean"}}} for name in COMMANDS}}


def filled_in(words: Any) -> Any:
    """XState's configuration with what its code does as our expressions and actions."""
    match words:
        case {"type": "less", "params": {"field": name, "than": number}}:
            return _expression(f"context.{name} < {number}")
        case {"type": "odd", "params": {"field": name}}:
            return _expression(f"context.{name} % 2 == 1")
        case {"type": "flag"}:
            return _expression("data.flag == true")
        case {"$in": state}:
            return {"type": "stateIn", "params": {"state": state}}
        case {"$not": inner}:
            return {"type": "not", "guard": filled_in(inner)}
        case {"$and": both}:
            return {"type": "xstate.and", "params": {"guards": filled_in(both)}}
        case {"type": "say", "params": {"word": word}}:
            return {"type": "emit", "params": {"type": f"t.{word}"}}
        case {"type": "set", "params": {"fields": fields}}:
            params = {name: " + ".join(_term(each) for each in terms) for name, terms in fields.items()}
            return {"type": "assign", "params": params}
        case dict() if not words:  # As our export writes what is not accepted; `DATA` makes this one of ours.
            return {"meta": {"forbidden": True}}
        case dict():
            return {key: filled_in(value) if value != {} else {} for key, value in words.items()}
        case list():
            return [filled_in(each) for each in words]
    return words


def _expression(text: str) -> Json:
    return {"type": "expression", "params": {"expression": text}}


def _term(term: str | int) -> str:
    return f"context.{term}" if isinstance(term, str) else str(term)


def imported(seed: int) -> Imported:
    config = filled_in(in_xstate_words(random_chart(seed)))
    return from_xstate(json.loads(json.dumps(config | {"meta": DATA})))


def machine_of(made: Imported) -> Machine:
    assert not made.findings, (made.findings, made.text)
    return Machine(parse_chart(made.text))


def compare(seeds: range, make: Any, original: Any) -> Tally:
    tally = Tally()
    for seed in seeds:
        events = random_events(seed, 10)
        ours, theirs = run_ours(make(seed), events), run_ours(original(seed), events)
        tally.note(ours)
        problem = difference(ours, theirs)
        if problem or ours.ended != theirs.ended:
            tally.differences.append(f"chart {seed}: {problem}")
    return tally


def original_of(seed: int) -> Machine:
    return compile_chart(in_our_words(random_chart(seed)))


def test_imported_charts_do_what_the_originals_do() -> None:
    tally = compare(range(30), lambda seed: machine_of(imported(seed)), original_of)
    assert not tally.differences, "\n".join(tally.differences[:3])
    assert tally["moved"] > 0.2 * tally["steps"]
    assert tally["spoke"] > 0.4 * tally["steps"]


@pytest.mark.storm
def test_two_thousand_imported_charts_do_what_the_originals_do() -> None:
    tally = compare(range(10_000, 10_000 + part(2000)), lambda seed: machine_of(imported(seed)), original_of)
    assert not tally.differences, "\n".join(tally.differences[:3])


def test_an_import_that_loses_reenter_is_told_apart() -> None:
    def wrong(seed: int) -> Machine:
        text = json.dumps(plain(read_yaml(imported(seed).text, "<chart>")))
        return compile_chart(text.replace('"reenter": true', '"reenter": false'))

    tally = compare(range(40), wrong, original_of)
    assert len(tally.differences) > 3


def decided(guard: Guard, verdicts: dict[str, bool]) -> Guard:
    """A guard whose names of code have a verdict: always true or always false, by ``less`` than a number."""
    match guard:
        case ("not", inner):
            return ("not", decided(inner, verdicts))
        case ("and", first, second):
            return ("and", decided(first, verdicts), decided(second, verdicts))
        case ("in", _):
            return guard
    return ("less", "fuel", 10**6 if verdicts[_key(guard)] else -1)


def _key(guard: Guard) -> str:
    return json.dumps(guard)


def _leaves(guard: Guard) -> list[Guard]:
    if guard[0] in ("not", "and"):
        return [leaf for inner in guard[1:] for leaf in _leaves(inner)]
    return [] if guard[0] == "in" else [guard]


def named(words: Any) -> Any:
    """As `filled_in`, with the guards of code left to their names."""
    match words:
        case {"type": "less" | "odd" | "flag"}:
            return words
        case {"$in": _} | {"type": "say" | "set"}:
            return filled_in(words)
        case {"$not": inner}:
            return {"type": "not", "guard": named(inner)}
        case {"$and": both}:
            return {"type": "and", "guards": named(both)}
        case dict():
            return {key: named(value) for key, value in words.items()}
        case list():
            return [named(each) for each in words]
    return words


def verdicts_of(root: Place, seed: int) -> dict[str, bool]:
    random = Random(seed)
    leaves = [
        leaf for place in root.walk() for way in place.ways() if way.guard for leaf in _leaves(way.guard)
    ]
    return {_key(leaf): random.random() < 0.5 for leaf in leaves}


def test_fields_that_stand_for_guards_decide_as_the_guards_would() -> None:
    def original(seed: int) -> Machine:
        root = random_chart(seed)
        verdicts = verdicts_of(root, seed)
        for place in root.walk():
            for way in place.ways():
                way.guard = way.guard and decided(way.guard, verdicts)
        return compile_chart(in_our_words(root))

    def with_fields(seed: int) -> Machine:
        root = random_chart(seed)
        made = from_xstate(named(json.loads(json.dumps(in_xstate_words(root)))) | {"meta": DATA})
        assert not made.findings, (made.findings, made.text)
        words = plain(read_yaml(made.text, "<chart>"))
        for key, verdict in verdicts_of(root, seed).items():
            words["context"][field_of(made, json.loads(key))]["default"] = verdict
        return compile_chart(json.dumps(words))

    tally = compare_configurations(range(500, 520), with_fields, original)
    assert not tally, "\n".join(tally[:3])


def field_of(made: Imported, guard: list[Any]) -> str:
    """The context field whose comment names the guard with its parameters."""
    params = {"less": lambda: {"field": guard[1], "than": guard[2]}, "odd": lambda: {"field": guard[1]}}
    told = guard[0] + (f" {json.dumps(params[guard[0]]())}" if guard[0] in params else "")
    line = next(line for line in made.text.splitlines() if line.endswith(f"the XState guard {told}"))
    return line.split(":")[0].strip()


def compare_configurations(seeds: range, make: Any, original: Any) -> list[str]:
    different = []
    for seed in seeds:
        events = random_events(seed, 10)
        runs = [run_ours(machine, events) for machine in (make(seed), original(seed))]
        seen = [[(step["active"], step["said"], step["done"]) for step in run.steps] for run in runs]
        if seen[0] != seen[1] or runs[0].ended != runs[1].ended:
            different.append(f"chart {seed}: {seen}")
    return different


@pytest.mark.parametrize("seed", range(3))
def test_the_same_machine_gives_the_same_bytes(seed: int) -> None:
    assert imported(seed).text == imported(seed).text


def test_our_own_export_comes_back_as_the_same_chart() -> None:
    for seed in range(1000, 1030):
        chart = parse_chart(in_our_words(random_chart(seed)))
        made = from_xstate(json.loads(xstate_source(chart)))
        assert not made.notes
        assert not made.findings, (seed, made.findings)
        again = json.loads(xstate_source(parse_chart(made.text)))
        assert again == json.loads(xstate_source(chart)), seed
