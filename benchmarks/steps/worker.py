"""One contender in a process of its own: ``python -m benchmarks.steps.worker NAME``, spoken to by `__main__`.

First a line of JSON: for each chart null, or why there is no figure. Then for each line ``CHART SECONDS`` on
standard input a line with steps a second.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
import traceback
from typing import Any

from benchmarks.steps.charts import CHARTS, START, Advance, NotExpressible, fault

MAKERS = {
    "ours": "ours.make_step",
    "decide": "ours.make_decision",
    "transitions": "peer_transitions.make",
    "python-statemachine": "peer_python_statemachine.make",
    "sismic": "peer_sismic.make",
    "xstate-statemachine": "peer_xstate_statemachine.make",
    "harel": "peer_harel.make",
}
CHUNK = 50


def rate(state: Any, context: dict[str, int], advance: Advance, seconds: float) -> float:
    """Steps a second of processor time; every step begins with what the one before gave back."""
    steps = 0
    begun = time.process_time()
    while (elapsed := time.process_time() - begun) < seconds:
        for _ in range(CHUNK):
            state, context = advance(state, context)
        steps += CHUNK
    return steps / elapsed


def main() -> None:
    module, _, maker = MAKERS[sys.argv[1]].partition(".")
    make = getattr(importlib.import_module(f"benchmarks.steps.{module}"), maker)
    ready: dict[str, tuple[Any, Advance]] = {}
    notes: dict[str, str | None] = {}
    for chart in CHARTS:
        try:
            state, advance, names = make(chart)
            notes[chart] = fault(chart, state, advance, names)
            ready[chart] = state, advance
        except NotExpressible as why:
            notes[chart] = str(why)
        except Exception as error:
            traceback.print_exc()
            notes[chart] = f"fails: {type(error).__name__}"
    print(json.dumps(notes), flush=True)
    for line in sys.stdin:
        chart, seconds = line.split()
        state, advance = ready[chart]
        print(rate(state, dict(START[chart]), advance, float(seconds)), flush=True)


if __name__ == "__main__":
    main()
