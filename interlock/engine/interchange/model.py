"""A machine as another program wrote it: states, transitions and names, before any of it has a meaning of ours.

Guards and actions that the other program keeps in code are `Named`. A path is the tuple of the states' keys from
the root's children down; the root's own is empty. All values are frozen; what a reader cannot understand it
refuses with `NotReadable`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from interlock.engine.errors import InterlockError

Path = tuple[str, ...]
Kind = Literal["atomic", "compound", "parallel", "final", "shallow_history", "deep_history"]


class NotReadable(InterlockError):
    """A text is no machine of the kind that was expected. Correct it where ``place`` says.

    ``place``: the way from the top of the document, ``states.open.on.close[0].target``; empty for the whole.
    """

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(f"{place}: {message}" if place else message)
        self.message = message
        self.place = place


@dataclass(frozen=True, slots=True)
class Note:
    """What another program's machine says and ours does not do, or does otherwise.

    ``place``: where it stands in the document (empty: the whole); ``code``: a stable word for programs;
    ``message``: what is different and why; ``suggestion``: what to do about it.
    """

    place: str
    code: str
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        return f"{where}{self.code}: {self.message.rstrip('.')}. {self.suggestion}".rstrip()


@dataclass(frozen=True, slots=True)
class Named:
    """A guard or an action that the other program implements in code. ``params``: what it is given there."""

    name: str
    params: Any = None


@dataclass(frozen=True, slots=True)
class Text:
    """A guard that is an expression in our language."""

    source: str


@dataclass(frozen=True, slots=True)
class InState:
    """A guard: whether the state of this path is active."""

    path: Path


@dataclass(frozen=True, slots=True)
class Combined:
    """A guard made of others; ``not`` has one."""

    word: Literal["and", "or", "not"]
    guards: tuple[Guard, ...]


Guard = Named | Text | InState | Combined


@dataclass(frozen=True, slots=True)
class Assigns:
    """Sets context fields. A string is an expression in our language, anything else is itself."""

    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Emits:
    """Announces an event of this type."""

    type: str


@dataclass(frozen=True, slots=True)
class Raises:
    """An internal event. ``delay``: milliseconds, or a text as a chart writes it; None: within the step."""

    event: str
    delay: int | float | str | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Sends:
    """A command to another instance: the words of our ``send``."""

    words: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Cancels:
    """Stops what waits under this id."""

    id: str


Act = Named | Assigns | Emits | Raises | Sends | Cancels


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row of our ``require``: an expression, and what the refusal says."""

    check: str
    error: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Way:
    """A transition. ``targets`` None: it stays where it is. ``forbidden``: nothing is taken, nobody above is asked.

    ``place``: where it stands in the document.
    """

    targets: tuple[Path, ...] | None
    place: str
    guard: Guard | None = None
    require: tuple[Refusal, ...] = ()
    actions: tuple[Act, ...] = ()
    reenter: bool = False
    forbidden: bool = False
    ignore: bool = False
    outage: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Invocation:
    """A function or actor that runs while its state is active. ``rest``: its other words, such as our ``retry``."""

    src: str
    id: str
    input: Mapping[str, Any]
    done: tuple[Way, ...]
    error: tuple[Way, ...]
    rest: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """A state. ``id``: its name for targets and in what is shown; ``on``: descriptor and its candidates, in order.

    ``initial``: entered by default (a history: before there is one; empty: what its parent enters by default).
    """

    path: Path
    id: str
    kind: Kind
    place: str
    children: tuple[Place, ...] = ()
    initial: tuple[Path, ...] = ()
    initial_actions: tuple[Act, ...] = ()
    entry: tuple[Act, ...] = ()
    exit: tuple[Act, ...] = ()
    on: tuple[tuple[str, tuple[Way, ...]], ...] = ()
    done: tuple[Way, ...] = ()
    always: tuple[Way, ...] = ()
    after: tuple[tuple[int | float | str, tuple[Way, ...]], ...] = ()
    invoke: tuple[Invocation, ...] = ()
    tags: tuple[str, ...] = ()
    description: str = ""

    @property
    def key(self) -> str:
        """Its name among its siblings; empty for the root."""
        return self.path[-1] if self.path else ""

    @property
    def is_history(self) -> bool:
        return self.kind in ("shallow_history", "deep_history")

    def walk(self) -> Iterator[Place]:
        """This state and all below it, in document order."""
        yield self
        for child in self.children:
            yield from child.walk()

    def ways(self) -> Iterator[tuple[str, Way]]:
        """Each transition with the event that selects it; empty for those without one."""
        for event, ways in self.on:
            yield from ((event, way) for way in ways)
        for _, ways in self.after:
            yield from (("", way) for way in ways)
        for invocation in self.invoke:
            yield from (("", way) for way in (*invocation.done, *invocation.error))
        yield from (("", way) for way in (*self.done, *self.always))

    def acts(self) -> Iterator[Act]:
        """Each action that stands in this state, its transitions included."""
        yield from (*self.initial_actions, *self.entry, *self.exit)
        for _, way in self.ways():
            yield from way.actions


@dataclass(frozen=True, slots=True)
class Config:
    """A whole machine. ``commands``, ``context``: as the document has them; ``is_ours``: it is in our own words,
    so that texts are expressions, delays durations and done events named as here. ``rest``: words of the whole
    machine that only a chart of ours has, by name."""

    id: str
    root: Place
    context: Mapping[str, Any]
    version: str = ""
    description: str = ""
    commands: Mapping[str, Any] = field(default_factory=dict)
    rest: Mapping[str, Any] = field(default_factory=dict)
    is_ours: bool = False
    notes: tuple[Note, ...] = ()
    """What was read and has no place in the model."""

    def at(self, path: Path) -> Place:
        """The state of a path. Raises KeyError."""
        found = self.root
        for key in path:
            found = next((child for child in found.children if child.key == key), found)
        if found.path != path:
            raise KeyError(path)
        return found
