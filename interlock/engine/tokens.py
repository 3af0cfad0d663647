"""Tokens: who may come in over HTTP, kept in the hash ``<prefix>:tokens``.

A token is a key id and a secret of 256 random bits. Only the secret's SHA-256 is stored: a random text of
that length needs no slow hash, nobody can guess it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from secrets import token_hex, token_urlsafe
from typing import Any, cast, get_args

import orjson
import redis
from pydantic import ValidationError

from interlock.engine.errors import InterlockError
from interlock.engine.keys import Keys
from interlock.engine.messages import Actor, ActorKind, format_time
from interlock.engine.tenancy import DEFAULT_TENANT

KINDS: tuple[str, ...] = get_args(ActorKind)
_SECRET_BYTES = 32
_TENANT = re.compile(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_PERMISSION = re.compile(r"\A[a-z][a-z0-9_]{0,63}(:[^\s\x00-\x1f\x7f]{1,192})?\Z")
_NO_DIGEST = hashlib.sha256(b"").hexdigest()


class TokenInvalid(InterlockError):
    """A token cannot be made from this. Correct what the message names."""


class TokenNotFound(InterlockError):
    """No token is called so: `interlock token list` shows them."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"no token and no principal is called {name!r}: `interlock token list` shows them")


@dataclass(frozen=True, slots=True)
class Principal:
    """Whom a token speaks for. ``id``: of the agent, user or integration; ``kind``: one of `KINDS`."""

    id: str
    kind: str
    tenant: str
    permissions: tuple[str, ...]

    def actor(self) -> dict[str, Any]:
        """The ``actor`` of a command that this principal sends (wire contract)."""
        return {"id": self.id, "kind": self.kind, "permissions": list(self.permissions)}


@dataclass(frozen=True, slots=True)
class Token:
    """A stored token. ``digest``: hex SHA-256 of its secret; ``created_at``: RFC 3339."""

    key_id: str
    principal: Principal
    created_at: str
    digest: str = field(repr=False)

    def shown(self) -> dict[str, Any]:
        """All that may be shown: everything but the digest."""
        return {
            "id": self.principal.id,
            "kind": self.principal.kind,
            "tenant": self.principal.tenant,
            "permissions": list(self.principal.permissions),
            "key_id": self.key_id,
            "created_at": self.created_at,
        }

    def to_bytes(self) -> bytes:
        return orjson.dumps(self.shown() | {"digest": self.digest})

    @classmethod
    def from_bytes(cls, raw: bytes) -> Token:
        fields = orjson.loads(raw)
        permissions = tuple(fields["permissions"])
        principal = Principal(fields["id"], fields["kind"], fields["tenant"], permissions)
        return cls(fields["key_id"], principal, fields["created_at"], fields["digest"])


def create(
    client: redis.Redis,
    keys: Keys,
    kind: str,
    *,
    id: str | None = None,
    tenant: str = DEFAULT_TENANT,
    permissions: Sequence[str] = (),
) -> dict[str, str]:
    """Make a token; ``{"id", "token", "key_id", "secret"}``, which is never shown again.

    ``token`` is the bearer token, ``key_id`` and ``secret`` are the user and password of HTTP Basic. ``id``:
    made where None. One principal may have several tokens. Raises TokenInvalid.
    """
    principal = checked(Principal(id or f"{kind}-{token_hex(6)}", kind, tenant, tuple(permissions)))
    key_id, secret = f"ik_{token_hex(10)}", token_urlsafe(_SECRET_BYTES)
    token = Token(key_id, principal, format_time(datetime.now(UTC)), _digest(secret))
    client.hset(keys.tokens, key_id, token.to_bytes())
    return {"id": principal.id, "token": f"{key_id}.{secret}", "key_id": key_id, "secret": secret}


def list_all(client: redis.Redis, keys: Keys) -> list[Token]:
    """Every token, oldest first."""
    stored = cast(Mapping[bytes, bytes], client.hgetall(keys.tokens))
    tokens = (Token.from_bytes(raw) for raw in stored.values())
    return sorted(tokens, key=lambda token: (token.created_at, token.key_id))


def revoke(client: redis.Redis, keys: Keys, name: str) -> list[str]:
    """End one token, by its key id, or all of a principal, by its id; the key ids that ended.

    From then on each request with them is answered 401. Raises TokenNotFound.
    """
    if client.hdel(keys.tokens, name):
        return [name]
    ended = [token.key_id for token in list_all(client, keys) if token.principal.id == name]
    if not ended:
        raise TokenNotFound(name)
    client.hdel(keys.tokens, *ended)
    return ended


def split(token: str) -> tuple[str, str]:
    """Key id and secret of a bearer token; two texts that fit no token where it is none."""
    key_id, _, secret = token.partition(".")
    return key_id, secret


def verify(stored: bytes | None, secret: str) -> Principal | None:
    """The principal of what is ``stored`` under a key id, where ``secret`` is its secret.

    Takes the same time for a wrong secret as for a key id that does not exist.
    """
    token = None if stored is None else _read(stored)
    fits = hmac.compare_digest(_digest(secret), token.digest if token else _NO_DIGEST)
    return token.principal if token is not None and fits else None


@lru_cache(maxsize=4096)
def _read(stored: bytes) -> Token:
    """Kept by what is stored: it is read at every request."""
    return Token.from_bytes(stored)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def checked(principal: Principal) -> Principal:
    """The principal, where it can be one. Raises TokenInvalid."""
    try:
        Actor(**principal.actor())
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise TokenInvalid(f"{first['loc'][0]}: {first['msg']}. Correct it.") from None
    if not _TENANT.match(principal.tenant):
        raise TokenInvalid(f"tenant {principal.tenant!r}: use letters, digits, '_', '.' and '-'")
    for permission in principal.permissions:
        if not _PERMISSION.match(permission):
            raise TokenInvalid(
                f"permission {permission!r}: write it as in update_intervention or read:SOURCE"
            )
    return principal
