"""Secrets of vendors' receivers: a text that both sides hold. Pure.

It is one of ours (``whsec_...``) or one that a receiver was configured with long ago; then its bytes are kept
under a mark, and the text is what requests carry and what they are signed with.
"""

from __future__ import annotations

import re

from interlock.engine.errors import InterlockError
from interlock.engine.signing import SECRET_PREFIX, format_secret, parse_secret

# A random secret begins so once in 2^40; its deliveries would then fail until the next rotation.
_MARK = b"text:"
_TEXT = re.compile(r"\A[\x21-\x7e]{8,255}\Z")


class SharedSecretInvalid(InterlockError):
    """A receiver's own secret is 8 to 255 visible ASCII characters without spaces. Leave it out to have one made."""

    def __init__(self) -> None:
        super().__init__(str(self.__doc__))


def parse_shared(text: str) -> bytes:
    """What is kept of a secret. Raises SecretInvalid, SharedSecretInvalid; neither repeats the text."""
    if text.startswith(SECRET_PREFIX):
        return parse_secret(text)
    if not _TEXT.match(text):
        raise SharedSecretInvalid
    return _MARK + text.encode()


def is_own_text(secret: bytes) -> bool:
    """Whether it is a text of a receiver's own, which only vendors' profiles can use."""
    return secret.startswith(_MARK)


def shared_text(secret: bytes) -> str:
    """The text that a request carries."""
    return secret.removeprefix(_MARK).decode() if is_own_text(secret) else format_secret(secret)


def signing_key(secret: bytes) -> bytes:
    """The key of Standard Webhooks' signatures: of a receiver's own secret, its bytes."""
    return secret.removeprefix(_MARK)
