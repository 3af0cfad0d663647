"""Ids that are computed, not drawn: the same cause always gets the same id.

So a command that is taken in twice, or an event that is announced again after a crash, is told apart
from a new one by its id alone.
"""

from __future__ import annotations

from hashlib import blake2b

import orjson

_VERSION_7 = 0x7
_VERSION_8 = 0x8
_VARIANT = 0x8000_0000_0000_0000
_LAST_SEQUENCE = 2**64 - 1


def _digest(parts: list[object], size: int) -> bytes:
    return blake2b(orjson.dumps(parts), digest_size=size).digest()


def event_id(machine: str, key: str, version: int, ordinal: int, command_id: str) -> str:
    """UUID (version 8, RFC 9562) of the ``ordinal``-th event of an instance's ``version``."""
    return _version_8([machine, key, version, ordinal, command_id])


def sent_id(hops: int, machine: str, key: str, version: int, ordinal: int, cause_id: str) -> str:
    """Id of the ``ordinal``-th command that a step sends: ``s<hops>-<UUID>``.

    ``hops``: how many commands in a row were each sent by the step of the one before, this one included.
    """
    return f"s{hops}-{_version_8(['send', machine, key, version, ordinal, cause_id])}"


def command_id_from_entry(stream: str, entry_id: str, body: bytes) -> str:
    """UUIDv7 for a command that was published without an id, from its place in the ingress stream.

    The time is the entry's; the rest is a digest, so that the same entry always gets the same id.
    """
    milliseconds = int(entry_id.partition("-")[0]) & 0xFFFF_FFFF_FFFF
    tail = int.from_bytes(blake2b(f"{stream} {entry_id} ".encode() + body, digest_size=10).digest(), "big")
    number = milliseconds << 80 | _VERSION_7 << 76 | (tail >> 64 & 0xFFF) << 64
    return _uuid(number | _VARIANT | tail & 0x3FFF_FFFF_FFFF_FFFF)


def run_id(machine: str, key: str, version: int, invoke_id: str) -> str:
    """Id of a run of an invoked function, and of the command that brings its outcome: ``i-<UUID>``."""
    return f"i-{_version_8(['invoke', machine, key, version, invoke_id])}"


def _version_8(parts: list[object]) -> str:
    number = int.from_bytes(_digest(parts, 16), "big")
    number = number & ~(0xF << 76) | _VERSION_8 << 76
    return _uuid(number & ~(0xC << 60) | _VARIANT)


def _uuid(number: int) -> str:
    """The text of a UUID, six times as fast as by way of `uuid.UUID`."""
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def fingerprint(body: object) -> str:
    """32 hex digits that tell one body of a command from another; the order of keys does not count."""
    return blake2b(orjson.dumps(body, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def next_entry_id(entry_id: str) -> str:
    """The smallest stream id after ``entry_id`` (``<ms>-<sequence>``): where a stream is trimmed up to."""
    milliseconds, sequence = entry_place(entry_id)
    return f"{milliseconds}-{sequence + 1}" if sequence < _LAST_SEQUENCE else f"{milliseconds + 1}-0"


def entry_place(entry_id: bytes | str) -> tuple[int, int]:
    """Milliseconds and number of a stream's entry id, by which ids are ordered."""
    milliseconds, number = entry_id.split(b"-") if isinstance(entry_id, bytes) else entry_id.split("-")
    return int(milliseconds), int(number)


def entry_text(place: tuple[int, int]) -> str:
    """The entry id of this place, as Redis writes it."""
    return f"{place[0]}-{place[1]}"
