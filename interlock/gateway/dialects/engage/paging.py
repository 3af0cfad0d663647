"""Engage's lists: a page of what the token's user may read, in the one envelope that all of them have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from fastapi import Response

from interlock.engine.listing import MAX_OFFSET
from interlock.engine.queries import InvalidQuery
from interlock.gateway.dialects.engage.answering import answer
from interlock.gateway.dialects.engage.calls import Call
from interlock.gateway.dialects.engage.errors import unprocessable
from interlock.gateway.dialects.engage.shapes import records
from interlock.gateway.dialects.engage.words import FILTER, IDS, MAX_WHOLE, whole
from interlock.gateway.permissions import readable_sources
from interlock.gateway.reading import Instance, listed

DEFAULT_LIMIT, MAX_LIMIT = 30, 150
MAX_LOOKED = 10_000
"""Instances that are read one by one for a page, where no index finds what is asked for."""
NEWEST_FIRST = ("-created_at",)
PAGING = {"offset": whole(0, MAX_OFFSET), "limit": whole(1)}
"""The OpenAPI words for the parameters of a page."""
_SEVERAL = frozenset({"identity_id"})
"""Filters that are declared as a list."""


def filter_words(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The OpenAPI words for `filters`."""
    return {name: IDS if name in _SEVERAL else FILTER for name in names}


def filters(call: Call, names: Iterable[str]) -> dict[str, list[str]]:
    """The values that each of these fields may have, as the call's parameters of that name say; empty ones say nothing.

    Raises Problem (422).
    """
    found = {name: call.texts(name) for name in names}
    return {name: values for name, values in found.items() if values}


async def page(
    call: Call,
    machine: str,
    shape: Callable[[Instance], dict[str, Any]],
    *,
    where: Mapping[str, list[str]] | None = None,
    states: Sequence[str] = (),
    only: Callable[[Instance], bool] | None = None,
    sort: Sequence[str] = NEWEST_FIRST,
    by_source: bool = True,
) -> Response:
    """The page that the call asks for (``offset``, ``limit``) of what `listed` finds, each record made by ``shape``.

    ``only``: what else must hold, of at most `MAX_LOOKED` that the rest leaves. ``by_source``: only what is on sources
    that the call's principal reads. Raises Problem: 422 where the page is out of bounds, or too much is asked for.
    """
    offset = call.whole("offset", 0, 0, MAX_OFFSET)
    limit = min(call.whole("limit", DEFAULT_LIMIT, 1, MAX_WHOLE), MAX_LIMIT)
    find = partial(
        listed,
        call.deployment,
        call.principal,
        machine,
        where=where,
        states=states,
        sources=readable_sources(call.principal) if by_source else None,
    )
    try:
        if only is not None and (await find(limit=1)).total > MAX_LOOKED:
            raise unprocessable(
                f"Over {MAX_LOOKED} would have to be looked at. Name a thread or an identity."
            )
        found = await find(only=only, sort=sort, offset=offset, limit=limit)
    except InvalidQuery as error:
        raise unprocessable(f"{error}. Ask for less.") from None
    return answer(records([shape(instance) for instance in found.instances], found.total, offset, limit))
