"""Every kind of change between two versions of a chart, and its class."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from interlock.cli.exits import Exit
from interlock.cli.main import run
from interlock.engine.chart_diff import Verdict, diff_charts, worst
from interlock.engine.loader import parse_chart
from interlock.engine.schema_widening import accepts_all_of

OLD = """\
id: door
version: 1
context:
  colour: {type: string, default: red}
  weight: {type: integer, default: 1, minimum: 0}
  code: {type: string, default: '', public: false}
commands:
  build: {creates: true}
  open: {data: {hand: {type: string}}}
  paint: {by: [agent, system]}
events: [door.built, door.opened]
index: [colour]
initial: closed
states:
  closed:
    tags: [shut]
    after: {30m: {actions: {emit: door.opened}}}
    on: {open: {target: opened, actions: {emit: door.opened}}}
  opened:
    initial: wide
    states:
      wide: {on: {paint: narrow}}
      narrow: {after: {1h: wide}}
      last: {type: history}
  rooms:
    type: parallel
    states: {left: {initial: dark, states: {dark: {}}}, right: {initial: dark, states: {dark: {}}}}
  gone: {type: final}
"""
COMPATIBLE, NEEDS_MAPPING, IMPOSSIBLE = Verdict

CASES = [
    ("tags: [shut]", "tags: [locked]", ("state", "closed", "changed", COMPATIBLE, ())),
    ("version: 2", "version: 1\ndescription: x", ("chart", "door@1", "changed", IMPOSSIBLE, ())),
    ("index: [colour]", "index: [weight]", ("chart", "index", "changed", COMPATIBLE, ())),
    ("version: 2", "version: 2\ndescription: x", ("chart", "description", "changed", COMPATIBLE, ())),
    ("  gone: {type: final}", "  gone: {type: final}\n  new: {}", ("state", "new", "added", COMPATIBLE, ())),
    ("  gone: {type: final}\n", "", ("state", "gone", "removed", COMPATIBLE, ())),
    ("      last: {type: history}\n", "", ("state", "opened.last", "removed", COMPATIBLE, ())),
    (", right: {initial: dark, states: {dark: {}}}", "", ("state", "rooms.right", "removed", NEEDS_MAPPING, ())),
    ("gone: {type: final}", "gone: {}", ("state", "gone", "changed", COMPATIBLE, ())),
    ("      narrow: {after: {1h: wide}}", "      narrow: {type: final}",
     ("state", "opened.narrow", "changed", NEEDS_MAPPING, ())),
    ("      narrow: {after: {1h: wide}}", "      narrow: {type: history}",
     ("state", "opened.narrow", "changed", NEEDS_MAPPING, ())),
    ("last: {type: history}", "last: {type: history, history: deep}",
     ("state", "opened.last", "changed", COMPATIBLE, ())),
    ("    type: parallel\n", "    initial: left\n", ("state", "rooms", "changed", NEEDS_MAPPING, ())),
    ("{dark: {}}}, right", "{dark: {initial: a, states: {a: {}}}}}, right",
     ("state", "rooms.left.dark", "changed", COMPATIBLE, ())),
    ("initial: wide", "initial: narrow", ("state", "opened", "changed", COMPATIBLE, ())),
    ("{1h: wide}", "{2h: wide}", ("timer", "opened.narrow after 1h", "removed", COMPATIBLE, ())),
    ("{1h: wide}", "{2h: wide}", ("timer", "opened.narrow after 2h", "added", COMPATIBLE, ())),
    ("{1h: wide}", "{1h: narrow}", ("timer", "opened.narrow after 1h", "changed", COMPATIBLE, ())),
    ("{on: {paint: narrow}}", "{}", ("transition", "opened.wide on paint", "removed", COMPATIBLE, ())),
    ("{on: {paint: narrow}}", "{on: {paint: wide}}",
     ("transition", "opened.wide on paint", "changed", COMPATIBLE, ())),
    ("  gone: {type: final}", "  gone: {type: final}\non: {paint: .gone}",
     ("transition", "(root) on paint", "added", COMPATIBLE, ())),
    ("{on: {paint: narrow}}", "{on: {paint: narrow}, always: {guard: 'false', target: narrow}}",
     ("transition", "opened.wide always", "added", COMPATIBLE, ())),
    ("commands:", "commands:\n  close: {}", ("command", "close", "added", COMPATIBLE, ())),
    ("  build: {creates: true}", "  build: {creates: true}\n  make: {creates: true}",
     ("command", "make", "added", COMPATIBLE, ())),
    ("by: [agent, system]", "by: [agent]", ("command", "paint", "changed", COMPATIBLE, ("publishers",))),
    ("by: [agent, system]", "by: [agent, system, bot]", ("command", "paint", "changed", COMPATIBLE, ())),
    ("hand: {type: string}", "hand: {type: integer}",
     ("command", "open", "changed", COMPATIBLE, ("publishers",))),
    ("hand: {type: string}", "hand: {type: [string, integer]}", ("command", "open", "changed", COMPATIBLE, ())),
    ("{data: {hand: {type: string}}}", "{data: {hand: {type: string}}, required: [hand]}",
     ("command", "open", "changed", COMPATIBLE, ("publishers",))),
    ("{data: {hand: {type: string}}}", "{}", ("command", "open", "changed", COMPATIBLE, ("publishers",))),
    ("    tags: [shut]\n", "    tags: [shut]\n    invoke: {src: look_up, id: lookup}\n",
     ("state", "closed", "changed", COMPATIBLE, ())),
    ("commands:", "commands:", None),
    ("  weight:", "  height: {type: integer, default: 2}\n  weight:",
     ("context", "height", "added", COMPATIBLE, ())),
    ("  weight: {type: integer, default: 1, minimum: 0}\n", "", ("context", "weight", "removed", NEEDS_MAPPING, ())),
    ("type: integer, default: 1, minimum: 0", "type: string, default: '1'",
     ("context", "weight", "changed", NEEDS_MAPPING, ())),
    ("type: integer, default: 1, minimum: 0", "type: number, default: 1",
     ("context", "weight", "changed", COMPATIBLE, ())),
    ("default: red", "default: blue", ("context", "colour", "changed", COMPATIBLE, ())),
    (", public: false", "", ("context", "code", "changed", NEEDS_MAPPING, ())),
    ("default: red", "default: red, public: false",
     ("context", "colour", "changed", COMPATIBLE, ("subscribers",))),
    ("events: [door.built, door.opened]", "events: [door.opened]",
     ("event", "door.built", "removed", COMPATIBLE, ("subscribers",))),
    ("events: [door.built, ", "events: [door.built, door.shut, ", ("event", "door.shut", "added", COMPATIBLE, ())),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), CASES, ids=lambda value: str(value)[:40])
def test_a_change_is_found_and_classed(
    old: str, new: str, expected: tuple[str, str, str, Verdict, tuple[str, ...]] | None
) -> None:
    text = OLD.replace("version: 1", "version: 2")
    assert old in text
    found = diff_charts(parse_chart(OLD), parse_chart(text.replace(old, new)))
    told = [(each.what, each.name, each.change, each.verdict, each.breaks) for each in found]
    assert (expected in told) if expected else not told
    assert all(each.message for each in found)


def test_a_removed_command_breaks_publishers_and_no_instance() -> None:
    new = OLD.replace("  paint: {by: [agent, system]}\n", "").replace("{on: {paint: narrow}}", "{}")
    found = diff_charts(parse_chart(OLD), parse_chart(new.replace("version: 1", "version: 2")))
    assert [(each.what, each.name, each.breaks) for each in found if each.breaks] == [
        ("command", "paint", ("publishers",))
    ]
    assert worst(found) is COMPATIBLE


def test_another_machine_is_impossible_and_that_is_the_class_of_all() -> None:
    gate = OLD.replace("id: door", "id: gate").replace("door.", "gate.").replace(", public: false", "")
    found = diff_charts(parse_chart(OLD), parse_chart(gate))
    assert ("chart", "gate", IMPOSSIBLE) in [(each.what, each.name, each.verdict) for each in found]
    assert worst(found) is IMPOSSIBLE
    assert worst([]) is COMPATIBLE


@pytest.mark.parametrize(
    ("old", "new", "wider"),
    [
        ({"type": "integer"}, {}, True),
        ({}, {"type": "integer"}, False),
        ({"type": "integer"}, {"type": "number"}, True),
        ({"type": "number"}, {"type": "integer"}, False),
        ({"type": "string"}, {"type": ["string", "null"]}, True),
        ({"enum": ["a"]}, {"enum": ["a", "b"]}, True),
        ({"enum": ["a", "b"]}, {"enum": ["a"]}, False),
        ({"type": "string"}, {"type": "string", "enum": ["a"]}, False),
        ({"minimum": 1}, {"minimum": 0}, True),
        ({"minimum": 0}, {"minimum": 1}, False),
        ({}, {"minimum": 1}, False),
        ({"maxLength": 5}, {"maxLength": 9}, True),
        ({"maxLength": 9}, {"maxLength": 5}, False),
        ({"pattern": "^a"}, {}, True),
        ({"pattern": "^a"}, {"title": "x"}, True),
        ({"pattern": "^a"}, {"pattern": "^b"}, False),
        ({"items": {"type": "string"}}, {"items": {"type": "integer"}}, False),
        ({"properties": {"a": {}}, "additionalProperties": False}, {"additionalProperties": False}, False),
    ],
)
def test_a_schema_is_wider_only_where_that_is_plain(
    old: dict[str, object], new: dict[str, object], wider: bool
) -> None:
    assert accepts_all_of(new, old) is wider


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str, str]:
    """The old chart, one that is compatible with it, one that needs a mapping."""
    second = OLD.replace("version: 1", "version: 2")
    texts = (OLD, second.replace("tags: [shut]", "tags: [locked]"), second.replace(", public: false", ""))
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.yaml").write_text(text)
    old, compatible, mapped = (str(tmp_path / f"{number}.yaml") for number in range(3))
    return old, compatible, mapped


def test_diff_ends_with_0_where_all_is_compatible_and_with_1_where_not(
    files: tuple[str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    old, compatible, mapped = files
    assert run(["chart", "diff", old, compatible]) == Exit.DONE
    assert "closed" in capsys.readouterr().out
    assert run(["chart", "diff", old, mapped]) == Exit.FAILED
    assert "needs_mapping" in capsys.readouterr().out


def test_diff_as_json_has_each_part_by_name(
    files: tuple[str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    old, _, mapped = files
    run(["chart", "diff", "--json", old, mapped])
    report = orjson.loads(capsys.readouterr().out)
    assert report["old"] == {"machine": "door", "version": 1}
    assert report["class"] == "needs_mapping"
    [change] = report["changes"]
    assert change.pop("message")
    assert change == {
        "what": "context", "name": "code", "change": "changed", "class": "needs_mapping", "breaks": []
    }  # fmt: skip


def test_diff_of_the_same_chart_says_that_nothing_changed(
    files: tuple[str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["chart", "diff", files[0], files[0]]) == Exit.DONE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "0 changes" in shown.err


def test_diff_of_what_is_no_file_and_no_version_ends_with_3(
    files: tuple[str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["chart", "diff", files[0], "nowhere"]) == Exit.NOT_FOUND
    assert "MACHINE@VERSION" in capsys.readouterr().err
