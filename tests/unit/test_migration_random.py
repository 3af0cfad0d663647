"""Any instance, moved between any two related charts, is somewhere legal, and its history replays."""

from __future__ import annotations

from random import Random
from typing import Any

import orjson
from hypothesis import event, given, settings
from hypothesis import strategies as st

from interlock.engine.machine import Machine
from tests.charting import compile_chart
from tests.migrating import Moving

Tree = dict[str, Any]
"""``kind`` and ``children`` (name: tree) of a state."""


def tree(random: Random, depth: int = 0) -> Tree:
    kinds = ("compound", "parallel") if depth == 0 else ("atomic", "atomic", "compound", "parallel", "final")
    kind = random.choice(kinds if depth < 3 else ("atomic",))
    children = {}
    if kind in ("compound", "parallel"):
        children = {name: tree(random, depth + 1) for name in "abc"[: random.randint(1, 3)]}
        children["a"] = (
            children["a"] if children["a"]["kind"] != "final" else {"kind": "atomic", "children": {}}
        )
        if random.random() < 0.4:
            children["h"] = {"kind": random.choice(("shallow", "deep")), "children": {}}
    return {"kind": kind, "children": children}


def places(root: Tree, path: str = "") -> dict[str, Tree]:
    """Every state by its path, the root aside."""
    found = {}
    for name, child in root["children"].items():
        below = f"{path}.{name}" if path else name
        found |= {below: child, **places(child, below)}
    return found


def change(root: Tree, random: Random) -> None:
    """One change that an author might make, in place."""
    parents = [root, *(place for place in places(root).values() if place["children"])]
    parent = random.choice(parents)
    names = [name for name in parent["children"] if name != "h"]
    name = random.choice(names)
    match random.choice(("remove", "rename", "add", "wrap", "kind", "history")):
        case "remove" if len(names) > 1:
            del parent["children"][name]
        case "rename":
            renamed = {"a": "x", "b": "y", "c": "z"}
            parent["children"] = {renamed.get(old, old): child for old, child in parent["children"].items()}
        case "add":
            parent["children"]["n"] = tree(random, 2)
        case "wrap" if parent["children"][name]["kind"] != "final":
            inner = parent["children"][name]
            parent["children"][name] = {"kind": "compound", "children": {"w": inner}}
        case "kind":
            parent["kind"] = "compound" if parent["kind"] == "parallel" else "parallel"
        case "history":
            if parent["children"].pop("h", None) is None:
                parent["children"]["h"] = {"kind": random.choice(("shallow", "deep")), "children": {}}


def machine(root: Tree, version: int, random: Random) -> Machine:
    """A chart of these states, with arrows, timers and actions at random."""
    paths = list(places(root))
    commands = {"make": {"creates": True}, "e1": {}, "e2": {}, "e3": {}}
    context = {"n": {"type": "integer", "default": 0}}
    document = {"id": "t", "version": version, "commands": commands, "context": context}
    return compile_chart(orjson.dumps(document | state(root, paths, random)).decode())


def state(place: Tree, paths: list[str], random: Random, is_region: bool = False) -> dict[str, Any]:
    kind = place["kind"]
    if kind in ("shallow", "deep"):
        return {"type": "history", "history": kind}
    made: dict[str, Any] = {"entry": [{"assign": {"n": "context.n + 1"}}, {"emit": "t.entered"}]}
    if place["children"]:
        inside = place["children"].items()
        made["states"] = {name: state(child, paths, random, kind == "parallel") for name, child in inside}
        made |= {"type": "parallel"} if kind == "parallel" else {"initial": initial(place)}
    if kind == "final" and not is_region:
        return {"type": "final"}
    for name in ("e1", "e2", "e3"):
        if random.random() < 0.4:
            made.setdefault("on", {})[name] = {"target": f"#{random.choice(paths)}"}
    if random.random() < 0.3:
        delays = random.sample(("1m", "5m", "9m"), 2)
        made["after"] = {delay: {"actions": [{"emit": "t.waited"}]} for delay in delays}
        made["after"]["3m"] = {"target": f"#{random.choice(paths)}"}
    if random.random() < 0.2:
        again = {"guard": "context.n % 7 == 3 and context.n < 60", "target": f"#{random.choice(paths)}"}
        made["always"] = again | {"actions": [{"assign": {"n": "context.n + 1"}}]}
    return made


def initial(place: Tree) -> str:
    real = [name for name, child in place["children"].items() if child["kind"] not in ("shallow", "deep")]
    return next((name for name in real if place["children"][name]["kind"] != "final"), real[0])


def mapping(old: Tree, new: Tree, random: Random) -> dict[str, str]:
    """Where the states go that are gone; now and then nowhere, now and then one that is not."""
    real = [path for path, place in places(new).items() if place["kind"] not in ("shallow", "deep")]
    return {
        path: random.choice(real)
        for path, place in places(old).items()
        if place["kind"] not in ("shallow", "deep") and random.random() < (0.1 if path in real else 0.9)
    }


def live(bench: Moving, random: Random, steps: int) -> None:
    for _ in range(steps):
        if random.random() < 0.25:
            bench.pass_time(minutes=random.choice((1, 4)))
        else:
            bench.send(random.choice(("e1", "e2", "e3")))


@settings(max_examples=80, deadline=None)
@given(random=st.randoms(use_true_random=False), changes=st.integers(0, 4), steps=st.integers(0, 8))
def test_an_instance_that_moves_is_somewhere_legal_and_replays(
    random: Random, changes: int, steps: int
) -> None:
    old = tree(random)
    new = orjson.loads(orjson.dumps(old))
    for _ in range(changes):
        change(new, random)
    bench = Moving({1: machine(old, 1, random), 2: machine(new, 2, random)})
    live(bench, random, steps)
    before = bench.snapshot
    assert before
    decision = bench.migrate(states=mapping(old, new, random))  # looks itself
    event(decision.result.error.code if decision.result.error else "moved")
    if decision.snapshot and random.random() < 0.5:
        bench.migrate(to=1, undo=True)
        assert bench.snapshot
        assert (bench.snapshot.state, bench.snapshot.timers) == (before.state, before.timers)
        assert (bench.snapshot.context, bench.snapshot.recorded) == (before.context, before.recorded)
    live(bench, random, 4)
    bench.replays()
