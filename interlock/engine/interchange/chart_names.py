"""Names of another program's machine as names that our formats take: each once, and told where it changed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container
from dataclasses import dataclass, field

from interlock.engine.chart_words import Text
from interlock.engine.checks_declarations import is_past, past_tense

_LONGEST = 60
_PARTICLES = frozenset(("up", "down", "in", "out", "on", "off", "back", "over", "into"))
_SHORT = re.compile(r"[^aeiou]+[aeiou][bdgmnpt]")
"""Verbs that double their last letter: log, stop, ban."""
_IRREGULAR = {
    "begin": "begun", "bring": "brought", "build": "built", "buy": "bought", "catch": "caught",
    "choose": "chosen", "do": "done", "find": "found", "get": "got", "give": "given", "go": "gone",
    "hold": "held", "keep": "kept", "leave": "left", "lose": "lost", "make": "made", "pay": "paid",
    "put": "put", "read": "read", "run": "run", "say": "said", "sell": "sold", "send": "sent", "set": "set",
    "show": "shown", "shut": "shut", "spend": "spent", "take": "taken", "tell": "told", "think": "thought",
    "write": "written",
}  # fmt: skip


def fitting(name: str, form: Text, fallback: str) -> str:
    """The name itself where it has the form; else the nearest that has it. ``fallback``: where nothing is left."""
    if form.fits(name):
        return name
    text = unicodedata.normalize("NFKD", name[:200]).encode("ascii", "ignore").decode()
    text = re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_-")[:_LONGEST]
    for made in (text, text.replace("-", "_"), f"{fallback}_{text}", f"{fallback}_{text.replace('-', '_')}"):
        if made and form.fits(made):
            return made
    return fallback


def snake_case(name: str) -> str:
    """``isAdult`` as ``is_adult``; in small letters, digits and ``_``."""
    text = unicodedata.normalize("NFKD", name[:200]).encode("ascii", "ignore").decode()
    text = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text)
    text = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", text)
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:_LONGEST].rstrip("_")


def past(name: str) -> str:
    """What has happened when an action of this name was done: ``sendEmail`` is ``email_sent``."""
    words = [word for word in snake_case(name).split("_") if word]
    if not words:
        return "action_done"
    if not words[0][0].isalpha():
        return "_".join(["action", *words, "done"])
    if is_past("_".join(words)):
        return "_".join(words)
    verb, *rest = words
    doubled = verb + verb[-1] if _SHORT.fullmatch(verb) else verb
    done = _IRREGULAR.get(verb) or past_tense(doubled)
    made = "_".join([done, *rest] if rest[:1] and rest[0] in _PARTICLES else [*rest, done])
    return made if made[0].isalpha() else f"action_{made}"


@dataclass(slots=True)
class Names:
    """Gives each key one name of its own. ``taken``: names that are given away."""

    form: Text
    fallback: str
    taken: set[str] = field(default_factory=set)
    given: dict[str, str] = field(default_factory=dict)

    def give(self, key: str, wish: str | None = None, without: Container[str] = ()) -> str:
        """The name for a key, always the same; as its wish (the key itself, where none) if that is free."""
        if key not in self.given:
            name = first = fitting(key if wish is None else wish, self.form, self.fallback)
            number = 1
            while name in self.taken or name in without:
                number += 1
                name = f"{first[:_LONGEST]}_{number}"
            self.taken.add(name)
            self.given[key] = name
        return self.given[key]
