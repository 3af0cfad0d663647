"""Who gets what: the items of a queue matched with its agents, and who is told what. Pure and bounded.

JSON values in, JSON values out; the chart ``queue`` calls these. What comes back is small: the entries that change, for
the chart to `merge`, because a queue may hold ten thousand.

An **item** of a queue, under ``<machine>/<key>``: ``{channel, priority, since, joined}`` and, where they say something,
``head, skills, excluded, preferred, agent, offered_at, late``; with ``agent`` it is on offer to that agent, else it
waits. Times are RFC 3339 in UTC with milliseconds, so that they sort as texts. An **agent** as a queue sees it:
``{free: {channel: n}, ready, skills, idle_since, served}``.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from itertools import takewhile
from types import MappingProxyType
from typing import Any

import orjson

from interlock.engine.expression_functions import add_seconds
from interlock.engine.messages import format_time, parse_time

Json = dict[str, Any]
Due = Callable[[str, float], str]
"""When so many seconds have passed since a time; an earlier time is never due later."""

MAX_OFFERS = 400
"""Offers that a queue makes in one step; the rest follows in the next."""
MAX_BYTES = 512 * 1024
"""Of a queue's items as JSON, beyond which it takes no more: an instance may have a megabyte."""
FEW = 200
"""Items that cannot come near that, each as long as it may be."""
MAX_TOLD = 100
"""Items that one step of a queue's clock tells of; the rest follows in the next."""
OFFER_SECONDS = 60
"""How long a reservation may go unanswered, at a queue and at an agent, before it is taken back."""
STRATEGIES: Mapping[str, str] = MappingProxyType({"longest_idle": "idle_since", "round_robin": "served"})
"""Which of the agents that fit: who has the smallest value of this field, then by name; of those who got something in
this very step, the one who got it first."""
ORDERS = ("priority_then_age", "oldest_first")
"""Which of the items: the most urgent and then the oldest, or the oldest. Equal ones go by name."""
NEEDS_NO_READINESS = ("ticket",)
"""Machines whose items go to whoever is online; all others need an agent that is ready on their channel."""


def item_id(machine: str, key: str) -> str:
    """The name of an item in a queue and at an agent."""
    return f"{machine}/{key}"


# A queue's items


def queue_entry(items: Mapping[str, Json], data: Mapping[str, Any], now: str) -> Json:
    """``{id: entry}`` for an item that is put in: new, or as it was with what ``data`` says anew. Its offer stays."""
    name = item_id(data["machine"], data["key"])
    old = items.get(name, {})
    entry = {
        "channel": data["channel"],
        "priority": given(data, "priority", 3),
        "since": format_time(parse_time(data["since"])) if data.get("since") else old.get("since", now),
        "joined": old.get("joined", now),
    }
    says = {
        "head": bool(data.get("head")),
        "skills": sorted(set(given(data, "skills", []))),
        "excluded": sorted(set(given(data, "excluded", []))),
        "preferred": data.get("preferred"),
        "agent": old.get("agent"),
        "offered_at": old.get("offered_at"),
        "late": old.get("late"),
    }
    return {name: entry | {field: value for field, value in says.items() if value}}


def has_room(items: Mapping[str, Json], name: str, max_waiting: int) -> bool:
    """Whether a queue takes this item: it is in, or there is room for one more, by number and by `MAX_BYTES`."""
    if name in items:
        return True
    return len(items) < max_waiting and (len(items) < FEW or len(orjson.dumps(items)) < MAX_BYTES)


def back_in_queue(items: Mapping[str, Json], name: str, agent: str) -> Json:
    """``{id: entry}`` of an item that this agent did not take: it waits again, where it was. Empty where the item is
    not on offer to this agent."""
    entry = items.get(name)
    return {} if entry is None or entry.get("agent") != agent else {name: _waiting(entry)}


def queue_offers(
    items: Mapping[str, Json],
    agents: Mapping[str, Json],
    strategy: str,
    order: str,
    prefer_last_agent: bool,
    raise_seconds: float | None,
    now: str,
) -> list[Json]:
    """What to offer to whom, at most `MAX_OFFERS`: ``[{machine, key, channel, agent}]``.

    The most urgent item first, by ``order`` (`ORDERS`); of the agents that fit, the one whom it prefers, where it
    may, else the first by ``strategy`` (`STRATEGIES`). ``raise_seconds``: an item counts as one step more urgent for
    each such time that it has waited. Raises KeyError where a name is unknown.
    """
    free = {name: dict(view["free"]) for name, view in agents.items() if any(view["free"].values())}
    channels = _open_channels(free)
    if not channels:
        return []
    rank = STRATEGIES[strategy]
    by_age = order == "oldest_first"
    waiting = [
        (0 if by_age else _urgency(entry, raise_seconds, now), not entry.get("head"), entry["since"], name)
        for name, entry in items.items()
        if "agent" not in entry and entry["channel"] in channels
    ]
    heapq.heapify(waiting)
    served: dict[str, int] = {}
    hopeless: set[tuple[Any, ...]] = set()
    offers: list[Json] = []
    while waiting and free and len(offers) < MAX_OFFERS:
        name = heapq.heappop(waiting)[-1]
        entry = items[name]
        machine, _, key = name.partition("/")
        kind = (machine, entry["channel"], *entry.get("skills", ()), "-", *entry.get("excluded", ()))
        if kind in hopeless:  # what is free only becomes less
            continue
        fitting = [each for each in free if _fits(machine, entry, agents[each], free[each], each)]
        if not fitting:
            hopeless.add(kind)
            continue
        wanted = entry.get("preferred") if prefer_last_agent else None
        first = min(fitting, key=lambda each: (served.get(each, 0), agents[each][rank], each))
        chosen = wanted if wanted in fitting else first
        offers.append({"machine": machine, "key": key, "channel": entry["channel"], "agent": chosen})
        served[chosen] = len(offers)
        free[chosen][entry["channel"]] -= 1
        if not any(free[chosen].values()):
            del free[chosen]
    return offers


def items_on_offer(items: Mapping[str, Json], offers: Iterable[Json], now: str) -> Json:
    """``{id: entry}`` of what is on offer now."""
    made = {}
    for offer in offers:
        name = item_id(offer["machine"], offer["key"])
        made[name] = {**items[name], "agent": offer["agent"], "offered_at": now}
    return made


def agents_on_offer(agents: Mapping[str, Json], offers: Iterable[Json], turn: int, now: str) -> Json:
    """``{agent: view}`` with the places that the offers take; ``turn``: number of offers ever made before."""
    made: Json = {}
    for ordinal, offer in enumerate(offers, start=turn + 1):
        view = made.get(offer["agent"], agents[offer["agent"]])
        free = {**view["free"], offer["channel"]: view["free"][offer["channel"]] - 1}
        made[offer["agent"]] = {**view, "free": free, "served": ordinal, "idle_since": now}
    return made


def agent_view(agents: Mapping[str, Json], data: Mapping[str, Any]) -> Json:
    """``{agent: view}`` after an agent has told of itself. It keeps its turn."""
    name = data["agent"]
    view = {
        "free": {channel: max(0, number) for channel, number in given(data, "free", {}).items()},
        "ready": given(data, "ready", []),
        "skills": given(data, "skills", []),
        "idle_since": given(data, "idle_since", ""),
        "served": agents.get(name, {}).get("served", 0),
    }
    return {name: view}


# A queue's clock


def queue_wake(
    items: Mapping[str, Json],
    breach_seconds: float | None,
    overflow_seconds: float | None,
    due: Due = add_seconds,
) -> str | None:
    """When the queue has to look at its clock next; null: when something happens. ``due``: by which time."""
    found = []
    for since, seconds, by in (
        ((e["joined"] for e in items.values() if "late" not in e), breach_seconds, due),
        ((e["joined"] for e in items.values() if "agent" not in e), overflow_seconds, due),
        ((e["offered_at"] for e in items.values() if "agent" in e), OFFER_SECONDS, add_seconds),
    ):
        first = min(since, default=None) if seconds is not None else None
        if first is not None and seconds is not None:
            found.append(by(first, seconds))
    return min(found, default=None)


def late_items(
    items: Mapping[str, Json], breach_seconds: float | None, now: str, due: Due = add_seconds
) -> list[Json]:
    """Who has waited for longer than the queue promises and was not told of: ``[{machine, key, since}]``, oldest
    first."""
    found = _due(items, "joined", breach_seconds, now, lambda entry: "late" not in entry, due)
    return [_address(name) | {"since": items[name]["since"]} for name in found]


def told_late(items: Mapping[str, Json], late: Iterable[Json]) -> Json:
    """``{id: entry}`` of items that were told of."""
    names = [item_id(each["machine"], each["key"]) for each in late]
    return {name: {**items[name], "late": True} for name in names}


def overflowing_items(
    items: Mapping[str, Json], overflow_seconds: float | None, now: str, due: Due = add_seconds
) -> list[Json]:
    """Who has waited so long that another queue is tried: ``[{machine, key}]``, oldest first."""
    found = _due(items, "joined", overflow_seconds, now, lambda entry: "agent" not in entry, due)
    return [_address(name) for name in found]


def items_offered(items: Mapping[str, Json]) -> int:
    """How many items are on offer."""
    return sum("agent" in entry for entry in items.values())


def without_items(items: Mapping[str, Json], gone: Iterable[Json]) -> Json:
    """The items less some."""
    names = {item_id(each["machine"], each["key"]) for each in gone}
    return {name: entry for name, entry in items.items() if name not in names}


def unanswered_offers(items: Mapping[str, Json], now: str) -> Json:
    """``{id: entry}`` of items whose offer nobody answered in `OFFER_SECONDS`: they wait again."""
    found = _due(items, "offered_at", OFFER_SECONDS, now, lambda entry: "agent" in entry)
    return {name: _waiting(items[name]) for name in found}


def keys_of(machine: str, listed: Iterable[Mapping[str, Any]]) -> list[str]:
    """The keys of those among ``listed`` that are of this machine."""
    return [each["key"] for each in listed if each["machine"] == machine]


def _urgency(entry: Json, raise_seconds: float | None, now: str) -> int:
    if not raise_seconds:
        return int(entry["priority"])
    waited = (parse_time(now) - parse_time(entry["joined"])).total_seconds()
    return int(entry["priority"]) - int(max(0.0, waited) // raise_seconds)


def _open_channels(free: Mapping[str, Mapping[str, int]]) -> set[str]:
    return {channel for places in free.values() for channel, number in places.items() if number > 0}


def _fits(machine: str, entry: Json, view: Json, free: Mapping[str, int], name: str) -> bool:
    return (
        free.get(entry["channel"], 0) > 0
        and name not in entry.get("excluded", ())
        and (machine in NEEDS_NO_READINESS or entry["channel"] in view["ready"])
        and all(skill in view["skills"] for skill in entry.get("skills", ()))
    )


def _waiting(entry: Json) -> Json:
    return {field: value for field, value in entry.items() if field not in ("agent", "offered_at")}


def _address(name: str) -> Json:
    machine, _, key = name.partition("/")
    return {"machine": machine, "key": key}


def _due(
    items: Mapping[str, Json],
    field: str,
    seconds: float | None,
    now: str,
    which: Callable[[Json], bool],
    due: Due = add_seconds,
) -> list[str]:
    """The names of the first `MAX_TOLD` entries of a kind whose time since ``field`` is over."""
    if seconds is None:
        return []
    first = heapq.nsmallest(MAX_TOLD, ((entry[field], name) for name, entry in items.items() if which(entry)))
    return [name for _, name in takewhile(lambda each: due(each[0], seconds) <= now, first)]


def given(data: Mapping[str, Any], name: str, default: Any) -> Any:
    """A field of some data; the default where it is null or not there."""
    value = data.get(name)
    return default if value is None else value


ROUTING: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        function.__name__: function
        for function in (
            *(item_id, queue_entry, has_room, back_in_queue, without_items, items_offered, keys_of),
            *(queue_offers, items_on_offer, agents_on_offer, agent_view, told_late, unanswered_offers),
        )
    }
)
"""What the charts may call by name; `interlock.statecharts.sla` has the clock."""
