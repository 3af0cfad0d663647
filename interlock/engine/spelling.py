"""The word that was meant: the end of every message about an unknown name."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_LISTED = 12
_COMPARED = 200


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``Did you mean 'x'?`` where a known word is close, else the known words; empty where none is known."""
    words = sorted(set(known))
    if len(words) > _COMPARED:
        words = [each for each in words if each[:1] == word[:1]][:_COMPARED]
    # get_close_matches is quadratic in the word's length, and the word may come from anywhere.
    close = get_close_matches(word[:64], words, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    if not words:
        return ""
    more = ", ..." if len(words) > _LISTED else ""
    return f"Known: {', '.join(words[:_LISTED])}{more}."
