"""How much is left to do now: what ``interlock worker --burst`` waits for."""

from __future__ import annotations

import time

from interlock.engine.store import Store
from interlock.statecharts.invocable import offered


def unfinished(store: Store, *, deliveries: bool = True) -> int:
    """Commands not yet committed, timers that are due, and partitions with something to deliver.

    0 where nothing is left but what is due later. ``deliveries``: whether those count.
    """
    now_ms = int(time.time() * 1000)
    pipeline = store.client.pipeline(transaction=False)
    for keys in store.partitions():
        pipeline.zcount(keys.timers, "-inf", now_ms)
        pipeline.zcount(keys.later, "-inf", now_ms)
        pipeline.zcount(keys.runs_due, "-inf", now_ms)
        pipeline.zcount(keys.due, "-inf", now_ms)
        pipeline.hget(keys.meta, "dispatched")
        pipeline.xrevrange(keys.outbox, count=1)
    answers = pipeline.execute()
    left = store.backlog()
    runnable = bool(offered())
    for timers, later, runs, due, dispatched, newest in zip(*[iter(answers)] * 6, strict=True):
        left += timers + later + (runs if runnable else 0)
        if deliveries:
            left += due + (1 if newest and newest[0][0] != dispatched else 0)
    return left
