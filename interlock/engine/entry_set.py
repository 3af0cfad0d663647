"""Which states a microstep enters: computeEntrySet of W3C SCXML's appendix D, as XState v5 does it. Pure.

Sets of states are bit masks (see `machine`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from interlock.engine.machine import Arrow, Machine, Node, domain_of

Recorded = Mapping[str, Sequence[str]]
"""What each history state remembers, as paths by its own path."""


def effective_targets(machine: Machine, recorded: Recorded, targets: Sequence[Node]) -> list[Node]:
    """getEffectiveTargetStates: history states stand for what they remember, or for their default."""
    found: list[Node] = []
    for target in targets:
        if not target.is_history:
            found.append(target)
        elif target.path in recorded:
            found += [machine.by_path[path] for path in recorded[target.path]]
        else:
            found += effective_targets(machine, recorded, target.initial)
    return found


class EntrySet:
    """The states to enter, gathered by its methods, each of which adds to a mask.

    ``defaulted``: mask of those among them that are entered by their initial, whose actions are to be run.
    """

    __slots__ = ("defaulted", "machine", "recorded")

    def __init__(self, machine: Machine, recorded: Recorded) -> None:
        self.machine = machine
        self.recorded = recorded
        self.defaulted = 0

    def completed(self, node: Node, mask: int) -> int:
        """``mask`` and what is entered by default where a state in it has no child in it."""
        if node.kind == "parallel":
            mask = self._regions(node, mask, default=True)
        inside = [child for child in node.children if mask & (child.bit | child.below)]
        if node.kind == "compound" and not inside:
            return self.descendants(node, mask)
        for child in inside:
            mask = self.completed(child, mask)
        return mask

    def of(self, arrows: Sequence[Arrow], active: int) -> int:
        """What these arrows enter, once all they leave has been left. ``active``: what is still active then."""
        mask = self.defaulted = 0
        by_history = False
        for arrow in arrows:
            mask = self._entries_of(arrow, mask)
            by_history = by_history or arrow.exits is None
        if by_history and not self.machine.is_legal(active | mask):
            # A history that stands for the arrow's own source, or for a state in it: XState enters what lies around
            # without having left it. Its actions run again, as there; but no second state of a region is entered,
            # and nothing in a state that another arrow has left.
            mask = self.defaulted = 0
            for arrow in arrows:
                domain = domain_of(arrow, effective_targets(self.machine, self.recorded, arrow.targets))
                if domain is None or domain.bit & active:
                    mask |= self._entries_of(arrow, 0) & (domain.below if domain else self.machine.all)
        return mask

    def _entries_of(self, arrow: Arrow, mask: int) -> int:
        """``mask`` and what one arrow enters."""
        if not arrow.targets:
            return mask
        if arrow.enters is not None:
            return mask | arrow.enters
        effective = effective_targets(self.machine, self.recorded, arrow.targets)
        domain = domain_of(arrow, effective)
        stays = arrow.node.bit & ~mask if arrow.node is domain and not arrow.reenter else 0
        for target in arrow.targets:
            mask = self.descendants(target, mask)
            if target is domain:
                mask &= ~stays
                self.defaulted &= ~stays
        for target in effective:
            mask = self._ancestors(target, domain, mask)
        if domain and domain.kind == "parallel":
            mask = self._regions(domain, mask, default=False)
        return mask

    def descendants(self, node: Node, mask: int, *, default: bool = True) -> int:
        """addDescendantStatesToEnter: ``mask`` and the node with what is entered by default below it. ``default``:
        the node's own initial counts as taken (W3C: always; XState: neither behind a history nor in a region that
        is entered for the sake of another)."""
        if node.initial_actions and default and node.path not in self.recorded:
            self.defaulted |= node.bit
        if node.is_history:
            targets = effective_targets(self.machine, self.recorded, [node])
            for target in targets:
                mask = self.descendants(target, mask, default=False)
            for target in targets:
                mask = self._ancestors(target, node.parent, mask)
            return mask
        mask |= node.bit
        if node.kind == "compound":
            for target in node.initial:
                mask = self.descendants(target, mask)
                for effective in effective_targets(self.machine, self.recorded, [target]):
                    mask = self._ancestors(effective, node, mask)
        elif node.kind == "parallel":
            mask = self._regions(node, mask, default=True)
        return mask

    def _ancestors(self, node: Node, top: Node | None, mask: int) -> int:
        """addAncestorStatesToEnter: what lies between ``node`` and ``top``, other regions included."""
        if node is top:
            return mask
        for ancestor in node.ancestors:
            if ancestor is top:
                break
            mask |= ancestor.bit
            if ancestor.kind == "parallel":
                mask = self._regions(ancestor, mask, default=False)
        return mask

    def _regions(self, node: Node, mask: int, *, default: bool) -> int:
        for child in node.children:
            if not child.is_history and not mask & (child.bit | child.below):
                mask = self.descendants(child, mask, default=default)
        return mask
