"""Private values at rest: one JSON text for each, which only the deployment's key opens. Pure; the key is an argument.

AES-SIV (RFC 5297) is deterministic: the same value at the same place gives the same text, so what is stored
can be compared byte by byte. A text is bound to its place (machine, key, kind, name) and opens nowhere else.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from interlock.engine.errors import InterlockError

PREFIX = "sealed:1:"
"""Begins every sealed value. A plain text that begins so is sealed too, public or not: nothing is ambiguous."""
_MARK = f'"{PREFIX}'.encode()
_KEY_BYTES = 64
_LABEL = b"interlock private fields 1"


class NotOpened(InterlockError):
    """A value begins as a sealed one does and was not sealed at this place by this deployment: somebody wrote it."""


class Place(NamedTuple):
    """Where a value belongs. ``kind``: ``context``, ``data``, ``run`` or ``letter``."""

    machine: str
    key: str
    kind: str


class Sealer:
    """Seals and opens under one key."""

    __slots__ = ("_cipher",)

    def __init__(self, secret: bytes) -> None:
        """``secret``: the deployment's secret key; what seals is derived from it under a label of its own."""
        derived = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=_LABEL).derive(secret)
        self._cipher = AESSIV(derived)

    def seal(self, value: Any, place: Place, name: str) -> str:
        """The text that stands for a JSON value: `PREFIX` and URL-safe base64."""
        sealed = self._cipher.encrypt(orjson.dumps(value), _bound(place, name))
        return _text(sealed)

    def open(self, text: str, place: Place, name: str) -> Any:
        """The value that a text stands for. Raises NotOpened, which names the place and no value."""
        try:
            sealed = base64.b64decode(text[len(PREFIX) :], altchars=b"-_", validate=True)
            plain = self._cipher.decrypt(sealed, _bound(place, name))
            if _text(sealed) != text:
                raise ValueError("another spelling of the same bytes")
            return orjson.loads(plain)
        except (InvalidTag, binascii.Error, ValueError):
            raise NotOpened(
                f"{place.kind}.{name} begins with {PREFIX!r} and was not sealed here: send the value itself"
            ) from None


FindSealer = Callable[[], Sealer]
"""Asked only where something is to be sealed or opened, so that who has no private field needs no key."""

Known = dict[str, tuple[Any, str]]
"""Fields with the value that was opened and its sealed text, which is used again while the value is the same."""


def is_sealed(value: object) -> bool:
    """Whether a value has the form of a sealed one."""
    return isinstance(value, str) and value.startswith(PREFIX)


def may_hold_sealed(raw: bytes) -> bool:
    """Whether JSON might hold a sealed value; a quick look that spares parsing."""
    return _MARK in raw


def seal_fields(
    find: FindSealer,
    place: Place,
    fields: dict[str, Any],
    private: Iterable[str],
    known: Known | None = None,
) -> dict[str, Any]:
    """The fields as they are stored: those in ``private`` sealed, and every text that could be taken for sealed.

    Returns ``fields`` itself where nothing is to be sealed. ``known``: see there; it is filled.
    """
    names = {name for name in private if name in fields}
    names.update(name for name, value in fields.items() if is_sealed(value))
    if not names:
        return fields
    known = {} if known is None else known
    stored = dict(fields)
    for name in names:
        value = fields[name]
        before = known.get(name)
        # The very object: actions replace values, they never edit them.
        if before is None or before[0] is not value:
            known[name] = before = (value, find().seal(value, place, name))
        stored[name] = before[1]
    return stored


def open_fields(
    find: FindSealer, place: Place, fields: Mapping[str, Any], known: Known | None = None
) -> dict[str, Any]:
    """The inverse of `seal_fields`; what stands in clear stays. Raises NotOpened."""
    opened = dict(fields)
    for name, value in fields.items():
        if is_sealed(value):
            opened[name] = find().open(value, place, name)
            if known is not None:
                known[name] = (opened[name], value)
    return opened


def _text(sealed: bytes) -> str:
    return PREFIX + base64.urlsafe_b64encode(sealed).decode()


def _bound(place: Place, name: str) -> list[bytes]:
    return [part.encode() for part in (*place, name)]
