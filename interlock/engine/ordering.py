"""JSON values as texts that sort as the values do: what the members of an order index begin with. Pure.

Of two values of one field, null comes first, then false, true, numbers by size, texts by their code points, and at
last arrays and objects, which have no order that means something. Equal values (1 and 1.0 too) give equal texts,
others different ones.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import orjson

from interlock.engine.expression_functions import kind_of

TEXT_COUNTS = 100
"""Characters of a text that count for its order. Longer ones that begin alike stay in some order, always the same."""
END = "\x00"
"""Ends an encoded value where something follows. It is in none, and smaller than all that is."""

_KINDS = {"null": "0", "number": "3", "string": "4", "array": "5", "object": "6"}
_RESIDUE_ZERO = 0x8000


def encoded(value: Any) -> str:
    """The text of a JSON value, at most 300 characters."""
    if value is True or value is False:
        return "2" if value else "1"
    kind = kind_of(value)
    tag = _KINDS[kind]
    if kind == "null":
        return tag
    if kind == "string":
        return tag + _text(value)
    if kind == "number":
        return tag + _number(value)
    parts = (
        {name: encoded(part) for name, part in value.items()}
        if kind == "object"
        else list(map(encoded, value))
    )
    return tag + _digest(parts)


def _text(text: str) -> str:
    kept = text[:TEXT_COUNTS]
    if "\x00" in kept or "\x01" in kept:
        kept = kept.replace("\x01", "\x01\x02").replace("\x00", "\x01\x01")
    return kept if len(text) <= TEXT_COUNTS else kept + _digest(text)


def _number(number: int | float) -> str:
    """The nearest double, in an order of bits that is that of the numbers, then what an integer is beside it."""
    nearest = float(number) + 0.0  # -0.0 is 0
    (bits,) = struct.unpack(">Q", struct.pack(">d", nearest))
    ordered = bits ^ 0xFFFFFFFFFFFFFFFF if bits >> 63 else bits | 1 << 63
    residue = number - int(nearest) if isinstance(number, int) else 0
    return f"{ordered:016x}{residue + _RESIDUE_ZERO:04x}"


def _digest(value: Any) -> str:
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()
