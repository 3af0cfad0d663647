"""The public keys of an identity provider as JSON Web Key Sets (RFC 7517), from a file or a URL, chosen by ``kid``.

A set is read when it is first needed, again when it has become old, and when a token names a key that is not in it,
which is how providers change keys. What cannot be read leaves the keys that are known as they are, for a day.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from interlock.engine.addresses import host_name
from interlock.engine.audit import origin_of
from interlock.engine.errors import InterlockError
from interlock.engine.ingress import read_object
from interlock.engine.settings import Settings

MAX_BYTES = 256 * 1024
"""Of a key set; a longer one is not read."""
MAX_AGE_SECONDS = 86_400.0
"""Keys that could not be read again for so long are believed no more."""
MIN_RSA_BITS = 2048
_FETCH_SECONDS = 5.0
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))

log = structlog.get_logger()


class KeySetInvalid(InterlockError):
    """This is no key set, or holds no key that can be used here: RSA (RS256) or Ed25519 (EdDSA), for signatures."""


class KeySetUnavailable(InterlockError):
    """A key set could not be read, so whether a signature is right cannot be told. Try again later."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a set is read, in seconds: again when it is ``fresh`` no more; ``at_most`` once in so long, whatever
    tokens name."""

    fresh: float
    at_most: float


FILE_PACE = Pace(fresh=10, at_most=1)
URL_PACE = Pace(fresh=600, at_most=10)


def algorithm_of(key: object) -> str | None:
    """The one algorithm by which signatures with a public key are checked; None where it is not taken at all."""
    if isinstance(key, Ed25519PublicKey):
        return "EdDSA"
    if isinstance(key, RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
        return "RS256"
    return None


class KeySet:
    """Keys by ``kid`` and algorithm. ``read``: gives the document; ``name``: for the log; ``clock``: seconds."""

    def __init__(
        self,
        read: Callable[[], Awaitable[bytes]],
        name: str,
        pace: Pace,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._read, self._name, self._pace, self._clock = read, name, pace, clock
        self._keys: dict[tuple[str | None, str], Any] = {}
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._reading: asyncio.Task[None] | None = None

    async def key(self, kid: str | None, algorithm: str) -> Any:
        """The key that a token names, or the only one for its algorithm where it names none; None: there is none.

        Waits for the set only where the key is not known yet. Raises KeySetUnavailable where no set could be read.
        """
        found = self._find(kid, algorithm)
        if self._is_due(unknown=found is None):
            self._reading = asyncio.create_task(self._refresh())
        if found is None and self._reading is not None:
            await asyncio.shield(self._reading)  # a request that is given up does not end it for the others
            found = self._find(kid, algorithm)
        if self._age() is None:
            raise KeySetUnavailable(f"{self._name} could not be read")
        return found

    async def close(self) -> None:
        """Read no more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    def _find(self, kid: str | None, algorithm: str) -> Any:
        if self._age() is None:
            return None
        if kid is not None:
            return self._keys.get((kid, algorithm))
        fitting = [key for (_, for_algorithm), key in self._keys.items() if for_algorithm == algorithm]
        return fitting[0] if len(fitting) == 1 else None

    def _age(self) -> float | None:
        """Of the keys that are believed; None where none are."""
        age = None if self._read_at is None else self._clock() - self._read_at
        return age if age is not None and age < MAX_AGE_SECONDS else None

    def _is_due(self, *, unknown: bool) -> bool:
        if self._reading is not None and not self._reading.done():
            return False
        if self._tried_at is not None and self._clock() - self._tried_at < self._pace.at_most:
            return False
        age = self._age()
        return unknown or age is None or age >= self._pace.fresh

    async def _refresh(self) -> None:
        self._tried_at = self._clock()
        try:
            self._keys = parsed(await self._read())
        except (KeySetInvalid, KeySetUnavailable, OSError) as error:
            log.warning("key_set_not_read", key_set=self._name, reason=str(error))
            return
        self._read_at = self._clock()


def parsed(raw: bytes) -> dict[tuple[str | None, str], Any]:
    """The keys of a set that may be used, by ``kid`` and algorithm. Raises KeySetInvalid where there are none."""
    body = read_object(raw)
    try:
        found = jwt.PyJWKSet.from_dict(body or {}).keys
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):  # what a hostile set makes of the reader
        found = []
    keys = {}
    for one in found:
        algorithm = algorithm_of(one.key)
        kid = one.key_id if isinstance(one.key_id, str) else None
        if algorithm == one.algorithm_name and one.public_key_use in (None, "sig"):
            keys[kid, algorithm] = one.key
    if not keys:
        raise KeySetInvalid("it is no key set, or holds no public key for RS256 or EdDSA")
    return keys


def from_file(path: Path) -> KeySet:
    """The set in a file. Raises KeySetInvalid, OSError; later faults leave the keys as they are."""
    parsed(_contents(path))

    async def read() -> bytes:
        return await asyncio.to_thread(_contents, path)

    return KeySet(read, str(path), FILE_PACE)


def _contents(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES)


def from_url(settings: Settings, url: str) -> KeySet:
    """The set at a URL: https, or http on this machine. Raises KeySetInvalid for another.

    Its host may be private, as those of webhooks may not: whoever runs the gateway has named it, no request can. Else
    it is asked as receivers are: no redirects, no proxy of the environment, one deadline, a bounded answer.
    """
    try:
        host, scheme = urlsplit(url).hostname, urlsplit(url).scheme
    except ValueError:
        host = scheme = None
    if not host or not (scheme == "https" or (scheme == "http" and host in _LOOPBACK)):
        raise KeySetInvalid("it must begin with https:// and name a host")
    allowed = settings.model_copy(update={"webhook_allow_hosts": (host_name(host),)})

    async def read() -> bytes:
        # Imported where it is needed: its HTTP client would make every gateway start later.
        from interlock.workers.http_client import HttpClient

        async with HttpClient(allowed) as http:
            answer = await http.get(
                url, {"Accept": "application/json"}, max_bytes=MAX_BYTES, timeout_seconds=_FETCH_SECONDS
            )
        if answer.status != 200:
            raise KeySetUnavailable(answer.error or f"it answered {answer.status}")
        return answer.body

    return KeySet(read, origin_of(url), URL_PACE)
