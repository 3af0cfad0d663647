"""Many random charts, run in both engines and compared step by step."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import zip_longest
from pathlib import Path

from tests.charting import compile_chart
from tests.oracle.engines import Json, Run, run_in_xstate, run_ours
from tests.oracle.legality import why_illegal
from tests.oracle.random_charts import Place, random_chart, random_events
from tests.oracle.spelling import in_our_words, in_xstate_words


class Tally(Counter[str]):
    """What was seen in how many charts (``charts``, ``endless``, ``restless``, ``corrupt``) and in how many steps
    (``steps``, ``moved``, ``spoke``, ``done``). ``differences``: a text for each chart that went apart."""

    def __init__(self) -> None:
        super().__init__()
        self.differences: list[str] = []

    def note(self, run: Run) -> None:
        self["charts"] += 1
        self[run.ended or "whole"] += 1
        before: list[str] = []
        for step in run.steps:
            self["steps"] += 1
            self["moved"] += step["active"] != before
            self["spoke"] += bool(step["said"])
            self["done"] += step["done"]
            before = step["active"]


def compare(
    directory: Path, seeds: Iterable[int], events: int, spell: Callable[[Place], Json] = in_xstate_words
) -> Tally:
    """Run the charts of ``seeds``, ``events`` events each; XState stands in ``directory``. ``spell``: who writes
    them for XState."""
    seeds = list(seeds)
    tally = Tally()
    cases = ((spell(random_chart(seed)), random_events(seed, events)) for seed in seeds)
    for seed, theirs in zip(seeds, run_in_xstate(directory, cases), strict=True):
        machine = compile_chart(in_our_words(random_chart(seed)))
        ours = run_ours(machine, random_events(seed, events))
        tally.note(Run(ours.steps, theirs.ended if theirs.ended == "corrupt" else ours.ended))
        illegal = (why_illegal(machine.chart, set(step["active"])) for step in ours.steps)
        problem = next(filter(None, illegal), None) or difference(ours, theirs)
        if problem:
            tally.differences.append(f"chart {seed}: {problem}")
    return tally


def difference(ours: Run, theirs: Run) -> str | None:
    """Where the two runs part; None where they do not."""
    for number, (our, their) in enumerate(zip_longest(ours.steps, theirs.steps)):
        if our is None or their is None:
            break
        if our != their:
            return f"step {number}:\n{_lines(our, their)}"
    if theirs.ended == "corrupt" or (ours.ended == "restless" and len(ours.steps) <= len(theirs.steps)):
        return None
    if (len(ours.steps), ours.ended) != (len(theirs.steps), theirs.ended):
        steps = f"ours ends after {len(ours.steps)} steps, XState's after {len(theirs.steps)}"
        return f"{steps}: {ours.ended or 'whole'}, {theirs.ended or 'whole'}"
    return None


def _lines(our: Json, their: Json) -> str:
    changed = [name for name in our if our[name] != their[name]]
    return "\n".join(
        f"  {name}\n    ours   {json.dumps(our[name])}\n    XState {json.dumps(their[name])}"
        for name in changed
    )
