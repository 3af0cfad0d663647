"""The Bayeux protocol as far as its messages go: what is answered to each, and with which errors. Pure.

https://docs.cometd.org/current/reference/#_bayeux
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Message = dict[str, Any]

HANDSHAKE, CONNECT, DISCONNECT = "/meta/handshake", "/meta/connect", "/meta/disconnect"
SUBSCRIBE, UNSUBSCRIBE = "/meta/subscribe", "/meta/unsubscribe"
LONG_POLLING = "long-polling"
OWN_INTERACTIONS = "/v2/me/interactions"
"""The channel on which an agent hears of interactions."""
_OWN = "/v2/me"
HOLD_SECONDS = 30.0
"""How long a connect waits for something to tell, where the client wants no other time."""

UNKNOWN_CLIENT = "402::Unknown client"
DENIED = "403::Not a channel of yours"
MALFORMED = "400::Malformed message"
NO_TRANSPORT = "400::No supported connection type"
TOO_MANY = "429::Too many sessions"
_RETRY: Message = {"reconnect": "retry", "interval": 0, "timeout": int(HOLD_SECONDS * 1000)}
_BEGIN_AGAIN: Message = {"reconnect": "handshake", "interval": 0}
_GIVE_UP: Message = {"reconnect": "none"}


def reply(message: Mapping[str, Any], **more: Any) -> Message:
    """The answer to a message that was done."""
    told = {"channel": message.get("channel"), "successful": True, **more}
    if "id" in message:
        told["id"] = message["id"]
    return told


def refusal(message: Mapping[str, Any], error: str, **more: Any) -> Message:
    """The answer to a message that was not done. Who is unknown is told to begin again."""
    if error == UNKNOWN_CLIENT:
        more = {"advice": _BEGIN_AGAIN, **more}
    return {**reply(message, **more), "successful": False, "error": error}


def handshaken(message: Mapping[str, Any], client_id: str, acknowledges: bool) -> Message:
    """The answer to a handshake. ``acknowledges``: what a connect brought comes again until the client has it."""
    more: Message = {"ext": {"ack": True}} if acknowledges else {}
    return reply(
        message,
        version="1.0",
        minimumVersion="1.0",
        supportedConnectionTypes=[LONG_POLLING],
        clientId=client_id,
        authSuccessful=True,
        advice=_RETRY,
        **more,
    )


def handshake_error(message: Mapping[str, Any]) -> Message | None:
    """What a handshake is refused with; None where nothing stands against it."""
    types = message.get("supportedConnectionTypes")
    if isinstance(types, list) and LONG_POLLING in types:
        return None
    return refusal(message, NO_TRANSPORT, supportedConnectionTypes=[LONG_POLLING], advice=_GIVE_UP)


def connected(message: Mapping[str, Any], client_id: str, batch: int | None) -> Message:
    """The answer to a connect. ``batch``: its number, of a client that acknowledges them."""
    more: Message = {} if batch is None else {"ext": {"ack": batch}}
    return reply(message, clientId=client_id, advice=_RETRY, **more)


def hold_seconds(message: Mapping[str, Any]) -> float:
    """How long this connect may wait."""
    advice = message.get("advice")
    wanted = advice.get("timeout") if isinstance(advice, dict) else None
    if not isinstance(wanted, int | float) or isinstance(wanted, bool):
        return HOLD_SECONDS
    return min(max(wanted / 1000, 0.0), HOLD_SECONDS)


def acknowledged(message: Mapping[str, Any]) -> int | None:
    """The number of the last batch that the client has; None where it does not say."""
    ext = message.get("ext")
    number = ext.get("ack") if isinstance(ext, dict) else None
    return number if type(number) is int else None


def subscriptions(message: Mapping[str, Any]) -> list[str] | None:
    """The channels that a message names; None where it names none."""
    named = message.get("subscription")
    channels: list[Any] = named if isinstance(named, list) else [named]
    if not 1 <= len(channels) <= 100 or not all(
        isinstance(one, str) and 0 < len(one) <= 256 for one in channels
    ):
        return None
    return channels


def is_own(channel: str) -> bool:
    """Whether it is a channel of the caller's: below `/v2/me`, wildcards too."""
    return channel == _OWN or channel.startswith(f"{_OWN}/") or channel in ("/v2/*", "/v2/**", "/**")


def heard_on(channel: str) -> str | None:
    """The channel under which a subscription to ``channel`` hears of interactions; None where it does not."""
    if channel.rstrip("/") == OWN_INTERACTIONS:
        return channel
    return OWN_INTERACTIONS if channel in (f"{_OWN}/*", f"{_OWN}/**", "/v2/**", "/**") else None
