"""Events as they happen, by server-sent events (WHATWG HTML, 9.2)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from time import monotonic
from typing import Annotated, Any

import orjson
import redis
import structlog
from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from interlock.engine import event_filters
from interlock.engine.errors import InterlockError
from interlock.engine.event_filters import OPERATIONAL, EventFilter, FilterInvalid
from interlock.engine.tenancy import plain, split
from interlock.engine.tokens import Principal
from interlock.gateway.answers import problems
from interlock.gateway.callers import Reader, still_valid
from interlock.gateway.deployment import Deployment, ServedDeployment
from interlock.gateway.listener import Announced, Listening, TooSlow
from interlock.gateway.permissions import READ_ALL, may_read
from interlock.gateway.places import PlaceInvalid, PlaceLost
from interlock.gateway.problems import Problem

KEEP_ALIVE_SECONDS = 15.0
CHECK_SECONDS = 5.0
"""So often a stream's token is looked at again: one that was revoked, or has expired, hears no more."""
_SLICE_SECONDS = 1.0
_RETRY_MS = 1000

router = APIRouter()

log = structlog.get_logger()


@router.get(
    "/events",
    response_model=None,
    responses={
        200: {
            "description": "A stream: `id` is a place to resume at, `event` the type, `data` the CloudEvent.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **problems(400, 410),
    },
)
async def stream_events(
    request: Request,
    deployment: Deployment,
    reader: Reader,
    events: Annotated[
        list[str] | None, Query(max_length=100, description="`ticket.assigned`, `ticket.*`; all where none.")
    ] = None,
    machine: Annotated[list[str] | None, Query(max_length=100, description="Only of these charts.")] = None,
    key: Annotated[list[str] | None, Query(max_length=100, description="Only of these instances.")] = None,
    states: Annotated[
        list[str] | None, Query(max_length=100, description="Only of steps that enter one of these.")
    ] = None,
    where: Annotated[
        str | None, Query(max_length=2000, description="Only where it is true: `context.priority <= 2`.")
    ] = None,
    last_event_id: Annotated[
        str | None, Header(description="The last `id` that was seen: what came since then comes first.")
    ] = None,
) -> Response:
    """Events of the caller's tenant that it may read, from now on."""
    try:
        wanted = event_filters.checked(events or ["*"], machine or [], states or [], where)
    except FilterInvalid as error:
        raise Problem(400, "invalid_filter", f"{error}.") from None
    listening = deployment.feed.listen(_wants(reader, wanted, key), last_event_id or None)
    try:
        listener = await listening.__aenter__()
    except PlaceLost:
        raise Problem(
            410,
            "place_lost",
            "What came since Last-Event-ID is kept no more: read how things stand, then begin without it.",
        ) from None
    except PlaceInvalid:
        raise Problem(
            400, "invalid_last_event_id", "Last-Event-ID is none of ours: begin again without it."
        ) from None

    async def stream() -> AsyncIterator[bytes]:
        try:
            async for part in _parts(request, deployment, listener):
                yield part
        finally:
            await listening.__aexit__(None, None, None)

    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)


async def _parts(request: Request, deployment: ServedDeployment, listener: Listening) -> AsyncIterator[bytes]:
    yield f"retry: {_RETRY_MS}\nid: {listener.place_text()}\n\n".encode()
    said = checked = monotonic()
    while not deployment.commands.stopping:
        try:
            one = await listener.following(_SLICE_SECONDS)
            if monotonic() - checked >= CHECK_SECONDS:
                if not await still_valid(deployment, request):
                    return
                checked = monotonic()
        except (TooSlow, redis.RedisError):
            return  # the client begins again where it was
        if one is not None:
            said = monotonic()
            yield _part(one, listener.place_text())
        elif monotonic() - said > KEEP_ALIVE_SECONDS:
            said = monotonic()
            yield f":\nid: {listener.place_text()}\n\n".encode()


def _part(one: Announced, place: str) -> bytes:
    head = f"id: {place}\nevent: {one.event['type']}\ndata: ".encode()
    return head + shown_event(one) + b"\n\n"


def shown_event(one: Announced) -> bytes:
    """The CloudEvent as its tenant knows it: JSON without line breaks."""
    if not one.event["subject"].startswith("~"):
        return one.body
    event = {**one.event, "subject": plain(one.event["subject"])}
    if isinstance(event.get("correlationid"), str):
        event["correlationid"] = plain(event["correlationid"])
    data = event.get("data")
    if isinstance(data, dict):
        event["data"] = {
            name: plain(value) if name.endswith("_id") and isinstance(value, str) else value
            for name, value in data.items()
        }
        command = data.get("command")
        if isinstance(command, dict) and isinstance(command.get("id"), str):
            event["data"]["command"] = {**command, "id": plain(command["id"])}
    return orjson.dumps(event)


def _wants(
    reader: Principal, wanted: EventFilter, keys: list[str] | None
) -> Callable[[Mapping[str, Any]], bool]:
    def wants(event: Mapping[str, Any]) -> bool:
        tenant, key = split(event["subject"])
        if tenant != reader.tenant or (keys is not None and key not in keys):
            return False
        if event["type"].startswith(OPERATIONAL):
            return reader.kind in READ_ALL and wanted.wants(event)
        data = event.get("data")
        context = data.get("context") if isinstance(data, dict) else None
        if not may_read(reader, context if isinstance(context, dict) else {}):
            return False
        try:
            return wanted.wants(event)
        except InterlockError as error:  # a `where` that fails is a no
            log.info("event_filter_failed", error=str(error))
            return False

    return wants
