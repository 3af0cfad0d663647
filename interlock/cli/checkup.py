"""What `interlock doctor` looks at, one function a thing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from interlock.cli import checkup_keys
from interlock.cli.health import Check, Health
from interlock.engine import subscriptions, webhook_health, webhook_statistics
from interlock.engine.breaker import BreakerState
from interlock.engine.clients import connect, connect_rq, shown_url
from interlock.engine.diagrams import DiagramError
from interlock.engine.diagrams.render import find_graphviz
from interlock.engine.errors import ChartError, InterlockError
from interlock.engine.secrets import load_key
from interlock.engine.settings import Settings
from interlock.engine.store import ForeignDeployment, Store
from interlock.statecharts.catalog import Catalog
from interlock.statecharts.registered import RegisteredCharts
from interlock.workers.reindex import Reindex

_LATE_SECONDS = 10.0
"""A timer that is later than this waits for workers, not for its turn."""
_COMPARED = 2_000
"""Instances and entries of indexes that are compared; `interlock reindex --check` looks at all."""
_REDIS = 7
"""The oldest major version of Redis whose commands are enough."""
_BACKLOG = 10_000
"""Commands in waiting from which on more workers are worth a thought."""


def examine(used: Settings) -> Iterator[Check]:
    """Every check, the server's first; without a server only those that need none."""
    try:
        client = connect(used)
        info: Any = client.info("server")
    except InterlockError as error:
        yield Check("server", Health.FAIL, str(error), "Start it, or correct INTERLOCK_REDIS_URL.")
        yield _graphviz()
        return
    version = (
        f"{info.get('server_name', 'redis')} {info.get('valkey_version', info.get('redis_version', '?'))}"
    )
    yield _server(f"{version} at {shown_url(used.redis_url)}", str(info.get("redis_version", "")))
    try:
        store = Store.open(client, used)
    except ForeignDeployment as error:
        yield Check("deployment", Health.FAIL, str(error), "RENAME or DEL that key, or name another prefix.")
        return
    yield _deployment(store, used)
    for look in _LOOKS:
        yield _look(look, store, used)
    yield _graphviz()


def _server(shown: str, redis_version: str) -> Check:
    """``redis_version``: which Redis it is compatible with; Valkey tells that too."""
    if redis_version.partition(".")[0].isdecimal() and int(redis_version.partition(".")[0]) < _REDIS:
        return Check(
            "server", Health.FAIL, f"{shown} is too old", f"Interlock needs Redis {_REDIS} or Valkey."
        )
    return Check("server", Health.OK, shown)


def _look(look: Callable[[Store, Settings], Check], store: Store, used: Settings) -> Check:
    try:
        return look(store, used)
    except Exception as error:  # redis-py's, which this layer does not import
        if "WRONGTYPE" not in str(error):
            raise
        name = look.__name__.strip("_").replace("_", " ")
        return Check(name, Health.FAIL, "a foreign type is in its way", "Look under `foreign types`.")


def _deployment(store: Store, used: Settings) -> Check:
    if store.client.hexists(store.keys.meta, "partitions"):
        return Check("deployment", Health.OK, f"prefix {used.prefix}, {store.keys.partitions} partitions")
    return Check(
        "deployment",
        Health.WARN,
        f"nothing has run under the prefix {used.prefix} yet",
        "Correct INTERLOCK_PREFIX, or start `interlock worker`.",
    )


def _persistence(store: Store, _used: Settings) -> Check:
    configured = _config(store, "append*", "maxmemory-policy")
    if configured is None:
        return Check(
            "persistence",
            Health.WARN,
            "the server does not tell its configuration",
            "See that it keeps an append-only file and that its maxmemory-policy is noeviction.",
        )
    if configured.get("maxmemory-policy") not in ("noeviction", None):
        return Check(
            "persistence",
            Health.FAIL,
            f"maxmemory-policy is {configured['maxmemory-policy']}: the server may throw away instances",
            "CONFIG SET maxmemory-policy noeviction, and write it into its configuration.",
        )
    if configured.get("appendonly") != "yes":
        return Check(
            "persistence",
            Health.WARN,
            "appendonly is off: a restart loses what came after the last snapshot",
            "CONFIG SET appendonly yes, and write it into its configuration.",
        )
    return Check(
        "persistence", Health.OK, f"append-only file, fsync {configured.get('appendfsync')}, noeviction"
    )


def _config(store: Store, *patterns: str) -> dict[str, str] | None:
    found: dict[str, str] = {}
    try:
        for pattern in patterns:
            answer: Any = store.client.config_get(pattern)
            found |= {_text(name): _text(value) for name, value in answer.items()}
    except Exception as error:  # managed servers forbid CONFIG, in words of their own
        if not type(error).__module__.startswith("redis."):
            raise
        return None
    return found


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _pump(store: Store, _used: Settings) -> Check:
    if store.client.exists(store.keys.pump):
        return Check("pump", Health.OK, "a pump takes commands in")
    return Check("pump", Health.FAIL, "no pump is alive: no command is taken in", "Start `interlock worker`.")


def _workers(store: Store, used: Settings) -> Check:
    client = connect_rq(used)
    alive = []
    for queue in used.queue_names:
        members: Any = client.smembers(f"rq:workers:{queue}")
        alive.append(sum(bool(client.exists(member)) for member in members))
    message = f"{alive[0]} apply commands, {alive[1]} deliver webhooks"
    if not alive[0]:
        return Check("workers", Health.FAIL, message, "Start `interlock worker`.")
    if not alive[1] and store.client.hlen(store.keys.webhooks):
        return Check("workers", Health.FAIL, message, "Start `interlock worker --delivery-processes 1`.")
    return Check("workers", Health.OK, message)


def _backlog(store: Store, _used: Settings) -> Check:
    client, keys = store.client, store.keys
    ingress: Any = client.xlen(keys.commands)
    inboxes: list[Any] = [client.xlen(keys.partition(number).inbox) for number in range(keys.partitions)]
    leased = sum(bool(client.exists(keys.partition(number).lease)) for number in range(keys.partitions))
    message = (
        f"{ingress} commands at the door, {sum(inboxes)} in {keys.partitions} inboxes (most {max(inboxes)}), "
        f"{leased} partitions being drained"
    )
    if sum(inboxes) + ingress > _BACKLOG:
        return Check("backlog", Health.WARN, message, "Run more workers: `interlock worker --processes N`.")
    return Check("backlog", Health.OK, message)


def _timers(store: Store, _used: Settings) -> Check:
    now: Any = store.client.time()
    now_ms = now[0] * 1000 + now[1] / 1000
    oldest = None
    waiting = 0
    for number in range(store.keys.partitions):
        timers = store.keys.partition(number).timers
        waiting += _card(store, timers)
        first: Any = store.client.zrange(timers, 0, 0, withscores=True)
        if first and (oldest is None or first[0][1] < oldest):
            oldest = first[0][1]
    late = max(0.0, (now_ms - oldest) / 1000) if oldest is not None else 0.0
    if late > _LATE_SECONDS:
        return Check(
            "timers",
            Health.FAIL,
            f"the oldest of {waiting} timers is {late:.0f} s late",
            "Start `interlock worker`.",
        )
    return Check("timers", Health.OK, f"{waiting} running, none late")


def _charts(store: Store, used: Settings) -> Check:
    try:
        ours = {(chart.id, chart.version): chart.source for chart in Catalog.load(used.charts).charts}
    except ChartError as error:
        return Check(
            "charts", Health.FAIL, f"a chart does not load: {error.findings[0]}", "Run `interlock check`."
        )
    registered = store.charts()
    different = [
        f"{name}@{version}"
        for name, version in ours
        if registered.get((name, version)) != ours[name, version]
    ]
    missing = [f"{name}@{version}" for name, version in ours if (name, version) not in registered]
    if missing:
        return Check(
            "charts", Health.WARN, f"not registered: {', '.join(missing)}", "Start a worker that has them."
        )
    if different:
        return Check(
            "charts",
            Health.WARN,
            f"registered with another text: {', '.join(different)}",
            "Give a changed chart a new version.",
        )
    return Check(
        "charts",
        Health.OK,
        f"{len(registered)} registered: {', '.join(sorted(f'{n}@{v}' for n, v in registered))}",
    )


def _indexes(store: Store, _used: Settings) -> Check:
    found = Reindex(store, RegisteredCharts(store).chart).run(_COMPARED)
    message = f"{found.instances} instances{'' if found.complete else ' (the first ones)'} compared with the indexes"
    if found.found:
        return Check(
            "indexes",
            Health.FAIL,
            f"{message}: {found.missing} entries missing, {found.stale} stale, {found.rows} rows wrong",
            "Run `interlock reindex`: lists leave out or tell what is not so.",
        )
    return Check("indexes", Health.OK, f"{message}: they agree")


def _secret_key(store: Store, used: Settings) -> Check:
    stored: Any = store.client.hget(store.keys.meta, "secret_key_id")
    missing = used.secret_key is None and not used.secret_key_file.exists()
    if stored is None:
        return Check("secret key", Health.OK, "nothing has needed one yet")
    if missing:
        return Check(
            "secret key",
            Health.FAIL,
            f"the key {_text(stored)} that encrypts secrets and private fields is not here",
            "Set INTERLOCK_SECRET_KEY or INTERLOCK_SECRET_KEY_FILE as the other processes have it.",
        )
    try:
        here = load_key(used).id
    except InterlockError as error:
        return Check("secret key", Health.FAIL, str(error), "Correct the key.")
    if here != _text(stored):
        return Check(
            "secret key",
            Health.FAIL,
            f"this process has key {here}, secrets are stored under {_text(stored)}",
            "Set INTERLOCK_SECRET_KEY or INTERLOCK_SECRET_KEY_FILE as the other processes have it.",
        )
    return Check("secret key", Health.OK, f"key {here}")


def _webhooks(store: Store, _used: Settings) -> Check:
    known = subscriptions.list_all(store.client, store.keys)
    off = [one.id for one in known if not one.enabled]
    pending = sum(webhook_statistics.statistics(store.client, store.keys, one.id)["pending"] for one in known)
    message = f"{len(known)} webhooks, {pending} deliveries pending"
    health = webhook_health.read(store.client, store.keys, [one.id for one in known if one.enabled])
    now_ms = subscriptions.server_ms(store.client)
    failing = [one for one in health if health[one].state(now_ms) is not BreakerState.CLOSED]
    if failing:
        return Check(
            "webhooks",
            Health.WARN,
            f"{message}; endpoints that fail: {', '.join(failing)}",
            "`interlock webhook show ID`.",
        )
    if off:
        return Check(
            "webhooks",
            Health.WARN,
            f"{message}; disabled: {', '.join(off)}",
            "`interlock webhook enable ID`.",
        )
    return Check("webhooks", Health.OK, message)


def _card(store: Store, key: str) -> int:
    count: Any = store.client.zcard(key)
    return int(count)


def _dead(store: Store, _used: Settings) -> Check:
    lengths: list[Any] = [
        store.client.xlen(store.keys.partition(n).dead) for n in range(store.keys.partitions)
    ]
    letters = sum(lengths)
    if letters:
        return Check(
            "dead letters", Health.WARN, f"{letters} commands could not be applied", "`interlock dead list`."
        )
    return Check("dead letters", Health.OK, "none")


def _graphviz() -> Check:
    try:
        return Check("graphviz", Health.OK, str(find_graphviz()))
    except DiagramError:
        return Check(
            "graphviz", Health.WARN, "none: no SVG or PNG can be drawn", "pip install 'interlock[diagrams]'."
        )


_LOOKS: tuple[Callable[[Store, Settings], Check], ...] = (
    _persistence,
    checkup_keys.foreign_types,
    checkup_keys.lasting_markers,
    _pump,
    _workers,
    checkup_keys.rq_queues,
    _backlog,
    checkup_keys.waiting,
    checkup_keys.event_log,
    _timers,
    _charts,
    _indexes,
    _secret_key,
    _webhooks,
    _dead,
)
