"""Leases with fencing tokens, and the one script through which an owner writes.

A lease says who may write to a partition; its token says which owner, so that one that was paused, cut
off or declared dead can commit nothing afterwards. The rules stand in ``scripts/*.lua``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import cast

import redis
from redis.exceptions import NoScriptError

from interlock.engine.errors import InterlockError, LeaseLost
from interlock.engine.keys import PartitionKeys

Word = str | bytes | int | float
Operation = tuple[Word, ...]
"""A Redis command as its words: ``("RPUSH", key, value)``. ``"?RPUSH"``: left out where the key holds another type,
and may fail. ``("=LLEN", key, n)``: writes nothing, the list must be that long."""


class ForeignData(InterlockError):
    """Keys of ours hold another type, or not what we left there: somebody else wrote them.

    Look at each of ``keys``, then rename or delete it.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = tuple(keys)
        super().__init__(f"somebody else wrote to {', '.join(map(repr, keys))}; rename or delete it")

    @property
    def key(self) -> str:
        """The first of them."""
        return self.keys[0]


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write to one partition. ``token`` grows with every owner."""

    key: str
    token: int


@cache
def script_text(name: str) -> str:
    """The Lua text of ``scripts/<name>.lua``."""
    return (files("interlock.engine") / "scripts" / f"{name}.lua").read_text("utf-8")


def run_script(client: redis.Redis, name: str, keys: Sequence[str], args: Sequence[Word]) -> object:
    """Run a script of ours by its digest, loading it where the server does not know it (yet or any more)."""
    return client.register_script(script_text(name))(keys=list(keys), args=list(args))


def run_scripts(
    client: redis.Redis, name: str, calls: Sequence[tuple[Sequence[str], Sequence[Word]]]
) -> list[object]:
    """The replies of several runs, each of ``(keys, args)``, on one way there and back.

    A reply is the redis.ResponseError where its run failed; the others are run all the same.
    """
    digest = client.register_script(script_text(name)).sha
    pipeline = client.pipeline(transaction=False)
    for keys, args in calls:
        pipeline.evalsha(digest, len(keys), *keys, *args)
    replies: list[object] = pipeline.execute(raise_on_error=False)
    for place, (keys, args) in enumerate(calls):
        if isinstance(replies[place], NoScriptError):
            try:
                replies[place] = run_script(client, name, keys, args)
            except redis.ResponseError as error:
                replies[place] = error
    return replies


def acquire(
    client: redis.Redis, lease_key: str, meta_key: str, ttl_ms: int, wake_key: str | None = None
) -> Lease | None:
    """The lease, or None while another holds it. It lapses ``ttl_ms`` after the last renewal or commit.

    ``wake_key``: the marker of the wake-up that was obeyed by coming here; it is cleared in the same moment.
    """
    keys = [lease_key, meta_key] if wake_key is None else [lease_key, meta_key, wake_key]
    token = cast(int, run_script(client, "acquire", keys, [ttl_ms]))
    return Lease(lease_key, token) if token else None


def acquire_all(client: redis.Redis, partitions: Sequence[PartitionKeys], ttl_ms: int) -> list[Lease | None]:
    """The leases of several partitions, each as by `acquire`; None too where a key holds a foreign type."""
    calls = [([keys.lease, keys.meta, keys.wake], [ttl_ms]) for keys in partitions]
    return [
        Lease(keys.lease, token) if isinstance(token, int) and token else None
        for keys, token in zip(partitions, run_scripts(client, "acquire", calls), strict=True)
    ]


def renew(client: redis.Redis, lease: Lease, ttl_ms: int) -> bool:
    """Hold the lease for ``ttl_ms`` from now; false where it was lost."""
    return bool(run_script(client, "renew", [lease.key], [lease.token, ttl_ms]))


def release(client: redis.Redis, lease: Lease, inbox_key: str | None = None) -> int:
    """Give the lease back. Returns 0, or -1 where it was lost.

    With ``inbox_key``: where that stream is not empty the lease stays and its length is returned.
    """
    keys = [lease.key] if inbox_key is None else [lease.key, inbox_key]
    return cast(int, run_script(client, "release", keys, [lease.token]))


@dataclass(frozen=True, slots=True)
class Commit:
    """What the owner of ``lease`` writes, all or nothing.

    ``cursor``: field of ``meta_key``, where it must stand (empty: unset), where it moves.
    ``fresh``: keys that must not exist yet.
    """

    lease: Lease
    meta_key: str
    cursor: tuple[str, str, str] | None = None
    fresh: Sequence[str] = ()
    ops: Sequence[Operation] = ()

    def call(self, ttl_ms: int) -> tuple[list[str], list[Word]]:
        """Keys and arguments of ``commit.lua``."""
        args: list[Word] = [
            self.lease.token,
            ttl_ms,
            *(self.cursor or ("", "", "")),
            len(self.fresh),
            *self.fresh,
        ]
        for op in self.ops:
            args.append(len(op))
            args.extend(op)
        return [self.lease.key, self.meta_key], args


def apply_all(client: redis.Redis, commits: Sequence[Commit], ttl_ms: int) -> list[bool]:
    """Which of several commits were applied; for the others `apply` tells why they are not."""
    replies = run_scripts(client, "commit", [commit.call(ttl_ms) for commit in commits])
    return [reply == b"OK" for reply in replies]


def apply(
    client: redis.Redis,
    lease: Lease,
    ttl_ms: int,
    *,
    meta_key: str,
    cursor: tuple[str, str, str] | None = None,
    fresh: Sequence[str] = (),
    ops: Sequence[Operation] = (),
) -> list[int] | None:
    """Make one `Commit` of these; the lease is renewed for ``ttl_ms``.

    Returns None once applied, or the indexes of the ``fresh`` keys that exist (nothing is applied then).
    Raises LeaseLost (another owner, or the cursor was moved), ForeignData (a key holds another type).
    """
    reply = run_script(client, "commit", *Commit(lease, meta_key, cursor, fresh, ops).call(ttl_ms))
    if isinstance(reply, list):
        if reply[0] == b"TYPE":
            raise ForeignData([cast(bytes, key).decode(errors="replace") for key in reply[1:]])
        return cast(list[int], reply)
    answer = cast(bytes, reply).decode()
    if answer == "OK":
        return None
    raise LeaseLost(f"{lease.key}: token {lease.token} owns it no more ({answer.lower()})")


def take_marker(client: redis.Redis, key: str, ttl_ms: int) -> bool:
    """Whether a wake-up is ours to send: nobody has marked one as sent within ``ttl_ms``; it is marked now.

    A marker without expiry is none of ours, and keeps nobody asleep.
    """
    if client.set(key, b"1", nx=True, px=ttl_ms):
        return True
    if client.pttl(key) != -1:
        return False
    client.set(key, b"1", px=ttl_ms)
    return True
