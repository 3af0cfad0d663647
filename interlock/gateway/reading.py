"""Read instances for a principal: its tenant's alone, under the keys that the tenant knows. The one way to the lists.

Who may see what of a tenant is for the caller to ask (`permissions.may_read`, or the rules of his dialect).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import structlog
from starlette.concurrency import run_in_threadpool

from interlock.engine.chart import Chart
from interlock.engine.decision import capabilities
from interlock.engine.errors import ChartError
from interlock.engine.listing import MAX_OFFSET
from interlock.engine.machine import Machine
from interlock.engine.messages import Actor
from interlock.engine.queries import InvalidQuery, NotListed, TooBroad
from interlock.engine.snapshot import CorruptSnapshot, Snapshot
from interlock.engine.tenancy import DEFAULT_TENANT, plain, qualified
from interlock.engine.tokens import Principal
from interlock.gateway.deployment import ServedDeployment
from interlock.gateway.problems import Problem, chart_unavailable
from interlock.gateway.tenants import key_for
from interlock.statecharts.lists import Wanted, list_instances, listable
from interlock.statecharts.registered import ChartUnknown, MachineUnknown

Instance = dict[str, Any]
"""An instance as the wire contract shows it, with the tenant's key."""

_PAGE = 500

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
    Problem (503) where the chart is not here, (500) where the snapshot is broken, and a fault of the secret key,
    which is answered 503.
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
    sources: Sequence[str] | None = None,
) -> Listed:
    """Instances of a machine of the principal's tenant, read from the indexes that the commits keep.

    ``where``: values of context fields, all must hold; a list holds where one of its values does. ``states``: in
    one of these (dotted paths; of a compound state, in any below it). ``only``: what else must hold of an
    instance. ``sort``: context fields, ``key``, ``created_at``, ``updated_at``, ``version``; ``-`` before one turns it
    round; by key where none is named. ``after``: begin behind the instance of this key, in that order. ``sources``:
    only what belongs to one of these (`permissions.readable_sources`).

    Fields that the chart does not list by (`index`) and ``only`` cost a look at everything that the rest leaves.

    Raises UnknownPlace where ``after`` is not in the list, and Problem as `read` does.
    """
    wanted = Wanted(machine, where or {}, states=states, sort=sort, tenant=principal.tenant, sources=sources)
    place = _Place(offset, after, limit, private)
    return await run_in_threadpool(_listed, deployment, wanted, only, place)


@dataclass(frozen=True, slots=True)
class _Place:
    """Which stretch of a list."""

    offset: int
    after: str | None
    limit: int
    private: bool


class UnknownPlace(LookupError):
    """The list holds no instance of this key to begin behind."""


def _read(
    deployment: ServedDeployment, principal: Principal, machine: str, key: str, private: bool
) -> Instance | None:
    snapshot = stored(deployment, principal, machine, key, private=private)
    return None if snapshot is None else shown(deployment, snapshot, private=private)


def stored(
    deployment: ServedDeployment, principal: Principal, machine: str, key: str, *, private: bool = True
) -> Snapshot | None:
    """What is stored of the instance that the principal's tenant calls ``machine/key``. Blocks. Raises as `read`."""
    try:
        return deployment.store.snapshot(machine, key_for(principal, key), private=private)
    except CorruptSnapshot as error:
        log.error("corrupt_snapshot", machine=machine, key=key, reason=str(error))
        raise Problem(
            500, "corrupt_snapshot", "What is stored is no instance; the gateway's log tells more."
        ) from None


def shown(deployment: ServedDeployment, snapshot: Snapshot, *, private: bool = False) -> Instance:
    """An instance as its tenant may see it. Blocks. Raises Problem (503) where its chart is not registered."""
    try:
        instance = deployment.charts.shown(snapshot)
    except ChartUnknown as error:
        raise chart_unavailable(error) from None
    if private:
        instance["context"] = snapshot.context
    instance["key"] = plain(snapshot.key)
    return instance


def shown_entry(deployment: ServedDeployment, snapshot: Snapshot, entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of an instance's history as its tenant may see it. Blocks. Raises Problem (503) as `shown` does."""
    try:
        told = deployment.charts.shown_entry(snapshot, entry)
    except ChartUnknown as error:
        raise chart_unavailable(error) from None
    if told["command"]:
        told["command"]["id"] = plain(told["command"]["id"])
    for name in ("correlation_id", "causation_id"):
        if told.get(name):
            told[name] = plain(told[name])
    return told


def compiled(deployment: ServedDeployment, machine: str, version: int) -> Machine:
    """The machine of a registered chart. Blocks. Raises Problem (503) where it cannot be had."""
    try:
        return deployment.charts.machine(machine, version)
    except (ChartUnknown, ChartError) as error:
        raise chart_unavailable(error) from None


def accepted(deployment: ServedDeployment, snapshot: Snapshot, principal: Principal) -> list[str]:
    """The commands that the principal could send to an instance now. Blocks."""
    machine = compiled(deployment, snapshot.machine, snapshot.chart_version)
    return list(capabilities(machine, snapshot, Actor(**principal.actor()), datetime.now(UTC)))


def _listed(
    deployment: ServedDeployment, wanted: Wanted, only: Callable[[Instance], bool] | None, place: _Place
) -> Listed:
    try:
        charts = deployment.charts.versions(wanted.machine)
    except MachineUnknown:
        charts = []
    if not charts:
        if place.after is not None:
            raise UnknownPlace(place.after)
        return Listed([], 0, None)
    fields = listable(charts)
    unlisted = {name: value for name, value in wanted.where.items() if name not in fields}
    try:
        if only is None and not unlisted and {name.removeprefix("-") for name in wanted.sort} <= fields:
            return _by_indexes(deployment, charts, wanted, place)
        narrowed = replace(
            wanted, where={name: value for name, value in wanted.where.items() if name in fields}, sort=()
        )
        found = _all(deployment, charts, narrowed, place.private)
    except (TooBroad, InvalidQuery) as error:
        raise Problem(400, "too_broad", f"{error}.") from None
    found = [one for one in found if (only is None or only(one)) and _fits(one, unlisted)]
    return _stretch(found, wanted.sort, place)


def _by_indexes(
    deployment: ServedDeployment, charts: Sequence[Chart], wanted: Wanted, place: _Place
) -> Listed:
    if place.offset > MAX_OFFSET:
        total = deployment.store.total(wanted.query(charts))
        if total.exact and place.offset >= total.count:
            return Listed([], total.count, None)
    try:
        found = list_instances(
            deployment.store,
            charts,
            wanted,
            limit=place.limit,
            offset=place.offset,
            behind=None if place.after is None else qualified(wanted.tenant or DEFAULT_TENANT, place.after),
            private=place.private,
        )
    except NotListed:
        raise UnknownPlace(place.after) from None
    instances = [shown(deployment, snapshot, private=place.private) for snapshot in found.instances]
    return Listed(instances, found.total or 0, instances[-1]["key"] if found.next and instances else None)


def _all(
    deployment: ServedDeployment, charts: Sequence[Chart], wanted: Wanted, private: bool
) -> list[Instance]:
    """Everything that a list holds, page by page."""
    found: list[Instance] = []
    cursor = None
    while True:
        page = list_instances(
            deployment.store,
            charts,
            wanted,
            limit=_PAGE,
            cursor=cursor,
            count=False,
            private=private,
        )
        found += [shown(deployment, snapshot, private=private) for snapshot in page.instances]
        cursor = page.next
        if cursor is None:
            return found


def _stretch(found: list[Instance], sort: Sequence[str], place: _Place) -> Listed:
    for name in reversed(sort):
        found.sort(key=_sort_key(name.removeprefix("-")), reverse=name.startswith("-"))
    start = place.offset if place.after is None else _place(found, place.after) + 1
    part = found[start : start + place.limit]
    more = len(found) > start + place.limit
    return Listed(part, len(found), part[-1]["key"] if more and part else None)


def _fits(instance: Instance, where: Mapping[str, Any]) -> bool:
    context = instance["context"]
    return all(
        context.get(name) in (value if isinstance(value, list) else [value]) for name, value in where.items()
    )


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
