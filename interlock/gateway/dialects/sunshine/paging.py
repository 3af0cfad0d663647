"""Lists of Sunshine: ``page[size]``, ``page[after]``, ``page[before]`` and ``filter[...]``.

The vendor's generated clients send such an object as JSON in one parameter (``page={"size": 25}``); that counts too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import Request

from interlock.engine.messages import text_schema
from interlock.gateway.dialects.sunshine.bodies import Schema
from interlock.gateway.dialects.sunshine.calls import Call
from interlock.gateway.dialects.sunshine.errors import bad_request
from interlock.gateway.parameters import read_json, unfolded
from interlock.gateway.reading import Instance, UnknownPlace, listed

DEFAULT_SIZE, MAX_SIZE = 25, 100
_CURSOR = text_schema(128)


def in_query(
    name: str, properties: Mapping[str, Any], *, required: bool = False, more: Schema | None = None
) -> dict[str, Any]:
    """The OpenAPI words for an object in the query."""
    schema = {"type": "object", "properties": dict(properties), "additionalProperties": False, **(more or {})}
    return {
        "name": name,
        "in": "query",
        "required": required,
        "style": "deepObject",
        "explode": True,
        "schema": schema,
    }


PAGE = in_query(
    "page",
    {
        "after": _CURSOR,
        "before": _CURSOR,
        "size": {"type": "integer", "minimum": 1, "maximum": MAX_SIZE, "default": DEFAULT_SIZE},
    },
    more={"not": {"required": ["after", "before"]}},
)


def object_in_query(request: Request, name: str, known: tuple[str, ...]) -> dict[str, Any]:
    """The object of this name. Raises SunshineError (400) for what is none, or has other members."""
    found = unfolded(request.query_params.multi_items()).get(name, {})
    if isinstance(found, str):
        found = read_json(found.encode())
    if not isinstance(found, dict) or not found.keys() <= set(known):
        raise bad_request(f"{name} takes {', '.join(known)}. Correct it.")
    return {word: value for word, value in found.items() if value is not None}


def page_of(request: Request) -> tuple[int, str | None, str | None]:
    """Size, after and before. Raises SunshineError (400)."""
    page = object_in_query(request, "page", ("after", "before", "size"))
    size = page.get("size", DEFAULT_SIZE)
    if isinstance(size, str) and size.isascii() and size.isdigit() and len(size) < 4:
        size = int(size)
    if type(size) is not int or not 1 <= size <= MAX_SIZE:
        raise bad_request(f"page[size] is no whole number from 1 to {MAX_SIZE}. Correct it.")
    after, before = page.get("after"), page.get("before")
    if not all(each is None or (isinstance(each, str) and each) for each in (after, before)):
        raise bad_request("page[after] and page[before] are ids. Correct them.")
    if after is not None and before is not None:
        raise bad_request("Send page[after] or page[before], not both.")
    return size, after, before


async def stretch(
    call: Call,
    machine: str,
    where: Mapping[str, Any],
    request: Request,
    *,
    states: Sequence[str] = (),
    latest: bool = False,
) -> tuple[list[Instance], dict[str, Any]]:
    """Instances in the order in which they came, and ``meta`` with ``links``.

    ``states``: in one of these. ``latest``: without a cursor the last ones, and not the first. Raises SunshineError
    (400).
    """
    size, after, before = page_of(request)
    backwards = before is not None or (latest and after is None)
    try:
        found = await listed(
            call.deployment,
            call.principal,
            machine,
            where=where,
            states=states,
            sort=["-created_at" if backwards else "created_at"],
            after=before if backwards else after,
            limit=size,
        )
    except UnknownPlace:
        raise bad_request("The list has no such place. Begin anew without page[after].") from None
    instances = found.instances[::-1] if backwards else found.instances
    meta: dict[str, Any] = {"hasMore": found.next is not None}
    if instances and (after is not None or (backwards and found.next is not None)):
        meta["beforeCursor"] = instances[0]["key"]
    if instances and (before is not None or (not backwards and found.next is not None)):
        meta["afterCursor"] = instances[-1]["key"]
    return instances, {"meta": meta, "links": links(request, meta, size)}


def links(request: Request, meta: Mapping[str, Any], size: int) -> dict[str, str]:
    """The addresses of the pages around."""
    path, rest = request.url.path, f"&page[size]={size}"
    given = [
        f"&{name}={value}" for name, value in request.query_params.multi_items() if name.startswith("filter[")
    ]
    found = {}
    for name, cursor, word in (("prev", "beforeCursor", "before"), ("next", "afterCursor", "after")):
        if cursor in meta:
            found[name] = f"{path}?page[{word}]={meta[cursor]}{rest}{''.join(given)}"
    return found
