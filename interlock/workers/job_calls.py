"""What a job in Redis may say: the name of one of our functions and plain arguments; no more is read."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from interlock.engine.errors import InterlockError

DRAIN_JOB = "interlock.drain"
DELIVER_JOB = "interlock.deliver"
INVOKE_JOB = "interlock.invoke"
MAX_CALL_BYTES = 4096


class JobRefused(InterlockError):
    """A job in the queue is none of ours; it is removed and logged. Find out who may write to this Redis."""


@dataclass(frozen=True, slots=True)
class AllowedFunction:
    """A function that a job may name. ``run`` checks its arguments itself: JobRefused for wrong ones."""

    run: Callable[..., None]
    timeout_seconds: int


def read_call(data: bytes) -> tuple[str, list[Any]]:
    """Name and arguments out of a job's data: JSON ``[name, null, [argument...], {}]``, perhaps compressed.

    Raises JobRefused for anything else; what a decompression may yield is bounded.
    """
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(data, MAX_CALL_BYTES + 1)
    except zlib.error:
        text = data
    if len(text) > MAX_CALL_BYTES:
        raise JobRefused(f"its data is larger than {MAX_CALL_BYTES} bytes")
    try:
        call = json.loads(text)
    except (ValueError, RecursionError):
        raise JobRefused("its data is not JSON") from None
    match call:
        case [str(name), None, list(args), {**kwargs}] if not kwargs:
            return name, args
    raise JobRefused("its data is not a function's name with plain arguments")
