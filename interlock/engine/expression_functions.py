"""What an expression may call, and the limits on every value that it makes.

All functions are pure, take JSON values and give new JSON values; none changes its arguments. A message
never shows a value, because a private field may be in it: it names kinds (``string``, ``null``) instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from itertools import chain
from types import MappingProxyType
from typing import Any

import orjson

from interlock.engine.errors import InterlockError
from interlock.engine.messages import format_time, parse_time

MAX_STRING = 65_536
"""Characters of a string made at run time."""
MAX_ITEMS = 10_000
"""Items of a list or object made at run time."""
MAX_PARTS = 100_000
MAX_CHARACTERS = 1_048_576
"""Values, and characters of strings and keys, in all that an expression gives, however deep they lie."""
MAX_INTEGER = 2**63 - 1
_MAX_DEPTH = 64
_TOO_MUCH = f"a value over {MAX_PARTS} parts or {MAX_CHARACTERS} characters in all"


class EvaluationError(InterlockError):
    """An expression failed while it ran: the command is refused as guard_error. Correct the expression."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


_KINDS: Mapping[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    tuple: "array",
    dict: "object",
}


def kind_of(value: Any) -> str:
    """The JSON kind of a value: null, boolean, number, string, array, object; else its Python type's name."""
    return _KINDS.get(type(value)) or ("object" if isinstance(value, Mapping) else type(value).__name__)


def bounded(value: Any) -> Any:
    """The value itself. Raises EvaluationError where it is larger than an expression may make it."""
    kind = type(value)
    if kind is int:
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise EvaluationError("an integer beyond 64 bits")
    elif kind is float:
        if not math.isfinite(value):
            raise EvaluationError("a number that is not finite")
    elif kind is str:
        if len(value) > MAX_STRING:
            raise EvaluationError(f"a string over {MAX_STRING} characters")
    elif kind in (list, dict) and len(value) > MAX_ITEMS:
        raise EvaluationError(f"an {kind_of(value)} over {MAX_ITEMS} items")
    return value


def measured(value: Any) -> Any:
    """The value itself. Raises EvaluationError where all that lies in it is too much.

    Lists that hold one list twice are small in memory and have no end as JSON: it counts what JSON would hold.
    """
    if type(value) not in (list, dict):
        return value
    parts = characters = depth = 0
    level = [value]
    while level:
        objects = [part for part in level if type(part) is dict]
        lists = [part for part in level if type(part) is list]
        characters += sum(map(len, (part for part in level if type(part) is str)))
        parts += sum(map(len, objects)) + sum(map(len, lists))
        if parts > MAX_PARTS or characters > MAX_CHARACTERS:  # before they are laid out below
            raise EvaluationError(_TOO_MUCH)
        characters += sum(map(len, chain.from_iterable(objects)))
        if characters > MAX_CHARACTERS:
            raise EvaluationError(_TOO_MUCH)
        below = [*chain.from_iterable(map(dict.values, objects)), *chain.from_iterable(lists)]
        depth += 1
        if depth > _MAX_DEPTH:
            raise EvaluationError(f"a value nested over {_MAX_DEPTH} levels")
        level = below
    return value


def json_value(value: Any, depth: int = 0) -> Any:
    """The value of an application's function. Raises EvaluationError where any part of it is not JSON."""
    if depth > _MAX_DEPTH:
        raise EvaluationError(f"a value nested over {_MAX_DEPTH} levels")
    if isinstance(value, dict):
        for name, item in value.items():
            _expect(name, "string", "a key")
            json_value(item, depth + 1)
    elif isinstance(value, list):
        for item in value:
            json_value(item, depth + 1)
    elif type(value) not in _KINDS or isinstance(value, tuple):
        raise EvaluationError(f"a {type(value).__name__} is no JSON value")
    return bounded(value)


def _expect(value: Any, kind: str, place: str) -> Any:
    found = kind_of(value)
    if found != kind:
        raise EvaluationError(f"{place}: expected {kind}, found {found}")
    return value


def _numbers(place: str, *values: Any) -> None:
    for value in values:
        _expect(value, "number", place)


def _best(place: str, choose: Callable[[Any], Any], values: tuple[Any, ...]) -> Any:
    rows = values[0] if len(values) == 1 else values
    _expect(rows, "array", place)
    kinds = {kind_of(row) for row in rows}
    if not rows or len(kinds) != 1 or not kinds <= {"number", "string"}:
        raise EvaluationError(f"{place}: expected numbers only or strings only, found {sorted(kinds)}")
    return choose(rows)


def min_(first: Any, *more: Any) -> Any:
    """``min(a, b, ...)`` or ``min(list)``: the smallest of numbers or of strings."""
    return _best("min", min, (first, *more))


def max_(first: Any, *more: Any) -> Any:
    """``max(a, b, ...)`` or ``max(list)``: the largest of numbers or of strings."""
    return _best("max", max, (first, *more))


def sum_(rows: Any) -> Any:
    """``sum(list)``: the sum of its numbers, 0 for an empty list."""
    _numbers("sum", *_expect(rows, "array", "sum"))
    return sum(rows)


def len_(value: Any) -> int:
    """``len(x)``: characters of a string, items of a list, keys of an object; 0 for null."""
    if value is None:
        return 0
    if kind_of(value) not in ("string", "array", "object"):
        raise EvaluationError(f"len: a {kind_of(value)} has no length")
    return len(value)


def abs_(number: Any) -> Any:
    """``abs(n)``: the number without its sign."""
    return abs(_expect(number, "number", "abs"))


def round_(number: Any, digits: Any = None) -> Any:
    """``round(n)`` to an integer, ``round(n, digits)`` to decimals (0 to 15); halves go to even."""
    _expect(number, "number", "round")
    if digits is None:
        return round(number)
    if type(digits) is not int or not 0 <= digits <= 15:
        raise EvaluationError("round: digits is an integer from 0 to 15")
    return round(number, digits)


def lower(text: Any) -> str:
    """``lower(s)``: in small letters."""
    return str(_expect(text, "string", "lower")).lower()


def upper(text: Any) -> str:
    """``upper(s)``: in capitals."""
    return str(_expect(text, "string", "upper")).upper()


def strip(text: Any) -> str:
    """``strip(s)``: without the white space at both ends."""
    return str(_expect(text, "string", "strip")).strip()


def startswith(text: Any, prefix: Any) -> bool:
    """``startswith(s, prefix)``: true where the string begins so; false for null."""
    if text is None:
        return False
    return str(_expect(text, "string", "startswith")).startswith(_expect(prefix, "string", "startswith"))


def endswith(text: Any, suffix: Any) -> bool:
    """``endswith(s, suffix)``: true where the string ends so; false for null."""
    if text is None:
        return False
    return str(_expect(text, "string", "endswith")).endswith(_expect(suffix, "string", "endswith"))


def int_(value: Any) -> int:
    """``int(x)``: the integer in a string, or a number cut towards zero."""
    if kind_of(value) not in ("string", "number"):
        raise EvaluationError(f"int: no integer in a {kind_of(value)}")
    try:
        return int(value)
    except (ValueError, OverflowError):
        raise EvaluationError("int: the string is no integer") from None


def float_(value: Any) -> float:
    """``float(x)``: the decimal number in a string or an integer."""
    if kind_of(value) not in ("string", "number"):
        raise EvaluationError(f"float: no number in a {kind_of(value)}")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise EvaluationError("float: the string is no number") from None


def str_(value: Any) -> str:
    """``str(x)``: a string as it is, anything else as JSON: ``str(3)`` is '3', ``str(null)`` is 'null'."""
    return (
        value
        if isinstance(value, str)
        else orjson.dumps(measured(value), option=orjson.OPT_SORT_KEYS).decode()
    )


def bool_(value: Any) -> bool:
    """``bool(x)``: false for null, false, 0, '', [] and {}; else true."""
    return bool(value)


def coalesce(first: Any, *more: Any) -> Any:
    """``coalesce(a, b, ...)``: the first that is not null; null where all are."""
    return next((value for value in (first, *more) if value is not None), None)


def get(container: Any, key: Any, default: Any = None) -> Any:
    """``get(object, key, default)`` or ``get(list, index, default)``: default (null) where there is none."""
    if container is None:
        return default
    if isinstance(container, Mapping):
        return container.get(_expect(key, "string", "get"), default)
    _expect(container, "array", "get")
    if type(key) is not int:
        raise EvaluationError(f"get: a list is read by an integer, found {kind_of(key)}")
    return container[key] if -len(container) <= key < len(container) else default


def append(rows: Any, *items: Any) -> list[Any]:
    """``append(list, item, ...)``: a new list with the items at its end; null counts as an empty list."""
    return [*(() if rows is None else _expect(rows, "array", "append")), *items]


def without(container: Any, *items: Any) -> Any:
    """``without(list, item, ...)``: a new list less all equal items; of an object, less those keys."""
    if isinstance(container, Mapping):
        return {name: value for name, value in container.items() if name not in items}
    return [
        row
        for row in (() if container is None else _expect(container, "array", "without"))
        if row not in items
    ]


def merge(*objects: Any) -> dict[str, Any]:
    """``merge(object, object, ...)``: a new object; a later key wins; null counts as an empty object."""
    merged: dict[str, Any] = {}
    for each in objects:
        merged.update({} if each is None else _expect(each, "object", "merge"))
    return merged


def unique(rows: Any) -> list[Any]:
    """``unique(list)``: a new list with each value once, where it came first; null gives an empty list."""
    seen: dict[bytes, Any] = {}
    for row in () if rows is None else measured(_expect(rows, "array", "unique")):
        seen.setdefault(orjson.dumps(row, option=orjson.OPT_SORT_KEYS), row)
    return list(seen.values())


def _moment(text: Any, place: str) -> datetime:
    try:
        return parse_time(_expect(text, "string", place))
    except ValueError:
        raise EvaluationError(f"{place}: the string is no RFC 3339 time") from None


def add_seconds(time: Any, seconds: Any) -> str:
    """``add_seconds(time, seconds)``: the RFC 3339 time so many seconds later (negative: earlier)."""
    _numbers("add_seconds", seconds)
    try:
        return format_time(_moment(time, "add_seconds") + timedelta(seconds=seconds))
    except OverflowError:
        raise EvaluationError("add_seconds: beyond the years 1 to 9999") from None


def seconds_between(earlier: Any, later: Any) -> float:
    """``seconds_between(earlier, later)``: seconds from one RFC 3339 time to another; negative backwards."""
    return (_moment(later, "seconds_between") - _moment(earlier, "seconds_between")).total_seconds()


def in_state(path: str, active: frozenset[str] = frozenset()) -> bool:
    """``in_state('open.assigned')``: true while that state is active; the path is written as a literal."""
    return path in active


FUNCTIONS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        function.__name__.rstrip("_"): function
        for function in (
            *(min_, max_, sum_, len_, abs_, round_, int_, float_, str_, bool_),
            *(lower, upper, strip, startswith, endswith),
            *(coalesce, get, append, without, merge, unique),
            *(add_seconds, seconds_between, in_state),
        )
    }
)
"""Every built-in by its name in expressions; the first part of each docstring shows how it is written."""
