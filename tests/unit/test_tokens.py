"""Tokens: shown once, stored hashed, taken back."""

from __future__ import annotations

import pytest
import redis

from interlock.engine import tokens
from interlock.engine.keys import Keys
from interlock.engine.tokens import Principal, Token, TokenInvalid, TokenNotFound

KEYS = Keys()


def stored(client: redis.Redis, key_id: str) -> bytes | None:
    raw: bytes | None = client.hget(KEYS.tokens, key_id)
    return raw


def test_a_token_speaks_for_its_principal(fake_client: redis.Redis) -> None:
    made = tokens.create(
        fake_client, KEYS, "agent", id="ann", tenant="acme", permissions=["read:chat", "monitor_tasks"]
    )
    assert set(made) == {"id", "token", "key_id", "secret"}
    assert tokens.split(made["token"]) == (made["key_id"], made["secret"])
    principal = tokens.verify(stored(fake_client, made["key_id"]), made["secret"])
    assert principal == Principal("ann", "agent", "acme", ("read:chat", "monitor_tasks"))
    assert principal.actor() == {"id": "ann", "kind": "agent", "permissions": ["read:chat", "monitor_tasks"]}


def test_a_wrong_secret_an_unknown_key_and_half_a_token_speak_for_nobody(fake_client: redis.Redis) -> None:
    made, other = (tokens.create(fake_client, KEYS, "admin") for _ in range(2))
    raw = stored(fake_client, made["key_id"])
    for secret in ("", other["secret"], made["secret"][:-1], made["secret"] + "a", "\udcff"):
        assert tokens.verify(raw, secret) is None
    assert tokens.verify(None, made["secret"]) is None
    assert tokens.verify(None, "") is None
    assert tokens.split("no-token-at-all") == ("no-token-at-all", "")


def test_what_is_stored_and_what_is_listed_hold_no_secret(fake_client: redis.Redis) -> None:
    made = tokens.create(fake_client, KEYS, "bot", id="bo")
    raw = stored(fake_client, made["key_id"])
    assert raw is not None
    assert made["secret"].encode() not in raw
    (token,) = tokens.list_all(fake_client, KEYS)
    assert token.digest not in repr(token)
    assert token.shown().keys() == {"id", "kind", "tenant", "permissions", "key_id", "created_at"}
    assert Token.from_bytes(token.to_bytes()) == token


def test_a_secret_has_256_random_bits_and_is_new_each_time(fake_client: redis.Redis) -> None:
    made = [tokens.create(fake_client, KEYS, "system") for _ in range(20)]
    assert all(len(one["secret"]) == 43 for one in made)  # 32 bytes in URL-safe base64
    for name in ("id", "key_id", "secret"):
        assert len({one[name] for one in made}) == 20


def test_a_key_id_revokes_one_token_and_an_id_all_of_its_principal(fake_client: redis.Redis) -> None:
    first, second, third = (tokens.create(fake_client, KEYS, "agent", id="ann") for _ in range(3))
    other = tokens.create(fake_client, KEYS, "agent", id="bob")
    assert tokens.revoke(fake_client, KEYS, first["key_id"]) == [first["key_id"]]
    assert stored(fake_client, first["key_id"]) is None
    assert set(tokens.revoke(fake_client, KEYS, "ann")) == {second["key_id"], third["key_id"]}
    assert [token.key_id for token in tokens.list_all(fake_client, KEYS)] == [other["key_id"]]
    with pytest.raises(TokenNotFound, match="ann"):
        tokens.revoke(fake_client, KEYS, "ann")


@pytest.mark.parametrize(
    ("wish", "named"),
    [
        ({"kind": "root"}, "kind"),
        ({"kind": "agent", "id": "a\nb"}, "id"),
        ({"kind": "agent", "id": "a" * 257}, "id"),
        ({"kind": "agent", "tenant": ""}, "tenant"),
        ({"kind": "agent", "tenant": "a/b"}, "tenant"),
        ({"kind": "agent", "permissions": ["read: chat"]}, "permission"),
        ({"kind": "agent", "permissions": ["Read:chat"]}, "permission"),
    ],
)
def test_what_no_token_can_be_made_from_is_named(
    fake_client: redis.Redis, wish: dict[str, str], named: str
) -> None:
    with pytest.raises(TokenInvalid, match=named):
        tokens.create(fake_client, KEYS, **wish)  # type: ignore[arg-type]
    assert not fake_client.exists(KEYS.tokens)
