"""One macrostep of a statechart: W3C SCXML's algorithm with XState v5's defaults. Pure.

The steps carry the names of the algorithm's procedures (https://www.w3.org/TR/scxml/, appendix D). Where
SCXML and XState v5 differ, XState v5 is followed: transitions do not re-enter their source unless they say
so, a transition of an ancestor is taken only where no region below has one, a parallel state may be the
domain of a transition between its regions, eventless transitions of several regions are taken in the order in
which these came to where they are, and not again where they assigned nothing and led back. XState is not
followed where it would leave the legal configurations; `tests/oracle` compares all else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from interlock.engine.chart import Action, Assign, Cancel, Delay, Emit, Raise, Send
from interlock.engine.durations import due_at
from interlock.engine.entry_set import EntrySet, effective_targets
from interlock.engine.errors import InterlockError
from interlock.engine.expressions import EvaluationError, Scope
from interlock.engine.machine import Arrow, Machine, Node, domain_of
from interlock.engine.messages import format_time, is_key
from interlock.engine.policy import Rule
from interlock.engine.sending import Sent
from interlock.engine.snapshot import RAISE, DelayedSend, Running, Timer

MICROSTEP_LIMIT = 1000
MAX_KEYS = 1000
"""Instances that one ``send`` may reach."""

_NOTHING: dict[str, Any] = {}


class EndlessStep(InterlockError):
    """Eventless or raised transitions never come to rest. Look at the chart's ``always`` and ``raise``."""


class Step:
    """A macrostep under way. Its attributes are what the step has made so far.

    ``active``: mask of the configuration; ``context``: replaced, never changed in place; ``emitted``: event
    types in order; ``taken``: the arrows taken; ``timers``: those that run; ``sent``: commands to other
    instances; ``delayed``: those of earlier steps that still wait; ``cancelled``: those that wait no more;
    ``starting``: mask of the states whose functions are to be run; ``running``, ``stopped``: those of earlier steps;
    ``visited``: mask of all states entered, those left again too.
    Raises EvaluationError out of any method where an expression fails, EndlessStep after ``MICROSTEP_LIMIT``
    microsteps.
    """

    __slots__ = (
        "_armed",
        "_unnamed",
        "active",
        "cancelled",
        "context",
        "delayed",
        "done",
        "emitted",
        "internal",
        "machine",
        "now",
        "order",
        "recorded",
        "running",
        "scope",
        "sent",
        "starting",
        "stopped",
        "taken",
        "timers",
        "version",
        "visited",
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
        delayed: list[DelayedSend] | None = None,
        running: list[Running] | None = None,
        entered: Sequence[str] = (),
    ) -> None:
        self.machine = machine
        self.active = active
        self.context = context
        self.recorded = recorded
        self.timers = timers
        # Of the timers, what this step made: an earlier one's ids name another version.
        self._armed: set[str] = set()
        self._unnamed = 0
        self.scope = scope
        self.now = now
        self.version = version
        self.done = False
        self.emitted: list[str] = []
        self.taken: list[Arrow] = []
        self.internal: deque[str] = deque()
        self.order: list[Node] = machine.in_order(active, entered) if machine.has_order else []
        self.running: list[Running] = running or []
        self.stopped: Sequence[Running] = ()
        self.starting = 0
        self.visited = 0
        self.sent: Sequence[Sent] = ()
        self.cancelled: Sequence[DelayedSend] = ()
        self.delayed: list[DelayedSend] = delayed or []
        if delayed:
            # What is due by now is on its way: it is not cancelled any more.
            at = format_time(now)
            self.delayed = [send for send in delayed if send.due > at]

    def start(self) -> None:
        """Enter the initial states of a new instance and come to rest."""
        entries = EntrySet(self.machine, self.recorded)
        mask = entries.descendants(self.machine.root, 0)
        self._enter(mask, entries.defaulted)
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

    def move_in(self, wanted: int, kept: int, arming: Sequence[Arrow]) -> None:
        """Stand in ``kept`` as if it had been entered before, with the timers of ``arming`` from now on; enter what
        ``wanted`` has besides, and what that implies; come to rest. So a migration begins."""
        self.active = kept
        self.look()
        for arrow in arming:
            self._arm(arrow)
        entries = EntrySet(self.machine, self.recorded)
        mask = entries.completed(self.machine.root, wanted) & ~kept
        self._enter(mask, entries.defaulted)
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
                active, context, recorded = self.active, self.context, self.recorded
                self._microstep(arrows)
                # XState's rule: after eventless transitions that assigned nothing and led back to where they
                # began, none is looked for until the next event. `_run` and `_record` replace what they change.
                look_for_eventless = (
                    self.active != active or self.context is not context or self.recorded is not recorded
                )
                continue
            if not self.internal:
                return
            self._microstep(self.select(self.internal.popleft()))
            look_for_eventless = True
        raise EndlessStep(f"no rest after {MICROSTEP_LIMIT} microsteps: look at the chart's always and raise")

    def entered(self) -> list[str]:
        """The active atomic states in the order of their entry, for the next step; empty: document order."""
        if not self.order:
            return []
        paths = [node.path for node in self.order]
        in_document_order = all(a.index < b.index for a, b in pairwise(self.order))
        return [] if in_document_order else paths

    def look(self) -> None:
        """Show the expressions where the machine is."""
        self.scope.context = self.context
        if self.machine.uses_in_state:
            self.scope.states = frozenset(node.path for node in self.machine.nodes_in(self.active))

    # Selection

    def _select_below(self, node: Node, event: str) -> list[Arrow]:
        inside = self.active & node.inside
        if inside:
            found: list[Arrow] = []
            for child in self.machine.nodes_in(inside):
                found += self._select_below(child, event)
            if found:
                return found
        candidates = node.candidates(event)
        arrow = self._enabled(candidates) if candidates else None
        return [arrow] if arrow else []

    def _enabled(self, arrows: Sequence[Arrow]) -> Arrow | None:
        for arrow in arrows:
            if arrow.guard is None or arrow.guard.evaluate(self.scope):
                return arrow
        return None

    def _eventless(self) -> list[Arrow]:
        """selectEventlessTransitions. Where two regions want to move at once, the one that came first to where
        it is goes first: so XState, which keeps its states in the order of entry; W3C: document order."""
        if not self.machine.has_always:
            return []
        found: list[Arrow] = []
        for node in self.order or self.machine.in_order(self.active, ()):
            for place in (node, *node.ancestors):
                arrow = self._enabled(place.always)
                if arrow:
                    if arrow not in found:
                        found.append(arrow)
                    break
        return self._without_conflicts(found)

    def _without_conflicts(self, arrows: list[Arrow]) -> list[Arrow]:
        """removeConflictingTransitions: a descendant's arrow preempts an ancestor's, else the first wins."""
        if len(arrows) < 2 or self._are_apart(arrows):
            return arrows
        kept: list[Arrow] = []
        for arrow in arrows:
            exits = self._exits(arrow)
            rivals = [other for other in kept if exits & self._exits(other)]
            if all(arrow.node.bit & other.node.below for other in rivals):
                kept = [other for other in kept if other not in rivals]
                kept.append(arrow)
        return kept

    def _are_apart(self, arrows: Sequence[Arrow]) -> bool:
        left = 0
        for arrow in arrows:
            exits = self._exits(arrow)
            if exits & left:
                return False
            left |= exits
        return True

    def _exits(self, arrow: Arrow) -> int:
        mask = arrow.exits
        if mask is None:
            mask = self.machine.exits_within(
                domain_of(arrow, effective_targets(self.machine, self.recorded, arrow.targets))
            )
        return mask & self.active

    # Microstep

    def _microstep(self, arrows: Sequence[Arrow]) -> None:
        if not arrows:
            return
        self.taken += arrows
        order, active, recorded = self.order, self.active, self.recorded
        exits = 0
        for arrow in arrows:
            exits |= self._exits(arrow)
        if exits:
            self._exit(exits)
        # After the exits: a history that they have just recorded is what is entered.
        entries, defaulted = self._entries(arrows)
        for arrow in arrows:
            self._run(arrow.actions)
        if entries:
            self._enter(entries, defaulted)
        if self.active == active and self.recorded is recorded:
            # Back where it was: XState forgets such a microstep.
            self.order = order

    def _exit(self, mask: int) -> None:
        if mask & self.machine.stirred_on_exit:
            leaving = self.machine.nodes_in(mask)
            for node in leaving:
                for history in node.histories:
                    self._record(history, node)
            for node in reversed(leaving):
                self._run(node.exit_actions)
            if self.running:
                self._stop({node.path for node in leaving if node.invokes})
            left = {node.path for node in leaving if node.after}
            if left:
                self.timers = [t for t in self.timers if t.state not in left or t.id.startswith(RAISE)]
                if self._armed:
                    self._armed.intersection_update([timer.id for timer in self.timers])
        self.active &= ~mask
        self.starting &= ~mask
        if self.order:
            self.order = [node for node in self.order if node.bit & self.active]

    def _record(self, history: Node, parent: Node) -> None:
        within = self.machine.nodes_in(self.active & parent.below)
        deep = history.kind == "deep_history"
        paths = [node.path for node in within if (node.is_atomic if deep else node.parent is parent)]
        self.recorded = {**self.recorded, history.path: paths}

    def _entries(self, arrows: Sequence[Arrow]) -> tuple[int, int]:
        """What is entered, and what of it by its initial (`EntrySet.defaulted`)."""
        mask = 0
        for arrow in arrows:
            if arrow.enters is not None:
                mask |= arrow.enters
            elif arrow.targets:
                entries = EntrySet(self.machine, self.recorded)
                return entries.of(arrows, self.active), entries.defaulted
        return mask, 0

    def _enter(self, mask: int, defaulted: int) -> None:
        self.visited |= mask
        if not mask & self.machine.stirred_on_entry and not self.machine.has_order:
            self.active |= mask
            return
        completed: set[Node] = set()
        for node in self.machine.nodes_in(mask):
            if node.is_atomic and self.machine.has_order and not node.bit & self.active:
                self.order = [*self.order, node]
            self.active |= node.bit
            self._run(node.entry_actions)
            for arrow in node.after:
                self._arm(arrow)
            if node.invokes:
                self.starting |= node.bit
            for place in (node, *node.histories) if defaulted else ():
                if place.bit & defaulted:
                    self._run(place.initial_actions)
            if node.kind == "final":
                self._complete(node, completed)
        if self.done:
            for node in reversed(self.machine.nodes_in(self.active)):
                self._run(node.exit_actions)
            self.timers = []
            # SCXML 6.2.4: what still waits when its sender ends is not delivered.
            self._cancel(None)
            self._stop({one.state for one in self.running})
            self.starting = 0

    def _stop(self, paths: set[str]) -> None:
        """Forget the functions that these states run: what they come back with is dropped."""
        gone = [one for one in self.running if one.state in paths]
        if gone:
            self.stopped = [*self.stopped, *gone]
            self.running = [one for one in self.running if one not in gone]

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
        if timer_id in self._armed:
            return
        due = self._due(definition.delay)
        if due is not None:
            self._armed.add(timer_id)
            self.timers = [
                *self.timers,
                Timer(timer_id, definition.event, definition.source, format_time(due)),
            ]

    def _due(self, delay: Delay | None) -> datetime | None:
        """When what waits so long is due; None where it does not wait."""
        if delay is None:
            return None
        if delay.expression is None:
            return self.now + timedelta(milliseconds=delay.milliseconds or 0)
        self.scope.context = self.context
        try:
            return due_at(delay.expression.evaluate(self.scope), self.now)
        except ValueError as error:
            raise EvaluationError(f"the delay {delay.text[:100]!r}: {error}") from None

    def _run(self, actions: Sequence[Action]) -> None:
        for action in actions:
            match action:
                case Assign(fields=fields):
                    self.scope.context = self.context
                    values = {name: value.evaluate(self.scope) for name, value in fields.items()}
                    self.context = {**self.context, **values}
                case Emit(type=event_type):
                    self.emitted.append(event_type)
                case Raise(delay=None, event=event):
                    self.internal.append(event)
                case Raise():
                    self._raise_later(action)
                case Send():
                    self._send(action)
                case Cancel(id=name):
                    self._cancel(name)

    def _raise_later(self, action: Raise) -> None:
        due = self._due(action.delay)
        if due is None:
            self.internal.append(action.event)
            return
        ordinal = 0
        if action.id:
            self._cancel(action.id)  # so that there is one of this name
        else:
            ordinal = self._unnamed
            self._unnamed += 1
        timer_id = f"{RAISE}{action.id}@{self.version}.{ordinal}"
        self.timers = [*self.timers, Timer(timer_id, action.event, "", format_time(due))]

    def _send(self, action: Send) -> None:
        self.scope.context = self.context
        keys = self._keys(action)
        values = {name: value.evaluate(self.scope) for name, value in action.data.items()}
        data = {name: value for name, value in values.items() if value is not None}
        due = self._due(action.delay)
        if due is not None and due <= self.now:
            due = None
        if action.id:
            self._cancel(action.id)
        made = [Sent(action.machine, key, action.command, data, due, action.id) for key in keys]
        self.sent = [*self.sent, *made]

    def follow(self, rules: Sequence[Rule], data: dict[str, Any]) -> None:
        """Send what the policy's rules say of a finished step; ``data``: of the command that it was taken for."""
        self.look()
        self.scope.data = data
        for rule in rules:
            if rule.when is None or rule.when.evaluate(self.scope):
                for send in rule.send:
                    self._send(send)

    def _keys(self, action: Send) -> list[str]:
        found = action.key.evaluate(self.scope)
        keys = found if isinstance(found, list) else [found]
        if len(keys) > MAX_KEYS or not all(map(is_key, keys)):
            raise EvaluationError(
                f"send: the key {action.key.source[:100]!r} gives no text of 1 to 256 characters, nor a list of up to"
                f" {MAX_KEYS} such"
            )
        return keys

    def _cancel(self, name: str | None) -> None:
        """Stop the delayed raises and sends of this name; None: all sends."""
        if name is not None:
            start = f"{RAISE}{name}@"
            self.timers = [timer for timer in self.timers if not timer.id.startswith(start)]
        self.sent = [one for one in self.sent if one.due is None or name not in (None, one.name)]
        gone = [send for send in self.delayed if name in (None, send.name)]
        if gone:
            self.cancelled = [*self.cancelled, *gone]
            self.delayed = [send for send in self.delayed if send not in gone]
