"""Where instances are and how they came there; what a chart calls private is cut."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BeforeValidator

from interlock.engine.listing import MAX_OFFSET
from interlock.engine.messages import MAX_ID_LENGTH, MAX_KEY_LENGTH
from interlock.engine.queries import InvalidCursor, InvalidQuery, TooBroad
from interlock.engine.snapshot import Snapshot
from interlock.engine.tokens import Principal
from interlock.gateway.answers import answer, decoded, problems
from interlock.gateway.callers import Reader, check_readable
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.permissions import readable_sources
from interlock.gateway.problems import Problem
from interlock.gateway.reading import shown, shown_entry
from interlock.gateway.shapes import HistoryPage, Instance, InstancePage
from interlock.gateway.tenants import key_for
from interlock.statecharts.lists import AskedWrong, read_query
from interlock.statecharts.registered import MachineUnknown

MAX_PAGE = 1000
_CODES = {
    "state": "unknown_state",
    "tag": "unknown_tag",
    "where": "invalid_where",
    "sort": "invalid_sort",
}

MachineId = Annotated[
    str, Path(description="Id of the chart.", max_length=MAX_ID_LENGTH), BeforeValidator(decoded)
]
Key = Annotated[
    str,
    Path(description="Key of the instance, percent-encoded.", max_length=MAX_KEY_LENGTH),
    BeforeValidator(decoded),
]

router = APIRouter()


@router.get(
    "/instances/{machine}",
    response_model=None,
    responses={200: {"model": InstancePage}, **problems(400, 404)},
)
def list_instances(
    deployment: Deployment,
    reader: Reader,
    machine: MachineId,
    state: Annotated[
        list[str] | None, Query(description="Only those in this state or below it; several: in one of them.")
    ] = None,
    tag: Annotated[
        list[str] | None, Query(description="Only those in a state with this tag; several: with one of them.")
    ] = None,
    where: Annotated[
        list[str] | None,
        Query(
            description="`FIELD=VALUE`, VALUE as JSON or text; FIELD is in the chart's index. Fields must all hold, "
            "of the values of one field any."
        ),
    ] = None,
    sort: Annotated[
        list[str] | None,
        Query(
            description="A field of the chart's index, `created_at`, `updated_at`, `key`; `-` before it is downwards. "
            "Several: the first counts most. By key, where none is given."
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
    cursor: Annotated[str | None, Query(description="`next` of the page before.")] = None,
    offset: Annotated[int, Query(ge=0, le=MAX_OFFSET, description="Leave out so many at the beginning.")] = 0,
    count: Annotated[bool, Query(description="Tell how many there are in all, too.")] = False,
) -> Response:
    """The instances of a machine, filtered and sorted.

    A page may be shorter than its limit; the end is where `next` is null.
    """
    try:
        query = read_query(
            deployment.charts.versions(machine),
            states=state or (),
            tags=tag or (),
            where=where or (),
            sort=sort or (),
            tenant=reader.tenant,
            sources=readable_sources(reader),
        )
        page = deployment.store.page(query, limit=limit, cursor=cursor, offset=offset, private=False)
        total = deployment.store.total(query) if count else None
    except MachineUnknown as error:
        raise Problem(404, "unknown_machine", str(error)) from None
    except AskedWrong as error:
        raise Problem(400, _CODES[error.parameter], f"{error.parameter}: {error}") from None
    except InvalidCursor as error:
        raise Problem(400, "invalid_cursor", f"{error}.") from None
    except InvalidQuery as error:
        raise Problem(400, "invalid_query", f"{error}.") from None
    except TooBroad as error:
        raise Problem(400, "too_broad", f"{error}.") from None
    instances = [shown(deployment, snapshot) for snapshot in page.instances]
    counted = {"count": total.count, "count_exact": total.exact} if total else {}
    return answer({"instances": instances, "next": page.next, **counted})


@router.get(
    "/instances/{machine}/{key}",
    response_model=None,
    responses={200: {"model": Instance, "description": "`ETag` is its version."}, **problems(404)},
)
def read_instance(deployment: Deployment, reader: Reader, machine: MachineId, key: Key) -> Response:
    """An instance as it is now."""
    snapshot = snapshot_of(deployment, reader, machine, key)
    return answer(shown(deployment, snapshot), headers={"ETag": f'"{snapshot.version}"'})


@router.get(
    "/instances/{machine}/{key}/history",
    response_model=None,
    responses={200: {"model": HistoryPage}, **problems(404)},
)
def read_history(
    deployment: Deployment,
    reader: Reader,
    machine: MachineId,
    key: Key,
    first: Annotated[int, Query(ge=1, le=2**53, description="The first version.")] = 1,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> Response:
    """What happened to an instance, version by version."""
    snapshot = snapshot_of(deployment, reader, machine, key)
    entries = deployment.store.history(machine, snapshot.key, first, limit, private=False)
    told = [shown_entry(deployment, snapshot, entry) for entry in entries]
    after = entries[-1]["version"] + 1 if entries else first
    return answer({"history": told, "next": after if entries and after <= snapshot.version else None})


def snapshot_of(deployment: ServedDeployment, reader: Principal, machine: str, key: str) -> Snapshot:
    """An instance that the caller may read. Raises Problem: 403, 404."""
    snapshot = deployment.store.snapshot(machine, key_for(reader, key), private=False)
    if snapshot is None:
        raise Problem(404, "not_found", f"There is no instance {machine}/{key}.")
    check_readable(reader, snapshot.context)
    return snapshot
