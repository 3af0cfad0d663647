"""Reading what XState's createMachine takes: ids, targets and defaults as it resolves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from interlock.engine.diagrams.xstate import xstate_source
from interlock.engine.interchange.model import (
    Assigns,
    Cancels,
    Emits,
    Named,
    NotReadable,
    Raises,
    Sends,
    Text,
)
from interlock.engine.interchange.xstate_json import read_xstate, to_state_path
from interlock.engine.loader import load_chart
from interlock.statecharts.catalog import SHIPPED, is_chart
from interlock.statecharts.functions import FUNCTIONS


def targets(target: Any, **states: Any) -> Any:
    """What a target means from the state ``a.x``."""
    chart = {
        "id": "m",
        "initial": "a",
        "states": {
            "a": {
                "initial": "x",
                "states": {
                    "x": {"on": {"e": {"target": target}}, "initial": "in", "states": {"in": {}}},
                    "y": {},
                },
            },
            "b": {"id": "other", "initial": "deep", "states": {"deep": {}}},
            "dotted.key": {},
            **states,
        },
    }
    (way,) = read_xstate(chart).at(("a", "x")).on[0][1]
    return way.targets


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("y", (("a", "y"),)),
        (".in", (("a", "x", "in"),)),
        ("x.in", (("a", "x", "in"),)),
        ("#other", (("b",),)),
        ("#other.deep", (("b", "deep"),)),
        ("#m.b.deep", (("b", "deep"),)),
        ("#m", ((),)),
        ("#m.dotted\\.key", (("dotted.key",),)),
        (["y", "#other"], (("a", "y"), ("b",))),
        ("", None),
        (None, None),
    ],
)
def test_a_target_means_what_it_means_in_xstate(written: Any, means: Any) -> None:
    assert targets(written) == means


@pytest.mark.parametrize("written", ["b", ".y", "#nobody", "#other.nothing", "y.z", ["y", "gone"]])
def test_a_target_that_means_nothing_is_told_with_its_place(written: Any) -> None:
    with pytest.raises(NotReadable, match=r"states\.a\.states\.x\.on\.e\.target: no state is meant"):
        targets(written)


def test_a_backslash_takes_the_next_letter_as_it_is() -> None:
    assert to_state_path("a.b\\.c.d\\\\") == ("a", "b.c", "d\\")


def test_actions_are_names_or_words_of_ours() -> None:
    chart = {
        "entry": [
            "plain",
            {"type": "with", "params": {"n": 1}},
            {"assign": {"n": 1}},
            {"emit": "m.told"},
            {"raise": "e"},
            {"raise": {"event": "e", "delay": 10, "id": "later"}},
            {"cancel": "later"},
            {"type": "raise", "params": {"event": "e"}},
            {"type": "send", "params": {"machine": "ticket", "key": "key", "command": "close"}},
        ]
    }
    assert read_xstate(chart).root.entry == (
        Named("plain"),
        Named("with", {"n": 1}),
        Assigns({"n": 1}),
        Emits("m.told"),
        Raises("e"),
        Raises("e", 10, "later"),
        Cancels("later"),
        Raises("e"),
        Sends({"machine": "ticket", "key": "key", "command": "close"}),
    )


def test_a_history_is_told_by_its_word_alone() -> None:
    chart = {"initial": "a", "states": {"a": {}, "h": {"history": "deep"}, "g": {"history": True}}}
    kinds = [child.kind for child in read_xstate(chart).root.children]
    assert kinds == ["atomic", "deep_history", "shallow_history"]


def test_what_is_not_read_is_noted() -> None:
    config = read_xstate({"initial": "a", "states": {"a": {"on": {"e": {"in": "x"}}, "wat": 1}}, "wot": 2})
    assert sorted((note.place, note.code) for note in config.notes) == [
        ("states.a.on.e.in", "unknown_word"),
        ("states.a.wat", "unknown_word"),
        ("wot", "unknown_word"),
    ]


@pytest.mark.parametrize("path", sorted(filter(is_chart, SHIPPED.iterdir())), ids=lambda path: path.stem)
def test_our_own_export_is_read_back_whole(path: Path) -> None:
    chart = load_chart(path, functions=FUNCTIONS)
    config = read_xstate(json.loads(xstate_source(chart)))
    assert [".".join(place.path) for place in config.root.walk()] == list(chart.states)
    assert config.notes == ()
    assert config.commands.keys() == chart.commands.keys()
    for place in config.root.walk():
        state = chart.states[".".join(place.path)]
        ways = [way for _, found in place.on for way in found]
        assert [len(way.require) for way in ways] == [
            len(t.require) for t in state.on if not t.event.startswith("done.")
        ]
        sources = [way.guard.source if isinstance(way.guard, Text) else None for way in ways]
        assert sources == [
            t.guard.source if t.guard else None for t in state.on if not t.event.startswith("done.")
        ]
