"""Secrets at rest: under a key of the configuration, never of the database. Webhooks' own with AES-256-GCM,
private fields of instances as `sealing` does it.

The key is ``INTERLOCK_SECRET_KEY``, else the file ``INTERLOCK_SECRET_KEY_FILE``, which is made (mode 0600)
where it does not exist. Each ciphertext names its key and is bound to its webhook, so that one cannot be
moved to another webhook.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import redis
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from interlock.engine.errors import InterlockError
from interlock.engine.keys import Keys
from interlock.engine.sealing import Sealer
from interlock.engine.settings import Settings

KEY_BYTES = 32
_NONCE_BYTES = 12
_FORMAT = "v1"


class SecretKeyWrong(InterlockError):
    """The key does not fit what is stored. Set INTERLOCK_SECRET_KEY (or INTERLOCK_SECRET_KEY_FILE) to the
    key that the other processes of this deployment use."""


class SecretKeyInvalid(InterlockError):
    """The key is not 32 bytes in URL-safe base64, or its file cannot be read or made."""


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A key and its public ``id``: the first 8 hex digits of its SHA-256."""

    id: str
    _cipher: AESGCM = field(repr=False)
    _raw: bytes = field(repr=False)

    @classmethod
    def from_bytes(cls, raw: bytes) -> SecretKey:
        if len(raw) != KEY_BYTES:
            raise SecretKeyInvalid(
                f"INTERLOCK_SECRET_KEY holds {len(raw)} bytes instead of {KEY_BYTES}: "
                "make one with `python -c 'import base64, os; "
                "print(base64.urlsafe_b64encode(os.urandom(32)).decode())'`"
            )
        return cls(hashlib.sha256(raw).hexdigest()[:8], AESGCM(raw), raw)

    def sealer(self) -> Sealer:
        """What seals private fields, under a key derived from this one."""
        return Sealer(self._raw)

    def encrypt(self, plain: bytes, webhook_id: str) -> str:
        """``v1.<key id>.<base64 of nonce and ciphertext>``, readable only under the same webhook id."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(nonce, plain, webhook_id.encode())
        return f"{_FORMAT}.{self.id}.{base64.urlsafe_b64encode(sealed).decode()}"

    def decrypt(self, cipher: str, webhook_id: str) -> bytes:
        """The plain bytes. Raises `SecretKeyWrong` for another key, another webhook or changed bytes."""
        form, _, rest = cipher.partition(".")
        key_id, _, sealed_text = rest.partition(".")
        if form != _FORMAT or key_id != self.id:
            raise SecretKeyWrong(_wrong_key(key_id, self.id))
        try:
            sealed = base64.urlsafe_b64decode(sealed_text)
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], webhook_id.encode())
        except (InvalidTag, binascii.Error, ValueError):
            raise SecretKeyWrong(
                f"the stored secret of webhook {webhook_id} was changed or moved: remove it and add it again"
            ) from None


KEY_FAULTS = (SecretKeyWrong, SecretKeyInvalid)
"""What is wrong with this process and not with the data: set the key right, and all goes on."""


def load_key(settings: Settings) -> SecretKey:
    """The deployment's key; makes the key file on first use. Raises `SecretKeyInvalid`."""
    if settings.secret_key is not None:
        return SecretKey.from_bytes(_decode(settings.secret_key.strip(), "INTERLOCK_SECRET_KEY"))
    path = settings.secret_key_file
    try:
        return SecretKey.from_bytes(_decode(_read_or_make(path), str(path)))
    except OSError as error:
        raise SecretKeyInvalid(
            f"the key file {path} cannot be used ({error.strerror}): "
            "name another with INTERLOCK_SECRET_KEY_FILE, or set INTERLOCK_SECRET_KEY"
        ) from error


def claim_key(client: redis.Redis, keys: Keys, key: SecretKey) -> None:
    """Make ``key`` the deployment's, or see that it is. Raises `SecretKeyWrong` where another is in use."""
    client.hsetnx(keys.meta, "secret_key_id", key.id)
    known = cast(bytes | None, client.hget(keys.meta, "secret_key_id"))
    if known is not None and known != key.id.encode():
        raise SecretKeyWrong(_wrong_key(known.decode(errors="replace"), key.id))


def _wrong_key(stored: str, configured: str) -> str:
    return (
        f"secrets are stored under key {stored}, and this process has key {configured}: set "
        "INTERLOCK_SECRET_KEY (or INTERLOCK_SECRET_KEY_FILE) to the key that the other processes use"
    )


def _decode(text: str, source: str) -> bytes:
    try:
        return base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise SecretKeyInvalid(f"{source} is not URL-safe base64 of {KEY_BYTES} bytes: correct it") from None


def _read_or_make(path: Path) -> str:
    if not path.exists():
        _make(path)
    return path.read_text().strip()


def _make(path: Path) -> None:
    """Write a whole new key and give it its name in one move: another process sees no half file and the
    first one wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.urlsafe_b64encode(os.urandom(KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()
