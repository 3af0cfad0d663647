"""The one script through which an owner writes, on fakeredis and on a real Valkey alike."""

from __future__ import annotations

import pytest
import redis

from interlock.engine import fencing
from interlock.engine.errors import LeaseLost
from interlock.engine.fencing import ForeignData

TAG = "{interlock:0}"
LEASE, META = f"{TAG}:lease", f"{TAG}:meta"
TTL = 5000


def owner(client: redis.Redis) -> fencing.Lease:
    lease = fencing.acquire(client, LEASE, META, TTL)
    assert lease is not None
    return lease


def test_only_one_owner_at_a_time(any_client: redis.Redis) -> None:
    owner(any_client)
    assert fencing.acquire(any_client, LEASE, META, TTL) is None


def test_a_later_owner_has_a_greater_token(any_client: redis.Redis) -> None:
    first = owner(any_client)
    fencing.release(any_client, first)
    assert owner(any_client).token > first.token


def test_an_owner_writes_everything_and_moves_the_cursor(any_client: redis.Redis) -> None:
    ops: list[fencing.Operation] = [("SET", f"{TAG}:a", "1"), ("RPUSH", f"{TAG}:b", "x", "y")]
    assert (
        fencing.apply(
            any_client, owner(any_client), TTL, meta_key=META, cursor=("cursor", "", "5-0"), ops=ops
        )
        is None
    )
    assert any_client.get(f"{TAG}:a") == b"1"
    assert any_client.lrange(f"{TAG}:b", 0, -1) == [b"x", b"y"]
    assert any_client.hget(META, "cursor") == b"5-0"


# Guards commit.lua: `if redis.call('GET', KEYS[1]) ~= ARGV[1]` (invariant 6).
def test_a_worker_that_lost_its_lease_commits_nothing(any_client: redis.Redis) -> None:
    lost = owner(any_client)
    any_client.delete(LEASE)
    owner(any_client)
    with pytest.raises(LeaseLost):
        fencing.apply(any_client, lost, TTL, meta_key=META, ops=[("SET", f"{TAG}:a", "1")])
    assert any_client.get(f"{TAG}:a") is None


def test_a_lapsed_lease_commits_nothing_even_where_nobody_took_it(any_client: redis.Redis) -> None:
    lapsed = owner(any_client)
    any_client.delete(LEASE)
    with pytest.raises(LeaseLost):
        fencing.apply(any_client, lapsed, TTL, meta_key=META, ops=[("SET", f"{TAG}:a", "1")])
    assert any_client.get(f"{TAG}:a") is None


# Guards commit.lua: the comparison of the cursor (invariant 3).
def test_a_cursor_that_stands_elsewhere_stops_the_commit(any_client: redis.Redis) -> None:
    lease = owner(any_client)
    any_client.hset(META, "cursor", "7-0")
    with pytest.raises(LeaseLost, match="cursor"):
        fencing.apply(
            any_client,
            lease,
            TTL,
            meta_key=META,
            cursor=("cursor", "5-0", "9-0"),
            ops=[("SET", f"{TAG}:a", "1")],
        )
    assert any_client.get(f"{TAG}:a") is None
    assert any_client.hget(META, "cursor") == b"7-0"


# Guards commit.lua: the loop over the fresh keys (invariant 1).
def test_keys_that_must_be_new_stop_the_commit_and_are_named(any_client: redis.Redis) -> None:
    any_client.set("interlock:command:b", "seen")
    fresh = ["interlock:command:a", "interlock:command:b"]
    taken = fencing.apply(
        any_client, owner(any_client), TTL, meta_key=META, fresh=fresh, ops=[("SET", f"{TAG}:a", "1")]
    )
    assert taken == [1]
    assert any_client.get(f"{TAG}:a") is None


def test_a_foreign_type_under_one_key_leaves_no_half_commit(any_client: redis.Redis) -> None:
    any_client.set(f"{TAG}:b", "a string where a list belongs")
    ops: list[fencing.Operation] = [("SET", f"{TAG}:a", "1"), ("RPUSH", f"{TAG}:b", "x")]
    with pytest.raises(ForeignData) as caught:
        fencing.apply(any_client, owner(any_client), TTL, meta_key=META, ops=ops)
    assert caught.value.key == f"{TAG}:b"
    assert any_client.get(f"{TAG}:a") is None


def test_an_optional_operation_on_a_foreign_type_is_left_out(any_client: redis.Redis) -> None:
    any_client.set("interlock:reply:x", "no list")
    ops: list[fencing.Operation] = [("?RPUSH", "interlock:reply:x", "r"), ("SET", f"{TAG}:a", "1")]
    assert fencing.apply(any_client, owner(any_client), TTL, meta_key=META, ops=ops) is None
    assert any_client.get("interlock:reply:x") == b"no list"
    assert any_client.get(f"{TAG}:a") == b"1"


def test_a_commit_renews_the_lease(any_client: redis.Redis) -> None:
    lease = owner(any_client)
    any_client.pexpire(LEASE, 1000)
    fencing.apply(any_client, lease, TTL, meta_key=META)
    assert any_client.pttl(LEASE) > 2000


def test_a_lease_is_kept_while_the_inbox_is_not_empty(any_client: redis.Redis) -> None:
    lease = owner(any_client)
    any_client.xadd(f"{TAG}:inbox", {"c": "{}"})
    assert fencing.release(any_client, lease, f"{TAG}:inbox") == 1
    assert any_client.exists(LEASE)
    any_client.delete(f"{TAG}:inbox")
    assert fencing.release(any_client, lease, f"{TAG}:inbox") == 0
    assert not any_client.exists(LEASE)


def test_releasing_a_lost_lease_leaves_the_new_owner_alone(any_client: redis.Redis) -> None:
    lost = owner(any_client)
    any_client.delete(LEASE)
    owner(any_client)
    assert fencing.release(any_client, lost) == -1
    assert not fencing.renew(any_client, lost, TTL)
    assert any_client.exists(LEASE)


def test_a_marker_is_taken_once_and_one_without_expiry_is_nobodys(any_client: redis.Redis) -> None:
    assert fencing.take_marker(any_client, "interlock:deliver:wake", 5000)
    assert not fencing.take_marker(any_client, "interlock:deliver:wake", 5000)
    any_client.set("interlock:deliver:wake", "somebody's")
    assert fencing.take_marker(any_client, "interlock:deliver:wake", 5000)
    assert any_client.pttl("interlock:deliver:wake") > 0
