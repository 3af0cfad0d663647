"""Random cases for the conformance door: charts in XState's JSON that use what our own language refuses too."""

from __future__ import annotations

import random
from typing import Any

Json = dict[str, Any]

GUARDS = ("g0", "g1", "g2", "g3")
EVENTS = ("E", "F", "a.b", "a.b.c", "a", "done.work")
DESCRIPTORS = (*EVENTS, "*", "a.*", "a.b.*", "done.*", "xstate.done.*")
RAISED = ("E", "F", "a.b", "inner")
TICK = 10
INITIAL_ACTIONS = 0.15


class _Maker:
    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.states: dict[str, Json] = {}
        self.ids: dict[str, str] = {}
        self.actions = 0
        # Who targets the root from within enters it again without leaving it: XState then loses track of its timers.
        self.aims_at_root = dice.random() < 0.2
        self.machine_id = dice.choice(("m", "m", "(machine)"))

    def chance(self, part: float) -> bool:
        return self.dice.random() < part

    def chart(self) -> Json:
        root = self.state("", 0)
        if self.machine_id != "(machine)":
            root = {"id": self.machine_id, **root}
        root["context"] = {"n": 0}
        for path, words in self.states.items():
            self.behaviour(path, words)
        return root

    def state(self, path: str, depth: int) -> Json:
        words: Json = {}
        self.states[path] = words
        if path and self.chance(0.15):
            words["id"] = f"id_{len(self.states)}"
        self.ids[path] = words.get("id") or ".".join(filter(None, (self.machine_id, path)))
        branch = depth == 0 or (depth < 4 and self.chance(0.5 - depth * 0.08))
        if not branch:
            if depth > 1 and self.chance(0.15):
                words["type"] = "final"
            return words
        parallel = self.chance(0.3)
        names = [f"s{number}" for number in range(self.dice.randint(2, 3))]
        if self.chance(0.05):
            names = self.dice.sample(["2", "10", "1", "x y"], len(names))
        words["states"] = {name: self.state(_join(path, name), depth + 1) for name in names}
        if self.chance(0.25):
            kind = self.dice.choice(("shallow", "deep"))
            name = _join(path, "h")
            history: Json = {"type": "history", "history": kind}
            words["states"]["h"] = history
            self.states[name] = history
            self.ids[name] = ".".join((self.machine_id, name))
            if parallel or self.chance(0.4):
                history["target"] = self.dice.choice(names)
        if parallel:
            words["type"] = "parallel"
        else:
            words["initial"] = self.dice.choice(names)
        return words

    def behaviour(self, path: str, words: Json) -> None:
        if words.get("type") == "history":
            return
        if "initial" in words and self.chance(INITIAL_ACTIONS):
            words["initial"] = {"target": words["initial"], "actions": self.acts(1.0)}
        for word in ("entry", "exit"):
            if self.chance(0.4):
                words[word] = self.acts(1.0)
        if words.get("type") == "final" and self.chance(0.9):
            return
        for _ in range(self.dice.randint(1, 4)):
            event = self.dice.choice(DESCRIPTORS)
            words.setdefault("on", {})[event] = self.ways(path)
        if self.chance(0.05):
            words["always"] = [self.way(path, guarded=True) for _ in range(self.dice.randint(1, 2))]
        if self.chance(0.2) and (path or not self.aims_at_root):
            delays = self.dice.sample((10, 20, 30, 50), self.dice.randint(1, 2))
            words["after"] = {str(delay): self.ways(path) for delay in delays}
        if words.get("states") and self.chance(0.4):
            words["onDone"] = self.ways(path)

    def ways(self, path: str) -> Any:
        if self.chance(0.08):
            return {}
        made = [self.way(path, guarded=False) for _ in range(self.dice.choice((1, 1, 1, 2, 3)))]
        if len(made) == 1 and self.chance(0.5):
            return made[0]
        return made

    def way(self, path: str, *, guarded: bool) -> Json:
        words: Json = {}
        if guarded or self.chance(0.25):
            name = self.dice.choice(GUARDS)
            words["guard"] = name if self.chance(0.8) else {"type": name}
        if self.chance(0.85):
            words["target"] = self.targets(path)
        if self.chance(0.25):
            words["reenter"] = True
        if self.chance(0.5):
            words["actions"] = self.acts(0.9)
        if guarded and "target" not in words:
            words["actions"] = [self.say()]
        return words

    def targets(self, path: str) -> Any:
        first = self.dice.choice(
            list(self.states) if self.chance(0.1) else [each for each in self.states if each]
        )
        found = [first]
        if self.chance(0.15):
            for other in self.dice.sample(list(self.states), min(4, len(self.states))):
                if other and all(self.apart(other, each) for each in found):
                    found.append(other)
        written = [self.target(path, each) for each in found]
        return written[0] if len(written) == 1 and self.chance(0.7) else written

    def apart(self, one: str, other: str) -> bool:
        if not one or not other or self.states[one].get("type") == "history":
            return False
        a, b = one.split("."), other.split(".")
        length = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        if length in (len(a), len(b)):
            return False
        return self.states[".".join(a[:length])].get("type") == "parallel"

    def target(self, source: str, target: str) -> str:
        above = source.rpartition(".")[0]
        if source and target and target.rpartition(".")[0] == above and self.chance(0.7):
            return target.rpartition(".")[2]
        if (
            target.startswith(f"{source}." if source else "")
            and target != source
            and target
            and self.chance(0.6)
        ):
            return f".{target.removeprefix(f'{source}.' if source else '')}"
        return f"#{self.ids[target]}"

    def acts(self, part: float) -> Any:
        if not self.chance(part):
            return []
        made = [self.act() for _ in range(self.dice.choice((1, 1, 2)))]
        return made[0] if len(made) == 1 and self.chance(0.4) else made

    def act(self) -> Any:
        kind = self.dice.random()
        if kind < 0.78:
            return self.say()
        if kind < 0.82:
            return {"raise": self.dice.choice(RAISED)}
        if kind < 0.92:
            return {"raise": {"event": self.dice.choice(RAISED), "delay": self.dice.choice((10, 20, 40))}}
        if kind < 0.97:
            return {"assign": {"n": self.dice.randint(0, 3)}}
        return {"emit": "told"}

    def say(self) -> Any:
        self.actions += 1
        return f"act{self.actions}"


def random_case(seed: int, events: int) -> Json:
    """The same case for the same seed."""
    dice = random.Random(seed)
    chart = _Maker(dice).chart()
    made: list[Json] = []
    for _ in range(events):
        if dice.random() < 0.2:
            event: Json = {"advance": dice.choice((10, 20, 50, 100))}
        else:
            event = {"type": dice.choice((*EVENTS, *EVENTS, "inner", "unknown"))}
        if dice.random() < 0.15:
            event["guards"] = {dice.choice(GUARDS): dice.random() < 0.5}
        made.append(event)
    return {"chart": chart, "events": made, "guards": {name: dice.random() < 0.5 for name in GUARDS}}


def _join(above: str, name: str) -> str:
    return f"{above}.{name}" if above else name
