"""Signatures of Standard Webhooks 1.0 (https://github.com/standard-webhooks/standard-webhooks): pure.

A receiver checks ``v1,<base64 of HMAC-SHA256(secret, id.timestamp.body)>``; during a rotation the header
carries one signature for each secret, separated by spaces.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence

from interlock.engine.errors import InterlockError

SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix of every secret, not a secret
SECRET_BYTES = 32
MIN_SECRET_BYTES = 24
MAX_SECRET_BYTES = 64


class SecretInvalid(InterlockError):
    """A webhook secret is ``whsec_`` and base64 of 24 to 64 random bytes. Leave it out to have one made."""

    def __init__(self) -> None:
        super().__init__(str(self.__doc__))


def format_secret(secret: bytes) -> str:
    """The text that is given to the subscriber: ``whsec_<base64>``."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def parse_secret(text: str) -> bytes:
    """The bytes of a ``whsec_`` text. Raises `SecretInvalid`, whose message never repeats the text."""
    if not text.startswith(SECRET_PREFIX):
        raise SecretInvalid
    try:
        secret = base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise SecretInvalid from None
    if not MIN_SECRET_BYTES <= len(secret) <= MAX_SECRET_BYTES:
        raise SecretInvalid
    return secret


def message_id(event_id: str, webhook_id: str) -> str:
    """The ``webhook-id`` of an event at an endpoint: one for the two, so the same in every attempt and
    after every crash. It contains no dot, which would blur the signed text."""
    digest = hashlib.sha256(f"{webhook_id}\n{event_id}".encode()).digest()
    return "msg_" + base64.b32encode(digest[:20]).decode().lower()


def sign(secret: bytes, message: str, timestamp: int, body: bytes) -> str:
    """One signature, ``v1,<base64>``. ``timestamp``: Unix seconds of this attempt."""
    digest = hmac.digest(secret, f"{message}.{timestamp}.".encode() + body, "sha256")
    return "v1," + base64.b64encode(digest).decode()


def signed_headers(secrets: Sequence[bytes], message: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of the standard; one signature for each secret. ``timestamp``: Unix seconds."""
    return {
        "webhook-id": message,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(secret, message, timestamp, body) for secret in secrets),
    }
