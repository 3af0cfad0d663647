"""Signatures by a key pair: ``v1a`` of Standard Webhooks 1.0, ed25519. Pure.

The receiver holds only the public key (``whpk_``), so whoever reads it there can sign nothing. The private key
is a seed of 32 bytes; as text it is ``whsk_`` and base64 of seed and public key together.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from interlock.engine.signing import SecretInvalid

PUBLIC_PREFIX = "whpk_"
PRIVATE_PREFIX = "whsk_"
SEED_BYTES = 32


class SignatureScheme(StrEnum):
    """How the requests of a webhook are signed."""

    HMAC = "hmac"
    """``v1``: HMAC-SHA256 under a secret that both sides hold."""
    ED25519 = "ed25519"
    """``v1a``: by a private key that never leaves us."""


def public_key(seed: bytes) -> str:
    """The ``whpk_`` text that the receiver verifies with."""
    return PUBLIC_PREFIX + base64.b64encode(_key(seed).public_key().public_bytes_raw()).decode()


def parse_private_key(text: str) -> bytes:
    """The seed of a ``whsk_`` text. Raises SecretInvalid, whose message never repeats the text."""
    try:
        raw = base64.b64decode(text.removeprefix(PRIVATE_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise SecretInvalid from None
    seed, public = raw[:SEED_BYTES], raw[SEED_BYTES:]
    if not text.startswith(PRIVATE_PREFIX) or len(seed) != SEED_BYTES:
        raise SecretInvalid
    if public and public != _key(seed).public_key().public_bytes_raw():
        raise SecretInvalid
    return seed


def sign(seed: bytes, message: str, timestamp: int, body: bytes) -> str:
    """One signature, ``v1a,<base64>``. ``timestamp``: Unix seconds of this attempt."""
    signature = _key(seed).sign(f"{message}.{timestamp}.".encode() + body)
    return "v1a," + base64.b64encode(signature).decode()


def signature_header(seeds: Sequence[bytes], message: str, timestamp: int, body: bytes) -> str:
    """The ``webhook-signature`` of a request: one signature for each key."""
    return " ".join(sign(seed, message, timestamp, body) for seed in seeds)


@lru_cache(maxsize=256)
def _key(seed: bytes) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed)
