"""The shortest ways to every state and over every transition, on charts that are small enough to know them."""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.engine.errors import InterlockError
from interlock.engine.exploration import DEFAULT_LIMIT, Exploration, Found, Missing, explore
from interlock.engine.exploration_structure import Structure, transition_ids
from interlock.engine.machine import Machine
from interlock.engine.messages import Actor, Status, parse_time
from interlock.statecharts.catalog import Catalog
from tests.charting import compile_chart
from tests.oracle.random_charts import random_chart
from tests.oracle.spelling import in_our_words
from tests.storms import part
from tests.walking import Walk, walk


def chart(text: str, commands: str = "go: {}", context: str = "") -> Machine:
    return compile_chart(
        f"id: t\nversion: 1\ncontext: {{{context}}}\ncommands: {{make: {{creates: true}}, {commands}}}\n{text}"
    )


def way(found: Found | Missing) -> list[Any]:
    """The events in short: the command, with its data where it has any; milliseconds."""
    assert isinstance(found, Found), found
    return [
        event.get("advance") or ((event["type"], event["data"]) if event.get("data") else event["type"])
        for event in found.events
    ]


def check_ways(machine: Machine, report: Exploration) -> None:
    """Each way leads where it says, along the chart's structure, and every state and transition is accounted for."""
    structure = Structure(machine)
    for path, found in report.states.items():
        if isinstance(found, Found):
            walked = walk(machine, found.events)
            assert path in walked.states
            assert structure.has(machine.by_path[path])
            assert walked.last[-1].result.status is Status.APPLIED
    by_id = {name: arrow for arrow, name in transition_ids(machine).items()}
    for name, found in report.transitions.items():
        if isinstance(found, Found):
            walked = walk(machine, found.events)
            taken = list(chain.from_iterable(decision.taken for decision in walked.last))
            assert walked.status.value == {"taken": "applied"}.get(found.use, found.use)
            if found.use == "refused":
                error = walked.last[-1].result.error
                assert error and error.code in [row.code for row in by_id[name].require]
            else:
                assert by_id[name] in taken
    assert len(report.states) == sum(bool(n.path) and not n.is_history for n in machine.nodes)
    assert len(report.transitions) == sum(not arrow.forbidden for arrow in machine.arrows)


# What is tried


def test_a_way_begins_with_the_creating_command_and_takes_no_detour() -> None:
    machine = chart(
        "initial: a\nstates: {a: {on: {go: b, far: c}}, b: {on: {go: c}}, c: {on: {go: d}}, d: {type: final}}",
        "go: {}, far: {}",
    )
    report = explore(machine)
    assert way(report.states["a"]) == ["make"]
    assert way(report.states["d"]) == ["make", "far", "go"]
    assert way(report.transitions["b:go"]) == ["make", "go", "go"]
    assert report.complete
    check_ways(machine, report)


@pytest.mark.parametrize(
    ("schema", "guard", "wanted"),
    [
        ("{type: string}", "data.x == 'vip'", {"x": "vip"}),
        ("{type: string}", "lower(coalesce(data.x, '')) in ['p', 'q']", {"x": "p"}),
        ("{type: integer}", "data.x != null and data.x > 41", {"x": 42}),
        ("{type: integer}", "data.x != null and data.x < -3", {"x": -4}),
        ("{type: number, minimum: 7}", "data.x == 7", {"x": 7}),
        ("{type: boolean}", "data.x == false", {"x": False}),
        ("{enum: [red, green]}", "data.x == 'green'", {"x": "green"}),
        ('{type: [string, "null"]}', "data.x != null", {"x": "one"}),
        ("{type: array, items: {type: string}}", "len(data.x) >= 3", {"x": ["one", "two", "one"]}),
        ("{type: array, items: {type: string}}", "'k' in coalesce(data.x, [])", {"x": ["k"]}),
        ("{type: object}", "data.x.order.total == 5", {"x": {"order": {"total": 5}}}),
        ("{type: string, minLength: 5}", "data.x != null", {"x": "onexx"}),
        ("{type: string, format: date-time}", "seconds_between(now, data.x) > 0", None),
        ("{type: string}", "len(data.x) > 20", {"x": "x" * 21}),
        ('{type: string, pattern: "^[A-Z]{3}$"}', "data.x != null", {"x": "EUR"}),
    ],
)
def test_data_is_made_of_the_schema_and_of_what_guards_compare(
    schema: str, guard: str, wanted: dict[str, Any] | None
) -> None:
    machine = chart(
        f'initial: a\nstates: {{a: {{on: {{go: {{guard: "{guard}", target: b}}}}}}, b: {{}}}}',
        f"go: {{data: {{x: {schema}}}}}",
    )
    found = explore(machine).states["b"]
    assert isinstance(found, Found), found
    assert wanted is None or found.events[1]["data"] == wanted


def test_a_field_that_no_expression_reads_is_left_out() -> None:
    machine = chart("initial: a\nstates: {a: {on: {go: b}}, b: {}}", "go: {data: {x: {type: string}}}")
    assert way(explore(machine).states["b"]) == ["make", "go"]


def test_what_an_action_needs_is_given() -> None:
    """Left out, it would be null, and null plus 1 is a refusal."""
    machine = chart(
        "initial: a\nstates: {a: {on: {go: {target: b, actions: {assign: {n: context.n + data.x}}}}}, b: {}}",
        "go: {data: {x: {type: integer}}}",
        "n: {type: integer, default: 0}",
    )
    assert way(explore(machine).states["b"]) == ["make", ("go", {"x": 1})]


@pytest.mark.parametrize(
    ("by", "check", "actor"),
    [
        ("", "actor.kind == 'bot'", Actor(id="one", kind="bot")),
        ("by: [supervisor], ", "true", Actor(id="one", kind="supervisor")),
        ("", "'may_go' in actor.permissions", Actor(id="one", kind="agent", permissions=["may_go"])),
        (
            "",
            "'a' in actor.permissions and 'b' in actor.permissions",
            Actor(id="one", kind="agent", permissions=["a", "b"]),
        ),
        ("", "actor.id == context.owner", Actor(id="ann", kind="agent")),
        ("", "actor.id != null", Actor(id="one", kind="agent")),
        ("", "actor.kind == 'system'", None),
    ],
)
def test_actors_are_made_of_kinds_permissions_and_of_who_the_context_names(
    by: str, check: str, actor: Actor | None
) -> None:
    error = "{class: forbidden, code: no}"
    machine = chart(
        "initial: a\nstates: {a: {on: {go: b}}, b: {}}",
        f'go: {{{by}require: [{{check: "{check}", error: {error}}}]}}',
        "owner: {type: string, default: ann}",
    )
    found = explore(machine).states["b"]
    assert isinstance(found, Found)
    assert found.events[1].get("actor") == (actor.model_dump() if actor else None)


def test_who_was_named_before_may_ask() -> None:
    machine = chart(
        "initial: a\nstates:\n"
        "  a: {on: {give: {target: b, actions: {assign: {owner: data.to}}}}}\n"
        '  b: {on: {go: {guard: "actor.id == context.owner and actor.id != data.but", target: c}}}\n  c: {}',
        "give: {data: {to: {type: string}}, required: [to]}, go: {data: {but: {type: string}}}",
        'owner: {type: [string, "null"], default: null}',
    )
    report = explore(machine)
    assert isinstance(report.states["c"], Found)
    check_ways(machine, report)


def test_time_goes_by_to_the_next_timer() -> None:
    machine = chart(
        "initial: a\nstates: {a: {after: {30m: b}, on: {go: c}}, b: {after: {PT1H: c}}, c: {after: {2d: d}}, d: {}}"
    )
    report = explore(machine)
    assert way(report.transitions["b:after.PT1H"]) == ["make", 1_800_000, 3_600_000]
    assert way(report.states["d"]) == ["make", "go", 172_800_000]
    check_ways(machine, report)


def test_time_goes_by_as_far_as_a_guard_reckons_without_any_timer() -> None:
    machine = chart(
        'initial: a\nstates: {a: {entry: {assign: {since: now}}, on: {go: {guard: "seconds_between(context.since, now)'
        ' > 3600", target: b}}}, b: {}}',
        context='since: {type: [string, "null"], default: null}',
    )
    assert way(explore(machine).states["b"]) == ["make", 3_601_000, "go"]


def test_an_invoked_function_comes_back_either_way() -> None:
    machine = chart(
        """
initial: a
states:
  a:
    invoke:
      src: score
      onDone: [{guard: "data.output.points > 10", target: high}, {target: low}]
      onError: {target: failed}
  high: {}
  low: {}
  failed: {}
"""
    )
    report = explore(machine)
    assert way(report.states["high"]) == ["make", ("done.invoke.score", {"output": {"points": 11}})]
    assert way(report.states["failed"]) == ["make", ("error.invoke.score", {"error": "one"})]
    assert isinstance(report.states["low"], Found | Missing)
    check_ways(machine, report)


def test_histories_tell_situations_apart() -> None:
    machine = chart(
        """
initial: on
states:
  on:
    initial: x
    on: {out: off}
    states: {x: {on: {go: y}}, y: {on: {deep: z}}, z: {}, h: {type: history}}
  off: {on: {back: on.h}}
""",
        "go: {}, out: {}, back: {}, deep: {}",
    )
    report = explore(machine)
    assert way(report.transitions["off:back"]) == ["make", "out", "back"]
    assert way(report.states["on.z"]) == ["make", "go", "deep"]
    assert "on.h" not in report.states
    check_ways(machine, report)


def test_two_regions_come_together() -> None:
    machine = chart(
        """
initial: p
states:
  p:
    type: parallel
    onDone: end
    states:
      l: {initial: l1, states: {l1: {on: {left: l2}}, l2: {type: final}}}
      r: {initial: r1, states: {r1: {on: {right: {guard: "in_state('p.l.l2')", target: r2}}}, r2: {type: final}}}
  end: {}
""",
        "left: {}, right: {}",
    )
    report = explore(machine)
    assert way(report.states["end"]) == ["make", "left", "right"]
    check_ways(machine, report)


def test_a_state_that_nothing_rests_in_is_reached_on_the_way() -> None:
    machine = chart("initial: a\nstates: {a: {on: {go: b}}, b: {always: c}, c: {}}")
    report = explore(machine)
    assert way(report.states["b"]) == way(report.transitions["b:always"]) == ["make", "go"]
    check_ways(machine, report)


def test_counters_that_decide_are_told_apart_and_others_are_not() -> None:
    machine = chart(
        "initial: a\non: {note: {actions: {assign: {notes: context.notes + 1}}}}\n"
        "states: {a: {on: {go: [{guard: context.n >= 3, target: b}, {actions: {assign: {n: context.n + 1}}}]}}, b: {}}",
        "go: {}, note: {}",
        "n: {type: integer, default: 0}, notes: {type: integer, default: 0}",
    )
    report = explore(machine)
    assert way(report.states["b"]) == ["make", "go", "go", "go", "go"]
    assert report.situations == 5


def test_a_counter_whose_bounds_refuse_decides_too() -> None:
    machine = chart(
        "initial: a\nstates: {a: {on: {up: {actions: {assign: {n: context.n + 1}}},"
        " down: {actions: {assign: {n: context.n - 1}}}}}}",
        "up: {}, down: {}",
        "n: {type: integer, default: 0, minimum: 0}",
    )
    assert way(explore(machine).transitions["a:down"]) == ["make", "up", "down"]


# What transitions are for


def test_a_transition_that_only_refuses_has_a_way_to_its_refusal() -> None:
    machine = chart(
        """
initial: a
states:
  a: {on: {shut: b}}
  b:
    on:
      shut: {ignore: true}
      go: {require: [{check: "false", error: {class: guard_failed, code: shut_now}}]}
      off: null
""",
        "go: {}, shut: {}, off: {}",
    )
    report = explore(machine)
    assert way(report.transitions["b:go"]) == ["make", "shut", "go"]
    assert report.uses == {"a:shut": "taken", "b:shut": "ignored", "b:go": "refused"}
    check_ways(machine, report)


# What is not found


def test_what_has_no_way_is_told_from_what_no_try_has_opened() -> None:
    machine = chart(
        """
initial: a
states:
  a: {on: {go: {guard: "data.code == context.secret + 'x'", target: b}}}
  b: {on: {go: c}}
  c: {}
  lost: {on: {go: c}}
""",
        "go: {data: {code: {type: string}}}",
        "secret: {type: string, default: s}",
    )
    report = explore(machine)
    assert report.complete
    lost, behind = report.states["lost"], report.states["c"]
    assert isinstance(lost, Missing) and lost.structural
    assert isinstance(behind, Missing) and not behind.structural
    assert behind.conditions == ("a:go: guard data.code == context.secret + 'x'",)
    missing = report.transitions["lost:go"]
    assert isinstance(missing, Missing) and missing.structural


def test_the_limit_ends_every_search_and_is_told() -> None:
    machine = chart(
        "initial: a\nstates: {a: {on: {go: [{guard: context.n >= 100000, target: b},"
        " {actions: {assign: {n: context.n + 1}}}]}}, b: {}}",
        context="n: {type: integer, default: 0}",
    )
    report = explore(machine, limit=300)
    assert not report.complete and report.tries <= 310
    missing = report.states["b"]
    assert isinstance(missing, Missing) and "300 tries" in missing.why


def test_a_way_behind_too_many_situations_is_found_and_not_called_the_shortest() -> None:
    fields = ", ".join(f"{name}: {{enum: [0, 1, 2, 3, 4, 5, 6, 7]}}" for name in "xyz")
    sets = "{assign: {x: data.x, y: data.y, z: data.z}}"
    path = ", ".join(f"s{n}: {{on: {{go: s{n + 1}}}}}" for n in range(6))
    machine = chart(
        f"initial: s0\non: {{set: {{guard: data.x != context.x or data.y != context.y or data.z != context.z,"
        f" actions: {sets}}}}}\nstates: {{{path}, s6: {{}}}}",
        f"go: {{}}, set: {{data: {{{fields}}}, required: [x, y, z]}}",
        ", ".join(f"{name}: {{type: integer, default: 0}}" for name in "xyz"),
    )
    report = explore(machine, limit=3_000)
    deep, near = report.states["s6"], report.states["s1"]
    assert way(deep) == ["make", *["go"] * 6]
    assert isinstance(deep, Found) and not deep.shortest
    assert isinstance(near, Found) and near.shortest


def test_a_search_for_one_way_ends_when_it_is_found() -> None:
    machine, whole = explored("thread")
    for state, transition in (("free", None), (None, "free:reply"), (None, "nowhere:go")):
        one = explore(machine, state=state, transition=transition)
        assert one.complete and one.tries < whole.tries / 4
        if state:
            assert one.states[state] == whole.states[state]
        if transition in whole.transitions:
            assert one.transitions[transition] == whole.transitions[transition]


def test_timers_without_end_and_guards_that_fail_end_no_search() -> None:
    machine = chart(
        "initial: a\nstates: {a: {after: {0ms: b}}, b: {after: {0ms: a}, on: {go: {guard: 1 / 0 > 1, target: c},"
        " out: d}}, c: {}, d: {}}",
        "go: {}, out: {}",
    )
    report = explore(machine, limit=2_000)
    assert isinstance(report.states["c"], Missing)


@pytest.mark.parametrize(
    "schema",
    [
        "{type: array, items: {type: string}, minItems: 1000000000}",
        "{type: string, minLength: 1000000000}",
        "{type: integer, exclusiveMaximum: -9223372036854775807}",
        "{type: integer, exclusiveMinimum: 9223372036854775806}",
        "{type: number, multipleOf: 0.1}",
        "{not: {}}",
        "{type: object, properties: {a: {type: object, properties: {b: {type: object, required: [c]}}}}}",
        '{anyOf: [{type: string, pattern: "^never$"}, {const: {a: 1}}, {enum: [[1], [2]]}]}',
    ],
)
def test_no_schema_is_too_much(schema: str) -> None:
    machine = chart(
        "initial: a\nstates: {a: {on: {go: {guard: data.x != null, target: b}, out: c}}, b: {}, c: {}}",
        f"go: {{data: {{x: {schema}}}}}, out: {{}}",
    )
    report = explore(machine)
    assert report.complete
    assert way(report.states["c"]) == ["make", "out"]
    check_ways(machine, report)


def test_a_chart_of_two_thousand_states_is_walked_in_a_moment() -> None:
    states = ", ".join(f"s{n}: {{on: {{go: s{n + 1}, skip: s{n}}}}}" for n in range(2_000))
    machine = chart(f"initial: s0\nstates: {{{states}, s2000: {{}}}}", "go: {}, skip: {}")
    report = explore(machine)
    assert len(way(report.states["s2000"])) == 2_001


# Ways are exact, and the shortest


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_way_through_a_random_chart_leads_where_it_says(seed: int) -> None:
    check_ways_of(seed)


@pytest.mark.storm
@settings(max_examples=part(40), deadline=None)
@given(seed=st.integers(0, 2**32))
def test_every_way_through_many_random_charts_leads_where_it_says(seed: int) -> None:
    check_ways_of(seed)


def check_ways_of(seed: int) -> None:
    machine = compile_chart(in_our_words(random_chart(seed)))
    check_ways(machine, explore(machine, limit=800))


WIDE = {4}
"""Seeds of charts in which all sequences are many."""


def alphabet(walked: Walk) -> list[dict[str, Any]]:
    """Everything that can happen next to an instance of a random chart."""
    if walked.snapshot is None:
        return [{"type": "make", "data": {}}]
    said: list[dict[str, Any]] = [{}, {"flag": True}, {"flag": False}]
    events = [{"type": name, "data": data} for name in ("e1", "e2", "e3", "e4") for data in said]
    due = min((timer.due for timer in walked.snapshot.timers), default=None)
    if due is not None:
        events.append({"advance": max(round((parse_time(due) - walked.now).total_seconds() * 1000), 0)})
    return events


def lengths(machine: Machine, longest: int) -> dict[str, int]:
    """By trying all sequences: how many events each state and transition needs."""
    ids = transition_ids(machine)
    found: dict[str, int] = {}
    places = [Walk(machine)]
    for length in range(1, longest + 1):
        following = []
        for place in places:
            for event in alphabet(place):
                reached = Walk(machine, place.snapshot, place.now)
                try:
                    reached.go(event)
                except InterlockError:
                    continue
                applied = [decision for decision in reached.last if decision.snapshot]
                for decision in applied:
                    for arrow in decision.taken:
                        found.setdefault(ids[arrow], length)
                if applied:
                    for path in reached.states:
                        found.setdefault(path, length)
                    following.append(reached)
        places = following
    return found


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=[pytest.mark.storm] * (seed in WIDE)) for seed in range(8)]
)
def test_no_shorter_way_exists_through_a_random_chart(seed: int) -> None:
    machine = compile_chart(in_our_words(random_chart(seed)))
    longest = 3
    known = lengths(machine, longest)
    report = explore(machine, limit=8_000)
    for name, found in (*report.states.items(), *report.transitions.items()):
        length = len(found.events) if isinstance(found, Found) else longest + 1
        assert min(length, longest + 1) == known.get(name, longest + 1), name


REMOTE = {
    ".:back_off_over#1": "three back-offs",
    "handling:complete#1": "back into the workbin that it was pulled from",
    "handling:place_in_queue#1": "the same",
    "parked:pull#3": "a draft that was parked, pulled by another",
    "parked:pull#1": "a draft that was parked, pulled by its owner",
    "open.work.assigned:after.context.response_due#1": "a limit for the response, given with the ticket",
    "open.work.assigned:after.context.response_due#2": "the same, and a policy",
    "open.work.assigned:after.context.response_due#3": "the same, and a policy",
    "open.work.assigned:interaction_accepted#1": "carried by an interaction, whose name has to be given",
    "open.work.assigned:interaction_accepted#2": "the same",
    "open.work.assigned:interaction_lost#1": "the same",
    "open.work.escalated:interaction_accepted#1": "the same",
    "open.work.escalated:interaction_accepted#2": "the same",
    "open.work.escalated:interaction_lost#1": "the same",
    "open.work.resolved:interaction_accepted#1": "the same",
    "open.first_response.paused:solved": "a promise, given with the ticket, and a wait before the resolution",
    "held:fell_silent": "a time of silence, given to the switchboard",
    "held:activity#1": "a board, given to the switchboard, and a newer state of it",
    "held:activity#3": "a time of silence, given to the switchboard",
    "held.offered:after.30s": "offers that expire, given to the switchboard, and two integrations",
    "open.work.queued:after.context.round_seconds if len(context.excluded) > 0 else null": "back in the queue",
    "closed:reply": "on a thread, which needs the key that follows from the thread",
    "closed:customer_message#1": "the same",
    "open.work.back_to_work:always#1": "escalated, then waiting, then resumed",
}
"""Transitions of shipped charts that lie further off than the search goes; the tables of the charts go there."""
TRIES = {"interaction": 30_000}


@cache
def explored(name: str) -> tuple[Machine, Exploration]:
    """A shipped chart and all ways through it."""
    machine = Catalog.load(()).machine(name)
    assert machine is not None
    return machine, explore(machine, TRIES.get(name, DEFAULT_LIMIT))


@pytest.mark.parametrize(
    "name",
    [
        "leg",
        "thread",
        *(
            pytest.param(name, marks=pytest.mark.storm)
            for name in ("ticket", "intervention", "switchboard", "interaction")
        ),
    ],
)
def test_every_state_and_transition_of_the_shipped_charts_is_reached(name: str) -> None:
    machine, report = explored(name)
    missing = {path for path, found in report.states.items() if isinstance(found, Missing)}
    missing |= {each for each, found in report.transitions.items() if isinstance(found, Missing)}
    assert missing - REMOTE.keys() == set()
    check_ways(machine, report)


def test_the_same_chart_gives_the_same_ways() -> None:
    machine = compile_chart(in_our_words(random_chart(5)))
    again = compile_chart(in_our_words(random_chart(5)))
    assert explore(machine, limit=2_000) == explore(again, limit=2_000)
