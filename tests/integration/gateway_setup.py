"""A deployment with a gateway, for the tests that ask it: its chart, its addresses, its processes."""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import orjson
import redis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from interlock.engine import tokens
from interlock.engine.keys import Keys
from tests.integration.http_client import (
    PROGRAM,
    Client,
)

PARCEL = """\
id: parcel
version: 1
description: Something on its way.
context:
  owner: {type: string}
  weight: {type: integer, default: 0}
  pin: {type: [string, "null"], default: null, public: false}
commands:
  post: {creates: true, data: {owner: {type: string}, pin: {type: string, public: false}}, required: [owner]}
  send: {by: [agent, admin]}
  weigh: {data: {grams: {type: integer}}, required: [grams]}
  divide: {data: {by: {type: integer}}, required: [by]}
  lose: {}
  deliver: {}
index: [owner]
initial: posted
states:
  posted:
    after: {1h: late}
    on:
      send: sent
      weigh: {actions: [{assign: {weight: data.grams}}]}
      divide: {guard: "10 // data.by > 0", actions: [{assign: {weight: 1}}]}
      lose: {require: [{check: "false", error: {class: guard_failed, code: insured, message: It is insured.}}]}
  late: {}
  sent: {on: {deliver: delivered}}
  delivered: {type: final}
"""
KEYS = Keys()
AUDIENCE = "desk"


def key_set(kid: str, key: Ed25519PrivateKey) -> bytes:
    """A JSON Web Key Set with its public half."""
    return orjson.dumps({"keys": [{**OKPAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid}]})


@dataclass(frozen=True)
class Gateway:
    """A running deployment with a gateway. ``admin``: a client with an admin's token; ``signs``: whose JWTs it takes,
    for the audience `AUDIENCE`."""

    url: str
    client: redis.Redis
    environ: dict[str, str]
    admin: Client
    signs: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    def with_token(self, kind: str, **wish: Any) -> Client:
        return Client(self.url, tokens.create(self.client, KEYS, kind, **wish)["token"])

    def with_jwt(self, kind: str, id: str, **claims: Any) -> Client:
        told = {"sub": id, "kind": kind, "aud": AUDIENCE, "exp": int(time.time()) + 600, **claims}
        return Client(self.url, jwt.encode(told, self.signs, "EdDSA", headers={"kid": "tests"}))


def read(admin: Client, address: str) -> Any:
    answer = admin.get(f"/interlock/v1/instances/{address}")
    assert answer.status == 200, answer.raw
    return answer.body


def run(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*PROGRAM, *arguments], env=environ, capture_output=True, timeout=30, check=False)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
