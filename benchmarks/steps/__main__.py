"""Steps a second beside other statechart libraries: ``python -m benchmarks.steps`` (`make bench-steps`).

Snapshot in, one step, snapshot out: what an engine does that keeps its instances elsewhere. Each contender runs
in a process of its own; in each round they take turns at every chart. Time is processor time: what else the
machine does counts little. Prints the medians, of the rates and of their ratios to ours.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.steps.charts import CHARTS

HERE = Path(__file__).parent
OURS = "Interlock, step"
PYTHON_PEERS = {
    "transitions": "transitions",
    "python-statemachine": "python-statemachine",
    "sismic": "sismic",
    "xstate-statemachine": "xstate-statemachine",
    "harel": "harel",
}


class Contender:
    """A worker process. ``notes``: for each chart None, or why it has no figure."""

    def __init__(self, title: str, command: list[str]) -> None:
        self.title = title
        environment = {**os.environ, "PYTHONWARNINGS": "ignore", "NODE_ENV": "production"}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.notes: dict[str, str | None] = json.loads(self._line())
        self.rates: dict[str, list[float]] = {chart: [] for chart in CHARTS}

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.title} ended: exit code {self.process.wait()}")
        return line

    def run(self, chart: str, seconds: float) -> float:
        assert self.process.stdin
        print(chart, seconds, file=self.process.stdin, flush=True)
        return float(self._line())

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(10)


def contenders(peers: str, node_folder: Path) -> list[Contender]:
    def python(interpreter: str, name: str) -> list[str]:
        return [interpreter, "-m", "benchmarks.steps.worker", name]

    found = [
        Contender(OURS, python(sys.executable, "ours")),
        Contender("Interlock, decide", python(sys.executable, "decide")),
    ]
    found += [Contender(title, python(peers, name)) for title, name in PYTHON_PEERS.items()]
    if (node_folder / "node_modules" / "xstate").is_dir():
        found.append(Contender("xstate on node", ["node", str(HERE / "peer_xstate.mjs"), str(node_folder)]))
    else:
        print("xstate on node: skipped, there is no node here (make bench-steps installs it where there is)")
    return found


def cell(contender: Contender, ours: Contender, chart: str) -> str:
    if contender.notes[chart] is not None:
        return "-"
    rates = contender.rates[chart]
    # Round by round, so that what else the machine did counts for both.
    ratios = [rate / own for rate, own in zip(rates, ours.rates[chart], strict=True)]
    return f"{statistics.median(rates):,.0f} ({statistics.median(ratios):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--peers", default=sys.executable, help="the interpreter that has the other libraries"
    )
    parser.add_argument("--node", type=Path, default=Path(".cache/bench/node"), help="folder of node_modules")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.2, help="for each contender and chart in a round")
    given = parser.parse_args()
    field = contenders(given.peers, given.node)
    for round_number in range(given.rounds + 1):
        for chart in CHARTS:
            for contender in field:
                if contender.notes[chart] is None:
                    rate = contender.run(chart, given.seconds)
                    # The first round only warms up: caches, and node's compiler.
                    if round_number:
                        contender.rates[chart].append(rate)
    for contender in field:
        contender.close()

    print(
        f"steps a second of processor time (and the ratio to Interlock's step), medians of {given.rounds} rounds"
    )
    print(f"{'':22}" + "".join(f"{chart.replace('_', ' '):>20}" for chart in CHARTS))
    for contender in field:
        print(
            f"{contender.title:22}" + "".join(f"{cell(contender, field[0], chart):>20}" for chart in CHARTS)
        )
    for contender in field:
        for chart, note in contender.notes.items():
            if note:
                print(f"{contender.title}, {chart.replace('_', ' ')}: {note}")


if __name__ == "__main__":
    main()
