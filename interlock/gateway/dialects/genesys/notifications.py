"""Notifications by CometD: the Bayeux protocol with long polling at ``/notifications``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from interlock.engine.tokens import Principal
from interlock.gateway.answers import answer
from interlock.gateway.callers import Caller
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.dialects.genesys import bayeux
from interlock.gateway.dialects.genesys.bayeux import Message
from interlock.gateway.dialects.genesys.calls import AT_A_DESK
from interlock.gateway.dialects.genesys.errors import invalid, no_permission
from interlock.gateway.dialects.genesys.notifying import listen
from interlock.gateway.dialects.genesys.sessions import OpenSessions, Session, Sessions
from interlock.gateway.dialects.genesys.words import EVERY_ERROR

MOST_MESSAGES = 100
"""Messages of one request."""

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
    """One request of a client. ``may_hold``: a connect may wait; one of a request does."""

    request: Request
    deployment: ServedDeployment
    principal: Principal
    sessions: Sessions
    may_hold: bool = True

    async def is_gone(self) -> bool:
        return self.deployment.commands.stopping or await self.request.is_disconnected()


@router.post("/notifications", **_ROUTE)
async def exchange_messages(
    request: Request, deployment: Deployment, caller: Caller, sessions: OpenSessions
) -> Response:
    """Messages of Bayeux: handshake, connect (held until there is something to tell), subscribe, disconnect."""
    return await _exchanged(Talk(request, deployment, caller, sessions))


@router.post("/notifications/{kind}", **_ROUTE)
async def exchange_messages_of_a_kind(
    request: Request, deployment: Deployment, caller: Caller, sessions: OpenSessions, kind: str
) -> Response:
    """The same, for clients that put what they send behind the address: `handshake`, `connect`, ..."""
    del kind
    return await _exchanged(Talk(request, deployment, caller, sessions))


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
    base = f"{str(talk.request.base_url).rstrip('/')}/genesys/api/v2"
    session = talk.sessions.begin(talk.principal, acknowledges, partial(listen, talk.deployment, base))
    if session is None:
        return [bayeux.refusal(message, bayeux.TOO_MANY, advice={"reconnect": "handshake", "interval": 5000})]
    await session.hears.wait()
    if session.is_over:
        return [bayeux.refusal(message, bayeux.UNKNOWN_CLIENT)]
    return [bayeux.handshaken(message, session.client_id, acknowledges)]


async def _connect(talk: Talk, message: Message, session: Session) -> list[Message]:
    is_first = session.batch == 0  # which tells the client at once that it is connected
    session.acknowledge(bayeux.acknowledged(message))
    batch = session.batch if session.acknowledges else None
    seconds = bayeux.hold_seconds(message) if talk.may_hold and not is_first else 0
    told = await session.following(seconds, talk.is_gone)
    if session.is_over and not told:
        return [bayeux.refusal(message, bayeux.UNKNOWN_CLIENT)]
    return [*told, bayeux.connected(message, session.client_id, batch)]


async def _subscribe(_talk: Talk, message: Message, session: Session) -> list[Message]:
    channels = bayeux.subscriptions(message)
    named = {"clientId": session.client_id, "subscription": message.get("subscription")}
    if channels is None:
        return [bayeux.refusal(message, bayeux.MALFORMED, **named)]
    if not all(map(bayeux.is_own, channels)):
        return [bayeux.refusal(message, bayeux.DENIED, **named)]
    session.channels = [*dict.fromkeys([*session.channels, *channels])][-MOST_MESSAGES:]
    return [bayeux.reply(message, **named)]


async def _unsubscribe(_talk: Talk, message: Message, session: Session) -> list[Message]:
    channels = bayeux.subscriptions(message) or []
    session.channels = [one for one in session.channels if one not in channels]
    return [bayeux.reply(message, clientId=session.client_id, subscription=message.get("subscription"))]


async def _disconnect(talk: Talk, message: Message, session: Session) -> list[Message]:
    talk.sessions.end(session)
    return [bayeux.reply(message, clientId=session.client_id)]


_Act = Callable[[Talk, Message], Awaitable[list[Message]]]


def _in_session(act: Callable[[Talk, Message, Session], Awaitable[list[Message]]]) -> _Act:
    async def acting(talk: Talk, message: Message) -> list[Message]:
        session = talk.sessions.of(message.get("clientId"), talk.principal)
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
