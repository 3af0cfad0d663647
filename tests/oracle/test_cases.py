"""The conformance door against XState: the same lines in, the same lines out."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from interlock.engine.interchange.cases import run_case
from tests.oracle.engines import Json
from tests.oracle.random_cases import random_case

CASES = int(os.environ.get("INTERLOCK_ORACLE_CHARTS", "10000"))
FIRST = int(os.environ.get("INTERLOCK_ORACLE_SEED", "2000000"))
_BOUNDS = ("never rest", "they multiply")


def answers(directory: Path, cases: Iterable[Json]) -> list[Json]:
    lines = "".join(json.dumps(case) + "\n" for case in cases)
    done = subprocess.run(
        ["node", "cases.mjs"], cwd=directory, input=lines, capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def compare(directory: Path, seeds: range, events: int) -> tuple[Counter[str], list[str]]:
    """How many cases went how, and a text for each that went apart."""
    cases = [random_case(seed, events) for seed in seeds]
    tally: Counter[str] = Counter()
    differences: list[str] = []
    for seed, case, theirs in zip(seeds, cases, answers(directory, cases), strict=True):
        ours = run_case(case)
        errors = [answer["error"] for answer in (ours, theirs) if "error" in answer]
        if "corrupt" in theirs or any(bound in error for bound in _BOUNDS for error in errors):
            tally["not compared"] += 1  # XState broke, or an engine's own bound on timers was met
        elif len(errors) == 2:
            tally["endless"] += 1
        elif ours == theirs:
            tally["same"] += 1
            tally["steps"] += len(ours["configs"])
            tally["moved"] += sum(a != b for a, b in zip(ours["configs"], ours["configs"][1:], strict=False))
            tally["spoke"] += sum(bool(said) for said in ours["actions"])
            tally["done"] += ours["status"] == "done"
        else:
            differences.append(f"case {seed}:\n  ours   {json.dumps(ours)}\n  XState {json.dumps(theirs)}")
    return tally, differences


def test_random_cases_have_the_answers_of_xstate(xstate: Path) -> None:
    tally, differences = compare(xstate, range(300, 420), 10)
    assert not differences, "\n".join(differences[:3])
    # What is compared is worth it.
    assert tally["same"] > 0.76 * 120
    assert tally["not compared"] < 0.04 * 120
    assert tally["moved"] > 0.15 * tally["steps"]
    assert tally["spoke"] > 0.4 * tally["steps"]
    assert tally["done"] > 0


@pytest.mark.storm
def test_ten_thousand_random_cases_have_the_answers_of_xstate(
    xstate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tally: Counter[str] = Counter()
    differences: list[str] = []
    for start in range(FIRST, FIRST + CASES, 500):
        counted, found = compare(xstate, range(start, min(start + 500, FIRST + CASES)), 20)
        tally += counted
        differences += found
    with capsys.disabled():
        print(f"\n{CASES} cases: {dict(tally)}")
    assert not differences, f"{len(differences)} cases:\n" + "\n".join(differences[:5])


def test_a_done_transition_that_does_nothing_keeps_wildcards_off(xstate: Path) -> None:
    """``onDone: {}`` beside ``xstate.done.*``: what these seeds have in common."""
    for seed in (2_000_489, 2_000_543, 2_000_892):
        _, differences = compare(xstate, range(seed, seed + 1), 20)
        assert not differences, differences


def test_a_difference_is_told(xstate: Path) -> None:
    def without_reenter(case: Json) -> Json:
        words: Json = json.loads(json.dumps(case).replace('"reenter": true', '"reenter": false'))
        return words

    cases = [random_case(seed, 10) for seed in range(40)]
    ours = [run_case(without_reenter(case)) for case in cases]
    apart = sum(
        our != their for our, their in zip(ours, answers(xstate, cases), strict=True) if "error" not in our
    )
    assert apart > 3
