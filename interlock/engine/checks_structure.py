"""Checks of where a chart leads: states that nothing enters or leaves, ends that are never reached, loops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from interlock.engine.chart import Chart, Raise, StateDef, TransitionDef
from interlock.engine.chart_outline import outline, parent
from interlock.engine.checks_reading import (
    DONE,
    all_transitions,
    always_holds,
    chain,
    handles,
    is_history,
    is_inside,
    never_holds,
    regions,
    transitions_of,
    warning,
)
from interlock.engine.errors import Finding
from interlock.engine.yaml_source import Entries, read_yaml

ENDLESS = "endless"
"""The tag of a root whose instances live for ever, and are meant to."""


def unreachable_states(chart: Chart) -> Iterator[Finding]:
    """A state that neither an initial nor a transition of a reachable state enters."""
    reached = _reached(chart)
    for path, state in chart.states.items():
        if path and path not in reached and parent(path) in reached:
            yield warning(
                state.mark,
                "unreachable_state",
                f"nothing leads to {path!r}",
                "Name it as a target or an initial, or remove it.",
            )


def _reached(chart: Chart) -> set[str]:
    reached: set[str] = set()
    waiting = [""]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        state = chart.states[path]
        waiting.extend(state.initial)
        if state.kind == "parallel":
            waiting.extend(child.path for child in state.children)
        waiting.extend(target for each in transitions_of(state) for target in each.targets)
        if path:
            # Whoever enters a state enters all above it, with the other regions of parallel ones.
            waiting.append(parent(path))
    return reached


def dead_ends(chart: Chart) -> Iterator[Finding]:
    """An atomic state that is not final and that neither it nor a state around it has a way out of."""
    for path, state in chart.states.items():
        if state.kind != "atomic" or not _is_dead_end(chart, path):
            continue
        yield warning(
            state.mark,
            "dead_end",
            f"no transition leads out of {path!r}",
            "Add one, or say type: final.",
        )


def _is_dead_end(chart: Chart, path: str) -> bool:
    return not any(_leaves(each, path) for each in _ways(chart, path))


def _ways(chart: Chart, path: str) -> Iterator[TransitionDef]:
    for each in chain(path):
        yield from transitions_of(chart.states[each])
    for state in chart.states.values():
        if state.kind == "parallel" and path.startswith(f"{state.path}." if state.path else ""):
            # Another region's transition may leave the whole parallel state.
            for below in state.walk():
                yield from (each for each in transitions_of(below) if not _within(each.targets, state.path))


def _leaves(transition: TransitionDef, path: str) -> bool:
    return any(target != path for target in transition.targets)


def _within(targets: Iterable[str], path: str) -> bool:
    return all(target.startswith(f"{path}." if path else "") for target in targets)


def endless_lives(chart: Chart) -> Iterator[Finding]:
    """No final state at all, or states from which none can be reached; a root tagged ``endless`` means it."""
    if ENDLESS in chart.root.tags or chart.root.kind == "parallel":
        return
    ends = {child.path for child in chart.root.children if child.kind == "final"}
    leaves = [path for path, state in chart.states.items() if not state.children and not is_history(state)]
    stuck = {leaf for leaf in leaves if chart.states[leaf].kind == "atomic" and _is_dead_end(chart, leaf)}
    if not ends and not stuck:
        yield warning(
            chart.mark,
            "no_final_state",
            "no final state: an instance of this chart lives for ever",
            f"Give one state type: final, or say tags: {ENDLESS}.",
        )
        return
    reached = _reached(chart)
    ways = {leaf: set(_next_leaves(chart, leaf)) for leaf in leaves}
    ends |= stuck
    while more := {leaf for leaf in leaves if leaf not in ends and ways[leaf] & ends}:
        ends |= more
    lost = [leaf for leaf in leaves if leaf in reached and leaf not in ends]
    if lost:
        others = f" (nor from {len(lost) - 1} more)" if len(lost) > 1 else ""
        yield warning(
            chart.states[lost[0]].mark,
            "no_way_to_final",
            f"from {lost[0]!r} no final state can be reached{others}",
            f"Add a transition that leads to one, or say tags: {ENDLESS} at the root.",
        )


def _next_leaves(chart: Chart, leaf: str) -> Iterator[str]:
    """Where a leaf's transitions, those around it and those of other regions may lead."""
    for each in _ways(chart, leaf):
        if not never_holds(each.guard):
            for target in each.targets:
                yield from _leaves_of(chart, target)


def _leaves_of(chart: Chart, path: str) -> Iterator[str]:
    state = chart.states[path]
    if is_history(state):
        yield from (each.path for each in chart.states[parent(path)].walk() if not each.children)
    elif state.kind == "parallel":
        for region in regions(state):
            yield from _leaves_of(chart, region.path)
    elif state.initial:
        yield from _leaves_of(chart, state.initial[0])
    else:
        yield path


def never_done(chart: Chart) -> Iterator[Finding]:
    """A transition for the end of a state that never ends: nothing in it is final."""
    for each in all_transitions(chart):
        path = each.event.removeprefix(DONE)
        if each.event.startswith(DONE) and path in chart.states and not _can_be_done(chart.states[path]):
            yield warning(
                each.mark,
                "never_done",
                f"{path!r} is never done: it has no final state"
                + (" in each region" if chart.states[path].kind == "parallel" else ""),
                "Give it one with type: final, or remove this transition.",
            )


def _can_be_done(state: StateDef) -> bool:
    if state.kind == "parallel":
        return all(_can_be_done(region) for region in regions(state))
    return any(child.kind == "final" for child in state.children)


def final_regions(chart: Chart) -> Iterator[Finding]:
    """A final state that is itself a region: it is there from the start, so that nothing waits for it."""
    for state in chart.states.values():
        if state.kind == "final" and state.path and chart.states[parent(state.path)].kind == "parallel":
            yield warning(
                state.mark,
                "final_region",
                f"{state.path!r} is final as soon as the parallel state around it is entered",
                "Put it into a region.",
            )


def eventless_loops(chart: Chart) -> Iterator[Finding]:
    """Unguarded ``always`` transitions that lead back to where they began: a step that would never end."""
    arrows = {path: _unguarded(state) for path, state in chart.states.items()}
    for start, arrow in arrows.items():
        if arrow is None:
            continue
        path, seen = start, [start]
        while (each := arrows.get(path)) is not None:
            path = _rest(chart, each.targets[0]) if each.targets else path
            if path in seen:
                break
            seen.append(path)
        else:
            continue
        if path == start:
            yield warning(
                arrow.mark,
                "eventless_loop",
                f"'always' without a guard leads back to {start!r} without end",
                "Guard it, or let an event or a timer take it.",
            )


def _unguarded(state: StateDef) -> TransitionDef | None:
    return next((each for each in state.always if always_holds(each.guard)), None)


def _rest(chart: Chart, path: str) -> str:
    while chart.states[path].kind == "compound" and chart.states[path].initial:
        if _unguarded(chart.states[path]):
            break
        path = chart.states[path].initial[0]
    return path


def raising_loops(chart: Chart) -> Iterator[Finding]:
    """An unguarded transition that stays where it is and raises the event that it takes."""
    for each in all_transitions(chart):
        stays = not each.targets or each.targets == (each.source,)
        if each.event and stays and always_holds(each.guard):
            for action in each.actions:
                if isinstance(action, Raise) and handles({each.event}, action.event) and not _waits(action):
                    yield warning(
                        action.mark,
                        "raising_loop",
                        f"{action.event!r} raises itself without end",
                        "Guard the transition, or raise another event.",
                    )


def _waits(action: Raise) -> bool:
    return getattr(action, "delay", None) is not None


def futile_timers(chart: Chart) -> Iterator[Finding]:
    """A timer of a state that an unguarded ``always`` leaves at once: it never fires."""
    for state in chart.states.values():
        way_out = _unguarded(state)
        if way_out and way_out.targets and not any(is_inside(each, state.path) for each in way_out.targets):
            for timer in state.after:
                yield warning(
                    timer.mark,
                    "futile_timer",
                    f"{state.path!r} is left at once, so its timer {timer.delay_text} never fires",
                    "Put the timer where the instance waits.",
                )


def resets(chart: Chart) -> Iterator[Finding]:
    """A target that puts other regions back to their initial states, unsaid."""
    for each in all_transitions(chart):
        within = chart.states[_domain(each)] if each.targets else None
        if within is None or within.kind != "parallel" or within.path in each.targets:
            continue
        named = {region.path for region in regions(within) for t in each.targets if is_inside(t, region.path)}
        others = [region.name for region in regions(within) if region.path not in named]
        if others:
            yield warning(
                each.mark,
                "resets_regions",
                f"the other regions of {within.path or chart.id!r} start again: {', '.join(others)}",
                "Name a target in each region, or raise an event that the other region takes.",
            )


def _domain(transition: TransitionDef) -> str:
    """The innermost state that a transition neither leaves nor enters (XState's transition domain)."""
    inside = all(is_inside(target, transition.source) for target in transition.targets)
    if inside and not transition.reenter:
        return transition.source
    around = (path for path in chain(transition.source) if path != transition.source)
    return next((path for path in around if all(is_inside(t, path) for t in transition.targets)), "")


def unsaid_histories(chart: Chart) -> Iterator[Finding]:
    """A history that does not say where to go before there is one."""
    histories = [state for state in chart.states.values() if is_history(state)]
    root = read_yaml(chart.source, chart.mark.file) if histories else None
    written = outline(chart.id, root, []).states if isinstance(root, Entries) else {}
    for state in histories:
        if state.path in written and written[state.path].word("target") is None:
            leads = f"to {state.initial[0]!r}, the initial state" if state.initial else "into every region"
            yield warning(
                state.mark,
                "history_without_default",
                f"{state.path!r} does not say where it leads before there is a history: it leads {leads}",
                "Write target: with the state that is meant.",
            )
