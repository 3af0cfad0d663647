"""Secrets that an endpoint repeats in its answer, taken out before the answer is kept or shown. Pure.

Some servers answer with the headers of the request, above all on an error page; and then as JSON, HTML or a URL, where
characters are escaped.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from html import unescape

MASK = "***"
_SHORTEST = 4
"""A shorter value is no secret, and would take ordinary text with it."""
_SHORTEST_WORD = 8
"""Of a part of a value, and of a beginning that the end of the kept text has cut off."""

_SPELLINGS = tuple(
    re.compile(rf"(?:{escape})|(?P<plain>.)", re.DOTALL)
    for escape in (
        r"\\u(?P<hex>[0-9a-fA-F]{4})|\\(?P<slashed>.)",
        r"(?P<entity>&(?:\#[0-9]{1,7}|\#[xX][0-9a-fA-F]{1,6}|quot|apos|amp|lt|gt);)",
        r"%(?P<hex>[0-9a-fA-F]{2})",
    )
)
"""Of JSON, HTML and URLs. Each alone: what escapes in one stands for itself in another."""

_Reading = tuple[str, list[tuple[int, int]]]
"""A text, and for each of its characters where it stands in the original."""


def masked(text: str, secrets: Iterable[str]) -> str:
    """``text`` with `MASK` for each of the secrets, for their words, and for the beginning of one at its very end."""
    wanted = {word for secret in secrets for word in _words(secret)}
    spans: list[tuple[int, int]] = []
    for reading in _readings(text) if wanted and text else ():
        for word in wanted:
            spans += _found(reading, word)
    shown, end = [], 0
    for start, stop in sorted(spans):
        if start >= end:
            shown += [text[end:start], MASK]
        end = max(end, stop)
    return "".join((*shown, text[end:]))


def _words(secret: str) -> Iterator[str]:
    """A value, and what a server may take out of it: the token behind ``Bearer``, the password of ``Basic``."""
    if len(secret) < _SHORTEST or not secret.strip():
        return
    yield secret
    scheme, *words = secret.split()
    yield from (word for word in words if len(word) >= _SHORTEST_WORD)
    if scheme.lower() == "basic" and words:
        try:
            pair = base64.b64decode(words[0], validate=True).decode()
        except (binascii.Error, ValueError):
            return
        password = pair.partition(":")[2]
        yield from (word for word in (pair, password) if len(word) >= _SHORTEST)


def _found(reading: _Reading, word: str) -> Iterator[tuple[int, int]]:
    text, places = reading
    start = text.find(word)
    while start >= 0:
        yield places[start][0], places[start + len(word) - 1][1]
        start = text.find(word, start + 1)
    for length in range(min(len(word), len(text)), _SHORTEST_WORD - 1, -1):
        if text.endswith(word[:length]):
            yield places[-length][0], places[-1][1]
            return


def _readings(text: str) -> Iterator[_Reading]:
    yield text, [(place, place + 1) for place in range(len(text))]
    for spelling in _SPELLINGS:
        found = list(spelling.finditer(text))
        yield "".join(map(_letter, found)), [match.span() for match in found]


def _letter(match: re.Match[str]) -> str:
    """The one character that an escape stands for."""
    kind, found = str(match.lastgroup), match[str(match.lastgroup)]
    if kind == "hex":
        return chr(int(found, 16))
    return unescape(found)[:1] or " " if kind == "entity" else found
