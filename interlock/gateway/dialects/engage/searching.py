"""Engage's search words: ``q=source:chat text:"new shoes" order:created_at.asc``, for lists that take ``q``. Pure.

Source: RingCentral's "Filters and Paginating Results". Of the keywords for contents, ``status_in`` is not taken: a
content keeps no such status here; nor is a negation (``-source:chat``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from interlock.gateway.dialects.engage.errors import unprocessable

MAX_QUERY = 1024
_WORD = re.compile(r'(-?)(?:([a-z_]+):)?(?:"([^"]*)"|(\S+))')
_FIELDS = {
    "intervention": "intervention_id",
    "identity": "identity_id",
    "identity_group": "identity_group_id",
    "source": "source_id",
    "thread": "thread_id",
}
"""Keyword to the field that has to have one of its values."""
_ORDERS = {"created_at.desc": "-created_at", "created_at.asc": "created_at"}
_KEYWORDS = (*_FIELDS, "text", "order")


@dataclass(slots=True)
class Search:
    """``where``: the values that a field may have; ``texts``: words, in small letters, each of which has to occur."""

    where: dict[str, list[str]] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    sort: str = "-created_at"

    def finds(self, text: str) -> bool:
        """Whether all of `texts` occur."""
        small = text.casefold()
        return all(word in small for word in self.texts)


def search(query: str) -> Search:
    """What ``q`` says; a word without a keyword is a text. Raises Problem (422)."""
    found = Search()
    for minus, keyword, quoted, bare in _WORD.findall(query):
        value = quoted or bare
        if minus or (keyword and keyword not in _KEYWORDS):
            raise unprocessable(
                f"q takes {', '.join(_KEYWORDS)}, none of them negated, and no {minus}{keyword or value!s}. Correct it."
            )
        if keyword in _FIELDS:
            found.where.setdefault(_FIELDS[keyword], []).append(value)
        elif keyword != "order":
            found.texts.append(value.casefold())
        elif value in _ORDERS:
            found.sort = _ORDERS[value]
        else:
            raise unprocessable(f"q: order is one of {', '.join(_ORDERS)}. Correct it.")
    return found
