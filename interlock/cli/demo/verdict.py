"""What the demo proves, read back from the outside: where every incident stands, what was refused, whether
its history replays, and whether each event arrived."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from interlock.cli.demo.desk import DeskCommand, work_state
from interlock.cli.demo.play import Played
from interlock.cli.demo.stage import Stage
from interlock.engine.chart import Chart
from interlock.engine.decision import replay
from interlock.engine.machine import Machine
from interlock.engine.stored_forms import stored_snapshot

_SILENCE_SECONDS = 15.0
_POLL_SECONDS = 0.05


@dataclass
class Verdict:
    """The findings. ``mismatches``: one line each; empty when all is as it should be. ``queues``, ``agents``: how many
    took part; in the end nothing waits in the ones and nobody of the others holds anything."""

    announced: int = 0
    delivered: int = 0
    verified: int = 0
    duplicates: int = 0
    replayed: int = 0
    queues: int = 0
    agents: int = 0
    states: Counter[str] = field(default_factory=Counter)
    mismatches: list[str] = field(default_factory=list)


def wait_for_deliveries(stage: Stage, announced: int, on_verified: Callable[[int], None]) -> dict[str, Any]:
    """The receiver's counts, once all events are verified or nothing has come for a while."""
    verified, last = -1, time.monotonic()
    while True:
        counts = stage.ask("/stats")
        if counts["verified"] > verified:
            verified, last = counts["verified"], time.monotonic()
            on_verified(verified)
        if verified >= announced or time.monotonic() - last > _SILENCE_SECONDS:
            return counts
        time.sleep(_POLL_SECONDS)  # another process's counter: there is nothing to wait on


def judge(
    stage: Stage,
    chart: Chart,
    played: Played,
    commands: Iterable[DeskCommand],
    final_states: Mapping[str, str],
    counts: Mapping[str, Any],
) -> Verdict:
    """Compare everything. ``final_states``: state by incident; ``counts``: the receiver's."""
    verdict = Verdict(
        announced=sum(len(result["events"]) for result in played.results.values()),
        delivered=counts["deliveries"],
        verified=counts["verified"],
        duplicates=counts["duplicates"],
    )
    verdict.mismatches += _outcome_mismatches(played, commands)
    verdict.mismatches += _instance_mismatches(stage, chart, final_states, verdict)
    verdict.mismatches += _leftovers(stage, verdict)
    if counts["failed"]:
        verdict.mismatches.append(f"{counts['failed']} deliveries did not verify")
    verdict.mismatches += _event_mismatches(stage, played)
    return verdict


def _outcome_mismatches(played: Played, commands: Iterable[DeskCommand]) -> Iterable[str]:
    for command in commands:
        result = played.results[command.id]
        error = result["error"]
        found = f"refused:{error['class']}:{error['code']}" if error else result["status"]
        if found != command.expected:
            yield f"command {command.id} ({command.name}): expected {command.expected}, got {found}"


def _instance_mismatches(
    stage: Stage, chart: Chart, final_states: Mapping[str, str], verdict: Verdict
) -> Iterable[str]:
    machine, name = Machine(chart), chart.id
    for incident, expected in final_states.items():
        snapshot = stage.store.snapshot(name, incident)
        if snapshot is None:
            yield f"{incident}: not there"
            continue
        state = work_state(snapshot.state)
        verdict.states[state] += 1
        if state != expected:
            yield f"{incident}: is {state}, its last row says {expected}"
        history = stage.store.history(name, incident)
        again = replay(machine, incident, history)
        stored = stored_snapshot(stage.store.vault.sealer, machine, again)
        if len(history) != snapshot.version or stored != _stored(stage, name, incident):
            yield f"{incident}: its history does not replay to its snapshot, byte for byte"
        else:
            verdict.replayed += 1


def _leftovers(stage: Stage, verdict: Verdict) -> Iterable[str]:
    """What queues and agents still have although every ticket is closed."""
    for queue in stage.store.instances("queue"):
        verdict.queues += 1
        if queue.context["items"]:
            yield f"queue {queue.key}: {len(queue.context['items'])} tickets were left in it"
    for agent in stage.store.instances("agent"):
        verdict.agents += 1
        if agent.context["load"]:
            yield f"agent {agent.key}: still holds {', '.join(sorted(agent.context['load'])[:5])}"


def wait_for_sends(stage: Stage) -> None:
    """Until the commands that the last ones have sent are committed, or for a while."""
    until = time.monotonic() + _SILENCE_SECONDS
    while stage.store.backlog() and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)  # other processes' work: there is nothing to wait on


def _stored(stage: Stage, machine: str, incident: str) -> Any:
    keys = stage.store.keys.of_instance(machine, incident)
    return stage.store.client.get(keys.instance(machine, incident))


def _event_mismatches(stage: Stage, played: Played) -> Iterable[str]:
    """Each event that a result names arrived once, and nothing else did."""
    announced = Counter(
        (result["key"], result["version"], event)
        for result in played.results.values()
        for event in result["events"]
    )
    arrived = Counter(
        (subject, sequence, event) for subject, sequence, event in stage.ask("/events")["events"]
    )
    for (key, version, event), times in (announced - arrived).items():
        yield f"{key} version {version}: {event} was announced and did not arrive ({times})"
    for (key, version, event), times in (arrived - announced).items():
        yield f"{key} version {version}: {event} arrived and was not announced ({times})"
