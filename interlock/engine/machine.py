"""A chart made ready to run, out of the objects of `transitions`.

The only module that imports that library. Its `State`, `Transition`, `Event` and `Machine` carry the chart
and its introspection (`Machine.library.get_triggers`, `.get_transitions`, `.states`, `.events`); its event
dispatch is not used: `step` replaces it by the algorithm of W3C SCXML.

Sets of states are bit masks over the states in document order: a step is arithmetic on small integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jsonschema_rs
import transitions

from interlock.engine.chart import Action, Chart, StateDef, TransitionDef
from interlock.engine.policy import Rule


class Node(transitions.State):
    """A state of the chart. ``bit``: its own; ``below``, ``upward``: those of all below, of it and all above."""

    def __init__(self, definition: StateDef, index: int, parent: Node | None) -> None:
        super().__init__(definition.path, final=definition.kind == "final")
        self.definition = definition
        self.path = definition.path
        self.kind = definition.kind
        self.is_atomic = definition.kind in ("atomic", "final")
        self.is_history = definition.kind in ("shallow_history", "deep_history")
        self.index = index
        self.bit = 1 << index
        self.below = 0
        self.parent = parent
        self.ancestors: tuple[Node, ...] = (parent, *parent.ancestors) if parent else ()
        self.upward: int = self.bit | (parent.upward if parent else 0)
        self.children: tuple[Node, ...] = ()
        self.histories: tuple[Node, ...] = ()
        self.inside = 0  # the bits of the children
        self.initial: tuple[Node, ...] = ()
        self.entry_actions: tuple[Action, ...] = definition.entry
        self.initial_actions: tuple[Action, ...] = definition.initial_actions
        self.exit_actions: tuple[Action, ...] = definition.exit
        self.invokes = definition.invoke
        self.on: dict[str, tuple[Arrow, ...]] = {}
        self.wildcards: tuple[tuple[str, tuple[Arrow, ...]], ...] = ()
        self.always: tuple[Arrow, ...] = ()
        self.after: tuple[Arrow, ...] = ()

    def candidates(self, event: str) -> tuple[Arrow, ...]:
        """The arrows that ``event`` may take from here, longest event descriptor first, then in file order."""
        exact = self.on.get(event, ())
        if not self.wildcards:
            return exact
        return exact + tuple(a for name, arrows in self.wildcards if matches(name, event) for a in arrows)


class Arrow(transitions.Transition):
    """A transition of the chart. ``exits``: mask of what it leaves when active, None where history decides.

    ``enters``: mask of what it enters, None where history, regions or another arrow have a say, or an initial has
    actions; then only ``domain`` counts.
    """

    def __init__(self, definition: TransitionDef, source: Node, targets: tuple[Node, ...]) -> None:
        # The library's stub knows neither internal transitions (no dest) nor lists of conditions.
        dest: Any = targets[0].path if targets else None
        conditions: Any = [definition.guard.evaluate] if definition.guard else None
        super().__init__(source.path, dest, conditions=conditions)
        self.definition = definition
        self.node = source
        self.targets = targets
        self.guard = definition.guard
        self.require = definition.require
        self.actions = definition.actions
        self.reenter = definition.reenter
        self.ignore = definition.ignore
        self.forbidden = definition.forbidden
        self.exits: int | None = None
        self.domain: Node | None = None
        self.enters: int | None = None


def matches(descriptor: str, event: str) -> bool:
    """Whether a wildcard descriptor (``*`` or ``prefix.*``) takes ``event`` (SCXML 3.12.1, by tokens)."""
    if descriptor == "*":
        return True
    wanted, given = descriptor.split(".")[:-1], event.split(".")
    return given[: len(wanted)] == wanted


def domain_of(arrow: Arrow, targets: Iterable[Node]) -> Node | None:
    """The state within which an arrow moves; it stays active itself. None: even the root is left.

    XState v5 `getTransitionDomain`: the source, where every target is it or below it and the arrow does not
    re-enter; else the nearest state that contains source and targets.
    """
    source = arrow.node
    mask = source.bit
    inside = True
    for target in targets:
        mask |= target.bit
        inside = inside and bool(target.bit & (source.below | source.bit))
    if inside and not arrow.reenter:
        return source
    for ancestor in source.ancestors:
        if mask & ~ancestor.below == 0:
            return ancestor
    return None if arrow.reenter else source.ancestors[-1] if source.ancestors else source


class Machine:
    """A compiled chart. Reusable and free of state: one serves all instances of its chart's version."""

    def __init__(self, chart: Chart, rules: Mapping[str, Sequence[Rule]] | None = None) -> None:
        """``rules``: of the policy, by the event type that they follow."""
        self.chart = chart
        self.rules = rules or {}
        self.library = transitions.Machine(model=None, initial=None, auto_transitions=False, name=chart.id)
        self.nodes: list[Node] = []
        self.by_path: dict[str, Node] = {}
        self.root = self._add(chart.root, None)
        self.arrows: list[Arrow] = []
        for node in self.nodes:
            self._connect(node)
        for arrow in self.arrows:
            arrow.enters = self._enters(arrow)
        self.all = (1 << len(self.nodes)) - 1
        # Masks of the states that count in one part of the algorithm, so that it passes the others by.
        self.atomic = self._mask(lambda node: node.is_atomic)
        self.stirred_on_entry = self._mask(
            lambda n: bool(n.entry_actions or n.initial_actions or n.after or n.invokes) or n.kind == "final"
        )
        self.stirred_on_exit = self._mask(
            lambda n: bool(n.exit_actions or n.after or n.histories or n.invokes)
        )
        self.has_always = any(node.always for node in self.nodes)
        self.has_order = self.has_always and any(node.kind == "parallel" for node in self.nodes)
        """Whether it matters which active atomic state was entered first (`in_order`)."""
        self.uses_in_state = "in_state" in chart.source or bool(self.rules)
        self.commands: dict[str, Any] = {
            name: jsonschema_rs.validator_for(dict(command.schema))
            for name, command in chart.commands.items()
        }
        self.context_validators = {
            name: jsonschema_rs.validator_for(dict(field.schema)) for name, field in chart.context.items()
        }
        self.defaults: Mapping[str, Any] = {name: field.default for name, field in chart.context.items()}
        self.private = frozenset(name for name, field in chart.context.items() if not field.public)

    @property
    def id(self) -> str:
        return self.chart.id

    @property
    def version(self) -> int:
        return self.chart.version

    def _mask(self, counts: Callable[[Node], bool]) -> int:
        return sum(node.bit for node in self.nodes if counts(node))

    def _add(self, definition: StateDef, parent: Node | None) -> Node:
        node = Node(definition, len(self.nodes), parent)
        self.nodes.append(node)
        self.by_path[node.path] = node
        self.library.add_state(node)
        node.children = tuple(self._add(child, node) for child in definition.children)
        node.histories = tuple(child for child in node.children if child.is_history)
        for child in node.children:
            node.inside |= child.bit
            node.below |= child.bit | child.below
        return node

    def _connect(self, node: Node) -> None:
        definition = node.definition
        node.initial = tuple(self.by_path[path] for path in definition.initial)
        if node.is_history and not node.initial and node.parent:
            # Where a chart names no default: every region as it is entered first. XState says the parallel
            # parent itself, and then leaves it without entering it again when a transition within aims here.
            node.initial = tuple(child for child in node.parent.children if not child.is_history)
        on: dict[str, tuple[Arrow, ...]] = {}
        for transition in definition.on:
            on[transition.event] = (*on.get(transition.event, ()), self._arrow(transition, node))
        node.always = tuple(self._arrow(transition, node) for transition in definition.always)
        node.after = tuple(self._arrow(transition, node) for transition in definition.after)
        for arrow in node.after:
            on[arrow.definition.event] = (*on.get(arrow.definition.event, ()), arrow)
        wild = [name for name in on if name == "*" or name.endswith(".*")]
        node.wildcards = tuple((name, on.pop(name)) for name in sorted(wild, key=len, reverse=True))
        node.on = on

    def _arrow(self, definition: TransitionDef, source: Node) -> Arrow:
        arrow = Arrow(definition, source, tuple(self.by_path[path] for path in definition.targets))
        if not arrow.targets:
            arrow.exits = 0
        elif not any(target.is_history for target in arrow.targets):
            arrow.domain = domain_of(arrow, arrow.targets)
            arrow.exits = self.exits_within(arrow.domain)
        self.arrows.append(arrow)
        events = self.library.events
        if definition.event not in events:
            events[definition.event] = self.library.event_cls(definition.event, self.library)
        events[definition.event].add_transition(arrow)
        return arrow

    def _enters(self, arrow: Arrow) -> int | None:
        if arrow.exits is None or len(arrow.targets) != 1 or arrow.targets[0] is arrow.domain:
            return None
        node = arrow.targets[0]
        mask = node.upward & ~(arrow.domain.upward if arrow.domain else 0)
        while node.kind == "compound":
            first = node.initial[0]
            if node.initial_actions or first.parent is not node or first.is_history:
                return None
            node = first
            mask |= node.bit
        around = mask | (arrow.domain.bit if arrow.domain else 0)
        return None if any(each.kind == "parallel" for each in self.nodes_in(around)) else mask

    def timer_of(self, state: str, event: str) -> TransitionDef | None:
        """What a running timer was armed for, the candidate that says most of outages; None for a delayed raise."""
        node = self.by_path.get(state)
        found = [arrow.definition for arrow in node.after if arrow.definition.event == event] if node else []
        return next((each for each in found if each.outage != "deadline"), found[0] if found else None)

    def exits_within(self, domain: Node | None) -> int:
        """Mask of what an arrow with this domain leaves, where active."""
        return domain.below if domain else (1 << len(self.nodes)) - 1

    def mask_of(self, paths: Iterable[str]) -> int:
        """The whole configuration whose atomic states are ``paths``. Raises KeyError for an unknown path."""
        mask = 0
        for path in paths:
            mask |= self.by_path[path].upward
        return mask

    def nodes_in(self, mask: int) -> list[Node]:
        """The states of a mask in document order."""
        found = []
        while mask:
            low = mask & -mask
            found.append(self.nodes[low.bit_length() - 1])
            mask ^= low
        return found

    def is_legal(self, mask: int) -> bool:
        """Whether the states of a mask are a configuration (SCXML 3.11)."""
        for node in self.nodes_in(mask):
            inside = [child for child in node.children if not child.is_history]
            active = sum(1 for child in inside if child.bit & mask)
            orphan = node.parent is not None and not node.parent.bit & mask
            if node.is_history or orphan or active != (1 if node.kind == "compound" else len(inside)):
                return False
        return True

    def in_order(self, mask: int, entered: Sequence[str]) -> list[Node]:
        """A configuration's atomic states in the order in which they were entered.

        ``entered``: their paths, as far as that is not document order; empty where it is.
        """
        atomic = [node for node in self.nodes_in(mask) if node.is_atomic]
        if not entered:
            return atomic
        place = {path: number for number, path in enumerate(entered)}
        return sorted(atomic, key=lambda node: place.get(node.path, len(place)))

    def atomic_paths(self, mask: int) -> list[str]:
        """The sorted paths of a configuration's atomic states: what is shown as ``state``."""
        return sorted([node.path for node in self.nodes_in(mask & self.atomic)])
