"""The page that compares the four source documents with what is here. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tools.lifecycles.markdown import codes, lines, prose, table
from tools.lifecycles.seeds import Entry, Seed

_WORDS = {
    "commands": "command",
    "reads": "read:",
    "is": "field",
    "input": "data",
    "key": "key of",
    "computed": "computed:",
    "left_out": "**left out:**",
}

_INTRODUCTION = """\
# The four documents, and what is here

Made of `docs/lifecycles/seeds.yaml` by `make docs`: change that file, not this page. A test compares both, and every
command and field named here with the charts.

The charts hold the rules; a vendor's own names, bodies and HTTP statuses are put around them by whoever speaks that
vendor's dialect, and do not change what is allowed. In the tables: *command* and *data* are sent to a chart, *field* is
kept by an instance, *key of* is the instance's name, *read* shows instances (one, or a list by an index), *computed* is
made of what is kept whenever it is shown. How Engage's own API is answered: [engage.md](../engage.md).
"""


def comparison_page(seeds: Iterable[Seed]) -> str:
    """The page as text."""
    return _INTRODUCTION + "\n" + "\n".join(line for seed in seeds for line in _section(seed)).rstrip() + "\n"


def _section(seed: Seed) -> Iterator[str]:
    yield from (f"## {seed.title}", "", "### Operations", "")
    yield from (*table(("Operation", "Here", ""), map(_row, seed.operations)), "")
    if seed.later:
        yield from ("Of later documents of the vendor, or our own:", "")
        yield from (*table(("Operation", "Here", ""), map(_row, seed.later)), "")
    yield from ("### Fields", "", *table(("Field", "Here", ""), map(_row, seed.fields)), "")
    yield from ("### Where the document leaves it open", "")
    head = ("The document says", "We read", "Changed in")
    rows = (
        (prose(each.says), prose(each.reading), lines((marked(each.change), codes(each.seen))))
        for each in seed.readings
    )
    yield from (*table(head, rows), "")


def _row(entry: Entry) -> tuple[str, str, str]:
    words = " ".join(text for text in (_WORDS[entry.way], codes(entry.names), prose(entry.text)) if text)
    of = f"of {codes(entry.of)}" if entry.of else ""
    return prose(entry.subject), lines((words, of)), prose(entry.note)


def marked(text: str) -> str:
    """Words in which file names and names of charts stand between backticks already."""
    return " ".join(text.split())
