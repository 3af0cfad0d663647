"""The two engines that are compared, each from a chart and events to what happened."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interlock.engine.decision import SYSTEM, scope_of, step_from
from interlock.engine.machine import Machine
from interlock.engine.messages import Result
from interlock.engine.outcome import Cause, Decision
from interlock.engine.snapshot import Snapshot
from interlock.engine.step import EndlessStep
from tests.charting import Bench

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SOURCES = ("package.json", "package-lock.json", ".npmrc", "driver.mjs", "cases.mjs")

Json = dict[str, Any]


class Ours(Bench):
    """A bench whose snapshot goes through its bytes at every step, as in the product."""

    def _keep(self, decision: Decision) -> Result:
        result = super()._keep(decision)
        if self.snapshot:
            self.snapshot = Snapshot.from_bytes(self.snapshot.to_bytes())
        return result


@dataclass
class Run:
    """What a chart did. ``steps``: the start, then one for each event. ``ended``: why there are fewer of them.

    endless: it never came to rest. corrupt: XState left the legal configurations, see `driver.mjs`. restless: at
    an event that nothing takes, XState takes eventless transitions that led back to where they began before; in
    the product a refused command changes nothing. That step is the last one.
    """

    steps: list[Json]
    ended: str = ""


def run_ours(machine: Machine, events: Sequence[Json]) -> Run:
    """What the engine does, through the same functions as in the product."""
    run = Run([])
    bench = Ours(machine)
    for event in (None, *events):
        told = len(bench.history) if event else 0
        error = _send(bench, event) if event else _code(bench.created)
        if error == "endless_step":
            run.ended = "endless"
            break
        assert bench.snapshot
        restless = _look_again(bench) if error == "not_accepted" else None
        if restless:
            run.steps.append(restless)
            run.ended = "restless"
            break
        said = [word for entry in bench.history[told:] for word in _said(entry["events"])]
        run.steps.append(
            _step(machine, machine.mask_of(bench.state), said, bench.context, bench.snapshot.done)
        )
    return run


def _send(bench: Bench, event: Json) -> str | None:
    """Send a command or let time pass; the code of the refusal, if any."""
    try:
        if "advance" in event:
            bench.pass_time(milliseconds=event["advance"])
            return None
        return _code(bench.send(event["type"], flag=event["flag"]))
    except EndlessStep:
        return "endless_step"


def _code(result: Result) -> str | None:
    assert result.error is None or result.error.code in ("not_accepted", "settled", "endless_step"), result
    return result.error.code if result.error else None


def _look_again(bench: Bench) -> Json | None:
    """What eventless transitions do at an event that nothing takes; None where they rest."""
    snapshot = bench.snapshot
    assert snapshot
    scope = scope_of(snapshot, Cause("", "", {}, None, None, None, None), SYSTEM, bench.now)
    step = step_from(bench.machine, snapshot, scope, bench.now)
    step.take([])
    if not step.taken:
        return None
    return _step(bench.machine, step.active, _said(step.emitted), step.context, step.done)


def _step(machine: Machine, active: int, said: list[str], context: Json, done: bool) -> Json:
    paths = sorted(node.path for node in machine.nodes_in(active))
    return {"active": paths, "said": said, "context": context, "done": done}


def _said(events: Iterable[str]) -> list[str]:
    return [event.removeprefix("t.") for event in events if event not in ("t.created", "t.updated")]


def run_in_xstate(directory: Path, cases: Iterable[tuple[Json, Sequence[Json]]]) -> Iterator[Run]:
    """What happened in each (configuration, events), in order: one node process works ahead of who takes it.

    ``directory``: where `install` has put XState.
    """
    with tempfile.TemporaryFile("w+") as lines:
        for config, events in cases:
            lines.write(json.dumps({"config": config, "events": events}) + "\n")
        lines.seek(0)
        command = ["node", "driver.mjs"]
        with subprocess.Popen(command, cwd=directory, stdin=lines, stdout=subprocess.PIPE, text=True) as node:
            assert node.stdout
            try:
                for line in node.stdout:
                    yield _their_run(json.loads(line))
            finally:
                node.kill()


def _their_run(answer: Json) -> Run:
    assert "broken" not in answer, answer
    ended = "corrupt" if answer.get("corrupt") else "endless" if answer.get("error") else ""
    return Run(answer["steps"], ended)


class NoOracle(Exception):
    """Why XState cannot be run here."""


def install() -> Path:
    """A directory with the driver and what it needs, made once for each lock. Raises NoOracle."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise NoOracle("node and npm are not on PATH: charts are not compared with XState")
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in SOURCES)).hexdigest()
    ready = ROOT / ".cache" / f"oracle-{digest[:16]}"
    if ready.exists():
        return ready
    ready.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ready.parent, prefix="oracle-") as made:
        directory = Path(made) / "oracle"
        directory.mkdir()
        for name in SOURCES:
            shutil.copy(HERE / name, directory / name)
        command = ["npm", "ci", "--silent"]
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=300, check=False
        )
        if done.returncode:
            why = done.stderr.strip()[-500:] or f"exit code {done.returncode}"
            raise NoOracle(f"npm ci failed, so charts are not compared with XState: {why}")
        with contextlib.suppress(OSError):  # Another process was faster: it made the same.
            directory.rename(ready)
    return ready
