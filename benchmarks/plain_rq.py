"""What a user would write without Interlock: an RQ job a command, `transitions`, a Redis hash.

No history, no events, no deduplication: the least that moves the same ticket.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import redis
from transitions import Machine

STATES = ["queued", "assigned", "closed"]
MOVES = [
    {"trigger": "assign", "source": ["queued", "assigned"], "dest": "assigned"},
    {"trigger": "transfer", "source": ["queued", "assigned"], "dest": "queued"},
    {"trigger": "close", "source": "*", "dest": "closed"},
]


class Ticket:
    state: str


@cache
def machine() -> Machine:
    return Machine(model=None, states=STATES, transitions=MOVES, initial="queued", auto_transitions=False)


@cache
def client() -> redis.Redis:
    return redis.Redis.from_url(os.environ["INTERLOCK_REDIS_URL"])


def apply(key: str, trigger: str, data: dict[str, Any]) -> str:
    """Load the ticket, take one transition, store it again."""
    stored: Any = client().hgetall(f"plain:{key}")
    ticket = Ticket()
    ticket.state = stored.get(b"state", b"queued").decode()
    machine().events[trigger]._trigger(_event_data(ticket, trigger))
    client().hset(f"plain:{key}", mapping={"state": ticket.state, **{k: str(v) for k, v in data.items()}})
    return ticket.state


def _event_data(ticket: Ticket, trigger: str) -> Any:
    from transitions import EventData

    return EventData(None, machine().events[trigger], machine(), ticket, [], {})
