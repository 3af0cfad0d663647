"""The library `transitions` itself beside its imported machines: the same states, or a note that says why not."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest
from transitions import Machine
from transitions.extensions.nesting import HierarchicalMachine, NestedState
from transitions.extensions.states import Timeout, add_state_features

from interlock.engine.interchange.transitions_differences import STATES_DIFFER
from tests.imports.random_transitions import CALLBACKS, random_config, random_run
from tests.imports.running import Json, Theirs, bench_of, codes, from_transitions
from tests.storms import part


def compare(seeds: range, *, nested: bool) -> tuple[Counter[str], list[str]]:
    """Run machines in both. What went apart although no note says that it may is a text of the list."""
    tally: Counter[str] = Counter()
    different = []
    for seed in seeds:
        problem = _run(seed, nested, tally)
        if problem:
            different.append(f"machine {seed}: {problem}")
    return tally, different


def _run(seed: int, nested: bool, tally: Counter[str]) -> str:
    config = random_config(seed, nested=nested)
    verdicts, triggers = random_run(seed, 10)
    made = from_transitions(config)
    may_differ = bool(codes(made) & STATES_DIFFER)
    ours, theirs = bench_of(made, verdicts), Theirs(config, verdicts, CALLBACKS)
    tally["machines"] += 1
    tally["may differ"] += may_differ
    before: list[str] = []
    for trigger in ("", *triggers):
        try:
            if trigger:
                theirs.send(trigger)
        except (KeyError, ValueError, IndexError, TypeError):  # Its states are no configuration any more.
            state = ["broken"]
        else:
            state = theirs.state
        if trigger in ours.machine.chart.commands:
            ours.send(trigger)
        if ours.state != state:
            tally["differs as told"] += may_differ
            return "" if may_differ else f"{trigger} from {before}: ours {ours.state}, theirs {state}"
        tally["steps"] += 1
        tally["moved"] += state != before
        before = state
    return ""


@pytest.mark.parametrize("nested", [False, True])
def test_random_machines_reach_the_same_states(nested: bool) -> None:
    tally, different = compare(range(80), nested=nested)
    assert not different, "\n".join(different[:3])
    assert tally["moved"] > 0.2 * tally["steps"]
    # Notes on states are given where they are due: few for flat machines, not for most of the nested ones.
    assert tally["may differ"] < (0.5 if nested else 0.1) * tally["machines"]


@pytest.mark.storm
@pytest.mark.parametrize("nested", [False, True])
def test_thousands_of_random_machines_reach_the_same_states(
    nested: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    tally, different = compare(range(10_000, 10_000 + part(3000)), nested=nested)
    with capsys.disabled():
        print(f"\n{dict(tally)}")
    assert not different, "\n".join(different[:3])


def both(config: Json, *triggers: str, verdicts: dict[str, bool] | None = None, callbacks: Any = ()) -> Any:
    """Notes' codes, and both machines after the triggers, theirs first."""
    made = from_transitions(copy.deepcopy(config))
    theirs, ours = Theirs(config, verdicts, callbacks), bench_of(made, verdicts)
    for trigger in triggers:
        theirs.send(trigger)
        ours.send(trigger)
    return codes(made), theirs, ours


def said(bench: Any) -> list[str]:
    return [event.partition(".")[2] for entry in bench.history for event in entry["events"]]


# Each note, by what the library does


def test_auto_transitions() -> None:
    config = {"states": ["A", "B"], "initial": "A", "transitions": [["go", "B", "A"]]}
    notes, theirs, ours = both(config)
    assert theirs.send("to_B") == "applied"
    assert ours.send("to_B").status == "refused"
    assert "auto_transitions" in notes
    notes, theirs, _ = both(config | {"auto_transitions": False})
    assert theirs.send("to_B") == "refused"
    assert "auto_transitions" not in notes


def test_an_invalid_trigger_and_a_false_condition() -> None:
    row = {"trigger": "go", "source": "A", "dest": "B", "conditions": "ready"}
    config = {"states": ["A", "B"], "initial": "A", "transitions": [row, ["back", "B", "A"]]}
    notes, theirs, ours = both(config, verdicts={"ready": False})
    assert (theirs.send("back"), ours.send("back").error.code) == ("refused", "not_accepted")
    assert (theirs.send("go"), ours.send("go").error.code) == ("false", "not_accepted")
    assert {"invalid_trigger", "false_condition"} <= notes
    _, theirs, ours = both(config | {"ignore_invalid_triggers": True}, verdicts={"ready": False})
    assert (theirs.send("back"), ours.send("back").status) == ("false", "ignored")


def test_one_state_that_ignores_invalid_triggers() -> None:
    states = [{"name": "A", "ignore_invalid_triggers": True}, "B"]
    config = {"states": states, "initial": "A", "transitions": [["go", "A", "B"], ["back", "B", "A"]]}
    _, theirs, ours = both(config)
    assert (theirs.send("back"), ours.send("back").status) == ("false", "ignored")
    _, theirs, ours = both(config, "go")
    assert (theirs.send("go"), ours.send("go").status) == ("refused", "refused")


def test_callbacks_before_and_after() -> None:
    states = [{"name": "A", "on_exit": "leave_a"}, {"name": "B", "on_enter": "enter_b"}]
    row = {
        "trigger": "go",
        "source": "A",
        "dest": "B",
        "before": "pack",
        "after": "unpack",
        "prepare": "look",
    }
    names = ("leave_a", "enter_b", "pack", "unpack", "look")
    notes, theirs, ours = both(
        {"states": states, "initial": "A", "transitions": [row]}, "go", callbacks=names
    )
    assert theirs.model.said == ["look", "pack", "leave_a", "enter_b", "unpack"]
    assert said(ours)[1:] == ["a_left", "packed", "unpacked", "b_entered"]
    assert {"callback_order", "not_carried"} <= notes


def test_callbacks_of_every_change() -> None:
    config = {
        "states": ["A", "B"],
        "initial": "A",
        "before_state_change": "lock",
        "after_state_change": "unlock",
        "transitions": [{"trigger": "go", "source": "A", "dest": None, "before": "pack", "after": "unpack"}],
    }
    _, theirs, ours = both(config, "go", callbacks=("lock", "unlock", "pack", "unpack"))
    assert theirs.model.said == ["lock", "pack", "unpack", "unlock"]
    assert said(ours)[1:] == ["locked", "packed", "unpacked", "unlocked"]


def test_the_first_state_is_entered_only_here() -> None:
    config = {"states": [{"name": "A", "on_enter": "ring"}, "B"], "initial": "A", "transitions": []}
    notes, theirs, ours = both(config, callbacks=["ring"])
    assert (theirs.model.said, said(ours)) == ([], ["ringed"])
    assert "initial_entry" in notes


@pytest.mark.parametrize("queued", [False, True])
def test_a_callback_that_is_a_trigger(queued: bool) -> None:
    """On the way to B a trigger leads on to C: in the middle of the change there, unless it is queued."""
    states = ["A", {"name": "B", "on_enter": ["on", "ring"]}, {"name": "C", "on_enter": "paint"}]
    config = {
        "states": states,
        "initial": "A",
        "queued": queued,
        "transitions": [["go", "A", "B"], ["on", "B", "C"]],
    }
    notes, theirs, ours = both(config, "go", callbacks=("ring", "paint"))
    assert theirs.state == ours.state == ["C"]
    assert theirs.model.said == (["ring", "paint"] if queued else ["paint", "ring"])
    assert said(ours)[1:] == ["ringed", "painted"]
    assert ("queued_trigger" if queued else "nested_trigger") in notes
    assert ours.machine.chart.commands["on"]


def test_a_trigger_in_an_exit_reaches_another_state_there() -> None:
    states = [{"name": "A", "on_exit": "jump"}, "B", "C"]
    config = {"states": states, "initial": "A", "transitions": [["go", "A", "B"], ["jump", "B", "C"]]}
    made = from_transitions(config)
    assert "nested_trigger" in codes(made) & STATES_DIFFER
    theirs, ours = Theirs(config), bench_of(made)
    assert theirs.send("go") == "refused"  # A cannot jump: MachineError in the middle of the change.
    ours.send("go")
    assert (theirs.state, ours.state) == (["A"], ["C"])


def test_a_callback_that_jumps_by_an_auto_transition() -> None:
    states = ["A", {"name": "B", "on_enter": "to_C"}, "C"]
    _, theirs, ours = both({"states": states, "initial": "A", "transitions": [["go", "A", "B"]]}, "go")
    assert theirs.state == ours.state == ["C"]
    assert "to_C" not in ours.machine.chart.commands


def test_reflexive_and_internal() -> None:
    states = [{"name": "A", "on_enter": "ring", "on_exit": "paint"}]
    config = {"states": states, "initial": "A", "transitions": [["again", "A", "="], ["stay", "A", None]]}
    _, theirs, ours = both(config, "stay", "again", callbacks=("ring", "paint"))
    assert theirs.model.said == ["paint", "ring"]
    assert said(ours)[1:] == ["updated", "painted", "ringed"]


def test_the_order_in_which_transitions_are_added_decides() -> None:
    rows = [
        {"trigger": "go", "source": "*", "dest": "C", "conditions": "late"},
        ["go", ["A", "B"], "B"],
        {"trigger": "go", "source": "A", "dest": "D"},
    ]
    config = {"states": ["A", "B", "C", "D"], "initial": "A", "transitions": rows, "auto_transitions": False}
    for late, state in ((True, "C"), (False, "B")):
        _, theirs, ours = both(config, "go", verdicts={"late": late})
        assert theirs.state == ours.state == [state]


def test_ordered_transitions_begin_at_the_initial_state() -> None:
    config = {"states": ["A", "B", "C"], "initial": "B", "ordered_transitions": True}
    for count in range(5):
        _, theirs, ours = both(config, *["next_state"] * count)
        assert theirs.state == ours.state


def test_a_final_state() -> None:
    config: Json = {"states": ["A", {"name": "B", "final": True}], "initial": "A", "auto_transitions": False}
    notes, theirs, ours = both(config | {"transitions": [["go", "*", "B"], ["back", "*", "A"]]}, "go", "back")
    assert (theirs.state, ours.state) == (["A"], ["B"])
    assert "final_is_left" in notes
    notes, theirs, ours = both(config | {"transitions": [["go", "A", "B"], ["back", "B", "A"]]}, "go", "back")
    assert theirs.state == ours.state == ["A"]
    assert "not_final" in notes
    _, theirs, ours = both(
        config | {"transitions": [["go", "A", "B"]], "on_final": "ring"}, "go", callbacks=["ring"]
    )
    assert (theirs.model.said, said(ours)[1:], ours.snapshot.done) == (["ring"], ["ringed"], True)


def test_a_timeout_is_a_timer() -> None:
    @add_state_features(Timeout)
    class Timed(Machine):
        pass

    states = [{"name": "A", "timeout": 0.01, "on_timeout": "expire"}, "B"]
    config = {"states": states, "initial": "B", "transitions": [["expire", "A", "B"], ["go", "B", "A"]]}
    machine = Timed(**copy.deepcopy(config))
    machine.go()
    assert (
        type(machine.get_state("A").runner[id(machine)]).__name__ == "Timer"
    )  # A thread: gone with its process.
    machine.get_state("A").runner[id(machine)].join()
    assert machine.state == "B"
    made = from_transitions(config)
    ours = bench_of(made)
    ours.send("go")
    assert ours.pass_time(milliseconds=10) == ["after.10ms.A"]
    assert ours.state == ["B"]
    assert "timeout" in codes(made)


# Nested

A = {"name": "A", "children": [{"name": "k", "children": ["x", "y"], "initial": "x"}, "m"], "initial": "k"}


def test_a_parent_without_initial_is_active_by_itself() -> None:
    config = {"states": ["B", {"name": "A", "children": ["k"]}], "initial": "B"}
    rows = [["go", "B", "A"], ["on", "A", "A_k"]]
    notes, theirs, ours = both(config | {"transitions": rows}, "go")
    assert theirs.model.state == "A"
    assert ours.state == ["A.itself"]
    theirs.send("on"), ours.send("on")
    assert theirs.state == ours.state == ["A.k"]
    assert "no_initial" in notes


def test_ancestors_that_are_active_already_stay() -> None:
    states = copy.deepcopy(A)
    states["children"][0] |= {"on_exit": "leave", "on_enter": "enter"}  # type: ignore[index]
    config = {"states": [states, "B"], "initial": "A", "transitions": [["go", "A", "A_k_y"]]}
    notes, theirs, ours = both(config, "go", callbacks=("leave", "enter"))
    assert theirs.state == ours.state == ["A.k.y"]
    assert theirs.model.said == []
    assert said(ours)[1:] == ["left", "entered"]
    assert "common_ancestor" in notes


P = {"name": "P", "parallel": [{"name": "a", "children": ["x", "y"], "initial": "x"},
                               {"name": "b", "children": ["x", "y"], "initial": "x"}]}  # fmt: skip


def test_a_transition_into_another_region() -> None:
    rows = [["b", "P_b_x", "P_b_y"], ["go", "P_a_x", "P_b_x"]]
    made = from_transitions(
        {"states": [P, "B"], "initial": "P", "transitions": [["b", "P_a_x", "P_a_y"], *rows]}
    )
    assert "resets_regions" in codes(made)
    config = {
        "states": [P, "B"],
        "initial": "P",
        "transitions": [["on", "P_b_x", "P_b_y"], ["go", "P_b_y", "P_a_y"]],
    }
    notes, theirs, ours = both(config, "on", "go")
    assert theirs.state == ["P.a.y", "P.b.y"]
    assert ours.state == ["P.a.y", "P.b.x"]
    assert "resets_regions" in notes


def test_one_region_entered_from_outside() -> None:
    notes, theirs, ours = both(
        {"states": [P, "B"], "initial": "B", "transitions": [["go", "B", "P_a"]]}, "go"
    )
    assert (theirs.state, ours.state) == (["P.a.x"], ["P.a.x", "P.b.x"])
    assert "partial_entry" in notes


def test_a_region_that_leaves_while_another_takes_the_trigger_too() -> None:
    rows = [["go", "P_a_x", "B"], ["go", "P_b_x", "P_b_y"]]
    notes, theirs, ours = both({"states": [P, "B"], "initial": "P", "transitions": rows}, "go")
    assert ours.state == ["B"]
    assert theirs.state != ["B"]
    assert "parallel_conflict" in notes


def test_regions_each_take_a_trigger() -> None:
    rows = [["go", "P_a_x", "P_a_y"], ["go", "P_b_x", "P_b_y"], ["go", "P", "B"]]
    _, theirs, ours = both({"states": [P, "B"], "initial": "P", "transitions": rows}, "go")
    assert theirs.state == ours.state == ["P.a.y", "P.b.y"]
    _, theirs, ours = both({"states": [P, "B"], "initial": "P", "transitions": rows}, "go", "go")
    assert theirs.state == ours.state == ["B"]


def test_transitions_that_stand_in_a_parallel_state_are_tried_twice() -> None:
    inside = P | {"transitions": [["go", "a_x", "a_y"], ["go", "a_y", "a_x"]]}
    notes, theirs, ours = both({"states": [inside, "B"], "initial": "P", "transitions": []}, "go")
    assert theirs.state == ["P.a.x", "P.b.x"]
    assert ours.state == ["P.a.y", "P.b.x"]
    assert "double_dispatch" in notes


def test_transitions_that_stand_in_a_state_come_first() -> None:
    inside = A | {"transitions": [["go", "k", "m"]]}
    config = {"states": [inside, "B"], "initial": "A", "transitions": [["go", "A_k_x", "B"]]}
    notes, theirs, ours = both(config, "go")
    assert (theirs.state, ours.state) == (["A.m"], ["B"])
    assert "scope_order" in notes


def test_inner_scope_first_for_one_state() -> None:
    inside = A | {"transitions": [{"trigger": "go", "source": "m", "dest": "k", "conditions": "ready"}]}
    rows = [["on", "A", "A_m"], ["go", "A_m", "B"]]
    for ready, state in ((True, "A.k.x"), (False, "B")):
        config = {"states": [inside, "B"], "initial": "A", "transitions": rows}
        notes, theirs, ours = both(config, "on", "go", verdicts={"ready": ready})
        assert theirs.state == ours.state == [state]
        assert "scope_order" not in notes


def test_the_same_name_inside_and_at_the_top() -> None:
    children = ["x", {"name": "A", "children": ["x", "y"]}]
    inner = {"name": "A", "children": children, "initial": "x", "transitions": [["go", "x", "A_x"]]}
    made = from_transitions({"states": [inner, "B"], "initial": "A", "transitions": []})
    theirs, ours = Theirs({"states": [inner, "B"], "initial": "A", "transitions": []}), bench_of(made)
    with pytest.raises(TypeError):
        theirs.send("go")
    ours.send("go")
    assert ours.state == ["A.A.x"]
    assert "same_name" in codes(made)


def test_remap_leads_out_of_the_state() -> None:
    inner = ["counting", "done"]
    rows = [["finish", "counting", "done"]]
    counter = {
        "name": "C",
        "children": inner,
        "initial": "counting",
        "transitions": rows,
        "remap": {"done": "end"},
    }
    config = {"states": ["idle", counter, "end"], "initial": "idle", "transitions": [["start", "idle", "C"]]}
    _, theirs, ours = both(config, "start")
    assert theirs.state == ours.state == ["C.counting"]
    _, theirs, ours = both(config, "start", "finish")
    assert theirs.state == ours.state == ["end"]
    assert "C.done" not in ours.machine.chart.states


def test_states_of_a_level_are_entered_together_there() -> None:
    regions = [{"name": n, "on_enter": f"enter_{n}", "initial": "x",
                "children": [{"name": "x", "on_enter": f"enter_{n}x"}]} for n in "ab"]  # fmt: skip
    names = ["enter_a", "enter_ax", "enter_b", "enter_bx"]
    config = {
        "states": ["B", {"name": "P", "parallel": regions}],
        "initial": "B",
        "transitions": [["go", "B", "P"]],
    }
    notes, theirs, ours = both(config, "go", callbacks=names)
    assert theirs.model.said == ["enter_a", "enter_b", "enter_ax", "enter_bx"]
    assert said(ours)[1:] == ["a_entered", "ax_entered", "b_entered", "bx_entered"]
    assert "entry_order" in notes


def test_on_final_of_a_parent() -> None:
    parent = {
        "name": "A",
        "children": ["k", {"name": "m", "final": True}],
        "initial": "k",
        "on_final": "ring",
    }
    config = {"states": [parent, "B"], "initial": "A", "transitions": [["go", "A_k", "A_m"]]}
    _, theirs, ours = both(config, "go", callbacks=["ring"])
    assert theirs.state == ours.state == ["A.m"]
    assert (theirs.model.said, said(ours)[1:]) == (["ring"], ["ringed"])


def test_all_to_themselves_inside_a_state_is_never_taken() -> None:
    parent = {
        "name": "A",
        "children": ["x", "y"],
        "initial": "x",
        "transitions": [["go", "*", "="], ["go", "x", "y"]],
    }
    notes, theirs, ours = both({"states": [parent, "B"], "initial": "A", "transitions": []}, "go")
    assert theirs.state == ours.state == ["A.y"]
    assert "not_carried" in notes


def test_another_separator() -> None:
    class Dotted(NestedState):
        separator = "."

    class DottedMachine(HierarchicalMachine):
        state_cls = Dotted

    config = {
        "states": [A, "in_two"],
        "initial": "A.m",
        "transitions": [["go", "A.m", "A.k.y"], ["on", "A", "in_two"]],
    }
    machine = DottedMachine(**copy.deepcopy(config), auto_transitions=False)
    ours = bench_of(from_transitions(config | {"separator": ".", "auto_transitions": False}))
    for trigger in ("", "go", "on"):
        if trigger:
            machine.trigger(trigger)
            ours.send(trigger)
        assert [machine.state] == ours.state


def test_what_the_library_writes_of_a_machine_can_be_imported() -> None:
    from transitions.extensions.markup import HierarchicalMarkupMachine

    rows = [{"trigger": "go", "source": "A_m", "dest": "A_k_y", "unless": "late"}, ["on", "A", "B"]]
    machine = HierarchicalMarkupMachine(
        model=None, states=[copy.deepcopy(A), "B"], initial="A_m", transitions=rows, name="desk"
    )
    made = from_transitions(machine.markup)
    assert made.text.splitlines()[1] == "id: desk"
    ours = bench_of(made, {"late": False})
    ours.send("go")
    assert ours.state == ["A.k.y"]
