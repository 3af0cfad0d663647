"""The states and transitions of a machine of the library `transitions`, as `transitions_machine` makes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from interlock.engine.interchange.model import Path


@dataclass(slots=True)
class Arrow:
    """A transition in its scope. ``source``, ``dest``: names there; ``dest`` None: internal.

    ``is_spread``: its source was named by ``*``.
    """

    trigger: str
    source: str
    dest: str | None
    place: str
    conditions: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    is_spread: bool = False


@dataclass(slots=True)
class Node:
    """A state, or the machine itself. ``initial``: names of children; several: they are parallel regions.

    ``arrows``: by trigger and source, of the transitions that stand in this state.
    """

    path: Path
    place: str
    children: dict[str, Node] = field(default_factory=dict)
    initial: tuple[str, ...] = ()
    on_enter: tuple[str, ...] = ()
    on_exit: tuple[str, ...] = ()
    on_final: tuple[str, ...] = ()
    on_timeout: tuple[str, ...] = ()
    timeout: float = 0
    final: bool = False
    ignores: bool | None = None
    tags: tuple[str, ...] = ()
    arrows: dict[str, dict[str, list[Arrow]]] = field(default_factory=dict)

    @property
    def is_parallel(self) -> bool:
        return len(self.initial) > 1

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.children.values():
            yield from child.walk()


@dataclass(slots=True)
class TheirMachine:
    """What the arguments make. ``initial``: the path of the state it begins in, empty for parallel roots.

    ``leftover``: (place, word) of what is read and has no counterpart.
    """

    name: str
    root: Node
    initial: Path
    separator: str
    is_nested: bool
    queued: bool
    auto_transitions: bool
    send_event: bool
    ignores: bool
    before: tuple[str, ...]
    after: tuple[str, ...]
    on_final: tuple[str, ...]
    leftover: list[tuple[str, str]] = field(default_factory=list)

    def split(self, name: str) -> Path:
        return tuple(name.split(self.separator)) if self.is_nested else (name,)

    def at(self, path: Path) -> Node | None:
        node: Node | None = self.root
        for key in path:
            node = node.children.get(key) if node else None
        return node
