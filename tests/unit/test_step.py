"""The algorithm of W3C SCXML (appendix D) with XState v5's defaults, rule by rule."""

from __future__ import annotations

import pytest

from tests.charting import Bench


def bench(body: str, *commands: str) -> Bench:
    declared = "".join(f"  {name}: {{}}\n" for name in commands)
    head = "id: t\nversion: 1\ncontext:\n  trace: {type: array, default: []}\ncommands:\n  make: {creates: true}\n"
    return Bench(head + declared + body)


def trace(word: str) -> str:
    return f"{{assign: {{trace: \"append(context.trace, '{word}')\"}}}}"


def test_a_compound_state_is_entered_with_its_initial_child() -> None:
    assert bench(
        "initial: a\nstates:\n  a: {initial: b, states: {b: {initial: c, states: {c: {}}}}}"
    ).state == ["a.b.c"]


def test_every_region_of_a_parallel_state_is_entered() -> None:
    assert bench(
        "initial: p\nstates:\n  p: {type: parallel, states: {a: {initial: x, states: {x: {}}}, b: {}}}"
    ).state == ["p.a.x", "p.b"]


def test_a_transition_of_a_descendant_beats_that_of_its_ancestor() -> None:
    it = bench(
        "initial: a\nstates:\n  a: {on: {go: c}, initial: x, states: {x: {on: {go: y}}, y: {}}}\n  c: {}",
        "go",
    )
    it.send("go")
    assert it.state == ["a.y"]
    it.send("go")
    assert it.state == ["c"]


def test_a_false_guard_lets_the_next_candidate_try() -> None:
    it = bench(
        "initial: a\nstates:\n  a: {on: {go: [{guard: 'false', target: b}, {target: c}]}}\n  b: {}\n  c: {}",
        "go",
    )
    it.send("go")
    assert it.state == ["c"]


def test_exits_go_from_the_inside_out_then_actions_then_entries_from_the_outside_in() -> None:
    it = bench(
        f"""
initial: a
states:
  a:
    exit: {trace("-a")}
    initial: x
    on: {{go: {{target: b, actions: {trace("go")}}}}}
    states: {{x: {{exit: {trace("-x")}}}}}
  b:
    entry: {trace("+b")}
    initial: y
    states: {{y: {{entry: {trace("+y")}}}}}
""",
        "go",
    )
    it.send("go")
    assert it.context["trace"] == ["-x", "-a", "go", "+b", "+y"]


def test_a_self_transition_does_not_reenter_unless_it_says_so() -> None:
    body = f"""
initial: a
states:
  a:
    entry: {trace("+a")}
    on: {{quiet: {{target: a}}, loud: {{target: a, reenter: true}}}}
"""
    it = bench(body, "quiet", "loud")
    it.send("quiet")
    assert it.context["trace"] == ["+a"]
    it.send("loud")
    assert it.context["trace"] == ["+a", "+a"]


def test_a_transition_to_a_child_keeps_the_parent_active() -> None:
    it = bench(
        f"""
initial: a
states:
  a:
    entry: {trace("+a")}
    exit: {trace("-a")}
    initial: x
    on: {{go: .y}}
    states: {{x: {{exit: {trace("-x")}}}, y: {{entry: {trace("+y")}}}}}
""",
        "go",
    )
    it.send("go")
    assert it.state == ["a.y"]
    assert it.context["trace"] == ["+a", "-x", "+y"]


def test_regions_take_the_same_event_together() -> None:
    it = bench(
        """
initial: p
states:
  p:
    type: parallel
    states:
      a: {initial: x, states: {x: {on: {go: y}}, y: {}}}
      b: {initial: x, states: {x: {on: {go: y}}, y: {}}}
""",
        "go",
    )
    it.send("go")
    assert it.state == ["p.a.y", "p.b.y"]


def test_of_two_regions_that_both_leave_the_first_in_document_order_wins() -> None:
    it = bench(
        """
initial: p
states:
  p:
    type: parallel
    states:
      a: {initial: x, states: {x: {on: {go: '#one'}}}}
      b: {initial: x, states: {x: {on: {go: '#two'}}}}
  one: {}
  two: {}
""",
        "go",
    )
    it.send("go")
    assert it.state == ["one"]


def test_an_ancestor_of_parallel_regions_is_asked_only_where_no_region_answers() -> None:
    it = bench(
        f"""
initial: p
states:
  p:
    type: parallel
    on: {{go: {{actions: {trace("p")}}}}}
    states:
      a: {{initial: x, states: {{x: {{on: {{go: y}}}}, y: {{}}}}}}
      b: {{}}
""",
        "go",
    )
    it.send("go")
    assert (it.state, it.context["trace"]) == (["p.a.y", "p.b"], [])
    it.send("go")
    assert it.context["trace"] == ["p"]


def test_shallow_history_brings_back_the_child_and_deep_history_the_leaf() -> None:
    def body(kind: str) -> str:
        return f"""
initial: on
states:
  on:
    initial: a
    on: {{leave: out}}
    states:
      a: {{on: {{next: b}}}}
      b: {{initial: x, states: {{x: {{on: {{next: y}}}}, y: {{}}}}}}
      back: {{type: history, history: {kind}}}
  out: {{on: {{next: on.back}}}}
"""

    for kind, expected in (("shallow", "on.b.x"), ("deep", "on.b.y")):
        it = bench(body(kind), "leave", "next")
        for command in ("next", "next", "leave", "next"):
            it.send(command)
        assert it.state == [expected]


def test_history_without_a_memory_takes_its_default() -> None:
    it = bench(
        """
initial: out
states:
  out: {on: {go: on.back}}
  on: {initial: a, states: {a: {}, b: {}, back: {type: history, target: b}}}
""",
        "go",
    )
    it.send("go")
    assert it.state == ["on.b"]


def test_eventless_transitions_are_taken_until_none_is_enabled() -> None:
    it = bench("initial: a\nstates:\n  a: {always: b}\n  b: {always: {target: c}}\n  c: {}")
    assert it.state == ["c"]
    assert it.snapshot is not None
    assert it.snapshot.version == 1


def test_a_raised_event_is_taken_within_the_same_step() -> None:
    it = bench(
        "initial: a\nstates:\n  a: {on: {go: {target: b, actions: {raise: inner}}}}\n  b: {on: {inner: c}}\n  c: {}",
        "go",
    )
    it.send("go")
    assert it.state == ["c"]
    assert it.snapshot is not None
    assert it.snapshot.version == 2


def test_a_final_child_raises_the_done_event_of_its_parent() -> None:
    it = bench(
        """
initial: a
states:
  a: {initial: x, onDone: b, states: {x: {on: {go: y}}, y: {type: final}}}
  b: {}
""",
        "go",
    )
    it.send("go")
    assert it.state == ["b"]


def test_a_parallel_state_is_done_when_all_its_regions_are() -> None:
    it = bench(
        """
initial: p
states:
  p:
    type: parallel
    onDone: end
    states:
      a: {initial: x, states: {x: {on: {one: y}}, y: {type: final}}}
      b: {initial: x, states: {x: {on: {two: y}}, y: {type: final}}}
  end: {}
""",
        "one",
        "two",
    )
    it.send("one")
    assert it.state == ["p.a.y", "p.b.x"]
    it.send("two")
    assert it.state == ["end"]


def test_a_final_state_of_the_root_settles_the_instance() -> None:
    it = bench("initial: a\nstates:\n  a: {on: {go: b}}\n  b: {type: final}\non: {any: .a}", "go", "any")
    it.send("go")
    result = it.send("any")
    assert result.error is not None
    assert (result.error.error_class, result.error.code) == ("not_accepted", "settled")


def test_the_longest_event_descriptor_is_tried_first() -> None:
    it = bench(
        """
initial: a
states:
  a: {on: {go: {target: b, actions: {raise: x.y}}}}
  b: {on: {'*': c, 'x.*': d}}
  c: {}
  d: {}
""",
        "go",
    )
    it.send("go")
    assert it.state == ["d"]


def test_a_transition_between_regions_resets_the_other_region_but_not_the_parallel_state() -> None:
    it = bench(
        f"""
initial: p
states:
  p:
    type: parallel
    entry: {trace("+p")}
    states:
      a: {{initial: x, states: {{x: {{on: {{go: '#p.b.y'}}}}, z: {{}}}}}}
      b: {{initial: x, states: {{x: {{}}, y: {{}}}}}}
""",
        "go",
    )
    it.send("go")
    assert it.state == ["p.a.x", "p.b.y"]
    assert it.context["trace"] == ["+p"]


def test_an_endless_loop_is_refused_and_changes_nothing() -> None:
    it = bench(
        "initial: a\nstates:\n  a: {on: {go: b}}\n  b: {always: {target: c, guard: 'true'}}\n"
        "  c: {always: {target: b, guard: 'true'}}",
        "go",
    )
    result = it.send("go")
    assert result.error is not None
    assert (result.error.error_class, result.error.code) == ("guard_error", "endless_step")
    assert it.state == ["a"]


def test_a_timer_fires_when_due_and_not_once_its_state_was_left() -> None:
    body = "initial: a\nstates:\n  a: {after: {30m: b}, on: {go: c}}\n  b: {}\n  c: {}"
    it = bench(body, "go")
    assert it.pass_time(minutes=29) == []
    assert it.pass_time(minutes=2) == ["after.30m.a"]
    assert it.state == ["b"]
    left = bench(body, "go")
    left.send("go")
    assert left.snapshot is not None
    assert left.snapshot.timers == []
    assert left.pass_time(hours=1) == []


def test_a_reentered_state_starts_its_timer_anew() -> None:
    it = bench(
        "initial: a\nstates:\n  a: {after: {30m: b}, on: {again: {target: a, reenter: true}}}\n  b: {}",
        "again",
    )
    it.pass_time(minutes=20)
    it.send("again")
    assert it.pass_time(minutes=20) == []
    assert it.pass_time(minutes=11) == ["after.30m.a"]


@pytest.mark.parametrize("target", ["b", "#b", "#t.b"])
def test_targets_are_siblings_or_absolute(target: str) -> None:
    it = bench(f"initial: a\nstates:\n  a: {{on: {{go: '{target}'}}}}\n  b: {{}}", "go")
    it.send("go")
    assert it.state == ["b"]


def test_a_forbidden_transition_keeps_the_ancestors_from_being_asked() -> None:
    it = bench("initial: a\non: {go: .b}\nstates:\n  a: {on: {go: null}}\n  b: {}", "go")
    result = it.send("go")
    assert result.error is not None
    assert (result.error.error_class, result.error.code) == ("not_accepted", "not_accepted")
    assert it.state == ["a"]


def test_rows_of_a_command_see_where_the_machine_is() -> None:
    text = """
id: t
version: 1
commands:
  make: {creates: true}
  go: {require: [{check: "in_state('a')", error: {class: guard_failed, code: not_in_a}}]}
initial: a
states: {a: {on: {go: b}}, b: {on: {go: a}}}
"""
    it = Bench(text)
    assert it.send("go").error is None
    refusal = it.send("go").error
    assert refusal is not None
    assert refusal.code == "not_in_a"
