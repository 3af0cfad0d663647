"""A tree of words as YAML that reads like one written by hand: short things on one line, comments beside them.

What comes out is what `yaml_source` reads: plain scalars only where nothing else could be meant, JSON's double
quotes otherwise.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH = 100
"""Columns that a line should not pass."""

_LETTERS = r"[A-Za-z0-9_.()/+*<>=%!'-]"
_PLAIN = re.compile(rf"[A-Za-z_.]{_LETTERS}*( {_LETTERS}+)*|[0-9]+(ms|s|m|h|d)")
_NOT_PLAIN = re.compile(r"(?i)null|true|false|yes|no|on|off|y|n|[.](inf|nan|[0-9].*)|\.|---|\.\.\.")
_CHECKED = 400
"""Longer texts are quoted unseen, so that the patterns have little to do."""
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Remark:
    """A value with a comment beside it."""

    value: Any
    comment: str


class Lines(dict[str, Any]):
    """A mapping that always has one line or more for each key."""


class Rows(Lines):
    """One whose values of None are written as nothing."""


def yaml_text(tree: Mapping[str, Any], heading: Sequence[str] = ()) -> str:
    """The document. ``tree``: JSON values, `Remark` and `Rows`; ``heading``: comment lines before it."""
    lines = [f"# {_comment(line)}" for line in heading]
    lines += _entries(Rows(tree), 0)
    return "\n".join(lines) + "\n"


def one_line(value: Any, limit: int = 200) -> str:
    """A JSON value in a comment, cut to so many characters."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (RecursionError, ValueError):
        text = "..."
    text = text if len(text) <= limit else f"{text[:limit]}..."
    return _comment(text)


def _comment(text: str) -> str:
    return _FORBIDDEN.sub(_escape, text).replace("\n", " ").replace("\t", " ")


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _scalar(value: Any, letters: str = "") -> str:
    """``letters``: others that a plain text may hold where the value has a line of its own."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float() if math.isfinite(value) and value == int(value) and abs(value) < 2**53:
            return f"{int(value)}.0"
        case int() | float():
            return repr(value)
    text = str(value)
    bare = text.translate(str.maketrans("", "", letters))
    if len(text) <= _CHECKED and _PLAIN.fullmatch(bare) and not _NOT_PLAIN.fullmatch(text):
        return text
    quoted = json.dumps(re.sub("[\ud800-\udfff]", "\ufffd", text), ensure_ascii=False)
    return _FORBIDDEN.sub(_escape, quoted)


def _flow(value: Any) -> str | None:
    """The value on one line; None where it holds a comment or wants lines of its own."""
    if isinstance(value, Remark) or (isinstance(value, Lines) and value):
        return None
    if isinstance(value, Mapping):
        parts = [(key, _flow(each)) for key, each in value.items()]
        if any(part is None for _, part in parts):
            return None
        return "{" + ", ".join(f"{_key(key)}: {part}" for key, part in parts) + "}"
    if isinstance(value, list):
        items = [_flow(each) for each in value]
        return None if None in items else "[" + ", ".join(map(str, items)) + "]"
    return _scalar(value)


def _key(text: str) -> str:
    return text if text == "on" else _scalar(text)


def _entries(table: Mapping[str, Any], indent: int) -> Iterator[str]:
    space = " " * indent
    for key, value in table.items():
        if value is None and isinstance(table, Rows):
            yield f"{space}{_key(key)}:"
        else:
            yield from _entry(f"{space}{_key(key)}:", value, indent)


def _entry(start: str, value: Any, indent: int) -> Iterator[str]:
    """``start`` is the line up to the value: a key with its colon, or the dash of an item."""
    comment, space = "", " " * indent
    if isinstance(value, Remark):
        comment, value = f"# {_comment(value.comment)}", value.value
    flow = _flow(value) if isinstance(value, (Mapping, list)) else _scalar(value, ",;")
    if flow is not None and (len(start) + len(flow) < WIDTH or not isinstance(value, (Mapping, list))):
        line = f"{start} {flow}"
        if comment and len(line) + len(comment) > WIDTH + 20:
            yield f"{space}{comment}"
            yield line
        else:
            yield f"{line}  {comment}".rstrip()
        return
    if comment:
        yield f"{space}{comment}"
    below = indent + 2
    lines = list(_entries(value, below) if isinstance(value, Mapping) else _items(value, below))
    if start.endswith("-"):
        while lines[0].lstrip().startswith("#"):  # A comment on an item's first word stands before the item.
            yield f"{space}{lines.pop(0).lstrip()}"
        if not lines[0].lstrip().startswith("-"):
            start = f"{start} {lines.pop(0).lstrip()}"
    yield start
    yield from lines


def _items(rows: Sequence[Any], indent: int) -> Iterator[str]:
    for row in rows:
        start, value = f"{' ' * indent}-", row
        comment = row.comment if isinstance(row, Remark) else ""
        inner = row.value if isinstance(row, Remark) else row
        if isinstance(inner, Mapping) and len(inner) == 1:
            ((key, value),) = inner.items()
            flow = _flow(value)
            if flow is not None and not isinstance(value, (Mapping, list)):
                yield from _entry(
                    f"{start} {_key(key)}:", Remark(value, comment) if comment else value, indent
                )
                continue
        yield from _entry(start, row, indent)
