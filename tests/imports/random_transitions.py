"""Random configurations of the library `transitions`, flat and nested."""

from __future__ import annotations

from random import Random
from typing import Any

TRIGGERS = ("go", "back", "turn", "stop")
CONDITIONS = ("ready", "rich", "is_late")
CALLBACKS = ("ring", "note", "paint")

Json = dict[str, Any]


def random_config(seed: int, *, nested: bool) -> Json:
    """The constructor's arguments for the machine of this seed."""
    return _Maker(Random(f"{seed} {nested}"), nested).config


def random_run(seed: int, count: int) -> tuple[dict[str, bool], list[str]]:
    """What the conditions say, and triggers in order."""
    random = Random(f"run {seed}")
    triggers = [*TRIGGERS, "next_state"]
    return {name: random.random() < 0.6 for name in CONDITIONS}, random.choices(triggers, k=count)


class _Maker:
    def __init__(self, random: Random, nested: bool) -> None:
        self.random = random
        self.lively = random.choice((2, 4, 7))
        self.calm = random.random() < 0.5
        """Whether no parallel states and no transitions inside states make the library's own ways differ."""
        names = "ABCDEF"[: random.randint(2, 5)]
        states = [self._state(name, 1 if nested else 0) for name in names]
        if nested and not any(isinstance(each, dict) and "children" in each for each in states):
            states[0] = {"name": "A", "children": ["k", "m"], "initial": "k"}
        self.config: Json = {"states": states, "initial": random.choice(names)}
        paths = list(_paths(states, ()))
        if nested and random.random() < 0.3:
            self.config["initial"] = "_".join(random.choice(paths))
        if random.random() < 0.15:
            del self.config["initial"]
        self.config["transitions"] = [self._transition(paths) for _ in range(self.lively * len(names))]
        self.config["auto_transitions"] = False
        if random.random() < 0.2:
            self.config["ordered_transitions"] = True
        if random.random() < 0.2:
            self.config["ignore_invalid_triggers"] = True

    def _state(self, name: str, depth: int) -> Any:
        random = self.random
        words: Json = {"name": name}
        if random.random() < 0.2:
            words["on_enter"] = random.choice(CALLBACKS)
        if random.random() < 0.1:
            words["final"] = True
        if random.random() < 0.1:
            words["ignore_invalid_triggers"] = random.random() < 0.5
        if depth and depth < 4 and random.random() < 0.5:
            inside = [self._state(each, depth + 1) for each in "klm"[: random.randint(1, 3)]]
            if not self.calm and len(inside) > 1 and random.random() < 0.4:
                words["parallel"] = inside
            else:
                words["children"] = inside
                if random.random() < 0.7:
                    words["initial"] = random.choice([_name(each) for each in inside])
            if not self.calm and random.random() < 0.4:
                paths = list(_paths(inside, ()))
                words["transitions"] = [self._transition(paths) for _ in range(2)]
            words.pop("final", None)
        return name if words == {"name": name} else words

    def _transition(self, paths: list[tuple[str, ...]]) -> Any:
        random = self.random
        names = ["_".join(path) for path in paths]
        source: Any = random.choice(names)
        if random.random() < 0.15:
            source = "*"
        elif random.random() < 0.2:
            source = random.sample(names, k=min(2, len(names)))
        dest = random.choice([*names * 3, "=", None])
        words: Json = {"trigger": random.choice(TRIGGERS), "source": source, "dest": dest}
        if random.random() < 0.3:
            words["conditions"] = random.sample(CONDITIONS, k=random.choice((1, 2)))
        if random.random() < 0.2:
            words["unless"] = random.choice(CONDITIONS)
        if random.random() < 0.2:
            words[random.choice(("before", "after", "prepare"))] = random.choice(CALLBACKS)
        if len(words) == 3 and random.random() < 0.5:
            return list(words.values())
        return words


def _name(state: Any) -> str:
    return str(state["name"] if isinstance(state, dict) else state)


def _paths(states: list[Any], above: tuple[str, ...]) -> Any:
    for state in states:
        path = (*above, _name(state))
        yield path
        if isinstance(state, dict):
            yield from _paths(state.get("children", state.get("parallel", [])), path)
