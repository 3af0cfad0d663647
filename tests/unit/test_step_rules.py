"""W3C SCXML's algorithm (appendix D) rule by rule, with XState v5's defaults where the two differ.

Each test is named by its rule, each group by its procedure. `tests/oracle` compares all of it with XState on
random charts.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.charting import Bench

Words = dict[str, Any]
COMMANDS = ("go", "one", "two", "out", "back")


def run(**root: Any) -> Bench:
    """An instance of the chart with this root, in the words of the language."""
    chart = {
        "id": "t",
        "version": 1,
        "context": {"trace": {"type": "array", "default": []}, "on": {"type": "boolean", "default": False}},
        "commands": {"make": {"creates": True}, **{name: {} for name in COMMANDS}},
    }
    return Bench(json.dumps(chart | root))


def say(word: str) -> Words:
    return {"assign": {"trace": f"append(context.trace, '{word}')"}}


def live(name: str, **words: Any) -> Words:
    """A state that traces when it is entered and left."""
    return {"entry": say(f"+{name}"), "exit": say(f"-{name}"), **words}


def took(it: Bench, *commands: str) -> list[str]:
    """What was traced while the commands were sent."""
    before = len(it.context["trace"])
    for command in commands:
        assert it.send(command).error is None
    found: list[str] = it.context["trace"][before:]
    return found


# selectTransitions


def test_transitions_are_selected_against_the_configuration_before_the_event() -> None:
    it = run(
        type="parallel",
        states={
            "a": {"initial": "x", "states": {"x": {"on": {"go": "y"}}, "y": {}}},
            "b": {
                "initial": "x",
                "states": {"x": {"on": {"go": {"target": "y", "guard": "in_state('a.x')"}}}, "y": {}},
            },
        },
    )
    it.send("go")
    assert it.state == ["a.y", "b.y"]


def test_of_the_candidates_in_one_state_the_first_enabled_is_taken_in_document_order() -> None:
    candidates = [{"target": "b", "guard": "false"}, {"target": "c"}, {"target": "d"}]
    it = run(initial="a", states={"a": {"on": {"go": candidates}}, "b": {}, "c": {}, "d": {}})
    it.send("go")
    assert it.state == ["c"]


def test_a_state_without_an_enabled_candidate_lets_its_ancestors_answer() -> None:
    inner = {"initial": "c", "states": {"c": {"on": {"go": {"target": "#a", "guard": "false"}}}}}
    it = run(
        initial="a", on={"go": ".far"}, states={"a": {"initial": "b", "states": {"b": inner}}, "far": {}}
    )
    it.send("go")
    assert it.state == ["far"]


def test_a_wildcard_of_the_state_is_tried_before_its_ancestors() -> None:
    it = run(initial="a", on={"go": ".far"}, states={"a": {"on": {"*": "near"}}, "near": {}, "far": {}})
    it.send("go")
    assert it.state == ["near"]


def test_a_false_guard_of_the_exact_event_lets_a_wildcard_of_the_state_try() -> None:
    on = {"*": "b", "go": {"target": "c", "guard": "false"}}
    it = run(initial="a", states={"a": {"on": on}, "b": {}, "c": {}})
    it.send("go")
    assert it.state == ["b"]


@pytest.mark.parametrize(
    ("event", "state"), [("x", "part"), ("x.y", "part"), ("x.y.z", "part"), ("xy.z", "all"), ("y.x", "all")]
)
def test_a_prefix_takes_events_by_whole_tokens(event: str, state: str) -> None:
    it = run(
        initial="a",
        states={
            "a": {"on": {"go": {"target": "b", "actions": {"raise": event}}}},
            "b": {"on": {"*": "all", "x.*": "part"}},
            "all": {},
            "part": {},
        },
    )
    it.send("go")
    assert it.state == [state]


def test_a_wildcard_takes_done_events_too() -> None:
    inside = {"x": {"always": "y"}, "y": {"type": "final"}}
    it = run(initial="a", states={"a": {"on": {"*": "b"}, "initial": "x", "states": inside}, "b": {}})
    assert it.state == ["b"]


def test_a_forbidden_event_is_forbidden_in_its_region_only() -> None:
    it = run(
        type="parallel",
        states={
            "a": {"initial": "x", "on": {"go": ".y"}, "states": {"x": {"on": {"go": None}}, "y": {}}},
            "b": {"initial": "x", "states": {"x": {"on": {"go": "y"}}, "y": {}}},
        },
    )
    it.send("go")
    assert it.state == ["a.x", "b.y"]


# removeConflictingTransitions


def test_a_transition_that_was_preempted_preempts_nothing() -> None:
    def region(**transition: Any) -> Words:
        return {"initial": "x", "states": {"x": {"on": {"go": transition}}, "y": {}}}

    it = run(
        initial="p",
        states={
            "p": {
                "type": "parallel",
                "states": {
                    "a": region(target="y", actions=say("a")),
                    "b": region(target="#far", actions=say("b")),
                    "c": region(target="y", actions=say("c")),
                },
            },
            "far": {},
        },
    )
    assert took(it, "go") == ["a", "c"]
    assert it.state == ["p.a.y", "p.b.x", "p.c.y"]


def test_a_transition_without_a_target_conflicts_with_none() -> None:
    it = run(
        initial="p",
        states={
            "p": {
                "type": "parallel",
                "states": {
                    "a": {"on": {"go": {"actions": say("a")}}},
                    "b": {"on": {"go": {"target": "#far", "actions": say("b")}}},
                },
            },
            "far": {},
        },
    )
    assert took(it, "go") == ["a", "b"]
    assert it.state == ["far"]


def test_an_eventless_transition_of_a_descendant_preempts_that_of_its_ancestor() -> None:
    it = run(
        initial="p",
        on={"go": {"actions": {"assign": {"on": True}}}},
        states={
            "p": {
                "type": "parallel",
                "always": {"target": "far", "guard": "context.on"},
                "states": {
                    "a": {},
                    "b": {
                        "initial": "x",
                        "states": {"x": {"always": {"target": "#near", "guard": "context.on"}}},
                    },
                },
            },
            "near": {},
            "far": {},
        },
    )
    it.send("go")
    assert it.state == ["near"]


def test_a_self_transition_of_an_atomic_region_leaves_nothing_and_conflicts_with_none() -> None:
    it = run(
        initial="p",
        states={
            "p": {
                "type": "parallel",
                "states": {
                    "a": live("a", on={"go": "b"}),
                    "b": live("b", on={"go": {"target": "b", "actions": say("go")}}),
                },
            }
        },
    )
    assert took(it, "go") == ["-b", "-a", "go", "+a", "+b"]
    assert it.state == ["p.a", "p.b"]


# selectEventlessTransitions and the main event loop


def test_an_eventless_transition_of_an_ancestor_is_taken_once_for_all_its_regions() -> None:
    it = run(
        type="parallel",
        always={"guard": "len(context.trace) == 1", "actions": say("root")},
        on={"go": {"actions": say("go")}},
        states={"a": {}, "b": {}, "c": {}},
    )
    assert took(it, "go") == ["go", "root"]


def test_eventless_transitions_come_before_the_events_that_were_raised() -> None:
    it = run(
        initial="a",
        states={
            "a": {"on": {"go": {"target": "b", "actions": {"raise": "inner"}}}},
            "b": {"always": "c", "on": {"inner": {"actions": say("b")}}},
            "c": {"on": {"inner": {"actions": say("c")}}},
        },
    )
    assert took(it, "go") == ["c"]


def test_raised_events_are_taken_in_the_order_in_which_they_were_raised() -> None:
    it = run(
        initial="a",
        states={
            "a": {
                "exit": {"raise": "first"},
                "on": {"go": {"target": "b", "actions": [{"raise": "second"}]}},
            },
            "b": {
                "entry": {"raise": "third"},
                "on": {name: {"actions": say(name)} for name in ("third", "second", "first")},
            },
        },
    )
    assert took(it, "go") == ["first", "second", "third"]


def test_an_event_raised_on_entry_is_taken_when_all_states_are_entered() -> None:
    it = run(
        initial="a",
        states={
            "a": {"on": {"go": "b"}},
            "b": live(
                "b",
                entry=[{"raise": "inner"}, say("+b")],
                initial="x",
                on={"inner": {"actions": say("inner")}},
                states={"x": live("x")},
            ),
        },
    )
    assert took(it, "go") == ["+b", "+x", "inner"]


def test_a_raised_event_that_nothing_takes_is_dropped() -> None:
    it = run(
        initial="a",
        states={
            "a": {"on": {"go": {"target": "b", "actions": {"raise": "inner"}}}},
            "b": {"on": {"one": "c"}},
            "c": {"on": {"inner": "d"}},
            "d": {},
        },
    )
    it.send("go")
    it.send("one")
    assert it.state == ["c"]


def test_a_raised_command_name_carries_no_data_of_the_command_that_raised_it() -> None:
    chart = {
        "id": "t",
        "version": 1,
        "commands": {
            "make": {"creates": True},
            "go": {"data": {"flag": {"type": "boolean"}}},
            "one": {"data": {"flag": {"type": "boolean"}}},
        },
        "initial": "a",
        "states": {
            "a": {
                "on": {
                    "go": {"actions": {"raise": "one"}},
                    "one": [{"target": "b", "guard": "data.flag == true"}, {"target": "c"}],
                }
            },
            "b": {},
            "c": {},
        },
    }
    it = Bench(json.dumps(chart))
    it.send("go", flag=True)
    assert it.state == ["c"]


def test_an_eventless_transition_that_leads_back_without_an_assignment_is_taken_once() -> None:
    """XState's rule; W3C's algorithm would not end."""
    loop = {"target": "b", "reenter": True, "actions": {"emit": "t.turned"}}
    it = run(initial="a", states={"a": {"on": {"go": "b"}}, "b": {"always": loop}})
    assert it.send("go").events == ["t.turned"]


def test_an_eventless_transition_that_only_raises_waits_until_its_event_is_taken() -> None:
    again = {"guard": "len(context.trace) < 3", "actions": {"raise": "more"}}
    it = run(
        initial="a",
        states={"a": {"on": {"go": "b"}}, "b": {"always": again, "on": {"more": {"actions": say("more")}}}},
    )
    assert took(it, "go") == ["more", "more", "more"]


@pytest.mark.parametrize("order", [("one", "two"), ("two", "one")])
def test_of_two_regions_that_move_without_an_event_the_one_that_came_first_goes_first(
    order: tuple[str, str],
) -> None:
    """XState's rule: it keeps its states in the order of entry, also over a snapshot here. W3C: document order."""

    def region(command: str) -> Words:
        away = {"target": "z", "guard": "context.on", "actions": say(command)}
        return {"initial": "x", "states": {"x": {"on": {command: "y"}}, "y": {"always": away}, "z": {}}}

    it = run(
        type="parallel",
        on={"go": {"actions": {"assign": {"on": True}}}},
        states={"a": region("one"), "b": region("two")},
    )
    for command in order:
        it.send(command)
    assert took(it, "go") == list(order)


def test_raised_events_without_end_are_refused_by_the_microstep_limit_and_change_nothing() -> None:
    it = run(initial="a", states={"a": {"on": {"go": {"actions": [say("go"), {"raise": "go"}]}}}})
    error = it.send("go").error
    assert error is not None
    assert (error.error_class, error.code) == ("guard_error", "endless_step")
    assert it.context["trace"] == []


def test_an_action_sees_what_the_one_before_it_assigned() -> None:
    it = run(initial="a", states={"a": {"on": {"go": {"actions": [say("1"), say("2")]}}}})
    assert took(it, "go") == ["1", "2"]


# exitStates and enterStates


def regions(on: Words, **more: Any) -> Bench:
    inside = {
        name: live(name, initial="x", states={"x": live(f"{name}x"), "y": live(f"{name}y")}) for name in "ab"
    }
    parallel = live("p", type="parallel", on=on, states=inside)
    return run(initial="p", states={"p": parallel, "q": live("q", on={"back": "p"})}, **more)


def test_states_are_left_in_reverse_document_order_and_entered_in_document_order() -> None:
    it = regions({"out": "q"})
    assert it.context["trace"] == ["+p", "+a", "+ax", "+b", "+bx"]
    assert took(it, "out") == ["-bx", "-b", "-ax", "-a", "-p", "+q"]
    assert took(it, "back") == ["-q", "+p", "+a", "+ax", "+b", "+bx"]


def test_all_states_are_left_before_any_action_and_all_actions_run_before_any_entry() -> None:
    def region(name: str) -> Words:
        move = {"target": "y", "actions": say(name)}
        return {"initial": "x", "states": {"x": live(f"{name}x", on={"go": move}), "y": live(f"{name}y")}}

    it = run(type="parallel", states={"a": region("a"), "b": region("b")})
    assert took(it, "go") == ["-bx", "-ax", "a", "b", "+ay", "+by"]


def test_several_targets_are_entered_together_and_other_regions_by_default() -> None:
    it = run(
        initial="q",
        states={
            "q": {"on": {"go": {"target": ["p.c.y", "p.a.y"]}}},
            "p": {
                "type": "parallel",
                "states": {n: {"initial": "x", "states": {"x": {}, "y": {}}} for n in "abc"},
            },
        },
    )
    it.send("go")
    assert it.state == ["p.a.y", "p.b.x", "p.c.y"]


def test_a_target_inside_another_region_leaves_all_regions_and_enters_the_others_by_default() -> None:
    """XState's getTransitionDomain may be a parallel state; W3C's is the state around it."""
    it = run(
        initial="p",
        states={
            "p": live(
                "p",
                type="parallel",
                states={
                    "a": live("a", initial="x", states={"x": {}, "y": live("ay", on={"go": "#p.b.y"})}),
                    "b": live("b", initial="x", states={"x": live("bx"), "y": live("by")}),
                },
                on={"one": ".a.y"},
            )
        },
    )
    it.send("one")
    assert took(it, "go") == ["-bx", "-b", "-ay", "-a", "+a", "+b", "+by"]
    assert it.state == ["p.a.x", "p.b.y"]


def test_several_targets_of_a_parallel_state_itself_leave_it_active() -> None:
    it = regions({"go": {"target": [".a.y", ".b.y"]}})
    assert took(it, "go") == ["-bx", "-b", "-ax", "-a", "+a", "+ay", "+b", "+by"]


def inside(on: Words) -> Bench:
    """Three levels; ``on`` stands at the innermost."""
    leaf = live("c", on=on)
    return run(
        initial="a",
        states={
            "a": live("a", initial="b", states={"b": live("b", initial="c", states={"c": leaf, "d": {}})})
        },
    )


def test_an_ancestor_as_the_target_is_left_and_entered_again() -> None:
    assert took(inside({"go": "#a.b"}), "go") == ["-c", "-b", "+b", "+c"]
    assert took(inside({"go": {"target": "#a.b", "reenter": True}}), "go") == ["-c", "-b", "+b", "+c"]


def test_the_root_as_a_target_starts_everything_anew_and_is_entered_without_having_been_left() -> None:
    """XState's: only a transition of the root itself leaves it. SCXML's root is no state."""
    on = {"go": "#t"}
    states = {"a": live("a", on={"one": "b"}), "b": live("b", on=on)}
    it = run(entry=say("+"), exit=say("-"), initial="a", states=states)
    assert took(it, "one", "go") == ["-a", "+b", "-b", "+", "+a"]
    assert it.state == ["a"]


@pytest.mark.parametrize(("reenter", "expected"), [(False, ["-c", "+c"]), (True, ["-c", "-b", "+b", "+c"])])
def test_a_compound_state_that_aims_at_itself_stays_unless_it_reenters(
    reenter: bool, expected: list[str]
) -> None:
    states = {"c": live("c")}
    state = live("b", initial="c", on={"go": {"target": "b", "reenter": reenter}}, states=states)
    it = run(initial="b", states={"b": state})
    assert took(it, "go") == expected


def test_a_transition_to_a_descendant_that_reenters_leaves_its_source() -> None:
    states = {"c": live("c"), "d": live("d")}
    state = live("b", initial="c", on={"go": {"target": ".d", "reenter": True}}, states=states)
    it = run(initial="b", states={"b": state})
    assert took(it, "go") == ["-c", "-b", "+b", "+d"]


def test_the_root_is_left_only_by_its_own_transition_that_reenters() -> None:
    def root(reenter: bool) -> Bench:
        on = {"go": {"target": ".a", "reenter": reenter}}
        return run(entry=say("+"), exit=say("-"), initial="a", on=on, states={"a": live("a")})

    assert took(root(False), "go") == ["-a", "+a"]
    assert took(root(True), "go") == ["-a", "-", "+", "+a"]


def test_a_reentering_transition_without_a_target_leaves_nothing() -> None:
    it = run(initial="a", states={"a": live("a", on={"go": {"reenter": True, "actions": say("go")}})})
    assert took(it, "go") == ["go"]


def test_an_initial_may_name_a_state_further_down() -> None:
    deep = {"initial": "x", "states": {"x": {}, "y": {"initial": "u", "states": {"u": {}, "v": {}}}}}
    assert run(initial="a.y.v", states={"a": deep}).state == ["a.y.v"]


def beginning(on: Words) -> Bench:
    """A state ``a`` whose initial has an action, and ``on`` outside."""
    inside = {"x": live("x"), "y": live("y")}
    state = live("a", initial={"target": "x", "actions": say("first")}, states=inside)
    return run(initial="b", states={"a": state, "b": {"on": on}})


def test_the_actions_of_an_initial_run_after_the_entry_of_its_state_and_before_that_of_its_child() -> None:
    assert took(beginning({"go": "a"}), "go") == ["+a", "first", "+x"]


def test_the_actions_of_an_initial_do_not_run_where_a_target_lies_deeper() -> None:
    assert took(beginning({"go": "a.y"}), "go") == ["+a", "+y"]
    assert took(beginning({"go": "a.x"}), "go") == ["+a", "+x"]


def test_the_actions_of_the_initial_of_the_root_run_at_the_creation() -> None:
    initial = {"target": "a", "actions": [say("first"), {"raise": "inner"}]}
    it = run(entry=say("+"), initial=initial, states={"a": live("a", on={"inner": "b"}), "b": {}})
    assert it.context["trace"] == ["+", "first", "+a", "-a"]
    assert it.state == ["b"]


@pytest.mark.parametrize(
    ("reenter", "expected"), [(False, ["-x", "+x"]), (True, ["-x", "-a", "+a", "first", "+x"])]
)
def test_the_actions_of_an_initial_run_again_only_where_its_state_is_entered_again(
    reenter: bool, expected: list[str]
) -> None:
    initial = {"target": "x", "actions": say("first")}
    on = {"go": {"target": "a", "reenter": reenter}}
    it = run(initial="a", states={"a": live("a", initial=initial, on=on, states={"x": live("x")})})
    assert took(it, "go") == expected


def test_the_actions_of_an_initial_run_at_each_level_and_in_each_region_entered_by_default() -> None:
    def region(name: str) -> Words:
        return {"initial": {"target": "x", "actions": say(name)}, "states": {"x": {}}}

    parallel = {"type": "parallel", "states": {"a": region("a"), "b": region("b")}}
    outer = {"initial": {"target": "p", "actions": say("o")}, "states": {"p": parallel}}
    assert run(initial={"target": "o", "actions": say("root")}, states={"o": outer}).context["trace"] == [
        "root",
        "o",
        "a",
        "b",
    ]


def test_a_region_entered_for_the_sake_of_another_takes_no_initial_actions() -> None:
    """XState's rule; in W3C's algorithm those of ``b`` would run."""
    region = {"initial": {"target": "x", "actions": say("b")}, "states": {"x": {}}}
    parallel = {"type": "parallel", "states": {"a": {"initial": "x", "states": {"x": {}}}, "b": region}}
    it = run(initial="q", states={"q": {"on": {"go": "p.a.x", "one": "p"}}, "p": parallel})
    assert took(it, "go") == []


# History


def remembering(history: Words, **more: Any) -> Bench:
    """A compound state ``on`` that is left by ``out`` and entered by its history by ``back``."""
    inner = {"initial": "x", "states": {"x": {"on": {"two": "y"}}, "y": {}}}
    states = {"a": {"on": {"one": "b"}}, "b": inner, "hist": {"type": "history", **history}}
    return run(
        initial="on",
        states={
            "on": live("on", initial="a", on={"out": "off"}, states=states, **more),
            "off": {"on": {"back": "on.hist", "one": "on"}},
        },
    )


@pytest.mark.parametrize(("kind", "expected"), [("shallow", "on.b.x"), ("deep", "on.b.y")])
def test_a_history_survives_that_its_parent_is_entered_otherwise(kind: str, expected: str) -> None:
    it = remembering({"history": kind})
    for command in ("one", "two", "out", "back"):
        it.send(command)
    assert it.state == [expected]


def test_a_history_remembers_the_last_time_only() -> None:
    it = remembering({"history": "deep"})
    for command in ("one", "two", "out", "one", "out", "back"):
        it.send(command)
    assert it.state == ["on.a"]


def test_a_history_recorded_by_the_same_microstep_is_the_one_that_is_entered() -> None:
    """computeEntrySet comes after exitStates."""
    it = run(
        initial="on",
        states={
            "on": live(
                "on",
                initial="a",
                on={"go": {"target": ".hist", "reenter": True}},
                states={
                    "a": {"on": {"one": "b"}},
                    "b": live("b"),
                    "hist": {"type": "history", "target": "a"},
                },
            )
        },
    )
    it.send("one")
    assert took(it, "go") == ["-b", "-on", "+on", "+b"]
    assert it.state == ["on.b"]


def test_a_history_without_a_memory_or_default_takes_the_actions_of_the_initial_of_its_parent() -> None:
    """SCXML's content of the default history, which is XState's initial where no target is written."""

    def around(history: Words) -> Bench:
        inside = {"x": live("x", on={"one": "y"}), "y": live("y"), "hist": {"type": "history", **history}}
        state = live("a", initial={"target": "x", "actions": say("first")}, states=inside, on={"out": "b"})
        return run(initial="b", states={"a": state, "b": {"on": {"back": "a.hist"}}})

    assert took(around({}), "back") == ["+a", "first", "+x"]
    assert took(around({}), "back", "out", "back") == ["+a", "first", "+x", "-x", "-a", "+a", "+x"]
    assert took(around({"target": "x"}), "back") == ["+a", "+x"]


def test_a_deep_history_remembers_all_regions() -> None:
    region = {"initial": "x", "states": {"x": {"on": {"one": "y"}}, "y": {}}}
    it = run(
        initial="p",
        states={
            "p": {
                "type": "parallel",
                "on": {"out": "q"},
                "states": {"a": region, "b": region, "hist": {"type": "history", "history": "deep"}},
            },
            "q": {"on": {"back": "p.hist"}},
        },
    )
    for command in ("one", "out", "back"):
        it.send(command)
    assert it.state == ["p.a.y", "p.b.y"]


def test_a_history_of_a_parallel_state_without_a_memory_or_default_enters_every_region() -> None:
    region = {"initial": "x", "states": {"x": {}}}
    parallel = {"type": "parallel", "states": {"a": region, "b": region, "hist": {"type": "history"}}}
    it = run(initial="q", states={"p": parallel, "q": {"on": {"back": "p.hist"}}})
    it.send("back")
    assert it.state == ["p.a.x", "p.b.x"]


def test_a_default_of_a_history_may_name_a_state_in_each_region() -> None:
    region = {"initial": "x", "states": {"x": {}, "y": {}}}
    history = {"type": "history", "target": ["a.y", "b.y"]}
    parallel = {"type": "parallel", "states": {"hist": history, "a": region, "b": region}}
    it = run(initial="q", states={"p": parallel, "q": {"on": {"back": "p.hist"}}})
    it.send("back")
    assert it.state == ["p.a.y", "p.b.y"]


def test_a_history_as_initial_state_brings_back_what_was_before() -> None:
    it = run(
        initial="on",
        states={
            "on": {
                "initial": "hist",
                "on": {"out": "off"},
                "states": {"hist": {"type": "history", "target": "a"}, "a": {"on": {"one": "b"}}, "b": {}},
            },
            "off": {"on": {"back": "on"}},
        },
    )
    assert it.state == ["on.a"]
    for command in ("one", "out", "back"):
        it.send(command)
    assert it.state == ["on.b"]


def test_a_history_that_stands_for_the_source_enters_no_second_state_of_a_region() -> None:
    """Here XState leaves the legal configurations: ``b`` would be in ``x`` and in ``y``."""
    it = run(
        initial="p",
        states={
            "hist": {"type": "history", "history": "deep", "target": "p.a"},
            "p": {
                "type": "parallel",
                "states": {
                    "a": {"on": {"go": {"target": "#hist", "actions": say("go")}}},
                    "b": {"initial": "x", "states": {"x": {"on": {"one": "y"}}, "y": {}}},
                },
            },
        },
    )
    it.send("one")
    assert took(it, "go") == ["go"]
    assert it.state == ["p.a", "p.b.y"]


def test_a_history_whose_parent_another_region_has_left_enters_nothing() -> None:
    """The default is the source itself, which leaves nothing; what is recorded meanwhile is of a state that is left."""
    on = {"guard": "context.on"}
    it = run(
        initial="b",
        on={"go": {"actions": {"assign": {"on": True}}}},
        states={
            "b": {
                "initial": "a",
                "always": {"target": ".c", **on},
                "states": {
                    "a": {
                        "type": "parallel",
                        "states": {
                            "u": {"always": {"target": "hist", **on}},
                            "v": {},
                            "hist": {"type": "history", "history": "deep", "target": "u"},
                        },
                    },
                    "c": {},
                },
            }
        },
    )
    it.send("go")
    assert it.state == ["b.c"]


# Done events


def test_the_done_events_of_a_parallel_state_come_region_by_region_its_own_last() -> None:
    def region(name: str) -> Words:
        return {
            "initial": "x",
            "states": {"x": {"on": {"go": "y"}}, "y": {"type": "final"}},
            "onDone": {"actions": say(name)},
        }

    parallel = {
        "type": "parallel",
        "states": {"a": region("a"), "b": region("b")},
        "onDone": {"actions": say("p")},
    }
    assert took(run(initial="p", states={"p": parallel}), "go") == ["a", "b", "p"]


def test_a_compound_state_is_done_by_its_own_final_child_not_by_one_further_down() -> None:
    inner = {"initial": "x", "states": {"x": {"on": {"go": "y"}}, "y": {"type": "final"}}}
    outer = {"initial": "b", "states": {"b": inner}, "onDone": "far"}
    it = run(initial="a", states={"a": outer, "far": {}})
    it.send("go")
    assert it.state == ["a.b.y"]


def test_a_region_that_is_final_itself_is_done_from_the_start() -> None:
    """XState's; in SCXML's documents a parallel state has no final child."""
    region = {"initial": "x", "states": {"x": {"on": {"go": "y"}}, "y": {"type": "final"}}}
    parallel = {"type": "parallel", "states": {"a": {"type": "final"}, "b": region}, "onDone": "far"}
    it = run(initial="p", states={"p": parallel, "far": {}})
    assert it.state == ["p.a", "p.b.x"]
    it.send("go")
    assert it.state == ["far"]


def test_a_parallel_state_in_a_parallel_state_completes_it_too() -> None:
    final = {"initial": "x", "states": {"x": {"on": {"go": "y"}}, "y": {"type": "final"}}}
    it = run(
        initial="p",
        states={
            "p": {
                "type": "parallel",
                "states": {"a": final, "b": {"type": "parallel", "states": {"c": final, "d": final}}},
                "onDone": "far",
            },
            "far": {},
        },
    )
    it.send("go")
    assert it.state == ["far"]


def test_the_entry_of_a_final_state_runs_before_its_done_event_is_taken() -> None:
    it = run(
        initial="a",
        states={
            "a": live(
                "a",
                initial="x",
                onDone={"target": "b", "actions": say("done")},
                states={"x": {"on": {"go": "y"}}, "y": live("y", type="final")},
            ),
            "b": live("b"),
        },
    )
    assert took(it, "go") == ["+y", "-y", "-a", "done", "+b"]


def test_when_the_root_is_done_all_states_are_left_and_no_event_is_taken_any_more() -> None:
    it = run(
        initial="a",
        onDone={"actions": say("never")},
        exit=say("-"),
        states={
            "a": live("a", on={"go": {"target": "end", "actions": {"raise": "inner"}}, "inner": "a"}),
            "end": live("end", type="final", exit=say("-end")),
        },
    )
    assert took(it, "go") == ["-a", "+end", "-end", "-"]
    assert it.snapshot is not None
    assert it.snapshot.done
    assert it.state == ["end"]


def test_a_parallel_root_is_done_with_its_last_region() -> None:
    region = {"initial": "x", "states": {"x": {"on": {"go": "y"}}, "y": {"type": "final"}}}
    it = run(type="parallel", states={"a": region, "b": region})
    it.send("go")
    assert it.snapshot is not None
    assert it.snapshot.done


# Timers


def test_timers_that_are_due_together_fire_in_the_order_in_which_they_were_armed() -> None:
    def region(name: str) -> Words:
        return {"after": {"10s": {"actions": say(name)}}}

    it = run(type="parallel", states={"a": region("a"), "b": region("b")})
    it.pass_time(seconds=10)
    assert it.context["trace"] == ["a", "b"]


def test_a_timer_is_taken_like_an_event_by_candidates_in_order() -> None:
    after = {"10s": [{"target": "b", "guard": "false"}, {"target": "c"}]}
    it = run(initial="a", states={"a": {"after": after}, "b": {}, "c": {}})
    it.pass_time(seconds=10)
    assert it.state == ["c"]


def test_a_timer_whose_state_an_earlier_one_has_left_does_not_fire() -> None:
    it = run(
        initial="p",
        states={
            "p": {
                "type": "parallel",
                "states": {"a": {"after": {"10s": "#far"}}, "b": {"after": {"10s": {"actions": say("b")}}}},
            },
            "far": {},
        },
    )
    it.pass_time(seconds=20)
    assert (it.state, it.context["trace"]) == (["far"], [])
