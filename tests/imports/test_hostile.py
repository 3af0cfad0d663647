"""What is no machine, or hardly one, is refused with its place; nothing runs, nothing hangs."""

from __future__ import annotations

import copy
import json
import sys
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from interlock.engine.errors import ChartError
from interlock.engine.interchange.model import NotReadable
from interlock.engine.interchange.reading import import_chart, read_document
from tests.imports.test_pairs import FILES

FLAT = {"states": ["A", "B"], "initial": "A", "transitions": [["go", "A", "B"]]}


def nested(depth: int, *, theirs: bool) -> dict[str, Any]:
    state: Any = {"name": "s"} if theirs else {}
    for _ in range(depth):
        state = {"name": "s", "children": [state]} if theirs else {"initial": "s", "states": {"s": state}}
    return {"states": [state], "initial": "s"} if theirs else {"id": "m", **state}


WRONG: list[tuple[Any, str]] = [
    ("", "holds no chart"),
    ("{", "neither JSON nor YAML"),
    ('createMachine({id: "x"', "no 'states'"),
    ("null", "this is none"),
    ("[]", "this is none"),
    ("3", "this is none"),
    ({"id": "m"}, "no 'states'"),
    ({"states": "A"}, "no 'states'"),
    ("a: &x [1]\nb: *x\n", "anchors and aliases are not read"),
    ("a: &x\n  b: *x\n", "anchors and aliases are not read"),
    ("a: !!python/object/apply:os.system ['true']", "tags are not read"),
    ("[" * 5000 + "]" * 5000, "nesting over|neither JSON"),
    (nested(100, theirs=False), "levels"),
    (nested(90, theirs=True), "levels"),
    ({"states": {"a": 1}, "initial": "a"}, "states.a: a state is an object"),
    ({"states": {"a": {}}}, "needs 'initial'"),
    ({"states": {"a": {}}, "initial": "b"}, "initial: no state 'b' stands here"),
    (
        {"states": {"a": {"on": {"e": {"target": "nowhere"}}}}, "initial": "a"},
        "states.a.on.e.target: no state",
    ),
    ({"states": {"a": {"on": {"e": 3}}}, "initial": "a"}, "states.a.on.e: a transition is"),
    ({"states": {"a": {"on": {"e": {"guard": 3}}}}, "initial": "a"}, "states.a.on.e.guard: a guard is"),
    ({"states": {"a": {"entry": [[1]]}}, "initial": "a"}, r"states.a.entry\[0\]: an action is"),
    ({"states": {"a": {"type": "odd"}}, "initial": "a"}, "states.a.type: a state's type"),
    ({"states": {"a": {"id": "x"}, "b": {"id": "x"}}, "initial": "a"}, "the id 'x' is taken"),
    ({"states": {"a": {"invoke": {"src": 3}}}, "initial": "a"}, "invoke names its 'src'"),
    ({"states": {"a": {}}, "initial": "a", "context": [1]}, "context: an object"),
    ({"type": "final", "states": {"a": {}}, "initial": "a"}, "root is final"),
    (FLAT | {"stats": 1}, "stats: unknown word"),
    (FLAT | {"states": ["A", 3]}, r"states\[1\]: a state is a name"),
    (FLAT | {"states": ["A", "A"]}, r"states\[1\]: the state 'A' is there already"),
    (
        FLAT | {"states": [{"name": "A", "on_entr": "x"}, "B"]},
        r"states\[0\].on_entr: unknown word. Did you mean",
    ),
    (FLAT | {"states": [{"on_enter": "x"}, "A"]}, r"states\[0\]: a state has a name"),
    (FLAT | {"states": [{"name": "A", "on_enter": 3}, "B"]}, r"states\[0\].on_enter: a name or a list"),
    (FLAT | {"states": [{"name": "A", "final": "yes"}, "B"]}, r"states\[0\].final: true or false"),
    (FLAT | {"states": [{"name": "A", "timeout": 3}, "B"]}, "needs on_timeout"),
    (FLAT | {"states": [{"name": "A", "timeout": "x", "on_timeout": "y"}, "B"]}, "a timeout is a number"),
    (
        FLAT | {"states": ["B", {"name": "A", "children": ["x"], "initial": "y"}]},
        r"states\[1\].initial: no state",
    ),
    (
        FLAT | {"states": ["B", {"name": "A", "children": ["x", "y", "z"], "initial": ["x", "y"]}]},
        "'z' must be one",
    ),
    (FLAT | {"transitions": [["go", "A"]]}, r"transitions\[0\]: a transition is \["),
    (FLAT | {"transitions": [["go", "A", "C"]]}, r"transitions\[0\].dest: no state 'C' is there"),
    (FLAT | {"transitions": [["go", "Aa", "B"]]}, r"transitions\[0\].source: no state 'Aa' is there"),
    (FLAT | {"transitions": [{"trigger": "go", "source": "A"}]}, "needs 'dest'"),
    (FLAT | {"transitions": [{"trigger": "go", "source": "A", "dest": "B", "cond": "x"}]}, "unknown word"),
    (FLAT | {"transitions": [{"trigger": "go", "source": "A", "dest": 3}]}, "'dest' is a state's name"),
    (FLAT | {"transitions": [{"trigger": "state", "source": "A", "dest": "B"}]}, "a trigger has a name"),
    (FLAT | {"transitions": "go"}, "a transition is a mapping"),
    (FLAT | {"initial": None}, "initial: a machine without"),
    (FLAT | {"initial": ["A", "C"]}, "no state 'C' stands at the top"),
    (FLAT | {"separator": ""}, "a separator is a text"),
    ({"states": ["A"], "initial": "A", "ordered_transitions": True}, "need two states"),
    (FLAT | {"states": ["A", {"name": "B", "children": ["x"], "remap": 3}]}, "'remap' says"),
]


@pytest.mark.parametrize(("document", "message"), WRONG, ids=range(len(WRONG)))
def test_what_is_no_machine_is_refused_with_its_place(document: Any, message: str) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    with pytest.raises((NotReadable, ChartError), match=message):
        import_chart(text)


def test_a_huge_text_is_refused_at_once() -> None:
    began = time.monotonic()
    with pytest.raises(NotReadable, match="over 1024 KiB"):
        import_chart('{"states": {' + '"a": {},' * 200_000 + '"b": {}}}')
    assert time.monotonic() - began < 1


def test_too_many_transitions_are_refused() -> None:
    names = [f"s{number}" for number in range(1000)]
    rows = [["go", "*", "s1"]] * 100
    with pytest.raises(NotReadable, match="over 50000 transitions"):
        import_chart(json.dumps({"states": names, "initial": "s0", "transitions": rows}))


def test_names_of_code_are_never_imported(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trap_of_imports.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    row = {"trigger": "go", "source": "A", "dest": "B", "conditions": "trap_of_imports.check"}
    states = [{"name": "A", "on_exit": "trap_of_imports.run"}, "B"]
    made = import_chart(
        json.dumps({"states": states, "initial": "A", "transitions": [row], "model": "trap_of_imports.M"})
    )
    assert not made.findings
    assert "trap_of_imports" not in sys.modules


HOSTILE = [
    "a\nb: c",
    "# no",
    "'\"",
    "{x}",
    "\x1b[31m",
    "\u202e",
    "\u2028",
    "🚦",
    "null",
    "yes",
    "*",
    "- a",
    "a" * 900,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_texts_stay_texts(text: str) -> None:
    made = import_chart(
        json.dumps(
            {
                "id": text,
                "initial": "a",
                "description": text,
                "context": {text: text, "z": {text: [text]}},
                "states": {
                    "a": {
                        "tags": text,
                        "description": text,
                        "on": {
                            "go": {
                                "guard": {"type": text, "params": {text: text}},
                                "actions": text,
                                "target": "b",
                            }
                        },
                        "after": {text: "b"},
                    },
                    "b": {"id": text + "2", "entry": {"type": "x", "params": text}},
                },
            }
        )
    )
    assert not made.findings, (made.findings, made.text)
    assert "\x1b" not in made.text
    row = {"trigger": text, "source": text, "dest": "B", "conditions": text, "before": text}
    config = {
        "name": text,
        "states": [text, {"name": "B", "tags": [text]}],
        "initial": text,
        "transitions": [row],
    }
    made = import_chart(json.dumps(config))
    if text != "*":
        assert not made.findings, (made.findings, made.text)


@pytest.mark.parametrize("name", ["not", "is", "raise", "class", "None", "context", "in_state"])
def test_guards_with_names_of_the_expression_language(name: str) -> None:
    states = {"a": {"on": {"go": {"guard": {"type": name}, "target": "b"}}, "after": {name: "b"}}, "b": {}}
    assert not import_chart(json.dumps({"states": states, "initial": "a"})).findings


def test_a_field_that_is_set_to_another_kind_takes_both() -> None:
    entry = {"assign": {"who": None, "count": [1]}}
    states = {"a": {"entry": entry}}
    made = import_chart(json.dumps({"states": states, "initial": "a", "context": {"who": "x", "count": 1}}))
    assert not made.findings
    assert 'who: {type: [string, "null"], default: x}' in made.text


PIECES: list[Any] = [
    None, True, 3, -1, 1.5, "", "x", "A", "*", "=", "#x", ".x", [], {}, [[]], ["x"], "history", "final", "1e3",
    {"type": "x"}, {"target": "a"}, {"type": "and", "guards": ["x"]}, {"type": "not", "guard": {"type": "not"}},
    {"type": "raise", "params": {"event": "q", "delay": "soon"}}, {"type": "cancel", "params": {"id": "q"}},
]  # fmt: skip
WORDS = ["on", "always", "after", "entry", "states", "initial", "type", "invoke", "target", "onDone", "children",
         "parallel", "transitions", "timeout", "remap", "final", "tags", "id", "x y"]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in inside:
        yield (*path, key)
        yield from places(below, (*path, key))


def broken(document: Any, random: Random) -> Any:
    """The document with a few of its words taken out, put in or replaced."""
    document = copy.deepcopy(document)
    for _ in range(random.randint(1, 3)):
        *way, key = random.choice(list(places(document)))
        around = document
        for each in way:
            around = around[each]
        if isinstance(around, dict) and random.random() < 0.3:
            around[random.choice(WORDS)] = copy.deepcopy(random.choice(PIECES))
        elif random.random() < 0.2:
            del around[key]
        else:
            around[key] = copy.deepcopy(random.choice(PIECES))
    return document


def test_broken_machines_are_refused_or_become_charts() -> None:
    """Never another error; and what is no chart of ours from the start always loads."""
    documents = [read_document(file.read_text("utf-8")) for file in FILES]
    random, loaded, refused = Random(1), 0, 0
    for _ in range(600):
        document = broken(random.choice(documents), random)
        try:
            made = import_chart(json.dumps(document))
        except (NotReadable, ChartError):
            refused += 1
            continue
        loaded += 1
        speaks_ours = "commands" in document or "meta" in document
        assert speaks_ours or not made.findings, (made.findings, json.dumps(document))
    assert loaded > 60
    assert refused > 60
