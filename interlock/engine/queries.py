"""What a list is asked for: filters, an order, and the cursor that says how far a reader has come. Pure."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from interlock.engine.errors import InterlockError
from interlock.engine.indexing import CHART_VERSION, CREATED_AT, SOURCE, TENANT, UPDATED_AT, Row
from interlock.engine.ordering import encoded

MAX_SORTS = 4
MAX_VALUES = 200
"""Values, states and tags that one query may name in all."""
KEY = "key"
_OF_INSTANCE = {"created_at": CREATED_AT, "updated_at": UPDATED_AT, "chart_version": CHART_VERSION}


class InvalidQuery(InterlockError):
    """A query that says what no list can be asked for. Correct what the message names."""


class InvalidCursor(InterlockError):
    """A cursor that no page of this query gave out. Begin again without one."""


class NotListed(InvalidQuery):
    """The instance behind which a page is to begin is not in the list. Begin again without it."""


class TooBroad(InterlockError):
    """More instances than one request looks at would have to be put in order. Filter more, or sort by one field."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where an instance stands in a list: the encoded values that it is sorted by, then its key."""

    values: tuple[str, ...]
    key: str


@dataclass(frozen=True, slots=True)
class Order:
    """One thing to sort by. ``name``: of the index; `KEY` for the instance's key."""

    name: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """The instances of ``machine`` that fit all that is said, in an order.

    ``states``: in one of these (a compound state: in any below it); ``tags``: in a state with one of these;
    ``where``: by field, the JSON values of which it has one. ``sort``: fields, the first counts most, ``-``
    before one turns it round; those that are equal stand in the order of their keys' bytes, turned as the last
    field is. Without ``sort``: by key.

    Fields are context fields that the chart lists by (``index``), ``created_at``, ``updated_at`` and
    ``chart_version``, to sort ``key`` too; a context field of such a name is written ``context.key``. Instances
    whose own chart version does not list by a field that is named are not in the list.

    ``has``: by field that is an array, the JSON values of which it holds one.
    ``tenant``: only instances of this one. ``sources``: only those that belong to one of these (`sources.source_of`);
    None leaves in what belongs to none.

    Raises InvalidQuery where it names more than `MAX_VALUES` or `MAX_SORTS`, or a value that is not JSON.
    """

    machine: str
    states: Sequence[str] = ()
    tags: Sequence[str] = ()
    where: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    sort: Sequence[str] = ()
    tenant: str | None = None
    sources: Sequence[str] | None = None
    has: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    orders: tuple[Order, ...] = field(init=False)
    key_descends: bool = field(init=False)
    values: Mapping[str, frozenset[str]] = field(init=False)
    """Encoded values by index, of which an instance has one."""
    members: Mapping[str, frozenset[str]] = field(init=False)
    """Encoded values by index, of which an instance's array holds one."""

    def __post_init__(self) -> None:
        sources = self.sources or ()
        named = (
            len(sources)
            + len(self.states)
            + len(self.tags)
            + sum(map(len, (*self.where.values(), *self.has.values())))
        )
        if named > MAX_VALUES or len(self.sort) > MAX_SORTS:
            raise InvalidQuery(
                f"a query names at most {MAX_VALUES} values, states, tags and sources, and sorts by at most "
                f"{MAX_SORTS} fields"
            )
        orders = [Order(index_of(name.removeprefix("-")), name.startswith("-")) for name in self.sort]
        object.__setattr__(self, "key_descends", bool(orders) and orders[-1].descending)
        if orders and orders[-1].name == KEY:
            orders.pop()
        if any(order.name == KEY for order in orders):
            raise InvalidQuery("no two instances have one key: sort by it last")
        object.__setattr__(self, "orders", tuple(orders))
        try:
            values = {index_of(name): frozenset(map(encoded, each)) for name, each in self.where.items()}
            if self.tenant is not None:
                values[TENANT] = frozenset([encoded(self.tenant)])
            if self.sources is not None:
                values[SOURCE] = frozenset(map(encoded, self.sources))
            members = {index_of(name): frozenset(map(encoded, each)) for name, each in self.has.items()}
        except (TypeError, KeyError, ValueError, OverflowError) as error:
            raise InvalidQuery(f"a value to filter by is no JSON value: {error}") from error
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "members", members)

    @property
    def names(self) -> set[str]:
        """The indexes that it filters or sorts by."""
        return {*self.values, *self.members, *(order.name for order in self.orders)}

    def position(self, row: Row, key: str) -> Position | None:
        """Where an instance stands in the list; None where it is not in it."""
        values = row.values
        for name, wanted in self.values.items():
            if values.get(name) not in wanted:
                return None
        for name, wanted in self.members.items():
            if wanted.isdisjoint(row.members.get(name, ())):
                return None
        if self.states and not any(state in row.states for state in self.states):
            return None
        if self.tags and not any(tag in row.tags for tag in self.tags):
            return None
        try:
            return Position(tuple(values[order.name] for order in self.orders), key)
        except KeyError:
            return None

    def only(self, name: str) -> Query:
        """The query of one filter of this one: that of values by the index ``name``; for "" of all others."""
        alone = Query(self.machine, () if name else self.states, () if name else self.tags)
        object.__setattr__(alone, "values", {name: self.values[name]} if name else {})
        object.__setattr__(alone, "members", {} if name else self.members)
        return alone

    def sorted(self, positions: list[Position]) -> list[Position]:
        """The positions in the order of the list."""
        found = sorted(positions, key=lambda each: each.key, reverse=self.key_descends)
        for number, order in reversed(list(enumerate(self.orders))):
            found.sort(key=lambda each: each.values[number], reverse=order.descending)
        return found

    def is_behind(self, one: Position, other: Position) -> bool:
        """Whether ``one`` comes after ``other``."""
        for order, mine, others in zip(self.orders, one.values, other.values, strict=True):
            if mine != others:
                return (mine < others) if order.descending else (mine > others)
        return (one.key < other.key) if self.key_descends else (one.key > other.key)

    def cursor(self, position: Position) -> str:
        """A text that says: everything up to here was given out."""
        raw = orjson.dumps([self._digest(), position.values, position.key])
        return urlsafe_b64encode(raw).decode().rstrip("=")

    def read_cursor(self, cursor: str) -> Position:
        """The inverse of `cursor`. Raises InvalidCursor."""
        try:
            digest, values, key = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
            position = Position(tuple(values), key)
            # The decoder passes over what is not in its alphabet, so what it read is written again.
            same = digest == self._digest() and self.cursor(position) == cursor
            if same and len(values) == len(self.orders) and all(type(one) is str for one in (*values, key)):
                return position
        except (ValueError, TypeError):  # what others wrote may fail in any place
            pass
        raise InvalidCursor(f"{cursor[:50]!r} is no cursor of this query: begin again without one")

    def _digest(self) -> str:
        filters = sorted([name, sorted(values)] for name, values in self.values.items())
        filters += sorted(["has", name, sorted(values)] for name, values in self.members.items())
        told = [self.machine, [*self.states], [*self.tags], [*self.sort], filters]
        return hashlib.sha256(orjson.dumps(told)).hexdigest()[:12]


def index_of(name: str) -> str:
    """The index that a field's name in a query means."""
    if name.startswith("context."):
        return name.removeprefix("context.")
    return _OF_INSTANCE.get(name, name)
