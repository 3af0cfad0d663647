"""What an agent can take and what they hold. Pure: JSON values in, JSON values out; the chart ``agent`` calls these.

A **capacity** is ``{channel: {soft, hard}}``. A **load** has a **booking** for each item, under ``<machine>/<key>``:
``{machine, key, channel, queue, at, confirmed, offers}``; see `reserved`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from interlock.engine.expression_functions import add_seconds
from interlock.statecharts.routing import NEEDS_NO_READINESS, OFFER_SECONDS, Json, given, item_id

DEFAULT_PLACES = 1
"""What queues may give to an agent on a channel that they are ready on, and of which their capacity says nothing."""


def union(rows: Iterable[Any], more: Iterable[Any]) -> list[Any]:
    """Each text of both lists once, in order."""
    return list(dict.fromkeys((*rows, *more)))


def difference(rows: Iterable[Any], others: Iterable[Any]) -> list[Any]:
    """The list less what stands in the other one too."""
    gone = set(others)
    return [row for row in rows if row not in gone]


def full_capacity(capacity: Mapping[str, Any]) -> Json:
    """``{channel: {soft, hard}}`` of a capacity that says a number, or one of the two, or both. Soft is how far
    queues go, hard how far people may go; soft is never over hard."""
    made = {}
    for channel, places in capacity.items():
        said = places if isinstance(places, Mapping) else {"soft": places, "hard": places}
        hard = given(said, "hard", said.get("soft"))
        made[channel] = {"soft": min(given(said, "soft", hard), hard), "hard": hard}
    return made


def free_places(
    capacity: Mapping[str, Json], load: Mapping[str, Json], ready: Iterable[str], away: Iterable[str]
) -> dict[str, int]:
    """Places left for queues, by channel; none where the agent is away. A channel that they are ready on, and of which
    the capacity says nothing, has one place, as in the vendor's simulator of agents."""
    soft = {
        **dict.fromkeys(ready, DEFAULT_PLACES),
        **{name: places["soft"] for name, places in capacity.items()},
    }
    return {
        channel: 0 if channel in away else max(0, places - held_on(load, channel))
        for channel, places in soft.items()
    }


def away_channels(channels: Mapping[str, str] | None, capacity: Mapping[str, Json]) -> list[str]:
    """The channels on which an agent with this status is away: those that are said to be, all where none is named."""
    if channels is None:
        return list(capacity)
    return [channel for channel, status in channels.items() if status == "away"]


def busyness(places: Json, held: int) -> str:
    """How busy an agent is on a channel of so many places: ``unoccupied``, ``ok``, ``busy`` at the soft capacity,
    ``full`` at the hard one. The words are Engage Digital's."""
    if held >= places["hard"]:
        return "full"
    if held >= places["soft"]:
        return "busy"
    return "ok" if held else "unoccupied"


def fits_softly(
    capacity: Mapping[str, Json],
    load: Mapping[str, Json],
    ready: Iterable[str],
    away: Iterable[str],
    data: Mapping[str, Any],
) -> bool:
    """Whether an agent that is online takes what a queue has for it. What it holds already takes no other place."""
    if data["machine"] not in NEEDS_NO_READINESS and data["channel"] not in ready:
        return False
    held = item_id(data["machine"], data["key"]) in load
    return held or free_places(capacity, load, ready, away).get(data["channel"], 0) > 0


def fits_hard(capacity: Mapping[str, Json], load: Mapping[str, Json], data: Mapping[str, Any]) -> bool:
    """Whether people may give an agent this item. A channel of which the capacity says nothing has no limit."""
    channel = data["channel"]
    if item_id(data["machine"], data["key"]) in load or channel not in capacity:
        return True
    return bool(held_on(load, channel) < capacity[channel]["hard"])


def reserved(load: Mapping[str, Json], data: Mapping[str, Any], now: str) -> Json:
    """``{id: booking}`` for an offer that goes out.

    ``offers`` counts what the item has yet to give back: one for each offer and for each assignment by hand. So the
    answers may come in any order, also those to offers that were overtaken.
    """
    name = item_id(data["machine"], data["key"])
    old = load.get(name) or _booking(data, now)
    return {name: {**old, "offers": old["offers"] + 1}}


def booked(load: Mapping[str, Json], data: Mapping[str, Any], now: str) -> Json:
    """``{id: booking}`` for an assignment by hand: no offer, no confirmation to wait for."""
    return {name: {**booking, "confirmed": True} for name, booking in reserved(load, data, now).items()}


def confirmed(load: Mapping[str, Json], data: Mapping[str, Any], now: str) -> Json:
    """``{id: booking}`` once the item says that it is with this agent. Said again, it answers an offer that came
    too late: nothing more is expected for that one."""
    name = item_id(data["machine"], data["key"])
    old = load.get(name)
    if old is None:
        return booked(load, data, now)
    offers = max(1, old["offers"] - 1) if old["confirmed"] else old["offers"]
    return {name: {**old, "confirmed": True, "offers": offers}}


def released(load: Mapping[str, Json], data: Mapping[str, Any], now: str) -> Json:
    """The load once the item has given one offer or assignment back; its place is free with the last."""
    name = item_id(data["machine"], data["key"])
    rest = {other: booking for other, booking in load.items() if other != name}
    old = load.get(name)
    if old is None or old["offers"] <= 1:
        return rest
    return {**rest, name: {**old, "offers": old["offers"] - 1, "confirmed": False, "at": now}}


def held_keys(machine: str, load: Mapping[str, Json]) -> list[str]:
    """The keys of the items of this machine that an agent holds or is offered, oldest first."""
    held = [booking for booking in load.values() if booking["machine"] == machine]
    return [booking["key"] for booking in sorted(held, key=lambda booking: (booking["at"], booking["key"]))]


def unconfirmed_due(load: Mapping[str, Json]) -> str | None:
    """When the oldest reservation without an answer is taken back; null: there is none."""
    first = min((booking["at"] for booking in load.values() if not booking["confirmed"]), default=None)
    return None if first is None else add_seconds(first, OFFER_SECONDS)


def without_unconfirmed(load: Mapping[str, Json], now: str) -> Json:
    """The load less what was not answered in `OFFER_SECONDS`."""
    return {
        name: booking
        for name, booking in load.items()
        if booking["confirmed"] or add_seconds(booking["at"], OFFER_SECONDS) > now
    }


def held_on(load: Mapping[str, Json], channel: str) -> int:
    """How many items of a channel an agent holds or is offered."""
    return sum(booking["channel"] == channel for booking in load.values())


def _booking(data: Mapping[str, Any], now: str) -> Json:
    names = ("machine", "key", "channel", "queue")
    return {**{name: data.get(name) for name in names}, "at": now, "confirmed": False, "offers": 0}


CAPACITY: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        function.__name__: function
        for function in (
            *(union, difference, full_capacity, free_places, away_channels, fits_softly, fits_hard),
            *(reserved, booked, confirmed, released, held_keys, unconfirmed_due, without_unconfirmed),
        )
    }
)
"""What the charts may call by name."""
