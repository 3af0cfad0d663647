"""What the commands print: data on stdout, words on stderr, and nothing that a terminal would obey.

Keys, data and messages come from outside; control characters in them are shown, never sent.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from shutil import get_terminal_size
from typing import Any

import orjson

# C0, DEL, C1, line separators, and the marks that turn the writing direction around.
_HOSTILE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_HOSTILE_IN_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def plain(value: object) -> str:
    """``value`` as text on one line, its control characters written as ``\\x1b`` or ``\\u202e``."""
    return _HOSTILE.sub(_escape, str(value))


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def compact(value: Any) -> str:
    """``value`` as JSON on one line; texts stand as they are."""
    return plain(value) if isinstance(value, str) else _json(value, 0)


def print_json(value: Any) -> None:
    """JSON on stdout: indented on a terminal, one line elsewhere. All characters survive a round trip."""
    _write(_json(value, orjson.OPT_INDENT_2 if sys.stdout.isatty() else 0))


def _json(value: Any, option: int) -> str:
    text = orjson.dumps(value, option=option | orjson.OPT_NON_STR_KEYS).decode()
    return _HOSTILE_IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def print_line(text: str = "") -> None:
    """One line of data on stdout."""
    _write(plain(text))


def print_block(text: str) -> None:
    """Several lines of data on stdout; only the line ends in it are kept as they are."""
    for line in text.splitlines():
        _write(plain(line))


def say(text: str) -> None:
    """One line for people, on stderr."""
    print(plain(text), file=sys.stderr)  # noqa: T201 - this module is where printing happens


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on stdout: drawn by rich on a terminal that is wide enough, aligned columns elsewhere."""
    cells = [[compact(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    if sys.stdout.isatty() and sum(widths) + 3 * len(widths) < get_terminal_size().columns:
        _print_rich(columns, cells)
    else:
        _print_aligned(columns, cells, widths)


def _print_rich(columns: Sequence[str], cells: list[list[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)


def _print_aligned(columns: Sequence[str], cells: list[list[str]], widths: list[int]) -> None:
    for row in ([name.upper() for name in columns], *cells):
        _write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Names and values, one a line, the values aligned."""
    rows = list(facts)
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        _write(f"{name.ljust(width)}  {plain(compact(value))}")


def _write(line: str) -> None:
    # A text from outside may hold what the terminal's encoding does not.
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
