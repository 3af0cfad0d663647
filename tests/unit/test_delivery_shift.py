"""A shift's event loop beside the turn that reads the webhooks again."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest

from interlock.engine.delivery_log import Attempt, Delivery
from interlock.engine.profiles import Verdict
from interlock.engine.settings import Settings
from interlock.workers import delivery
from interlock.workers.deliveries import Due


def test_a_webhook_that_is_removed_as_its_attempt_begins_breaks_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[Any] = []

    async def post(_http: Any, subscription: Any, *_: Any) -> tuple[Attempt, Verdict]:
        asked.append(subscription)
        return Attempt(1, 200, 1, None), Verdict.DELIVERED

    monkeypatch.setattr(delivery, "post", post)
    endpoints = SimpleNamespace(
        subscriptions={"wh_1": "the webhook"}, credentials=lambda _: None, schedule=lambda _: (1.0,)
    )
    ended: list[Any] = []
    backlog: Any = SimpleNamespace(
        endpoints=endpoints,
        ready={},
        dropped=deque(),
        may_begin=lambda _: True,
        finish=lambda outcome, _: ended.append(outcome.attempt),
    )

    async def run() -> None:
        shift = delivery._Shift(backlog, Settings(), 10.0, threading.Event())
        http: Any = None
        due = Due(0, 1, Delivery("msg_1", "wh_1", "1-1", 0), b"{}")
        shift._begin(http, due)
        endpoints.subscriptions = {}
        await asyncio.gather(*shift._running)
        shift._begin(http, due)
        assert list(backlog.dropped) == [due], "what is known to be gone is not begun"

    asyncio.run(run())
    assert asked == ["the webhook"]
    assert [one.error for one in ended] == [None]
