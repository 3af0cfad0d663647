"""`simulate --cases`: a chart as it stands, guards by verdicts, actions by name, a clock that is moved by hand."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.engine.interchange import cases
from interlock.engine.interchange.cases import run_case


def run(chart: dict[str, Any], *events: dict[str, Any], **guards: bool) -> dict[str, Any]:
    return run_case({"chart": chart, "events": list(events), "guards": guards})


def event(name: str, **rest: Any) -> dict[str, Any]:
    return {"type": name, **rest}


TWO = {"id": "m", "initial": "a", "states": {"a": {"on": {"go": {"target": "b"}}}, "b": {}}}


def test_the_first_entry_is_the_start_and_each_event_adds_one() -> None:
    assert run(TWO, event("stay"), event("go")) == {
        "configs": [["m.a"], ["m.a"], ["m.b"]],
        "actions": [[], [], []],
        "status": "active",
    }


def test_a_machine_without_an_id_has_xstates() -> None:
    chart = {key: value for key, value in TWO.items() if key != "id"}
    assert run(chart)["configs"] == [["(machine).a"]]


def test_a_state_is_told_by_its_own_id() -> None:
    chart = {"initial": "a", "states": {"a": {"id": "first", "on": {"go": "#second"}}, "b": {"id": "second"}}}
    assert run(chart, event("go"))["configs"] == [["first"], ["second"]]


def test_a_machine_without_states_is_its_own_configuration() -> None:
    assert run({"id": "m", "entry": "hello", "on": {"e": {"actions": "heard"}}}, event("e")) == {
        "configs": [["m"], ["m"]],
        "actions": [["hello"], ["heard"]],
        "status": "active",
    }


def test_final_states_are_told_and_an_ended_machine_takes_nothing() -> None:
    chart = {
        "id": "m",
        "initial": "a",
        "states": {"a": {"on": {"e": "z"}}, "z": {"type": "final", "entry": "bye"}},
        "on": {"e": {"actions": "late"}},
    }
    answer = run(chart, event("e"), event("e"))
    assert answer == {
        "configs": [["m.a"], ["m.z"], ["m.z"]],
        "actions": [[], ["bye"], []],
        "status": "done",
    }


def test_a_named_guard_answers_by_its_verdict_and_an_event_may_switch_it() -> None:
    chart = {
        "id": "m",
        "initial": "a",
        "states": {"a": {"on": {"e": {"target": "b", "guard": "may"}}}, "b": {}},
    }
    told = run(chart, event("e"), event("e", guards={"may": True}), may=False)["configs"]
    assert told == [["m.a"], ["m.a"], ["m.b"]]


def test_a_guard_without_a_verdict_is_no_yes() -> None:
    chart = {
        "id": "m",
        "initial": "a",
        "states": {"a": {"on": {"e": {"target": "b", "guard": "may"}}}, "b": {}},
    }
    assert run(chart, event("e"))["configs"][-1] == ["m.a"]


@pytest.mark.parametrize(
    ("guard", "taken"),
    [
        ({"type": "and", "guards": ["yes", "no"]}, False),
        ({"type": "xstate.or", "guards": ["no", "yes"]}, True),
        ({"type": "not", "guards": ["no"]}, True),
        ({"type": "stateIn", "state": "#m.p.x"}, True),
        ({"type": "stateIn", "state": "#m.q.x"}, False),
    ],
)
def test_guards_may_be_combined_as_in_xstate(guard: dict[str, Any], taken: bool) -> None:
    chart = {
        "id": "m",
        "type": "parallel",
        "states": {
            "p": {"initial": "x", "states": {"x": {"on": {"e": {"target": "y", "guard": guard}}}, "y": {}}},
            "q": {"initial": "z", "states": {"x": {}, "z": {}}},
        },
    }
    configs = run(chart, event("e"), yes=True, no=False)["configs"]
    assert (configs[-1] == ["m.p.y", "m.q.z"]) is taken


def test_a_new_verdict_is_seen_by_eventless_transitions_at_an_event_that_nothing_takes() -> None:
    chart = {
        "id": "m",
        "initial": "a",
        "states": {"a": {"always": {"target": "b", "guard": "ready"}}, "b": {}},
    }
    assert run(chart, event("?", guards={"ready": True}), ready=False)["configs"] == [["m.a"], ["m.b"]]


def test_actions_are_told_in_the_order_of_exit_transition_and_entry() -> None:
    chart = {
        "initial": "a",
        "states": {
            "a": {
                "initial": {"target": "x", "actions": ["initial"]},
                "entry": "in_a",
                "exit": "out_a",
                "states": {"x": {"entry": ["in_x"], "exit": {"type": "out_x"}}},
                "on": {
                    "e": {"target": "b", "actions": ["on_the_way", {"emit": "m.told"}, {"assign": {"n": 1}}]}
                },
            },
            "b": {"entry": "in_b"},
        },
    }
    actions = run(chart, event("e"))["actions"]
    assert actions == [["in_a", "initial", "in_x"], ["out_x", "out_a", "on_the_way", "in_b"]]


def test_a_timer_fires_at_its_time_and_what_it_arms_counts_from_there() -> None:
    chart = {
        "id": "m",
        "initial": "a",
        "states": {"a": {"after": {"10": "b"}}, "b": {"after": {"10": "c"}}, "c": {}},
    }
    told = run(chart, {"advance": 9}, {"advance": 1}, {"advance": 9}, {"advance": 1})["configs"]
    assert told == [["m.a"], ["m.a"], ["m.b"], ["m.b"], ["m.c"]]
    assert run(chart, {"advance": 20})["configs"][-1] == ["m.c"]


def test_a_raise_comes_within_the_step_and_with_a_delay_later() -> None:
    chart = {
        "id": "m",
        "initial": "a",
        "states": {
            "a": {"entry": [{"raise": "now"}, {"raise": {"event": "then", "delay": 5}}], "on": {"now": "b"}},
            "b": {"on": {"then": "c"}},
            "c": {},
        },
    }
    assert run(chart, {"advance": 5})["configs"] == [["m.b"], ["m.c"]]


def test_timers_due_together_fire_in_the_order_in_which_they_were_armed() -> None:
    regions = {
        name: {"initial": "x", "states": {"x": {"after": {delay: {"actions": name}}}}}
        for name, delay in (("zulu", "10.0"), ("alpha", "10"))
    }
    chart = {"type": "parallel", "states": regions}
    assert run(chart, {"advance": 10})["actions"][-1] == ["zulu", "alpha"]


@pytest.mark.parametrize(
    ("descriptor", "name", "taken"),
    [
        ("*", "anything", True),
        ("a.*", "a", True),
        ("a.*", "a.b.c", True),
        ("a.b.*", "a.c", False),
        ("a", "a.b", False),
        ("done.*", "done.work", True),
        ("xstate.done.*", "done.work", False),
    ],
)
def test_descriptors_take_what_they_take_in_xstate(descriptor: str, name: str, taken: bool) -> None:
    chart = {"id": "m", "initial": "a", "states": {"a": {"on": {descriptor: "b"}}, "b": {}}}
    assert (run(chart, event(name))["configs"][-1] == ["m.b"]) is taken


def test_an_event_of_the_user_is_never_taken_for_one_of_the_machine() -> None:
    chart = {
        "id": "m",
        "initial": "a",
        "states": {
            "a": {
                "initial": "x",
                "states": {"x": {"on": {"e": "y"}}, "y": {"type": "final"}},
                "on": {"done.state.a": "wrong"},
                "onDone": "right",
            },
            "wrong": {},
            "right": {},
        },
    }
    assert run(chart, event("e"))["configs"][-1] == ["m.right"]
    named = {**chart, "on": {"xstate.done.state.m.a": ".wrong"}}
    del named["states"]["a"]["onDone"]
    assert run(named, event("e"))["configs"][-1] == ["m.wrong"]


def test_keys_that_are_whole_numbers_come_first_as_in_javascript() -> None:
    chart = {"type": "parallel", "states": {"b": {"entry": "b"}, "10": {"entry": "10"}, "9": {"entry": "9"}}}
    assert run(chart)["actions"] == [["9", "10", "b"]]


def test_a_chart_in_our_words_needs_no_declaration_here() -> None:
    chart = {
        "id": "t",
        "context": {"n": {"type": "integer", "default": 2}},
        "initial": "a",
        "states": {
            "a": {
                "on": {
                    "e": [
                        {"guard": "context.n > data.limit", "target": "b"},
                        {"actions": [{"assign": {"n": "context.n + 1"}}, "counted"]},
                    ]
                }
            },
            "b": {"after": {"1m": "c"}},
            "c": {"type": "final"},
        },
    }
    told = run(chart, event("e", data={"limit": 2}), event("e", data={"limit": 2}), {"advance": 60_000})
    assert told["configs"] == [["t.a"], ["t.a"], ["t.b"], ["t.c"]]
    assert told["actions"][1] == ["counted"]


def deep(levels: int) -> dict[str, Any]:
    chart: dict[str, Any] = {}
    for _ in range(levels):
        chart = {"initial": "a", "states": {"a": chart}}
    return chart


@pytest.mark.parametrize(
    ("case", "told"),
    [
        (None, "a case is an object"),
        ([], "a case is an object"),
        ({}, "a machine is a JSON object"),
        ({"chart": {}, "evnts": []}, "a case has no 'evnts'"),
        ({"chart": {}, "events": {}}, "events: a list"),
        ({"chart": {}, "events": [1]}, "events[0]: an event is"),
        ({"chart": {}, "events": [{"type": ""}]}, "events[0]: an event is"),
        ({"chart": {}, "events": [{"type": "e", "data": 1}]}, "events[0]: an event is"),
        ({"chart": {}, "events": [{"advance": "1"}]}, "events[0].advance: milliseconds are a number"),
        ({"chart": {}, "events": [{"advance": -1}]}, "events[0].advance: time passes by"),
        ({"chart": {}, "events": [{"advance": 1e300}]}, "events[0].advance: time passes by"),
        ({"chart": {}, "guards": {"g": 1}}, "guards: verdicts are true or false"),
        ({"chart": {}, "events": [{"type": "e", "guards": []}]}, "events[0].guards: verdicts"),
        (
            {"chart": {"initial": "a", "states": {"a": {"on": {"e": "nowhere"}}}}},
            "states.a.on.e.target: no state",
        ),
        ({"chart": {"initial": "b", "states": {"a": {}}}}, "initial: no state 'b' stands here"),
        ({"chart": {"states": {"a": {}}}}, "needs 'initial', such as 'a'"),
        ({"chart": {"initial": "a", "states": {"a": {"type": "odd"}}}}, "states.a.type: a state's type is"),
        ({"chart": {"initial": "a", "states": {"a": 1}}}, "states.a: a state is an object"),
        ({"chart": {"initial": "a", "states": {"a": {"id": "x"}, "b": {"id": "x"}}}}, "the id 'x' is taken"),
        ({"chart": {"entry": [{"odd": 1, "words": 2}]}}, "entry[0]: an action is"),
        ({"chart": {"entry": {"raise": {"event": "e", "delay": -5}}}}, "delay: a delay is from 0"),
        ({"chart": {"initial": "a", "states": {"a": {"after": {"soon!": "a"}}}}}, "states.a.after.soon!"),
        ({"chart": {"on": {"e": {"guard": {"no": "type"}}}}}, "on.e.guard: a guard is"),
        ({"chart": {"on": {"e": {"guard": "__import__('os')"}}}}, "on.e.guard:"),
        ({"chart": {"always": {"actions": {"assign": {"n": 1}}}}}, "no rest after 1000 microsteps"),
        ({"chart": deep(100)}, "at most 64 levels"),
        (
            {
                "chart": {
                    "initial": "a",
                    "states": {"a": {"on": {"e": {"target": ["b", "c"]}}}, "b": {}, "c": {}},
                }
            },
            "'b' and 'c' are never active together",
        ),
        (
            {
                "chart": {
                    "initial": "a",
                    "states": {
                        "a": {},
                        "b": {
                            "initial": "c",
                            "states": {"c": {}, "h": {"history": True, "target": "#(machine).a"}},
                        },
                    },
                }
            },
            "a history leads into its own parent only",
        ),
    ],
)
def test_what_cannot_be_run_is_an_error_that_names_the_place(case: Any, told: str) -> None:
    answer = run_case(case)
    assert list(answer) == ["error"]
    assert told in answer["error"]


def test_timers_that_never_rest_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "MAX_FIRED", 50)
    forever = {"initial": "a", "states": {"a": {"after": {"0": {"target": "a", "reenter": True}}}}}
    assert "never rest" in run(forever, {"advance": 1})["error"]


def test_timers_that_multiply_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "MAX_TIMERS", 20)
    again = {"raise": {"event": "e", "delay": 1}}
    assert (
        "they multiply"
        in run({"entry": again, "on": {"e": {"actions": [again, again]}}}, {"advance": 50})["error"]
    )
