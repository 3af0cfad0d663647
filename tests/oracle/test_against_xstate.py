"""The step against XState v5, chart by chart: the same configurations, the same actions in the same order.

`make oracle` compares ten thousand. A chart of a failure is made again by `random_chart(seed)`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from interlock.engine.diagrams.xstate import xstate_source
from interlock.engine.loader import parse_chart
from tests.oracle import comparison
from tests.oracle.comparison import compare
from tests.oracle.engines import HERE, Json
from tests.oracle.random_charts import Place, random_chart
from tests.oracle.spelling import in_our_words

CHARTS = int(os.environ.get("INTERLOCK_ORACLE_CHARTS", "10000"))
FIRST = int(os.environ.get("INTERLOCK_ORACLE_SEED", "1000000"))


def test_random_charts_do_what_they_do_in_xstate(xstate: Path) -> None:
    tally = compare(xstate, range(120), events=10)
    assert not tally.differences, "\n".join(tally.differences[:5])
    # What is compared is worth it.
    assert tally["whole"] > 0.85 * tally["charts"]
    assert tally["corrupt"] + tally["restless"] < 0.02 * tally["charts"]
    assert tally["moved"] > 0.2 * tally["steps"]
    assert tally["spoke"] > 0.5 * tally["steps"]
    assert tally["done"] > 0


def test_our_export_runs_in_xstate_as_the_chart_does_here(xstate: Path) -> None:
    def export(root: Place) -> Json:
        words: Json = json.loads(xstate_source(parse_chart(in_our_words(root))))
        return words

    tally = compare(xstate, range(2000, 2040), events=10, spell=export)
    assert not tally.differences, "\n".join(tally.differences[:5])


@pytest.mark.storm
def test_ten_thousand_random_charts_do_what_they_do_in_xstate(
    xstate: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tally = compare(xstate, range(FIRST, FIRST + CHARTS), events=20)
    with capsys.disabled():
        print(f"\n{tally['charts']} charts, {tally['steps']} steps: {dict(tally)}")
    assert not tally.differences, f"{len(tally.differences)} charts:\n" + "\n".join(tally.differences[:5])


def test_a_chart_that_reenters_where_it_should_not_is_told_apart(
    xstate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(root):
        for place in root.walk():
            for way in place.ways():
                way.reenter = not way.reenter
        return in_our_words(root)

    monkeypatch.setattr(comparison, "in_our_words", wrong)
    assert len(compare(xstate, range(20), events=10).differences) > 5


def test_a_seed_always_makes_the_same_chart() -> None:
    assert in_our_words(random_chart(7)) == in_our_words(random_chart(7))
    assert in_our_words(random_chart(7)) != in_our_words(random_chart(8))


def test_the_lock_names_no_registry() -> None:
    lock = (HERE / "package-lock.json").read_text()
    assert "resolved" not in lock
    assert "http" not in lock.replace("https://opencollective.com/xstate", "")
    pinned = json.loads((HERE / "package.json").read_text())["dependencies"]["xstate"]
    assert json.loads(lock)["packages"]["node_modules/xstate"]["version"] == pinned
