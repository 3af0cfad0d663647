"""JSON Web Tokens that others sign: a principal by its claims, where the settings name whose signature counts.

The algorithm is given by the key, never by the token: HS256 by a secret, RS256 or EdDSA by a public key, which stands
in a file or in a key set.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from interlock.engine import tokens
from interlock.engine.errors import InterlockError
from interlock.engine.settings import Settings
from interlock.engine.tenancy import DEFAULT_TENANT
from interlock.engine.tokens import Principal
from interlock.gateway import key_sets
from interlock.gateway.key_sets import MIN_RSA_BITS, KeySet, KeySetInvalid, KeySetUnavailable, algorithm_of

_REQUIRED = ["exp", "sub", "aud"]
_LEEWAY_SECONDS = 10
_OF_SETS = ("RS256", "EdDSA")


class JwtKeyInvalid(InterlockError):
    """The settings for JSON Web Tokens do not fit. Correct what the message names."""


class JwtRefused(InterlockError):
    """A token that is not to be believed; the message says why, and nothing of what is in it."""


class JwtVerifier:
    """Reads tokens that were signed with one of the keys of the settings, for their audience."""

    def __init__(self, settings: Settings) -> None:
        """Raises JwtKeyInvalid."""
        self._keys: dict[str, Any] = {}
        self._audience, self._issuer = settings.jwt_audience, settings.jwt_issuer
        if settings.jwt_secret is not None:
            self._keys["HS256"] = settings.jwt_secret
        if settings.jwt_public_key_file is not None:
            algorithm, key = _public_key(settings.jwt_public_key_file)
            self._keys[algorithm] = key
        self._sets = _key_sets(settings)
        if self.enabled and not self._audience:
            raise JwtKeyInvalid(
                "INTERLOCK_JWT_AUDIENCE is not set: name the audience that tokens for this gateway have"
            )

    @property
    def enabled(self) -> bool:
        """Whether any such token is believed."""
        return bool(self._keys or self._sets)

    async def close(self) -> None:
        """Read no more key sets."""
        for one in self._sets:
            await one.close()

    async def principal(self, token: str) -> Principal:
        """The principal of a token: ``sub`` is its id, and the claims ``kind``, ``tenant`` (the default one where there
        is none) and ``permissions`` (a list of texts) say the rest.

        Raises JwtRefused, and KeySetUnavailable where its key may stand in a set that cannot be read.
        """
        try:
            header = jwt.get_unverified_header(token)
            algorithm, kid = header.get("alg"), header.get("kid")
            if not isinstance(algorithm, str) or algorithm not in self._believed():
                raise JwtRefused("it is not signed with an algorithm that is believed here")
            claims = jwt.decode(
                token,
                await self._key(algorithm, kid if isinstance(kid, str) else None),
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": _REQUIRED, "strict_aud": False},
            )
        except jwt.PyJWTError as error:
            raise JwtRefused(_reason(error)) from None
        except (ValueError, TypeError, RecursionError):  # what a hostile token makes of the decoder
            raise JwtRefused("it cannot be read") from None
        return _principal(claims)

    def _believed(self) -> set[str]:
        return {*self._keys, *(_OF_SETS if self._sets else ())}

    async def _key(self, algorithm: str, kid: str | None) -> Any:
        """Raises JwtRefused, KeySetUnavailable."""
        unavailable: KeySetUnavailable | None = None
        for one in self._sets if algorithm in _OF_SETS else ():
            try:
                found = await one.key(kid, algorithm)
            except KeySetUnavailable as error:
                unavailable = error
            else:
                if found is not None:
                    return found
        if algorithm in self._keys:
            return self._keys[algorithm]
        raise unavailable or JwtRefused("it is not signed with a key that is known here")


def _key_sets(settings: Settings) -> list[KeySet]:
    """Raises JwtKeyInvalid."""
    found = []
    try:
        if settings.jwt_jwks_file is not None:
            found.append(key_sets.from_file(settings.jwt_jwks_file))
    except (KeySetInvalid, OSError) as error:
        raise JwtKeyInvalid(f"INTERLOCK_JWT_JWKS_FILE: {settings.jwt_jwks_file}: {error}") from error
    try:
        if settings.jwt_jwks_url is not None:
            found.append(key_sets.from_url(settings, settings.jwt_jwks_url))
    except KeySetInvalid as error:
        raise JwtKeyInvalid(f"INTERLOCK_JWT_JWKS_URL: {error}") from error
    return found


def _reason(error: jwt.PyJWTError) -> str:
    match error:
        case jwt.ExpiredSignatureError():
            return "it has expired"
        case jwt.ImmatureSignatureError():
            return "it does not hold yet"
        case jwt.InvalidAudienceError():
            return "it is for another audience"
        case jwt.InvalidIssuerError():
            return "it is of another issuer"
        case jwt.MissingRequiredClaimError():
            return f"it has no claim {error.claim}"
        case jwt.InvalidSignatureError():
            return "its signature is wrong"
    return "it cannot be read"


def _principal(claims: dict[str, Any]) -> Principal:
    kind, tenant = claims.get("kind"), claims.get("tenant", DEFAULT_TENANT)
    permissions = claims.get("permissions", [])
    if kind not in tokens.KINDS:
        raise JwtRefused(f"its claim kind is none of {', '.join(tokens.KINDS)}")
    if not isinstance(tenant, str):
        raise JwtRefused("its claim tenant is no text")
    if not isinstance(permissions, list) or not all(isinstance(one, str) for one in permissions):
        raise JwtRefused("its claim permissions is no list of texts")
    try:
        return tokens.checked(Principal(claims["sub"], kind, tenant, tuple(permissions)))
    except tokens.TokenInvalid as error:
        raise JwtRefused(str(error)) from None


def _public_key(path: Path) -> tuple[str, Any]:
    """The algorithm that a key is for, and the key."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise JwtKeyInvalid(f"INTERLOCK_JWT_PUBLIC_KEY_FILE: {path} holds no public key in PEM") from error
    algorithm = algorithm_of(key)
    if algorithm is None:
        raise JwtKeyInvalid(
            f"INTERLOCK_JWT_PUBLIC_KEY_FILE: {path} is neither Ed25519 nor RSA of {MIN_RSA_BITS} bits or more"
        )
    return algorithm, key
