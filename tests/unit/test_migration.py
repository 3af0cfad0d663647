"""Moving one instance from one chart version to another, in memory: where it lands, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest

from interlock.engine.decision import ReplayError
from interlock.engine.messages import Actor, Command, Status
from interlock.engine.migration_command import MIGRATE, migrate, replay_versions
from interlock.engine.outcome import Decision
from tests.charting import compile_chart
from tests.migrating import Moving

V1 = """\
id: door
version: 1
context:
  colour: {type: string, default: red}
  weight: {type: integer, default: 1}
  code: {type: string, default: s3cret, public: false}
commands:
  build: {creates: true}
  open: {}
  step: {}
  shut: {}
  fit: {}
  burn: {}
initial: closed
on: {burn: .gone}
states:
  closed:
    after: {30m: {actions: {emit: door.creaked}}, 1h: opened}
    on: {open: opened, fit: rooms}
  opened:
    initial: wide
    on: {shut: closed, fit: rooms}
    states:
      wide: {on: {step: narrow}, exit: {emit: door.narrowed}}
      narrow: {after: {2h: wide}}
      last: {type: history}
  rooms:
    type: parallel
    on: {shut: opened.last}
    states:
      left: {initial: dark, states: {dark: {on: {step: light}}, light: {}}}
      right: {initial: dark, states: {dark: {}, light: {}}}
  gone: {type: final}
"""


class Door(Moving):
    """``changes``: what is replaced in the chart, version by version; ``commands``: sent to version 1."""

    def __init__(self, *changes: dict[str, str], commands: str = "") -> None:
        machines = {1: compile_chart(V1)}
        for number, replaced in enumerate(changes, 2):
            text = V1.replace("version: 1", f"version: {number}")
            for old, new in replaced.items():
                assert old in text, old
                text = text.replace(old, new)
            machines[number] = compile_chart(text)
        super().__init__(machines)
        for name in commands.split():
            assert self.send(name).status is Status.APPLIED

    @property
    def timers(self) -> dict[str, str]:
        """When each timer is due, by its event."""
        assert self.snapshot
        return {timer.event: timer.due for timer in self.snapshot.timers}


def error_of(decision: Decision) -> tuple[str, str]:
    assert decision.result.error
    return decision.result.error.error_class, decision.result.error.code


def problems_of(decision: Decision) -> list[tuple[str, str]]:
    assert error_of(decision) == ("invalid_target", "no_mapping")
    assert decision.result.error
    return [(each["what"], each["name"]) for each in decision.result.error.details["problems"]]


def test_a_move_is_a_version_with_an_entry_and_an_event() -> None:
    bench = Door({})
    decision = bench.migrate()
    assert decision.result.status is Status.APPLIED
    assert bench.snapshot
    assert (bench.snapshot.version, bench.snapshot.chart_version, bench.state) == (2, 2, ["closed"])
    entry = bench.history[-1]
    assert entry["command"] == {"id": "m1", "name": MIGRATE, "data": {"from": 1, "to": 2}}
    assert (entry["from"], entry["to"], entry["events"]) == (["closed"], ["closed"], ["door.migrated"])
    [event] = map(orjson.loads, decision.events)
    assert (event["type"], event["sequence"], event["data"]["changed"]) == ("door.migrated", 2, {})


def test_after_the_move_the_new_chart_counts() -> None:
    bench = Door({"{open: opened, fit": "{open: rooms, fit"})
    bench.migrate()
    bench.send("open")
    assert bench.state == ["rooms.left.dark", "rooms.right.dark"]
    bench.replays()


# Where it is


def test_a_state_that_goes_on_is_neither_left_nor_entered() -> None:
    again = "wide: {on: {step: narrow}, entry: {emit: door.widened}, exit: {emit: door.narrowed}}"
    bench = Door({"wide: {on: {step: narrow}, exit: {emit: door.narrowed}}": again}, commands="open")
    bench.migrate()
    assert bench.history[-1]["events"] == ["door.migrated"]


def test_a_state_that_is_gone_needs_a_mapping_and_goes_where_it_says() -> None:
    gone = {"      narrow: {after: {2h: wide}}\n": "", "{on: {step: narrow}, exit": "{exit"}
    bench = Door(gone, commands="open step")
    assert problems_of(bench.migrate()) == [("state", "opened.narrow")]
    assert bench.history[-1]["version"] == 3
    bench.migrate(states={"opened.narrow": "closed"})
    assert bench.state == ["closed"]


@pytest.mark.parametrize("target", ["entry", "rooms"])
def test_a_path_stands_for_all_below_it(target: str) -> None:
    renamed = {"  opened:": "  entry:", "{open: opened, fit": "{open: entry, fit", "1h: opened": "1h: entry",
               "shut: opened.last": "shut: entry.last"}  # fmt: skip
    bench = Door(renamed, commands="open step")
    bench.migrate(states={"opened": target})
    expected = {"entry": ["entry.narrow"], "rooms": ["rooms.left.dark", "rooms.right.dark"]}
    assert bench.state == expected[target]


def test_a_new_region_is_entered_with_its_entry_actions_and_timers() -> None:
    dark = "dark: {entry: {emit: door.dimmed}, after: {5m: light}}"
    region = f"      middle: {{initial: dark, states: {{{dark}, light: {{}}}}}}"
    bench = Door({"      right:": f"{region}\n      right:"}, commands="fit step")
    bench.migrate()
    assert bench.state == ["rooms.left.light", "rooms.middle.dark", "rooms.right.dark"]
    assert bench.history[-1]["events"] == ["door.migrated", "door.dimmed"]
    assert bench.pass_time(minutes=6) == ["after.5m.rooms.middle.dark"]
    bench.replays()


def test_an_atomic_state_that_has_children_now_enters_its_initial_one() -> None:
    bench = Door({"      narrow: {after: {2h: wide}}": "      narrow: {initial: a, states: {a: {}, b: {}}}"},
                   commands="open step")  # fmt: skip
    bench.migrate()
    assert bench.state == ["opened.narrow.a"]


def test_eventless_transitions_are_taken_after_the_move() -> None:
    always = "wide: {always: {guard: \"context.colour == 'red'\", target: narrow}, on: {step: narrow}"
    bench = Door({"wide: {on: {step: narrow}": always}, commands="open")
    bench.migrate()
    assert bench.state == ["opened.narrow"]


def test_regions_that_are_one_state_now_need_a_mapping_to_one() -> None:
    one = {
        "    type: parallel\n    on: {shut: opened.last}\n": "    initial: left\n    on: {shut: opened.last}\n"
    }
    bench = Door(one, commands="fit")
    assert problems_of(bench.migrate()) == [("state", "rooms.left.dark, rooms.right.dark")]
    bench.migrate(states={"rooms.right.dark": "rooms.left.dark"})
    assert bench.state == ["rooms.left.dark"]


def test_a_state_that_is_final_now_needs_a_mapping_to_say_so() -> None:
    old = V1[V1.index("  closed:\n") : V1.index("  opened:\n")]
    final = {old: "  closed: {type: final, entry: {emit: door.ended}}\n"}
    bench = Door(final)
    assert problems_of(bench.migrate()) == [("state", "closed")]
    bench.migrate(states={"closed": "closed"})
    assert bench.snapshot
    assert (bench.snapshot.done, bench.timers) == (True, {})
    assert bench.history[-1]["events"] == ["door.migrated", "door.ended"]


def test_an_instance_at_its_end_stays_with_its_version() -> None:
    bench = Door({}, commands="burn")
    assert error_of(bench.migrate()) == ("not_accepted", "settled")


# History


def test_what_a_history_remembers_moves_with_the_names() -> None:
    renamed = {"narrow": "slim", "door.slimed": "door.narrowed"}
    bench = Door(renamed, commands="open step fit")
    assert bench.snapshot
    assert bench.snapshot.recorded == {"opened.last": ["opened.narrow"]}
    assert problems_of(bench.migrate()) == [("state", "opened.narrow")]
    bench.migrate(states={"opened.narrow": "opened.slim"})
    assert bench.snapshot.recorded == {"opened.last": ["opened.slim"]}
    bench.send("shut")
    assert bench.state == ["opened.slim"]


def test_a_history_forgets_what_stands_elsewhere_now_and_one_that_is_gone_forgets_all() -> None:
    bench = Door({}, {"      last: {type: history}\n": "", "opened.last": "opened"}, commands="open step fit")
    bench.migrate(states={"opened.narrow": "closed"})
    assert bench.snapshot
    assert bench.snapshot.recorded == {}
    bench = Door({}, {"      last: {type: history}\n": "", "opened.last": "opened"}, commands="open step fit")
    bench.migrate(to=3)
    assert bench.snapshot
    assert bench.snapshot.recorded == {}


# Timers


def test_a_timer_keeps_its_due_time_under_a_new_name_too() -> None:
    renamed = {"  closed:": "  shut:", "shut: closed": "shut: shut", "initial: closed": "initial: shut"}
    bench = Door(renamed)
    before = bench.timers
    bench.pass_time(minutes=20)
    bench.migrate(states={"closed": "shut"})
    assert bench.timers == {
        "after.30m.shut": before["after.30m.closed"],
        "after.1h.shut": before["after.1h.closed"],
    }
    assert bench.pass_time(minutes=41) == ["after.30m.shut", "after.1h.shut"]
    assert bench.state == ["opened.wide"]
    bench.replays()


def test_two_states_that_became_one_have_the_timer_that_is_due_first() -> None:
    old = "light: {}}}\n      right: {initial: dark, states: {dark: {}"
    assert old in V1
    two = V1.replace(old, old.replace("light: {}", "light: {after: {2h: dark}}").replace(
        "dark: {}", "dark: {after: {2h: light}}"))  # fmt: skip
    bench = Moving({1: compile_chart(two), 2: compile_chart(two.replace("version: 1", "version: 2"))})
    bench.send("fit")
    bench.pass_time(minutes=30)
    bench.send("step")
    assert bench.snapshot
    dues = {timer.state: timer.due for timer in bench.snapshot.timers}
    assert dues["rooms.right.dark"] < dues["rooms.left.light"]
    bench.migrate(states={"rooms.left": "opened.narrow", "rooms.right": "opened.narrow"})
    [timer] = bench.snapshot.timers
    assert (timer.event, timer.due) == ("after.2h.opened.narrow", dues["rooms.right.dark"])


def test_a_timer_that_is_gone_is_cancelled_and_a_new_one_runs_from_the_move_on() -> None:
    bench = Door({"1h: opened": "2h: opened"})
    bench.pass_time(minutes=20)
    bench.migrate()
    assert set(bench.timers) == {"after.30m.closed", "after.2h.closed"}
    assert bench.pass_time(minutes=119) == ["after.30m.closed"]
    assert bench.pass_time(minutes=1) == ["after.2h.closed"]


def test_a_timer_that_has_fired_does_not_start_again() -> None:
    bench = Door({})
    assert bench.pass_time(minutes=31) == ["after.30m.closed"]
    bench.migrate()
    assert set(bench.timers) == {"after.1h.closed"}


# Context


def test_an_added_field_gets_its_default_and_is_told() -> None:
    bench = Door({"  weight:": "  height: {type: integer, default: 7}\n  weight:"})
    decision = bench.migrate()
    assert bench.context["height"] == 7
    [event] = map(orjson.loads, decision.events)
    assert event["data"]["changed"] == {"height": {"from": None, "to": 7}}


def test_a_removed_field_is_dropped_only_where_the_mapping_says_so_or_reads_it() -> None:
    removed = {"  weight: {type: integer, default: 1}\n": ""}
    assert problems_of(Door(removed).migrate()) == [("context", "weight")]
    bench = Door(removed)
    bench.migrate(drop=["weight"])
    assert "weight" not in bench.context
    bench = Door({"weight: {type: integer, default: 1}": "grams: {type: integer, default: 0}"})
    bench.migrate(context={"grams": "context.weight * 1000"})
    assert bench.context["grams"] == 1000
    assert list(bench.context) == ["colour", "grams", "code"]


def test_a_retyped_field_is_checked_and_can_be_mapped() -> None:
    retyped = {"weight: {type: integer, default: 1}": "weight: {type: string, default: light}"}
    assert problems_of(Door(retyped).migrate()) == [("context", "weight")]
    bench = Door(retyped)
    bench.migrate(context={"weight": "str(context.weight)"})
    assert bench.context["weight"] == "1"


def test_a_value_that_is_no_string_stands_for_itself() -> None:
    bench = Door({})
    bench.migrate(context={"weight": 5, "colour": "'blue'"})
    assert (bench.context["weight"], bench.context["colour"]) == (5, "blue")


def test_an_expression_sees_where_the_instance_was() -> None:
    bench = Door({}, commands="open")
    bench.migrate(context={"colour": "'ajar' if in_state('opened') else 'shut'"})
    assert bench.context["colour"] == "ajar"


def test_what_was_private_is_shown_only_where_the_mapping_says_so_and_its_old_value_never() -> None:
    public = {", public: false": ""}
    decision = Door(public).migrate()
    assert problems_of(decision) == [("context", "code")]
    assert "s3cret" not in repr(decision)
    decision = Door(public).migrate(context={"code": "'***'"})
    [event] = map(orjson.loads, decision.events)
    assert event["data"]["changed"]["code"] == {"from": None, "to": "***"}
    assert b"s3cret" not in b"".join(decision.events)


def test_all_problems_are_told_at_once() -> None:
    bench = Door({"  weight: {type: integer, default: 1}\n": "", ", public: false": "", "closed": "shut"})
    found = problems_of(bench.migrate())
    assert found == [("context", "code"), ("context", "weight"), ("state", "closed")]


# What is refused


@pytest.mark.parametrize("kind", ["agent", "integration", "bot", "supervisor", "admin"])
def test_it_is_for_the_system_alone(kind: Any) -> None:
    assert error_of(Door({}).migrate(actor=Actor(id="x", kind=kind))) == ("forbidden", "actor_kind")


def test_a_system_by_name_may_do_it() -> None:
    assert Door({}).migrate(actor=Actor(id="x", kind="system")).result.status is Status.APPLIED


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"states": {"nowhere": "closed"}}, "invalid_mapping"),
        ({"states": {"closed": "nowhere"}}, "invalid_mapping"),
        ({"states": {"opened.last": "closed"}}, "invalid_mapping"),
        ({"states": {"closed": 7}}, "invalid_data"),
        ({"context": {"nothing": "1"}}, "invalid_mapping"),
        ({"context": {"weight": "context.nothing"}}, "invalid_mapping"),
        ({"context": {"weight": "__import__('os')"}}, "invalid_mapping"),
        ({"context": {"weight": "may_read('system', [], '')"}}, "invalid_mapping"),
        ({"drop": ["nothing"]}, "invalid_mapping"),
        ({"drop": ["weight"]}, "invalid_mapping"),
        ({"more": 1}, "invalid_data"),
        ({"to": "2"}, "invalid_data"),
    ],
)
def test_a_mapping_that_fits_neither_chart_is_refused(data: dict[str, Any], code: str) -> None:
    assert error_of(Door({}).migrate(**{"to": 2, **data})) == ("invalid_data", code)


def test_an_expression_that_fails_is_a_problem_of_its_field() -> None:
    assert problems_of(Door({}).migrate(context={"weight": "context.weight / 0"})) == [("context", "weight")]


def test_the_same_move_again_is_ignored_and_another_from_elsewhere_is_refused() -> None:
    bench = Door({}, {})
    bench.migrate()
    assert bench.migrate().result.status is Status.IGNORED
    assert error_of(bench.migrate(to=3, **{"from": 1})) == ("stale_version", "other_chart_version")
    assert error_of(bench.migrate(to=9)) == ("unknown_machine", "unknown_chart_version")
    assert bench.migrate(to=3).result.status is Status.APPLIED


# Undo


def test_an_undo_brings_back_what_was_and_is_recorded() -> None:
    renamed = {"  closed:": "  shut:", "shut: closed": "shut: shut", "initial: closed": "initial: shut"}
    bench = Door(renamed)
    before = bench.snapshot
    assert before
    bench.migrate(states={"closed": "shut"}, context={"weight": 9})
    bench.now += timedelta(minutes=1)
    bench.migrate(to=1, undo=True)
    assert bench.snapshot
    assert (bench.snapshot.version, bench.snapshot.chart_version) == (3, 1)
    assert (bench.state, bench.context, bench.snapshot.timers) == (
        before.state,
        before.context,
        before.timers,
    )
    assert bench.history[-1]["events"] == ["door.migrated"]
    bench.send("open")
    bench.replays()


def test_an_instance_that_has_moved_on_is_not_brought_back() -> None:
    bench = Door({})
    assert error_of(bench.migrate(to=3, undo=True)) == ("not_accepted", "moved_on")
    bench.migrate()
    bench.send("open")
    assert error_of(bench.migrate(to=1, undo=True)) == ("not_accepted", "moved_on")


def test_an_undo_goes_back_to_where_it_came_from_and_by_the_last_entry_only() -> None:
    bench = Door({}, {})
    bench.migrate()
    assert error_of(bench.migrate(to=3, undo=True)) == ("stale_version", "other_chart_version")
    bench.history.append({**bench.history[-1], "version": 9})  # as if somebody had written to the history
    command = Command(machine="door", key="k", name=MIGRATE, id="u", data={"from": 2, "to": 1, "undo": True})
    decision = migrate(bench.machines.get, bench.snapshot, command, bench.now, bench.history[-1])
    assert error_of(decision) == ("not_accepted", "moved_on")


@pytest.mark.parametrize(("expected", "status"), [(1, Status.APPLIED), (2, Status.REFUSED)])
def test_an_expected_version_counts(expected: int, status: Status) -> None:
    bench = Door({})
    data = {"from": 1, "to": 2}
    command = Command(machine="door", key="k", name=MIGRATE, id="m", data=data, expected_version=expected)
    assert migrate(bench.machines.get, bench.snapshot, command, bench.now).result.status is status


def test_an_undo_is_not_undone() -> None:
    bench = Door({})
    bench.migrate()
    bench.migrate(to=1, undo=True)
    assert error_of(bench.migrate(to=2, undo=True)) == ("not_accepted", "moved_on")
    assert bench.migrate(to=2).result.status is Status.APPLIED


def test_a_history_with_a_move_does_not_replay_without_the_versions() -> None:
    bench = Door({})
    bench.migrate()
    with pytest.raises(ReplayError, match="version 2 of its chart"):
        replay_versions({1: bench.machines[1]}.get, "k", bench.history, 1)


# Invoked functions

ASKING = V1.replace("  closed:\n", "  closed:\n    invoke: {src: look_up, id: lookup, onDone: opened}\n", 1)


def running(bench: Moving) -> list[tuple[str, str]]:
    assert bench.snapshot
    return [(run.name, run.state) for run in bench.snapshot.running]


def asking(*changed: tuple[str, str]) -> Moving:
    text = ASKING.replace("version: 1", "version: 2")
    for old, new in changed:
        assert old in text
        text = text.replace(old, new)
    return Moving({1: compile_chart(ASKING), 2: compile_chart(text)})


def test_a_function_runs_on_where_its_state_goes_on() -> None:
    bench = asking(
        ("  closed:", "  shut:"), ("shut: closed", "shut: shut"), ("initial: closed", "initial: shut")
    )
    assert bench.snapshot
    [run] = bench.snapshot.running
    decision = bench.migrate(states={"closed": "shut"})
    assert (decision.runs, decision.stopped) == ((), [])
    assert bench.snapshot.running[0].id == run.id
    assert running(bench) == [("lookup", "shut")]
    assert bench.migrate(to=1, undo=True).runs == ()
    assert running(bench) == [("lookup", "closed")]


def test_a_function_that_is_gone_is_stopped_and_begins_again_with_an_undo() -> None:
    bench = asking(("    invoke: {src: look_up, id: lookup, onDone: opened}\n", ""))
    decision = bench.migrate()
    assert [run.name for run in decision.stopped] == ["lookup"]
    assert running(bench) == []
    back = bench.migrate(to=1, undo=True)
    assert [run.invoke for run in back.runs] == ["lookup"]
    assert running(bench) == [("lookup", "closed")]


def test_a_function_that_is_new_begins_with_the_move_and_is_stopped_by_an_undo() -> None:
    bench = Moving({1: compile_chart(V1), 2: compile_chart(ASKING.replace("version: 1", "version: 2"))})
    assert [run.invoke for run in bench.migrate().runs] == ["lookup"]
    assert running(bench) == [("lookup", "closed")]
    assert [run.name for run in bench.migrate(to=1, undo=True).stopped] == ["lookup"]
    assert running(bench) == []
