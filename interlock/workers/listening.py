"""`listen`: events as they are announced, and copies of them for a receiver on the developer's machine.

Nothing is stored: no subscription, no delivery, no attempt. The outboxes of all partitions are read with one
blocking read; who stops listening leaves no trace. A server that goes away is waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import orjson
import redis
import redis.asyncio
import structlog

from interlock.engine.addresses import check_url
from interlock.engine.clients import connect_async
from interlock.engine.delivery_log import Attempt
from interlock.engine.event_filters import EventFilter
from interlock.engine.ids import entry_place
from interlock.engine.keys import Keys
from interlock.engine.profiles import profile_of
from interlock.engine.settings import Settings
from interlock.engine.signing import message_id
from interlock.workers.http_client import HttpClient

_BLOCK_MS = 5000
"""Shorter than the client's patience with a silent server; the read is then simply made again."""
_READ_EVENTS = 100
_AHEAD = 1000
"""Events that wait for the receiver's answer to an earlier one; the reading waits when there are more."""
_LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_BEGINNING = "0-0"
_AWAY = (redis.ConnectionError, redis.TimeoutError, OSError)
SESSION = "listen"
"""What stands for the webhook's id in the message ids of a session."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Heard:
    """An event from an outbox. ``event``: the CloudEvent; ``body``: its bytes."""

    id: str
    type: str
    event: Mapping[str, Any]
    body: bytes


@dataclass(frozen=True, slots=True)
class Listener:
    """What is to be heard, and what happens then, all of it in the event loop. ``ready``: called once nothing
    can be missed any more; ``answered``: with the receiver's answer, or its lack; ``lost``: the server does not
    answer, with the reason; ``back``: it does again, and whether it still has all that was heard."""

    wanted: EventFilter
    ready: Callable[[], None]
    heard: Callable[[Heard], None]
    answered: Callable[[Heard, Attempt], None]
    lost: Callable[[str], None]
    back: Callable[[bool], None]


def receiver_url(text: str, settings: Settings) -> str:
    """The URL of ``--forward-to``: also ``4242``, ``localhost:4242/hook``. Raises UrlRefused."""
    url = text
    if text.isascii() and text.isdigit():
        url = f"http://127.0.0.1:{text}/"
    elif "://" not in text:
        url = f"http://{text}"
    check_url(url, _reachable(settings).webhook_allow_cidrs, settings.webhook_allow_hosts)
    return url


async def listen(
    settings: Settings, keys: Keys, listener: Listener, *, url: str | None, secret: bytes
) -> None:
    """Tell events from now on until it is cancelled; forward them to ``url``, one after the other.

    Once it has begun, a server that goes away is waited for, and the events after the last one follow.
    Raises redis.RedisError where it cannot begin, or the server refuses what is asked.
    """
    async with connect_async(settings, connections=2) as client:
        queue: asyncio.Queue[Heard] = asyncio.Queue(_AHEAD)
        work = [asyncio.ensure_future(_read_all(client, keys, listener, queue if url else None))]
        if url:
            work.append(asyncio.ensure_future(_forward_all(settings, listener, queue, url, secret)))
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await _end(work)


async def _end(work: Iterable[asyncio.Future[None]]) -> None:
    """Cancel until all have ended: in Python 3.11 `asyncio.wait_for`, which redis-py sends with, may lose one."""
    pending = set(work)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=0.05)


async def _read_all(
    client: redis.asyncio.Redis, keys: Keys, listener: Listener, queue: asyncio.Queue[Heard] | None
) -> None:
    ends = await _ends(client, keys)
    listener.ready()
    async for one in _follow(client, ends, listener):
        if listener.wanted.wants(one.event):
            listener.heard(one)
            if queue is not None:
                await queue.put(one)


async def _forward_all(
    settings: Settings, listener: Listener, queue: asyncio.Queue[Heard], url: str, secret: bytes
) -> None:
    profile = profile_of("standard")
    async with HttpClient(_reachable(settings)) as http:
        while True:
            one = await queue.get()
            message = message_id(one.id, SESSION)
            outgoing = profile.request(
                one.body, message=message, webhook_id=SESSION, secrets=[secret], at=datetime.now(UTC)
            )
            listener.answered(one, await http.post(url, outgoing.headers, outgoing.body))


def _reachable(settings: Settings) -> Settings:
    """Settings that allow this machine too: whoever names it on the command line means it."""
    allowed = (*settings.webhook_allow_cidrs, *_LOOPBACK)
    return settings.model_copy(update={"webhook_allow_cidrs": allowed})


async def _ends(client: redis.asyncio.Redis, keys: Keys) -> dict[str, str]:
    """Each partition's outbox and the id of its last entry; without those that hold another type."""
    ends: dict[str, str] = {}
    for number in range(keys.partitions):
        outbox = keys.partition(number).outbox
        try:
            last: Any = await client.xrevrange(outbox, count=1)
        except redis.ResponseError:
            _log.error("foreign_data", key=outbox)
            continue
        ends[outbox] = last[0][0].decode() if last else _BEGINNING
    return ends


async def _follow(
    client: redis.asyncio.Redis, ends: dict[str, str], listener: Listener
) -> AsyncIterator[Heard]:
    """Every event behind ``ends``, as it comes; in order within a partition."""
    while True:
        try:
            found = await _read(client, ends)
        except redis.AuthenticationError:  # a connection error by its kind, but no waiting helps
            raise
        except _AWAY as error:
            listener.lost(type(error).__name__)
            listener.back(await _answers_again(client, ends))
            continue
        for outbox, entries in found:
            for entry, fields in entries:
                ends[outbox.decode()] = entry.decode()
                one = _heard(entry.decode(), fields.get(b"event", b""))
                if one is not None:
                    yield one


async def _read(client: redis.asyncio.Redis, ends: dict[str, str]) -> Any:
    """The next entries of each outbox that has any; nothing after a while without."""
    places: dict[Any, Any] = dict(ends)
    try:
        return await client.xread(places, count=_READ_EVENTS, block=_BLOCK_MS)
    except redis.ResponseError:
        if not await _drop_foreign(client, ends):
            raise
        return []


async def _answers_again(client: redis.asyncio.Redis, ends: dict[str, str]) -> bool:
    """Wait until the server answers; whether it still has the entries that were read last.

    Where it lost them (a restart without its data, a replica that was behind), ``ends`` go back to what it has:
    its next entry may have a smaller id than the last that was read.
    """
    for seconds in _pauses():
        await asyncio.sleep(seconds)
        try:
            return await _step_back(client, ends)
        except redis.AuthenticationError:
            raise
        except _AWAY:
            continue
    raise AssertionError("the pauses never end")


def _pauses() -> Iterator[float]:
    seconds = _FIRST_PAUSE_SECONDS
    while True:
        yield seconds
        seconds = min(seconds * 2, _LONGEST_PAUSE_SECONDS)


async def _step_back(client: redis.asyncio.Redis, ends: dict[str, str]) -> bool:
    complete = True
    for outbox, known in list(ends.items()):
        kind = await client.type(outbox)
        if kind not in (b"stream", b"none"):
            continue  # the next read says so
        # Not its last entry: that may have been trimmed.
        about: Any = await client.xinfo_stream(outbox) if kind == b"stream" else {}
        last = about["last-generated-id"].decode() if about else _BEGINNING
        if entry_place(last) < entry_place(known):
            ends[outbox], complete = last, False
    return complete


async def _drop_foreign(client: redis.asyncio.Redis, ends: dict[str, str]) -> bool:
    """Go on without the outboxes where somebody put another type meanwhile; whether there were any."""
    foreign = [outbox for outbox in ends if await client.type(outbox) not in (b"stream", b"none")]
    for outbox in foreign:
        _log.error("foreign_data", key=outbox)
        del ends[outbox]
    return bool(foreign)


def _heard(entry: str, raw: bytes) -> Heard | None:
    try:
        event = orjson.loads(raw)
        event_id, event_type = event["id"], event["type"]
        if not (isinstance(event_id, str) and isinstance(event_type, str)):
            raise TypeError
    except (orjson.JSONDecodeError, KeyError, TypeError):
        _log.error("event_unreadable", entry=entry)
        return None
    return Heard(event_id, event_type, event, raw)
