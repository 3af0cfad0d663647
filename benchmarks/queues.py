"""How far one queue goes: processor time of one more command, and bytes, while more and more waits in it.

    .venv/bin/python -m benchmarks.queues

No server: snapshot in, one `enqueue` decided, snapshot out, as a worker does it for each command of a queue.
"""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime

from interlock.engine.decision import decide
from interlock.engine.machine import Machine
from interlock.engine.messages import Command
from interlock.engine.snapshot import Snapshot
from interlock.statecharts.catalog import Catalog

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
STOPS = (100, 1_000, 2_000, 4_000, 10_000)


def put(number: int) -> Command:
    data = {"machine": "ticket", "key": f"INC{number:07}", "channel": "chat", "priority": 3}
    return Command(machine="queue", key="fr", name="enqueue", data=data, id=f"c{number}")


def tell(machine: Machine, snapshot: Snapshot) -> None:
    """One row: what one more command costs at this snapshot, median of 30."""
    raw = snapshot.to_bytes()
    took = []
    for _ in range(30):
        begun = time.process_time()
        decision = decide(machine, Snapshot.from_bytes(raw), put(1), NOW)
        assert decision.snapshot is not None
        decision.snapshot.to_bytes()
        took.append(time.process_time() - begun)
    print(f"| {snapshot.context['waiting']} | {statistics.median(took) * 1000:.1f} | {len(raw)} |")


def main() -> None:
    machine = Catalog.load().machine("queue")
    assert machine is not None
    print("| waiting | ms | bytes |\n|---|---|---|")
    snapshot = None
    for number in range(STOPS[-1]):
        decision = decide(machine, snapshot, put(number), NOW)
        assert decision.snapshot is not None
        snapshot = decision.snapshot
        if "queue.item_turned_away" in decision.result.events:
            break
        if number + 1 in STOPS:
            tell(machine, snapshot)
    assert snapshot is not None
    tell(machine, snapshot)


if __name__ == "__main__":
    main()
