"""Tables and words in the Markdown that GitHub reads. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SYNTAX = re.compile(r"([\\`*_\[\]])")
_LEFT_OPEN = {"<": "&lt;", ">": "&gt;"}


def prose(text: str) -> str:
    """Words for people, on one line; nothing in them is syntax."""
    plain = " ".join(text.split())
    return "".join(_LEFT_OPEN.get(one, one) for one in _SYNTAX.sub(r"\\\1", plain))


def code(text: str) -> str:
    """A name or an expression, as it is written in a chart."""
    return f"`{' '.join(text.split())}`"


def codes(texts: Iterable[str]) -> str:
    """Names after one another."""
    return ", ".join(code(text) for text in texts)


def lines(texts: Iterable[str]) -> str:
    """Texts below one another in one cell; empty ones are left out."""
    return "<br>".join(text for text in texts if text)


def numbered(texts: Sequence[str]) -> str:
    """Texts below one another in one cell, each with its number where there are several."""
    return (
        lines(f"{number}. {text}" for number, text in enumerate(texts, 1)) if len(texts) > 1 else lines(texts)
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table line by line. Raises ValueError where a row has not as many cells as the head."""
    made = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        if len(row) != len(head):
            raise ValueError(f"{len(row)} cells under {len(head)} heads: {row}")
        made.append("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |")
    return made
