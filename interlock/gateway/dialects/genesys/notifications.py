"""Notifications by CometD: the Bayeux protocol with long polling at ``/notifications``, and where the vendor has it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from interlock.engine.tokens import Principal
from interlock.gateway.answers import answer
from interlock.gateway.callers import Caller
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.dialects.genesys import bayeux
from interlock.gateway.dialects.genesys.bayeux import Message
from interlock.gateway.dialects.genesys.calls import AT_A_DESK, api_base
from interlock.gateway.dialects.genesys.errors import invalid, no_permission
from interlock.gateway.dialects.genesys.notifying import concerns, told
from interlock.gateway.dialects.genesys.sessions import MOST_WAITING, Hold, OpenSessions, Session, Sessions
from interlock.gateway.dialects.genesys.words import EVERY_ERROR
from interlock.gateway.listener import Announced, Listening, TooSlow
from interlock.gateway.places import Entry, PlaceInvalid, PlaceLost, furthest, place_text, read_place

MOST_MESSAGES = 100
"""Messages of one request, and notifications of one answer."""
MOST_BYTES = 2**20
"""How long what an answer tells of may be before the rest waits for the next."""
_SLICE_SECONDS = 1.0

router = APIRouter()

_MESSAGE = {
    "type": "object",
    "description": "Of Bayeux. What is wrong with one is told in its answer, under 200.",
}
_MESSAGES = {"type": "array", "items": _MESSAGE, "minItems": 1, "maxItems": MOST_MESSAGES}
_ROUTE: dict[str, Any] = {
    "response_model": None,
    "responses": {
        200: {
            "description": "The answers, and before that of a connect what there is to tell.",
            "content": {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}},
        },
        **EVERY_ERROR,
    },
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"anyOf": [_MESSAGES, _MESSAGE]}}},
        }
    },
}


@dataclass(frozen=True, slots=True)
class Talk:
    """One request of a client. ``base``: where the API is; ``may_hold``: a connect may wait; one of a request does."""

    request: Request
    deployment: ServedDeployment
    principal: Principal
    sessions: Sessions
    base: str
    may_hold: bool = True

    async def is_gone(self) -> bool:
        return self.deployment.commands.stopping or await self.request.is_disconnected()


async def talking(request: Request, deployment: Deployment, caller: Caller, sessions: OpenSessions) -> Talk:
    """The request as one of a client of Bayeux."""
    return Talk(request, deployment, caller, sessions, api_base(request))


Talking = Annotated[Talk, Depends(talking)]


@router.post("/genesys/cometd", include_in_schema=False)
@router.post("/genesys/api/v2/notifications", **_ROUTE)
async def exchange_messages(talk: Talking) -> Response:
    """Messages of Bayeux: handshake, connect (held until there is something to tell), subscribe, disconnect."""
    return await _exchanged(talk)


@router.post("/genesys/cometd/{kind}", include_in_schema=False)
@router.post("/genesys/api/v2/notifications/{kind}", **_ROUTE)
async def exchange_messages_of_a_kind(talk: Talking, kind: str) -> Response:
    """The same, for clients that put what they send behind the address: `handshake`, `connect`, ..."""
    del kind
    return await _exchanged(talk)


async def _exchanged(talk: Talk) -> Response:
    if talk.principal.kind not in AT_A_DESK:
        raise no_permission("This is for agents. Use a token of an agent.")
    answers: list[Message] = []
    for message in _messages(await talk.request.body()):
        channel = message.get("channel")
        act = _ACTS.get(channel) if isinstance(channel, str) else None
        if act is not None:
            answers += await act(talk, message)
            if channel == bayeux.CONNECT:
                talk = replace(talk, may_hold=False)
        elif isinstance(channel, str):
            answers.append(bayeux.refusal(message, bayeux.DENIED))
        else:
            answers.append(bayeux.refusal(message, bayeux.MALFORMED))
    return answer(answers)


def _messages(raw: bytes) -> list[Message]:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise invalid("The body is no JSON. Correct it.") from None
    messages = body if isinstance(body, list) else [body]
    if not 1 <= len(messages) <= MOST_MESSAGES or not all(isinstance(one, dict) for one in messages):
        raise invalid(f"The body is no list of 1 to {MOST_MESSAGES} messages. Correct it.")
    return messages


async def _handshake(talk: Talk, message: Message) -> list[Message]:
    if (error := bayeux.handshake_error(message)) is not None:
        return [error]
    ext = message.get("ext")
    acknowledges = isinstance(ext, dict) and ext.get("ack") is True
    session = await talk.sessions.begin(talk.principal, acknowledges)
    if session is None:
        return [bayeux.refusal(message, bayeux.TOO_MANY, advice={"reconnect": "handshake", "interval": 5000})]
    return [bayeux.handshaken(message, session.client_id, acknowledges)]


async def _connect(talk: Talk, message: Message, session: Session) -> list[Message]:
    is_first = session.batch == 0  # which tells the client at once that it is connected
    seconds = bayeux.hold_seconds(message) if talk.may_hold and not is_first else 0
    with talk.sessions.holding(session) as hold:
        begun = await talk.sessions.change(
            session, partial(_begun, acknowledged=bayeux.acknowledged(message))
        )
        if begun is None:
            return [bayeux.refusal(message, bayeux.UNKNOWN_CLIENT)]
        try:
            data, after = await Connect(talk, begun, hold, monotonic() + seconds).told()
        except (TooSlow, PlaceInvalid, PlaceLost):
            await talk.sessions.end(begun)
            return [bayeux.refusal(message, bayeux.UNKNOWN_CLIENT)]
    if after is None:
        return [bayeux.refusal(message, bayeux.UNKNOWN_CLIENT, advice={"reconnect": "none"})]
    batch = after.batch if after.acknowledges else None
    events: list[Message] = [{"channel": after.channel, "data": one} for one in data]
    return [*events, bayeux.connected(message, after.client_id, batch)]


def _begun(session: Session, acknowledged: int | None) -> Session:
    """The session when a connect begins. What the client has not of the last batch comes again."""
    is_lost = session.acknowledges and acknowledged is not None and acknowledged < session.batch
    start = session.before if is_lost else session.place
    return replace(session, place=start, before=start, turn=session.turn + 1)


@dataclass(frozen=True, slots=True)
class Connect:
    """One connect of a session, as it was when the connect began. ``until``: it waits no longer, monotonic seconds."""

    talk: Talk
    session: Session
    hold: Hold
    until: float

    async def told(self) -> tuple[list[Any], Session | None]:
        """What there is to tell, as soon as there is anything, and the session after that, None where it is over.
        Nothing where time is up, the client connects anew or is gone. Raises TooSlow, PlaceInvalid, PlaceLost."""
        wants, place = concerns(self.session.principal), self.session.place
        feed = self.talk.deployment.feed
        async with feed.listen(wants, place, notices=True, most=MOST_WAITING) as listening:
            self.hold.listening = listening
            while self.hold.has_turn:
                found = await self._found(listening)
                if await self.talk.is_gone():
                    return [], self.session  # what was found is for the next connect
                if (found or self._is_late()) and self.hold.has_turn:
                    data, after = await self._taken(found, listening.reached())
                    if data or after is None or after.turn != self.session.turn or self._is_late():
                        return data, after
        return [], None if self.hold.is_over else self.session

    def _is_late(self) -> bool:
        return monotonic() >= self.until

    async def _found(self, listening: Listening) -> list[tuple[Announced, Any]]:
        """What has come, with what is told of it; nothing after a while."""
        one = await listening.following(min(max(self.until - monotonic(), 0.001), _SLICE_SECONDS))
        found: list[tuple[Announced, Any]] = []
        size = 0
        while one is not None:
            data = await told(self.talk, one.event)
            if data is not None:
                found.append((one, data))
            size += len(one.body)
            if len(found) >= MOST_MESSAGES or size > MOST_BYTES or not listening.has_more:
                break
            one = await listening.following(_SLICE_SECONDS)
        return found

    async def _taken(
        self, found: list[tuple[Announced, Any]], reached: list[Entry]
    ) -> tuple[list[Any], Session | None]:
        """What of it is for the client, with the session that has been told of it."""
        data: list[Any] = []

        def take(session: Session) -> Session | None:
            data.clear()
            if session.turn != self.session.turn:
                return session  # another connect tells of it
            place = read_place(session.place, len(reached))
            if session.channel is not None:
                data.extend(one for at, one in found if at.entry > place[at.partition])
            further = place_text(furthest(reached, place))
            return replace(session, place=further, batch=session.batch + 1)

        after = await self.talk.sessions.change(self.session, take)
        return data, after


async def _subscribe(talk: Talk, message: Message, session: Session) -> list[Message]:
    channels = bayeux.subscriptions(message)
    named = {"clientId": session.client_id, "subscription": message.get("subscription")}
    if channels is None:
        return [bayeux.refusal(message, bayeux.MALFORMED, **named)]
    if not all(map(bayeux.is_own, channels)):
        return [bayeux.refusal(message, bayeux.DENIED, **named)]
    here = await talk.deployment.feed.here()

    def subscribed(session: Session) -> Session:
        named = tuple(dict.fromkeys([*session.channels, *channels]))[-MOST_MESSAGES:]
        after = replace(session, channels=named)
        if session.channel is None and after.channel is not None:
            after = replace(after, place=here, before=here)  # what was before is not for it
        return after

    return await _answered(talk, message, session, subscribed)


async def _unsubscribe(talk: Talk, message: Message, session: Session) -> list[Message]:
    channels = bayeux.subscriptions(message) or []

    def unsubscribed(session: Session) -> Session:
        return replace(session, channels=tuple(one for one in session.channels if one not in channels))

    return await _answered(talk, message, session, unsubscribed)


async def _answered(
    talk: Talk, message: Message, session: Session, change: Callable[[Session], Session]
) -> list[Message]:
    if await talk.sessions.change(session, change) is None:
        return [bayeux.refusal(message, bayeux.UNKNOWN_CLIENT)]
    return [bayeux.reply(message, clientId=session.client_id, subscription=message.get("subscription"))]


async def _disconnect(talk: Talk, message: Message, session: Session) -> list[Message]:
    await talk.sessions.end(session)
    return [bayeux.reply(message, clientId=session.client_id)]


_Act = Callable[[Talk, Message], Awaitable[list[Message]]]


def _in_session(act: Callable[[Talk, Message, Session], Awaitable[list[Message]]]) -> _Act:
    async def acting(talk: Talk, message: Message) -> list[Message]:
        session = await talk.sessions.of(message.get("clientId"), talk.principal)
        if session is None:
            return [bayeux.refusal(message, bayeux.UNKNOWN_CLIENT)]
        return await act(talk, message, session)

    return acting


_ACTS: Mapping[str, _Act] = {
    bayeux.HANDSHAKE: _handshake,
    bayeux.CONNECT: _in_session(_connect),
    bayeux.SUBSCRIBE: _in_session(_subscribe),
    bayeux.UNSUBSCRIBE: _in_session(_unsubscribe),
    bayeux.DISCONNECT: _in_session(_disconnect),
}
