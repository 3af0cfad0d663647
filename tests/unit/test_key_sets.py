"""Key sets of identity providers: which keys are taken, when a set is read, what becomes of it when it cannot be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

from interlock.engine.settings import Settings
from interlock.gateway import key_sets
from interlock.gateway.jwt_tokens import JwtKeyInvalid, JwtRefused, JwtVerifier
from interlock.gateway.key_sets import (
    MAX_AGE_SECONDS,
    KeySet,
    KeySetInvalid,
    KeySetUnavailable,
    Pace,
    from_url,
    parsed,
)

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SHORT = rsa.generate_private_key(public_exponent=65537, key_size=1024)
OLD, NEW = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()
PACE = Pace(fresh=600, at_most=10)


def jwk(key: Any, **members: Any) -> dict[str, Any]:
    algorithm = OKPAlgorithm if isinstance(key, ed25519.Ed25519PrivateKey) else RSAAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), **members}


def document(*keys: Any) -> bytes:
    return orjson.dumps({"keys": keys})


class Provider:
    """Gives ``raw``, when ``open`` is set; counts how often. ``now``: its clock, seconds."""

    def __init__(self, raw: bytes) -> None:
        self.raw: bytes | Exception = raw
        self.reads, self.now = 0, 1000.0
        self.open = asyncio.Event()
        self.open.set()

    async def read(self) -> bytes:
        self.reads += 1
        await self.open.wait()
        if isinstance(self.raw, Exception):
            raise self.raw
        return self.raw

    def key_set(self) -> KeySet:
        return KeySet(self.read, "the provider", PACE, clock=lambda: self.now)


def raw_of(key: Any) -> bytes | None:
    return None if key is None else key.public_bytes_raw()


def test_a_key_that_is_new_is_fetched_when_a_token_names_it_and_one_that_is_gone_is_believed_no_more() -> (
    None
):
    async def act() -> None:
        provider = Provider(document(jwk(OLD, kid="old")))
        keys = provider.key_set()
        for _ in range(100):
            assert raw_of(await keys.key("old", "EdDSA")) == OLD.public_key().public_bytes_raw()
        assert provider.reads == 1
        provider.raw = document(jwk(NEW, kid="new"))
        provider.now += PACE.at_most
        assert raw_of(await keys.key("new", "EdDSA")) == NEW.public_key().public_bytes_raw()
        assert await keys.key("old", "EdDSA") is None

    asyncio.run(act())


def test_names_that_nobody_knows_do_not_make_it_ask_more_often() -> None:
    async def act() -> None:
        provider = Provider(document(jwk(OLD, kid="old")))
        keys = provider.key_set()
        for number in range(100):
            assert await keys.key(f"made-up-{number}", "EdDSA") is None
        assert provider.reads == 1
        provider.now += PACE.at_most
        found = await asyncio.gather(*(keys.key(f"made-up-{number}", "EdDSA") for number in range(100)))
        assert (set(found), provider.reads) == ({None}, 2)

    asyncio.run(act())


def test_who_comes_with_a_known_key_never_waits_for_the_provider() -> None:
    async def act() -> None:
        provider = Provider(document(jwk(OLD, kid="old")))
        keys = provider.key_set()
        await keys.key("old", "EdDSA")
        provider.now += PACE.fresh
        provider.open.clear()
        async with asyncio.timeout(10):
            assert await keys.key("old", "EdDSA") is not None
            assert await keys.key("old", "EdDSA") is not None
        await asyncio.sleep(0)
        assert provider.reads == 2
        await keys.close()

    asyncio.run(act())


@pytest.mark.parametrize("fault", [KeySetUnavailable("away"), OSError("gone"), b"<html>", document()])
def test_a_set_that_cannot_be_read_leaves_the_keys_for_a_day(fault: Any) -> None:
    async def act() -> None:
        provider = Provider(document(jwk(OLD, kid="old")))
        keys = provider.key_set()
        await keys.key("old", "EdDSA")
        provider.raw = fault
        provider.now += MAX_AGE_SECONDS - 1
        assert await keys.key("old", "EdDSA") is not None
        assert await keys.key("new", "EdDSA") is None
        provider.now += PACE.at_most
        with pytest.raises(KeySetUnavailable):
            await keys.key("old", "EdDSA")

    asyncio.run(act())


def test_a_token_without_a_kid_is_for_the_only_key_of_its_algorithm() -> None:
    async def act() -> None:
        provider = Provider(document(jwk(OLD, kid="a"), jwk(RSA, kid="b")))
        keys = provider.key_set()
        assert raw_of(await keys.key(None, "EdDSA")) == OLD.public_key().public_bytes_raw()
        assert await keys.key("a", "RS256") is None
        provider.raw = document(jwk(OLD, kid="a"), jwk(NEW, kid="c"))
        provider.now += PACE.fresh
        await keys.key("c", "EdDSA")
        assert await keys.key(None, "EdDSA") is None

    asyncio.run(act())


REFUSED = {
    "for encryption": jwk(RSA, use="enc"),
    "for another algorithm": jwk(RSA, alg="RS512"),
    "too short": jwk(SHORT),
    "private": OKPAlgorithm.to_jwk(OLD, as_dict=True),
    "a secret": HMACAlgorithm.to_jwk(b"s" * 32, as_dict=True),
    "of a curve": ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True),
    "no key": 7,
    "of no kind": {"kid": "x"},
    "broken": {"kty": "OKP", "crv": "Ed25519", "x": "!"},
}


@pytest.mark.parametrize("key", REFUSED.values(), ids=REFUSED)
def test_keys_that_are_no_public_ones_for_signatures_of_ours_are_left_out(key: Any) -> None:
    assert list(parsed(document(key, jwk(RSA, kid="good", use="sig", alg="RS256")))) == [("good", "RS256")]
    with pytest.raises(KeySetInvalid):
        parsed(document(key))


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b'{"keys": 7}', b'{"keys": {"a": 1}}', b'{"keys": [[]]}', b"[" * 100_000]
)
def test_what_is_no_set_is_refused(raw: bytes) -> None:
    with pytest.raises(KeySetInvalid):
        parsed(raw)


@pytest.mark.parametrize(
    "url",
    [
        "http://id.example.com/jwks",
        "http://10.0.0.1/",
        "ftp://x/",
        "file:///etc/passwd",
        "//x",
        "",
        "https://[",
    ],
)
def test_a_set_is_fetched_by_https_or_from_this_machine(url: str) -> None:
    with pytest.raises(KeySetInvalid):
        from_url(Settings(), url)
    with pytest.raises(JwtKeyInvalid, match="JWKS_URL"):
        JwtVerifier(Settings(jwt_audience="desk", jwt_jwks_url=url))
    for fits in (
        "https://10.0.0.1/jwks",
        "https://id.example.com:8443/jwks",
        "http://127.0.0.1:1/",
        "http://[::1]/",
    ):
        from_url(Settings(), fits)


def test_a_file_that_changes_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_sets, "FILE_PACE", Pace(fresh=600, at_most=0))
    path = tmp_path / "jwks.json"
    path.write_bytes(document(jwk(OLD, kid="1")))
    verifier = JwtVerifier(Settings(jwt_audience="desk", jwt_jwks_file=path))
    signed = signer()

    async def act() -> None:
        assert (await verifier.principal(signed(OLD, "1"))).id == "ann"
        with pytest.raises(JwtRefused, match="key that is known"):
            await verifier.principal(signed(NEW, "2"))
        with pytest.raises(JwtRefused, match="signature"):
            await verifier.principal(signed(NEW, "1"))
        path.write_bytes(document(jwk(NEW, kid="2")))
        assert (await verifier.principal(signed(NEW, "2"))).id == "ann"
        with pytest.raises(JwtRefused, match="key that is known"):
            await verifier.principal(signed(OLD, "1"))

    asyncio.run(act())
    path.write_text("{}")
    with pytest.raises(JwtKeyInvalid, match=r"JWKS_FILE.*jwks\.json"):
        JwtVerifier(Settings(jwt_audience="desk", jwt_jwks_file=path))


def test_a_secret_beside_a_set_counts_for_its_own_algorithm_alone(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_bytes(document(jwk(RSA, kid="1")))
    verifier = JwtVerifier(Settings(jwt_audience="desk", jwt_jwks_file=path, jwt_secret="s" * 32))
    signed = signer()

    async def act() -> None:
        assert (await verifier.principal(signed(RSA, "1", "RS256"))).id == "ann"
        assert (await verifier.principal(signed("s" * 32, None, "HS256"))).id == "ann"
        for token in (signed("t" * 32, "1", "HS256"), signed(RSA, "1", "PS256"), signed("", "1", "none")):
            with pytest.raises(JwtRefused):
                await verifier.principal(token)

    asyncio.run(act())


def signer() -> Callable[..., str]:
    claims = {"sub": "ann", "kind": "agent", "aud": "desk", "exp": int(time.time()) + 600}

    def sign(key: Any, kid: str | None, algorithm: str = "EdDSA") -> str:
        return jwt.encode(claims, key, algorithm, headers={"kid": kid} if kid else None)

    return sign
