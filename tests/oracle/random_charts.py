"""Random charts, in words of neither engine: `spelling` writes each in ours and in XState's.

A chart is a tree of `Place`. What can tell two engines apart is said aloud: every entry, exit and transition
says its own word, so that the order of everything is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

COMMANDS = ("e1", "e2", "e3", "e4")
RAISED = ("i1", "i2", "i3", "x.y", "x.z")
FIELDS = ("n", "m")
FUEL = "fuel"
DELAYS = (10, 20, 30, 50)

Guard = tuple[Any, ...]
"""("less", field, number), ("odd", field), ("flag",), ("in", path), ("not", guard), ("and", guard, guard)."""
Act = tuple[Any, ...]
"""("say", word), ("raise", event), ("set", {field: terms}): the sum of fields and numbers; ("later", event,
milliseconds, id or ""), ("cancel", id)."""


@dataclass
class Way:
    """A transition. ``targets``: paths. ``forbidden``: nothing at all, and no ancestor is asked."""

    targets: list[str] = field(default_factory=list)
    guard: Guard | None = None
    acts: list[Act] = field(default_factory=list)
    reenter: bool = False
    forbidden: bool = False


@dataclass
class Place:
    """A state. ``ways``: by event, with `done` and delays apart. ``default``: of a history state. ``starts``: actions
    of its initial."""

    path: str
    kind: str
    children: list[Place] = field(default_factory=list)
    initial: str = ""
    starts: list[Act] = field(default_factory=list)
    default: list[str] = field(default_factory=list)
    entry: list[Act] = field(default_factory=list)
    exit: list[Act] = field(default_factory=list)
    on: dict[str, list[Way]] = field(default_factory=dict)
    always: list[Way] = field(default_factory=list)
    done: list[Way] = field(default_factory=list)
    after: dict[int, list[Way]] = field(default_factory=dict)

    def walk(self) -> Iterator[Place]:
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def is_history(self) -> bool:
        return self.kind in ("shallow", "deep")

    def ways(self) -> Iterator[Way]:
        for rows in (*self.on.values(), self.always, self.done, *self.after.values()):
            yield from rows


class Maker:
    """Makes one chart out of one source of chance."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.left = self.random.randint(2, 11)
        self.words = 0
        self.waiting = 0
        self.lively = self.random.choice((0.4, 0.8, 1.2))
        """How much of everything there is; a quiet chart shows more of each single thing."""
        self.root = self._place("", 0, self.random.choice(("compound", "compound", "parallel")))
        self.places = list(self.root.walk())
        self.by_path = {place.path: place for place in self.places}
        for place in self.places:
            self._furnish(place)
        for place in self.places:
            for way in place.ways():
                self._stop_timers_around(place, way)
        self._prune()

    def _chance(self, probability: float) -> bool:
        return self.random.random() < probability

    # The tree

    def _place(self, path: str, depth: int, kind: str) -> Place:
        place = Place(path, kind)
        if kind not in ("compound", "parallel"):
            return place
        names = iter("abcdefgh")
        for _ in range(self.random.choice((2, 2, 3) if kind == "parallel" else (1, 2, 3, 4))):
            final = kind == "parallel" and self._chance(0.05)
            place.children.append(self._child(place, next(names), depth, "final" if final else ""))
        if kind == "compound":
            if self._chance(0.3):
                place.children.append(self._child(place, next(names), depth, "final"))
            place.initial = self.random.choice([c.path for c in place.children if c.kind != "final"])
        if self._chance(0.35):
            history = self._child(place, "hist", depth, self.random.choice(("shallow", "deep")))
            place.children.insert(self.random.randint(0, len(place.children)), history)
            if kind == "compound" and self._chance(0.1):
                place.initial = history.path
        return place

    def _child(self, place: Place, name: str, depth: int, kind: str = "") -> Place:
        self.left -= 1
        if not kind:
            kind = "atomic"
            if depth < 4 and self.left > 0 and self._chance(0.5):
                kind = self.random.choice(("compound", "compound", "parallel"))
        return self._place(f"{place.path}.{name}" if place.path else name, depth + 1, kind)

    # What stands in it

    def _furnish(self, place: Place) -> None:
        if place.is_history:
            place.default = self._default(place)
            return
        place.entry = self._acts(place, "enter", 0.02)
        place.exit = self._acts(place, "leave", 0.02)
        if place.kind == "compound" and self._chance(0.3):
            place.starts = self._acts(place, "start", 0.02)
        if place.kind == "final":
            return
        for event in (*COMMANDS, *RAISED):
            if self._chance((0.45 if event in COMMANDS else 0.25) * self.lively):
                place.on[event] = self._candidates(place, event)
        for event in ("*", "x.*", "done.state.*"):
            if self._chance(0.04):
                place.on[event] = self._candidates(place, event)
        if self._chance(0.06):
            below = [p.path for p in place.walk() if p.kind in ("compound", "parallel") and p is not place]
            if below:
                path = self.random.choice(below)
                place.on[f"done.state.{path}"] = self._candidates(place, "done")
        if self._chance(0.15 * self.lively):
            place.always = [self._eventless(place) for _ in range(self.random.randint(1, 2))]
        if place.kind in ("compound", "parallel") and place.path and self._chance(0.5):
            place.done = self._candidates(place, "done")
        for delay in DELAYS:
            if self._chance(0.08 * self.lively):
                place.after[delay] = self._candidates(place, "after")

    def _default(self, place: Place) -> list[str]:
        above = self._above(place)
        if above.kind == "compound" and above.initial != place.path and self._chance(0.5):
            return []
        if above.kind == "parallel" and self._chance(0.6):
            chosen = [path for path in self._one_of_each_region(above) if not self.by_path[path].is_history]
            if chosen:
                return chosen
        inside = [p.path for p in above.walk() if p is not above and not p.is_history]
        return [self.random.choice(inside)]

    def _above(self, place: Place) -> Place:
        return self.by_path[place.path.rpartition(".")[0]]

    def _candidates(self, place: Place, event: str) -> list[Way]:
        if event in COMMANDS and self._chance(0.06):
            return [Way(forbidden=True)]
        ways = [self._way(place, event, guarded=True) for _ in range(self.random.choice((0, 0, 0, 1, 2)))]
        return [*ways, self._way(place, event, guarded=self._chance(0.25))]

    def _way(self, place: Place, event: str, guarded: bool) -> Way:
        way = Way(acts=self._acts(place, "go", 0.15 if event in COMMANDS else 0.03))
        if guarded:
            way.guard = self._guard(event in COMMANDS)
        if self._chance(0.8):
            way.targets = self._targets(place)
        if event in COMMANDS[1:] and self._chance(0.08):
            # Only where nothing raised can do it again: timers that arm two of their kind have no end.
            self.waiting += 1
            name = self.random.choice(("", f"w{self.waiting}"))
            way.acts.append(("later", self.random.choice(RAISED), self.random.choice(DELAYS), name))
        if event in COMMANDS and self._chance(0.3):
            way.acts.append(("set", {FUEL: [0]}))
        way.reenter = self._chance(0.2)
        return way

    def _eventless(self, place: Place) -> Way:
        way = Way(guard=self._guard(False), acts=self._acts(place, "slip", 0.02))
        if self._chance(0.7):
            way.targets = self._targets(place)
        way.reenter = self._chance(0.15)
        if self._chance(0.95):
            # Most come to an end: the fuel is used up until a command fills it again.
            way.guard = ("and", ("less", FUEL, 3), way.guard)
            way.acts.append(("set", {FUEL: [FUEL, 1]}))
        return way

    def _targets(self, place: Place) -> list[str]:
        parallels = [p for p in self.places if p.kind == "parallel"]
        if parallels and self._chance(0.12):
            return self._one_of_each_region(self.random.choice(parallels))
        near = self.random.random()
        if near < 0.02:
            return [""]
        if near < 0.1 and place.path:
            return [place.path]
        siblings = [p.path for p in self._above(place).children if p is not place]
        if near < 0.7 and place.path and siblings and self._above(place).kind == "compound":
            return [self.random.choice(siblings)]
        if near < 0.85 and place.children:
            return [self.random.choice([p.path for p in place.walk() if p is not place])]
        return [self.random.choice([p.path for p in self.places if p.path])]

    def _one_of_each_region(self, parallel: Place) -> list[str]:
        regions = [child for child in parallel.children if not child.is_history]
        chosen = self.random.sample(regions, self.random.randint(1, len(regions)))
        return [
            self.random.choice([p.path for p in region.walk() if not (p.is_history and p is region)])
            for region in chosen
        ]

    def _guard(self, with_data: bool) -> Guard:
        kind = self.random.choice(("less", "less", "odd", "in", "flag" if with_data else "odd"))
        guard: Guard = (kind, self.random.choice(FIELDS))
        if kind == "less":
            guard = (*guard, self.random.randint(1, 4))
        elif kind == "in":
            guard = ("in", self.random.choice([p.path for p in self.places if p.path and not p.is_history]))
        elif kind == "flag":
            guard = ("flag",)
        return ("not", guard) if self._chance(0.2) and kind != "less" else guard

    def _acts(self, place: Place, word: str, raising: float) -> list[Act]:
        acts: list[Act] = []
        if self._chance(0.85):
            self.words += 1
            acts.append(("say", f"{word}{self.words}"))
        if self._chance(raising):
            acts.append(("raise", self.random.choice((*RAISED, *COMMANDS[:1]))))
        if self.waiting and self._chance(0.03):
            acts.append(("cancel", f"w{self.random.randint(1, self.waiting)}"))
        if self._chance(0.15):
            name, other = self.random.sample(FIELDS, 2)
            fields = self.random.choice(({name: [name, 1]}, {name: [other], other: [name]}, {name: [0]}))
            acts.insert(self.random.randint(0, len(acts)), ("set", fields))
        return acts

    def _prune(self) -> None:
        """Only what something raises may be waited for, and taken back: our loader says so."""
        unraised = set(RAISED) - self._raised()
        while any(place.on.pop(event, None) for place in self.places for event in unraised):
            unraised = set(RAISED) - self._raised()
        waiting = {act[3] for acts in self._rows() for act in acts if act[0] == "later"}
        for acts in self._rows():
            acts[:] = [act for act in acts if act[0] != "cancel" or act[1] in waiting]

    def _stop_timers_around(self, place: Place, way: Way) -> None:
        """A history around the place may mean the place itself, which XState then enters again without leaving
        it; what timers ran before run on there, even when it is left at last. Ours end with their state. So with the
        root as a target, which is never left."""
        if "" in way.targets:
            self.root.after = {}
        for target in way.targets:
            around = self._above(self.by_path[target])
            if self.by_path[target].is_history and place in around.walk():
                for inside in around.walk():
                    inside.after = {}

    def _raised(self) -> set[str]:
        return {act[1] for acts in self._rows() for act in acts if act[0] in ("raise", "later")}

    def _rows(self) -> list[list[Act]]:
        rows = [acts for place in self.places for acts in (place.entry, place.exit, place.starts)]
        return rows + [way.acts for place in self.places for way in place.ways()]


def random_chart(seed: int) -> Place:
    """The root of the chart of this seed."""
    return Maker(Random(seed)).root


def random_events(seed: int, count: int) -> list[dict[str, Any]]:
    """Commands with data and times to wait (``advance``: milliseconds), for the chart of this seed."""
    random = Random(f"events of {seed}")
    return [
        {"advance": random.choice((10, 20, 50))}
        if random.random() < 0.2
        else {"type": random.choice(COMMANDS), "flag": random.random() < 0.5}
        for _ in range(count)
    ]
