"""Read instances for a principal: its tenant's alone, under the keys that the tenant knows. The one way to the lists.

Who may see what of a tenant is for the caller to ask (`permissions.may_read`, or the rules of his dialect).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool

from interlock.engine.secrets import KEY_FAULTS
from interlock.engine.snapshot import CorruptSnapshot, Snapshot
from interlock.engine.store import Page
from interlock.engine.tenancy import plain
from interlock.engine.tokens import Principal
from interlock.gateway.deployment import ServedDeployment
from interlock.gateway.permissions import may_read
from interlock.gateway.problems import Problem
from interlock.gateway.tenants import is_of, key_for
from interlock.statecharts.registered import ChartUnknown

Instance = dict[str, Any]
"""An instance as the wire contract shows it, with the tenant's key."""

_MAX_FETCHES = 200

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Listed:
    """A stretch of a list. ``total``: how long the whole list is; ``next``: the ``after`` of the next stretch."""

    instances: list[Instance]
    total: int
    next: str | None


async def read(
    deployment: ServedDeployment, principal: Principal, machine: str, key: str, *, private: bool = False
) -> Instance | None:
    """The instance that the principal's tenant calls ``machine/key``, or None.

    ``private``: with what its chart calls private too; only for what the vendor's API itself shows. Raises
    Problem (503) where the chart or the key of private values is not here, (500) where the snapshot is broken.
    """
    return await run_in_threadpool(_read, deployment, principal, machine, key, private)


async def listed(
    deployment: ServedDeployment,
    principal: Principal,
    machine: str,
    *,
    where: Mapping[str, Any] | None = None,
    states: Sequence[str] = (),
    only: Callable[[Instance], bool] | None = None,
    sort: Sequence[str] = (),
    offset: int = 0,
    after: str | None = None,
    limit: int = 50,
    private: bool = False,
) -> Listed:
    """Instances of a machine of the principal's tenant.

    ``where``: values of context fields, all must hold; a list holds where one of its values does. ``states``: in
    one of these (dotted paths; of a compound state, in any below it). ``only``: what else must hold of an
    instance. ``sort``: context fields, ``key``, ``created_at``, ``updated_at``, ``version``; ``-`` before one turns it
    round; by key where none is named. ``after``: begin behind the instance of this key, in that order.

    Raises UnknownPlace where ``after`` is not in the list, and Problem as `read` does.
    """
    found = await run_in_threadpool(_all, deployment, principal, machine, where or {}, states, private)
    if only is not None:
        found = [instance for instance in found if only(instance)]
    found.sort(key=lambda instance: str(instance["key"]))
    for name in reversed(sort):
        found.sort(key=_sort_key(name.removeprefix("-")), reverse=name.startswith("-"))
    start = offset if after is None else _place(found, after) + 1
    shown = found[start : start + limit]
    more = len(found) > start + limit
    return Listed(shown, len(found), shown[-1]["key"] if more and shown else None)


class UnknownPlace(LookupError):
    """The list holds no instance of this key to begin behind."""


def _read(
    deployment: ServedDeployment, principal: Principal, machine: str, key: str, private: bool
) -> Instance | None:
    try:
        snapshot = deployment.store.snapshot(machine, key_for(principal, key), private=private)
        return None if snapshot is None else shown(deployment, snapshot, private=private)
    except CorruptSnapshot as error:
        log.error("corrupt_snapshot", machine=machine, key=key, reason=str(error))
        raise Problem(
            500, "corrupt_snapshot", "What is stored is no instance; the gateway's log tells more."
        ) from None
    except KEY_FAULTS as fault:
        log.error("secret_key_unusable", reason=str(fault))
        message = "The gateway has not the deployment's secret key; its log says which setting."
        raise Problem(503, "secret_key", message, headers={"Retry-After": "5"}) from None


def shown(deployment: ServedDeployment, snapshot: Snapshot, *, private: bool = False) -> Instance:
    """An instance as its tenant may see it. Blocks. Raises Problem (503) where its chart is not registered."""
    try:
        instance = deployment.charts.shown(snapshot)
    except ChartUnknown as error:
        raise _unshowable(error) from None
    if private:
        instance["context"] = snapshot.context
    instance["key"] = plain(snapshot.key)
    return instance


def shown_entry(deployment: ServedDeployment, snapshot: Snapshot, entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of an instance's history as its tenant may see it. Blocks. Raises Problem (503) as `shown` does."""
    try:
        told = deployment.charts.shown_entry(snapshot, entry)
    except ChartUnknown as error:
        raise _unshowable(error) from None
    if told["command"]:
        told["command"]["id"] = plain(told["command"]["id"])
    for name in ("correlation_id", "causation_id"):
        if told.get(name):
            told[name] = plain(told[name])
    return told


def _unshowable(error: ChartUnknown) -> Problem:
    return Problem(503, "chart_unknown", str(error), headers={"Retry-After": "5"})


def visible(
    deployment: ServedDeployment,
    principal: Principal,
    fetch: Callable[[int, str | None], Page],
    limit: int,
    cursor: str | None,
) -> tuple[list[Instance], str | None]:
    """A page of what the principal may read of a list that holds all tenants' instances; and the next one's cursor.

    ``fetch``: at most so many instances behind a cursor. The page is short where there is much to pass by. Blocks.
    """
    found: list[Instance] = []
    for _ in range(_MAX_FETCHES):
        page = fetch(limit - len(found), cursor)
        found += [
            shown(deployment, snapshot)
            for snapshot in page.instances
            if is_of(principal, snapshot.key) and may_read(principal, snapshot.context)
        ]
        cursor = page.next
        if cursor is None or len(found) == limit:
            break
    return found, cursor


def _all(
    deployment: ServedDeployment,
    principal: Principal,
    machine: str,
    where: Mapping[str, Any],
    states: Sequence[str],
    private: bool,
) -> list[Instance]:
    wanted = {name: value if isinstance(value, list) else [value] for name, value in where.items()}
    return [
        shown(deployment, snapshot, private=private)
        for snapshot in deployment.store.instances(machine, private=private)
        if is_of(principal, snapshot.key)
        and all(snapshot.context.get(name) in values for name, values in wanted.items())
        and (not states or _is_in(snapshot, states))
    ]


def _is_in(snapshot: Snapshot, states: Sequence[str]) -> bool:
    return any(path == state or path.startswith(f"{state}.") for path in snapshot.state for state in states)


def _sort_key(name: str) -> Callable[[Instance], tuple[int, Any]]:
    """Orders null, booleans and numbers, texts, and then all else."""

    def place(instance: Instance) -> tuple[int, Any]:
        value = instance[name] if name in ("key", "created_at", "updated_at", "version") else None
        value = instance["context"].get(name) if value is None else value
        if value is None:
            return (0, 0)
        if isinstance(value, int | float):
            return (1, value)
        return (2, value) if isinstance(value, str) else (3, str(value))

    return place


def _place(found: Sequence[Instance], key: str) -> int:
    for number, instance in enumerate(found):
        if instance["key"] == key:
            return number
    raise UnknownPlace(key)
