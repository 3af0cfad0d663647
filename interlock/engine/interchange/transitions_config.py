"""A configuration of the library `transitions`, as a `Config`: what the same events lead to is the same, but for
what `transitions_differences` tells.

A state that holds states and begins in none of them can be active by itself there; here a child named ``itself``
stands for that. A callback that bears a trigger's name is that trigger: an internal event.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from interlock.engine.interchange.model import (
    Act,
    Combined,
    Config,
    Guard,
    Kind,
    Named,
    Path,
    Place,
    Raises,
    Way,
)
from interlock.engine.interchange.transitions_differences import differences
from interlock.engine.interchange.transitions_machine import their_machine
from interlock.engine.interchange.transitions_model import Arrow, Node, TheirMachine

ITSELF = "itself"


def read_transitions(document: Any) -> Config:
    """The machine that the constructor's arguments make. Raises NotReadable, which names the place."""
    machine = their_machine(document)
    reader = _Reader(machine)
    root = reader.root()
    return Config(
        id=machine.name or "machine",
        root=root,
        context={},
        commands=dict.fromkeys(reader.triggers),
        notes=tuple(differences(machine)),
    )


class _Reader:
    def __init__(self, machine: TheirMachine) -> None:
        self.machine = machine
        self.triggers = list(dict.fromkeys(name for node in machine.root.walk() for name in node.arrows))
        self.autos = dict(auto_triggers(machine)) if machine.auto_transitions else {}
        self.used: dict[str, Path] = {}
        self.ignoring = ignoring(machine)

    def root(self) -> Place:
        root = self.machine.root
        children = tuple(self._place(child) for child in root.children.values())
        kind: Kind = "parallel" if root.is_parallel else "compound"
        on: list[tuple[str, tuple[Way, ...]]] = [
            (name, (Way((path,), "auto_transitions"),)) for name, path in self.used.items()
        ]
        if self.ignoring == {()}:
            on.append(("*", (Way(None, "ignore_invalid_triggers", ignore=True),)))
        initial = () if kind == "parallel" else (self.machine.initial,)
        return Place((), "", kind, "", children=children, initial=initial, on=tuple(on))

    def _place(self, node: Node) -> Place:
        children = [self._place(child) for child in node.children.values()]
        kind: Kind = "parallel" if node.is_parallel else "compound" if children else "atomic"
        initial: tuple[Path, ...] = ()
        if kind == "compound":
            name = node.initial[0] if node.initial else self._itself(node)
            initial = ((*node.path, name),)
            if not node.initial:
                children.insert(0, Place(initial[0], "", "atomic", node.place))
        arrows = [(name, list(candidates(self.machine, node, name))) for name in self.triggers]
        leaving = [arrow for _, rows in arrows for _, arrow in rows]
        is_final = node.final and not children and all(arrow.is_spread for arrow in leaving)
        on = [
            (name, tuple(self._way(*row) for row in rows)) for name, rows in arrows if rows and not is_final
        ]
        if node.path in self.ignoring:
            on.append(("*", (Way(None, node.place, ignore=True),)))
        final = (*node.on_final, *(self.machine.on_final if len(node.path) == 1 else ()))
        done = (Way(None, f"{node.place}.on_final", actions=self._acts(final)),) if final and children else ()
        return Place(
            path=node.path,
            id="",
            kind="final" if is_final else kind,
            place=node.place,
            children=tuple(children),
            initial=initial,
            entry=self._acts((*node.on_enter, *(final if node.final and not children else ()))),
            exit=self._acts(node.on_exit),
            on=() if is_final else tuple(on),
            done=done,
            after=tuple(self._timeout(node)),
            tags=(*node.tags, *(("final",) if node.final and not is_final else ())),
        )

    def _itself(self, node: Node) -> str:
        name = ITSELF
        while name in node.children:
            name += "_"
        return name

    def _timeout(self, node: Node) -> Iterator[tuple[float, tuple[Way, ...]]]:
        if node.timeout:
            actions = self._acts(node.on_timeout)
            yield round(node.timeout * 1000), (Way(None, f"{node.place}.on_timeout", actions=actions),)

    def _way(self, scope: Node, arrow: Arrow) -> Way:
        source = (*scope.path, *self.machine.split(arrow.source))
        target = None if arrow.dest is None else (*scope.path, *self.machine.split(arrow.dest))
        machine = self.machine
        return Way(
            targets=None if target is None else (target,),
            place=arrow.place,
            guard=_guard(arrow),
            actions=self._acts((*machine.before, *arrow.before, *arrow.after, *machine.after)),
            reenter=target == source,
        )

    def _acts(self, names: Sequence[str]) -> tuple[Act, ...]:
        return tuple(self._act(name) for name in names)

    def _act(self, name: str) -> Act:
        if name in self.triggers:
            return Raises(name)
        if name in self.autos:
            self.used[name] = self.autos[name]
            return Raises(name)
        return Named(name)


def _guard(arrow: Arrow) -> Guard | None:
    guards: list[Guard] = [Named(name) for name in arrow.conditions]
    guards += [Combined("not", (Named(name),)) for name in arrow.unless]
    return Combined("and", tuple(guards)) if len(guards) > 1 else guards[0] if guards else None


def candidates(machine: TheirMachine, node: Node, trigger: str) -> Iterator[tuple[Node, Arrow]]:
    """The transitions of a state for a trigger as they are tried, each with its scope: innermost scope first."""
    for end in range(len(node.path) - 1, -1, -1):
        scope = machine.at(node.path[:end])
        name = machine.separator.join(node.path[end:])
        if scope is not None:
            yield from ((scope, arrow) for arrow in scope.arrows.get(trigger, {}).get(name, ()))


def auto_triggers(machine: TheirMachine) -> Iterator[tuple[str, Path]]:
    """``to_<state>`` of every state, as callbacks can name it."""
    for node in machine.root.walk():
        if node.path:
            yield f"to_{machine.separator.join(node.path)}", node.path


def ignoring(machine: TheirMachine) -> set[Path]:
    """Where invalid triggers are ignored: at the root (the empty path), where all states ignore them; in a flat
    machine else at each state that does."""
    nodes = [node for node in machine.root.walk() if node.path]
    if all(node.ignores for node in nodes):
        return {()}
    return set() if machine.is_nested else {node.path for node in nodes if node.ignores and not node.final}
