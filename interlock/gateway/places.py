"""Places in the feed of events, and how they are written: a position in every stream that is read."""

from __future__ import annotations

from collections.abc import Sequence

Entry = tuple[int, int]
"""Milliseconds and number of an entry of a stream."""
START: Entry = (0, 0)
"""Before the first."""


class PlaceInvalid(ValueError):
    """This names no place in the feed. Begin without one."""


class PlaceLost(Exception):
    """What came behind this place is kept no more, or the place is of another deployment. Look at how things stand
    now, then begin without one."""


def place_text(place: Sequence[Entry]) -> str:
    """A place as a text."""
    return ".".join(f"{ms:x}-{number:x}" if number else f"{ms:x}" for ms, number in place)


def furthest(one: Sequence[Entry], other: Sequence[Entry]) -> list[Entry]:
    """The place that is as far as the further of two in each stream that the first has."""
    return [max(*both) for both in zip(one, other, strict=False)]


def read_place(text: str, streams: int) -> list[Entry]:
    """The place in so many streams that a text means. Raises PlaceInvalid."""
    parts = text.split(".")
    if len(parts) != streams or not all(_is_part(part) for part in parts):
        raise PlaceInvalid(text[:100])
    place = []
    for part in parts:
        milliseconds, _, number = part.partition("-")
        place.append((int(milliseconds, 16), int(number or "0", 16)))
    return place


def _is_part(part: str) -> bool:
    pieces = part.split("-")
    return len(pieces) <= 2 and all(
        0 < len(piece) < 16 and all(letter in "0123456789abcdef" for letter in piece) for piece in pieces
    )
