"""Move an instance from one version of its chart to another: where it is, what it remembers, its timers, its
context. Pure.

States that go on under the old or the mapped name are neither left nor entered: their actions do not run
again, their timers go on. What the new version has besides (a region, a child of what was atomic) is
entered by default, with its entry actions and timers; then eventless transitions are taken, as after every
step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from interlock.engine.decision import SYSTEM, scope_of, step_from
from interlock.engine.errors import InterlockError
from interlock.engine.expressions import EvaluationError
from interlock.engine.machine import Arrow, Machine, Node
from interlock.engine.migration_map import MigrationMap, unnamed
from interlock.engine.outcome import Cause
from interlock.engine.snapshot import Running, Snapshot, Timer
from interlock.engine.step import Step


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an instance cannot move. ``what``: state or context; ``name``: which; ``message``: why, and what helps."""

    what: str
    name: str
    message: str


class Unmovable(InterlockError):
    """An instance has no place in the other version. Say in the mapping where its states and values go."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("; ".join(f"{each.what} {each.name}: {each.message}" for each in self.problems))


def move(
    old: Machine, new: Machine, snapshot: Snapshot, mapping: MigrationMap, cause: Cause, now: datetime
) -> Step:
    """The finished step that takes an instance of ``old`` to ``new``.

    Raises Unmovable with all that has no place; EvaluationError and EndlessStep where the new chart fails.
    """
    problems: list[Problem] = []
    context = _context(old, new, snapshot, mapping, cause, now, problems)
    places = _places(old, new, snapshot, mapping, problems)
    recorded = _recorded(new, snapshot, mapping, problems)
    if problems:
        raise Unmovable(problems)
    wanted = _with_ancestors(places.values())
    kept = _kept(old, new, snapshot, mapping, wanted)
    runs = _runs(old, new, snapshot, mapping, kept)
    begin = replace(
        snapshot,
        state=new.atomic_paths(kept),
        context=context,
        recorded=recorded,
        timers=_timers(old, new, snapshot, mapping, kept),
        running=runs.running,
        entered=[mapping.state(path, new.by_path) for path in snapshot.entered],
    )
    step = step_from(new, begin, scope_of(begin, cause, SYSTEM, now), now)
    step.starting, step.stopped = runs.starting, runs.stopped
    step.move_in(wanted, kept, _new_timers(old, new, snapshot, mapping, kept))
    step.emitted.insert(0, f"{new.id}.migrated")
    return step


# Where it is


def _places(
    old: Machine, new: Machine, snapshot: Snapshot, mapping: MigrationMap, problems: list[Problem]
) -> dict[str, Node]:
    """The new state of each active atomic state."""
    places = {}
    for path in snapshot.state:
        node = _counterpart(new, path, mapping, problems)
        if node is None:
            continue
        places[path] = node
        ends = node.kind == "final" and old.by_path[path].kind != "final"
        if ends and not mapping.names(path):
            message = f"it is final in version {new.version}: map it, to say that this is meant"
            problems.append(Problem("state", path, message))
    mask = _with_ancestors(places.values())
    for node in new.nodes_in(mask):
        inside = _inside(node, mask)
        if node.kind == "compound" and len(inside) > 1:
            names = sorted(path for path, place in places.items() if (node.below & place.bit))
            message = f"in version {new.version} only one of them can be active: map them to one"
            problems.append(Problem("state", ", ".join(names), message))
    return places


def _counterpart(new: Machine, path: str, mapping: MigrationMap, problems: list[Problem]) -> Node | None:
    node = new.by_path.get(mapping.state(path, new.by_path))
    if node is not None and not node.is_history:
        return node
    message = f"version {new.version} has no such state: map it to one"
    problems.append(Problem("state", path, message))
    return None


def _inside(node: Node, mask: int) -> list[Node]:
    return [child for child in node.children if mask & (child.bit | child.below)]


def _with_ancestors(nodes: Iterable[Node]) -> int:
    mask = 0
    for node in nodes:
        mask |= node.bit
        for ancestor in node.ancestors:
            mask |= ancestor.bit
    return mask


def _kept(old: Machine, new: Machine, snapshot: Snapshot, mapping: MigrationMap, wanted: int) -> int:
    """Those of the ``wanted`` states in which the instance is already, under this name or an old one."""
    kept = new.root.bit
    for node in old.nodes_in(old.mask_of(snapshot.state)):
        same = new.by_path.get(mapping.state(node.path, new.by_path))
        if same is not None and (same.kind != "final" or node.kind == "final"):
            kept |= same.bit & wanted
    return kept


def _recorded(
    new: Machine, snapshot: Snapshot, mapping: MigrationMap, problems: list[Problem]
) -> dict[str, list[str]]:
    """What the history states of the new chart remember. One that is gone, or whose states stand outside its
    parent now, remembers nothing."""
    found = {}
    for path, remembered in snapshot.recorded.items():
        history = new.by_path.get(mapping.state(path, new.by_path))
        if history is None or not history.is_history or history.parent is None:
            continue
        nodes = [_counterpart(new, each, mapping, problems) for each in remembered]
        mask = _with_ancestors(node for node in nodes if node) & history.parent.below
        whole = all(node is not None and node.bit & mask for node in nodes)
        if whole and all(len(_inside(node, mask)) < 2 for node in _compound(new, mask | history.parent.bit)):
            found[history.path] = list(dict.fromkeys(node.path for node in nodes if node))
    return found


def _compound(machine: Machine, mask: int) -> list[Node]:
    return [node for node in machine.nodes_in(mask) if node.kind == "compound"]


# Timers


def _timers(old: Machine, new: Machine, snapshot: Snapshot, mapping: MigrationMap, kept: int) -> list[Timer]:
    """The running timers that the new chart has too, each with its due time."""
    found: dict[str, Timer] = {}
    for timer in snapshot.timers:
        delay = _delay_of(old, timer)
        if delay is None:  # of no `after`: no state's exit stops it
            found[timer.id] = timer
            continue
        node = new.by_path.get(mapping.state(timer.state, new.by_path))
        event = node and next(
            (a.definition.event for a in node.after if a.definition.delay_text == delay), None
        )
        if node is None or not event or not node.bit & kept:
            continue
        armed_at = timer.id.rpartition("@")[2]
        moved = replace(timer, id=f"{event}@{armed_at}", event=event, state=node.path)
        # Two states that became one have one timer, the earlier one.
        found[event] = min(found.get(event, moved), moved, key=lambda each: each.due)
    return list(found.values())


def _delay_of(old: Machine, timer: Timer) -> str | None:
    node = old.by_path.get(timer.state)
    arrows = node.after if node else ()
    return next((a.definition.delay_text for a in arrows if a.definition.event == timer.event), None)


def _new_timers(
    old: Machine, new: Machine, snapshot: Snapshot, mapping: MigrationMap, kept: int
) -> list[Arrow]:
    """What a state goes on with and did not have; a timer that has fired does not start again."""
    had: dict[str, set[str]] = {}
    for node in old.nodes_in(old.mask_of(snapshot.state)):
        delays = {arrow.definition.delay_text for arrow in node.after}
        had.setdefault(mapping.state(node.path, new.by_path), set()).update(delays)
    return [
        arrow
        for node in new.nodes_in(kept)
        for arrow in node.after
        if arrow.definition.delay_text not in had.get(node.path, ())
    ]


@dataclass(slots=True)
class _Runs:
    """Of invoked functions. ``running``: go on; ``stopped``: do not; ``starting``: mask of states to run theirs."""

    running: list[Running]
    stopped: list[Running]
    starting: int = 0


def _runs(old: Machine, new: Machine, snapshot: Snapshot, mapping: MigrationMap, kept: int) -> _Runs:
    """A run goes on where its state goes on with the same functions; where one is new, all of the state begin."""
    had: dict[str, set[str]] = {}
    for node in old.nodes_in(old.mask_of(snapshot.state)):
        names = {one.id for one in node.invokes}
        had.setdefault(mapping.state(node.path, new.by_path), set()).update(names)
    runs = _Runs([], [])
    goes_on: dict[str, set[str]] = {}
    for node in new.nodes_in(kept):
        names = {one.id for one in node.invokes}
        if names <= had.get(node.path, set()):
            goes_on[node.path] = names
        else:
            runs.starting |= node.bit
    for run in snapshot.running:
        path = mapping.state(run.state, new.by_path)
        if run.name in goes_on.get(path, ()):
            runs.running.append(replace(run, state=path))
        else:
            runs.stopped.append(run)
    return runs


# Context


def _context(
    old: Machine,
    new: Machine,
    snapshot: Snapshot,
    mapping: MigrationMap,
    cause: Cause,
    now: datetime,
    problems: list[Problem],
) -> dict[str, Any]:
    scope = scope_of(snapshot, cause, SYSTEM, now)
    scope.data = {}
    scope.states = frozenset(node.path for node in old.nodes_in(old.mask_of(snapshot.state)))
    context: dict[str, Any] = {}
    for name, declared in new.chart.context.items():
        if name in mapping.context:
            try:
                context[name] = mapping.context[name].evaluate(scope)
            except EvaluationError:
                problems.append(Problem("context", name, "its expression in the mapping fails"))
                continue
        elif name in snapshot.context:
            context[name] = snapshot.context[name]
            if declared.public and name in old.private:
                message = (
                    f"it was private and would be shown in version {new.version}: map it, if that is meant"
                )
                problems.append(Problem("context", name, message))
        else:
            context[name] = declared.default
        # The value is not told: it may be private.
        if not new.context_validators[name].is_valid(context[name]):
            message = f"its value breaks the schema of version {new.version}: map it"
            problems.append(Problem("context", name, message))
    gone = (name for name in snapshot.context if name not in new.chart.context)
    for name in unnamed(mapping, gone):
        message = f"version {new.version} has no such field: drop it in the mapping, or read it there"
        problems.append(Problem("context", name, message))
    return context
