"""JSON Web Tokens of others: who signed, for whom, and until when; everything else is refused."""

from __future__ import annotations

import asyncio
import base64
import time
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from interlock.engine.settings import Settings
from interlock.engine.tokens import Principal
from interlock.gateway.jwt_tokens import JwtKeyInvalid, JwtRefused, JwtVerifier

SECRET = "s" * 64
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED = ed25519.Ed25519PrivateKey.generate()


def claims(**changes: Any) -> dict[str, Any]:
    told = {"sub": "ann", "kind": "agent", "aud": "desk", "exp": int(time.time()) + 3600, **changes}
    return {name: value for name, value in told.items() if value is not None}


def pem(path: Path, key: Any) -> Path:
    path.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return path


def settings(**fields: Any) -> Settings:
    return Settings(**{"jwt_audience": "desk", **fields})


def principal(verifier: JwtVerifier, token: str) -> Principal:
    return asyncio.run(verifier.principal(token))


BY_SECRET = JwtVerifier(settings(jwt_secret=SECRET))


def test_the_claims_are_the_principal() -> None:
    told = claims(tenant="acme", permissions=["read:*", "monitor_tasks"])
    found = principal(BY_SECRET, jwt.encode(told, SECRET, "HS256"))
    assert found == Principal("ann", "agent", "acme", ("read:*", "monitor_tasks"))
    assert principal(BY_SECRET, jwt.encode(claims(), SECRET, "HS256")).tenant == "default"


@pytest.mark.parametrize(("algorithm", "key"), [("RS256", RSA), ("EdDSA", ED)])
def test_a_public_key_checks_what_its_owner_signed(tmp_path: Path, algorithm: str, key: Any) -> None:
    verifier = JwtVerifier(settings(jwt_public_key_file=pem(tmp_path / "key.pem", key)))
    assert principal(verifier, jwt.encode(claims(), key, algorithm)).id == "ann"
    other = ED if algorithm == "RS256" else RSA
    with pytest.raises(JwtRefused):
        principal(verifier, jwt.encode(claims(), other, "EdDSA" if other is ED else "RS256"))


def test_a_public_key_is_no_secret_to_sign_with(tmp_path: Path) -> None:
    path = pem(tmp_path / "key.pem", RSA)
    verifier = JwtVerifier(settings(jwt_public_key_file=path))
    header, body = (
        base64.urlsafe_b64encode(orjson.dumps(part)).rstrip(b"=") for part in ({"alg": "HS256"}, claims())
    )
    import hashlib
    import hmac

    mac = hmac.new(path.read_bytes(), header + b"." + body, hashlib.sha256).digest()
    forged = b".".join([header, body, base64.urlsafe_b64encode(mac).rstrip(b"=")]).decode()
    with pytest.raises(JwtRefused, match="algorithm"):
        principal(verifier, forged)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (claims(exp=int(time.time()) - 60), "expired"),
        (claims(exp=None), "exp"),
        (claims(sub=None), "sub"),
        (claims(aud=None), "aud"),
        (claims(aud="other"), "audience"),
        (claims(aud=["other", "third"]), "audience"),
        (claims(nbf=int(time.time()) + 600), "not hold yet"),
        (claims(kind=None), "kind"),
        (claims(kind="root"), "kind"),
        (claims(kind=["admin"]), "kind"),
        (claims(tenant=7), "tenant"),
        (claims(tenant="a~b"), "tenant"),
        (claims(permissions="read:*"), "permissions"),
        (claims(permissions=[1]), "permissions"),
        (claims(permissions=["Read Everything"]), "permission"),
        (claims(sub="a\nb"), "id"),
        (claims(sub=""), "id"),
        (claims(sub=7), "read"),
    ],
)
def test_what_the_claims_lack_or_overdo_is_refused(told: dict[str, Any], why: str) -> None:
    raw = orjson.dumps(told)
    token = jwt.PyJWS().encode(raw, SECRET, "HS256")
    with pytest.raises(JwtRefused, match=why):
        principal(BY_SECRET, token)


@pytest.mark.parametrize(
    "token",
    [
        jwt.encode(claims(), "", "none"),
        jwt.encode(claims(), "x" * 32, "HS256"),
        jwt.encode(claims(), SECRET, "HS384"),
        "..",
        "a.b.c",
        "e30.e30.",
        jwt.encode(claims(), SECRET, "HS256")[:-4] + "AAAA",
        jwt.PyJWS().encode(b"[1]", SECRET, "HS256"),
        jwt.PyJWS().encode(b"[" * 100_000, SECRET, "HS256"),
    ],
)
def test_what_is_not_signed_so_is_refused(token: str) -> None:
    with pytest.raises(JwtRefused):
        principal(BY_SECRET, token)


def test_an_issuer_that_is_set_must_be_named() -> None:
    verifier = JwtVerifier(settings(jwt_secret=SECRET, jwt_issuer="us"))
    assert principal(verifier, jwt.encode(claims(iss="us"), SECRET, "HS256")).id == "ann"
    for token in (jwt.encode(claims(), SECRET, "HS256"), jwt.encode(claims(iss="u"), SECRET, "HS256")):
        with pytest.raises(JwtRefused):
            principal(verifier, token)


def test_settings_that_do_not_fit_are_named(tmp_path: Path) -> None:
    assert not JwtVerifier(Settings()).enabled
    with pytest.raises(JwtKeyInvalid, match="AUDIENCE"):
        JwtVerifier(Settings(jwt_secret=SECRET))
    private = tmp_path / "private.pem"
    private.write_bytes(ED.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    curve = pem(tmp_path / "curve.pem", ec.generate_private_key(ec.SECP256R1()))
    for path in (tmp_path / "none.pem", private, curve):
        with pytest.raises(JwtKeyInvalid, match=path.name):
            JwtVerifier(settings(jwt_public_key_file=path))
