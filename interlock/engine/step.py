"""One macrostep of a statechart: W3C SCXML's algorithm with XState v5's defaults. Pure.

The steps carry the names of the algorithm's procedures (https://www.w3.org/TR/scxml/, appendix D). Where
SCXML and XState v5 differ, XState v5 is followed: transitions do not re-enter their source unless they say
so, a transition of an ancestor is taken only where no region below has one, a parallel state may be the
domain of a transition between its regions.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from interlock.engine.chart import Action, Assign, Emit, Raise
from interlock.engine.errors import InterlockError
from interlock.engine.expressions import Scope
from interlock.engine.machine import Arrow, Machine, Node, domain_of
from interlock.engine.messages import format_time
from interlock.engine.snapshot import Timer

MICROSTEP_LIMIT = 1000

_NOTHING: dict[str, Any] = {}


class EndlessStep(InterlockError):
    """Eventless or raised transitions never come to rest. Look at the chart's ``always`` and ``raise``."""


class Step:
    """A macrostep under way. Its attributes are what the step has made so far.

    ``active``: mask of the configuration; ``context``: replaced, never changed in place; ``emitted``: event
    types in order; ``taken``: the arrows taken; ``timers``: those that run. Raises EvaluationError out of any method
    where an expression fails, EndlessStep after ``MICROSTEP_LIMIT`` microsteps.
    """

    __slots__ = (
        "active",
        "context",
        "done",
        "emitted",
        "internal",
        "machine",
        "now",
        "recorded",
        "scope",
        "taken",
        "timers",
        "version",
    )

    def __init__(
        self,
        machine: Machine,
        *,
        active: int,
        context: dict[str, Any],
        recorded: dict[str, list[str]],
        timers: list[Timer],
        scope: Scope,
        now: datetime,
        version: int,
    ) -> None:
        self.machine = machine
        self.active = active
        self.context = context
        self.recorded = recorded
        self.timers = timers
        self.scope = scope
        self.now = now
        self.version = version
        self.done = False
        self.emitted: list[str] = []
        self.taken: list[Arrow] = []
        self.internal: deque[str] = deque()

    def start(self) -> None:
        """Enter the initial states of a new instance and come to rest."""
        root = self.machine.root
        self._enter(self._descendants(root, 0))
        self._settle()

    def select(self, event: str) -> list[Arrow]:
        """selectTransitions: the arrows that ``event`` takes now, without conflicts, in document order."""
        self.look()
        selected = self._without_conflicts(self._select_below(self.machine.root, event))
        return [arrow for arrow in selected if not arrow.forbidden]

    def take(self, arrows: Sequence[Arrow]) -> None:
        """Take the arrows selected for an external event, then come to rest."""
        self._microstep(arrows)
        self._settle()

    def _settle(self) -> None:
        look_for_eventless = True
        self.scope.data = _NOTHING
        for _ in range(MICROSTEP_LIMIT):
            if self.done:
                return
            self.look()
            arrows = self._eventless() if look_for_eventless else []
            if arrows:
                before = (self.active, self.context, len(self.internal), len(self.emitted))
                self._microstep(arrows)
                look_for_eventless = before != (
                    self.active,
                    self.context,
                    len(self.internal),
                    len(self.emitted),
                ) or any(arrow.targets for arrow in arrows)
                continue
            if not self.internal:
                return
            self._microstep(self.select(self.internal.popleft()))
            look_for_eventless = True
        raise EndlessStep(f"no rest after {MICROSTEP_LIMIT} microsteps: look at the chart's always and raise")

    def look(self) -> None:
        """Show the expressions where the machine is."""
        self.scope.context = self.context
        if self.machine.uses_in_state:
            self.scope.states = frozenset(node.path for node in self.machine.nodes_in(self.active))

    # Selection

    def _select_below(self, node: Node, event: str) -> list[Arrow]:
        if not node.is_atomic:
            found: list[Arrow] = []
            for child in node.children:
                if child.bit & self.active:
                    found += self._select_below(child, event)
            if found:
                return found
        arrow = self._enabled(node.candidates(event))
        return [arrow] if arrow else []

    def _enabled(self, arrows: Sequence[Arrow]) -> Arrow | None:
        for arrow in arrows:
            if arrow.guard is None or arrow.guard.evaluate(self.scope):
                return arrow
        return None

    def _eventless(self) -> list[Arrow]:
        found: list[Arrow] = []
        for node in self.machine.nodes_in(self.active):
            if not node.is_atomic:
                continue
            for place in (node, *node.ancestors):
                arrow = self._enabled(place.always)
                if arrow:
                    if arrow not in found:
                        found.append(arrow)
                    break
        return self._without_conflicts(found)

    def _without_conflicts(self, arrows: list[Arrow]) -> list[Arrow]:
        """removeConflictingTransitions: a descendant's arrow preempts an ancestor's, else the first wins."""
        if len(arrows) < 2:
            return arrows
        kept: list[Arrow] = []
        for arrow in arrows:
            exits = self._exits(arrow)
            rivals = [other for other in kept if exits & self._exits(other)]
            if all(arrow.node.bit & other.node.below for other in rivals):
                kept = [other for other in kept if other not in rivals]
                kept.append(arrow)
        return kept

    def _exits(self, arrow: Arrow) -> int:
        mask = arrow.exits
        if mask is None:
            mask = self.machine.exits_within(domain_of(arrow, self._effective_targets(arrow.targets)))
        return mask & self.active

    def _effective_targets(self, targets: Sequence[Node]) -> list[Node]:
        """getEffectiveTargetStates: history states stand for what they remember, or for their default."""
        found: list[Node] = []
        for target in targets:
            if not target.is_history:
                found.append(target)
            elif target.path in self.recorded:
                found += [self.machine.by_path[path] for path in self.recorded[target.path]]
            else:
                found += self._effective_targets(target.initial)
        return found

    # Microstep

    def _microstep(self, arrows: Sequence[Arrow]) -> None:
        if not arrows:
            return
        self.taken += arrows
        exits = 0
        for arrow in arrows:
            exits |= self._exits(arrow)
        entries = self._entries(arrows) if any(arrow.targets for arrow in arrows) else 0
        if exits:
            self._exit(exits)
        for arrow in arrows:
            self._run(arrow.actions)
        if entries:
            self._enter(entries)

    def _exit(self, mask: int) -> None:
        leaving = self.machine.nodes_in(mask)
        for node in leaving:
            for history in node.histories:
                self._record(history, node)
        for node in reversed(leaving):
            self._run(node.exit_actions)
        left = {node.path for node in leaving if node.after}
        if left:
            self.timers = [timer for timer in self.timers if timer.state not in left]
        self.active &= ~mask

    def _record(self, history: Node, parent: Node) -> None:
        within = self.machine.nodes_in(self.active & parent.below)
        deep = history.kind == "deep_history"
        paths = [node.path for node in within if (node.is_atomic if deep else node.parent is parent)]
        self.recorded = {**self.recorded, history.path: paths}

    def _entries(self, arrows: Sequence[Arrow]) -> int:
        """computeEntrySet."""
        mask = 0
        for arrow in arrows:
            if not arrow.targets:
                continue
            effective = self._effective_targets(arrow.targets)
            domain = domain_of(arrow, effective)
            stays = arrow.node if arrow.node is domain and not arrow.reenter else None
            for target in arrow.targets:
                mask = self._descendants(target, mask)
                if target is stays:
                    mask &= ~target.bit
            for target in effective:
                mask = self._ancestors(target, domain, mask)
        return mask

    def _descendants(self, node: Node, mask: int) -> int:
        """addDescendantStatesToEnter: ``mask`` and the node with what is entered by default below it."""
        if node.is_history:
            targets = self._effective_targets([node])
            for target in targets:
                mask = self._descendants(target, mask)
            for target in targets:
                mask = self._ancestors(target, node.parent, mask)
            return mask
        mask |= node.bit
        if node.kind == "compound":
            for target in node.initial:
                mask = self._descendants(target, mask)
                for effective in self._effective_targets([target]):
                    mask = self._ancestors(effective, node, mask)
        elif node.kind == "parallel":
            mask = self._regions(node, mask)
        return mask

    def _ancestors(self, node: Node, top: Node | None, mask: int) -> int:
        """addAncestorStatesToEnter: what lies between ``node`` and ``top``, other regions included."""
        for ancestor in node.ancestors:
            if ancestor is top:
                if ancestor.kind == "parallel":
                    mask = self._regions(ancestor, mask)
                break
            mask |= ancestor.bit
            if ancestor.kind == "parallel":
                mask = self._regions(ancestor, mask)
        return mask

    def _regions(self, node: Node, mask: int) -> int:
        for child in node.children:
            if not child.is_history and not mask & (child.bit | child.below):
                mask = self._descendants(child, mask)
        return mask

    def _enter(self, mask: int) -> None:
        completed: set[Node] = set()
        for node in self.machine.nodes_in(mask):
            self.active |= node.bit
            for arrow in node.after:
                self._arm(arrow)
            self._run(node.entry_actions)
            if node.kind == "final":
                self._complete(node, completed)
        if self.done:
            for node in reversed(self.machine.nodes_in(self.active)):
                self._run(node.exit_actions)
            self.timers = []

    def _complete(self, node: Node, completed: set[Node]) -> None:
        """Done events of the ancestors that a final state completes; the root's completes the instance."""
        parent = node.parent
        if parent and parent.kind == "compound":
            self.internal.append(f"done.state.{parent.path}" if parent.path else "done.state")
        marker = parent if parent and parent.kind == "parallel" else parent.parent if parent else None
        while marker and marker.kind == "parallel" and marker not in completed and self._in_final(marker):
            completed.add(marker)
            self.internal.append(f"done.state.{marker.path}" if marker.path else "done.state")
            marker = marker.parent
        if marker is None:
            self.done = True

    def _in_final(self, node: Node) -> bool:
        """isInFinalState."""
        if node.kind == "compound":
            return any(child.kind == "final" and child.bit & self.active for child in node.children)
        if node.kind == "parallel":
            return all(self._in_final(child) for child in node.children if not child.is_history)
        return node.kind == "final"

    def _arm(self, arrow: Arrow) -> None:
        definition = arrow.definition
        timer_id = f"{definition.event}@{self.version}"
        if any(timer.id == timer_id for timer in self.timers):
            return
        due = self.now + timedelta(milliseconds=definition.delay_ms or 0)
        self.timers = [*self.timers, Timer(timer_id, definition.event, definition.source, format_time(due))]

    def _run(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Assign(fields=fields):
                    self.scope.context = self.context
                    values = {name: value.evaluate(self.scope) for name, value in fields.items()}
                    self.context = {**self.context, **values}
                case Emit(type=event_type):
                    self.emitted.append(event_type)
                case Raise(event=event):
                    self.internal.append(event)
