"""A list as people and programs ask for it, in texts, read against the charts of the machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from interlock.engine.chart import Chart
from interlock.engine.expression_functions import kind_of
from interlock.engine.expression_shapes import shape_of
from interlock.engine.queries import KEY, InvalidQuery, Query
from interlock.engine.snapshot import Snapshot
from interlock.engine.spelling import did_you_mean
from interlock.engine.store import Store

_MORE_PAGES = 10
"""So many short pages are read on, to fill one."""

_TIME: Mapping[str, Any] = {"type": "string"}
_OF_INSTANCE: Mapping[str, Mapping[str, Any]] = {
    "created_at": _TIME,
    "updated_at": _TIME,
    "chart_version": {"type": "integer"},
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A stretch of a list. ``total``: how many instances the whole list has; where ``exact`` is false, at least so
    many; None where that was not asked for. ``next``: the cursor of the next stretch, None at the end."""

    instances: list[Snapshot]
    total: int | None
    exact: bool
    next: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is to hold, and in which order; `list_instances` answers it.

    ``where``: by field the value that it has, or the values of which it has one (a list); of a field that is an
    array, what it holds. ``states``: in one of these or below it; ``tags``: in a state with one of these. ``sort``:
    fields, the first counts most, ``-`` before one turns it round; by key where none is named. Fields are those of
    the chart's ``index``, ``created_at``, ``updated_at``, ``chart_version``, to sort ``key`` too. ``tenant``: whose
    instances; None for all tenants'.
    ``sources``: of which sources (`sources.source_of`); None for all, and for what has none.
    """

    machine: str
    where: Mapping[str, Any] = field(default_factory=dict)
    states: Sequence[str] = ()
    tags: Sequence[str] = ()
    sort: Sequence[str] = ()
    tenant: str | None = None
    sources: Sequence[str] | None = None

    def query(self, charts: Sequence[Chart]) -> Query:
        """The query. ``charts``: every version of the machine's. Raises AskedWrong and InvalidQuery."""
        fields = _fields(charts)
        _check("where", self.where, list(fields))
        _check("sort", [name.removeprefix("-") for name in self.sort], [*fields, KEY])
        where = {name: value if isinstance(value, list) else [value] for name, value in self.where.items()}
        arrays = {name for name, schemas in fields.items() if _are_arrays(schemas)}
        return Query(
            self.machine,
            tuple(self.states),
            tuple(self.tags),
            {name: values for name, values in where.items() if name not in arrays},
            tuple(self.sort),
            self.tenant,
            self.sources,
            {name: values for name, values in where.items() if name in arrays},
        )


def list_instances(
    store: Store,
    charts: Sequence[Chart],
    wanted: Wanted,
    *,
    limit: int,
    offset: int = 0,
    cursor: str | None = None,
    behind: str | None = None,
    count: bool = True,
    private: bool = False,
) -> Listed:
    """At most ``limit`` instances of a list, read from the indexes that the commits keep; see `Store.page`.

    It begins at ``offset``, at a ``cursor`` or behind the instance of the key ``behind``; the stretch is full but
    for the last, unless far more is to be passed by than shown. ``charts``: every registered version of the
    machine's. Blocks.

    Raises AskedWrong for a field that no version lists by; InvalidQuery, InvalidCursor, NotListed and TooBroad.
    """
    query = wanted.query(charts)
    page = store.page(query, limit=limit, cursor=cursor, offset=offset, behind=behind, private=private)
    found = page.instances
    for _ in range(_MORE_PAGES):
        if page.next is None or len(found) == limit:
            break
        page = store.page(query, limit=limit - len(found), cursor=page.next, private=private)
        found = found + page.instances
    total = store.total(query) if count else None
    return Listed(found, total.count if total else None, total is None or total.exact, page.next)


class AskedWrong(InvalidQuery):
    """A part of a list's question is wrong. ``parameter``: state, tag, where or sort."""

    def __init__(self, parameter: str, message: str) -> None:
        super().__init__(message)
        self.parameter = parameter


def read_query(
    charts: Sequence[Chart],
    *,
    states: Sequence[str] = (),
    tags: Sequence[str] = (),
    where: Sequence[str] = (),
    sort: Sequence[str] = (),
    tenant: str | None = None,
    sources: Sequence[str] | None = None,
) -> Query:
    """The query about the machine of which these are the charts, the newest first; at least one.

    ``where``: ``FIELD=VALUE`` each; a field that is named again may have either value, and an array holds it.
    VALUE is JSON, or text where the field's schema has no other use for it: ``priority=1``, ``user_id=5``,
    ``assignee=null``.

    Raises AskedWrong for what no version of the chart has, and InvalidQuery.
    """
    known_states = list(dict.fromkeys(path for chart in charts for path in chart.states if path))
    known_tags = {tag: None for chart in charts for each in chart.root.walk() for tag in each.tags}
    states = [_whole_path(path, known_states) for path in states]
    _check("state", states, known_states)
    _check("tag", tags, list(known_tags))
    fields = _fields(charts)
    _check("sort", [name.removeprefix("-") for name in sort], [*fields, KEY])
    wanted: dict[str, list[Any]] = {}
    held: dict[str, list[Any]] = {}
    for text in where:
        name, equals, value = text.partition("=")
        if not equals:
            raise AskedWrong("where", f"{text[:100]!r} is not FIELD=VALUE, such as queue=billing")
        _check("where", [name], list(fields))
        if _are_arrays(fields[name]):
            items = [schema.get("items", {}) for schema in fields[name]]
            held.setdefault(name, []).append(_value(name, value, items))
        else:
            wanted.setdefault(name, []).append(_value(name, value, fields[name]))
    return Query(charts[0].id, tuple(states), tuple(tags), wanted, tuple(sort), tenant, sources, held)


def listable(charts: Sequence[Chart]) -> set[str]:
    """What a list of these charts' machine can be filtered by, and sorted; ``key`` it can be sorted by."""
    return {*_fields(charts), KEY}


def _fields(charts: Sequence[Chart]) -> dict[str, list[Mapping[str, Any]]]:
    """What a list can be filtered and sorted by, each with the schemas that it has in the charts' versions."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for chart in charts:
        for name in chart.listed_by:
            name_in_query = f"context.{name}" if name in _OF_INSTANCE or name == KEY else name
            found.setdefault(name_in_query, []).append(chart.context[name].schema)
    return {**found, **{name: [schema] for name, schema in _OF_INSTANCE.items()}}


def _whole_path(path: str, known: Sequence[str]) -> str:
    """The state that is meant: its path, or the end of it where only one path ends so."""
    endings = [each for each in known if each.endswith(f".{path}")]
    return endings[0] if path not in known and len(endings) == 1 else path


def _check(parameter: str, names: Iterable[str], known: Sequence[str]) -> None:
    for name in names:
        if name not in known:
            near = did_you_mean(name, known)
            if not near.startswith("Did"):
                near = f"It has: {', '.join(known) or 'none'}."
            what = parameter if parameter in ("state", "tag") else "field to list by"
            raise AskedWrong(parameter, f"the chart has no {what} {name[:100]!r}. {near}")


def _are_arrays(schemas: Sequence[Mapping[str, Any]]) -> bool:
    return all(shape_of(schema, "").kinds == frozenset({"array"}) for schema in schemas)


def _value(name: str, text: str, schemas: Iterable[Mapping[str, Any]]) -> Any:
    """The value that a text means, given what the field may hold."""
    shapes = [shape_of(schema, name) for schema in schemas]
    try:
        value = orjson.loads(text)
    except ValueError:
        value = text
    for found in (value, text):
        if found is None or any(shape.may_be(kind_of(found)) for shape in shapes):
            break
    else:
        raise AskedWrong("where", f"{name} is {shapes[0]}, so never {text[:100]!r}")
    try:
        orjson.dumps(found)
    except TypeError:
        raise AskedWrong("where", f"{name}: the value is no UTF-8") from None
    return found
