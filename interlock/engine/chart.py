"""What a chart says, once it has been read and found sound: frozen values, no behaviour.

`loader` makes a `Chart` from YAML (every target resolved to a state's path, every expression compiled);
`machine` compiles it to what runs; `checks` and `diagrams` read it.

A state's path is its names joined by dots, from the root's children down: ``open.assigned``. The root's
own path is the empty string.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from interlock.engine.errors import Mark
from interlock.engine.expressions import Expression
from interlock.engine.outages import OutagePolicy

StateKind = Literal["atomic", "compound", "parallel", "final", "shallow_history", "deep_history"]


@dataclass(frozen=True, slots=True)
class Delay:
    """How long something waits: so many ``milliseconds``, or what ``expression`` gives (`durations.due_at`).

    ``text``: as the chart writes it.
    """

    text: str
    milliseconds: int | None = None
    expression: Expression | None = None


@dataclass(frozen=True, slots=True)
class Assign:
    """Set context fields; every expression sees the context as it was before the action."""

    fields: Mapping[str, Expression]
    mark: Mark


@dataclass(frozen=True, slots=True)
class Emit:
    """Announce an event of this type (``<machine>.<past-tense verb>``) once the step is committed."""

    type: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Raise:
    """Put an event on the internal queue: it is taken within the same step (SCXML ``raise``).

    With ``delay`` it is taken in a step of its own, by a timer that no state's exit stops, only ``cancel`` of
    its ``id`` and the instance's end.
    """

    event: str
    mark: Mark
    delay: Delay | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Send:
    """Publish a command to an instance, in the name of the system, with the commit of this step; where ``key`` gives
    a list, to each of these.

    With ``delay`` it is applied no earlier; until then ``cancel`` of its ``id``, and the instance's end, stop it.
    ``data``: fields whose value is null are left out.
    """

    machine: str
    key: Expression
    command: str
    data: Mapping[str, Expression]
    mark: Mark
    delay: Delay | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop the delayed ``raise`` or ``send`` of this id, if it still waits."""

    id: str
    mark: Mark


Action = Assign | Emit | Raise | Send | Cancel


@dataclass(frozen=True, slots=True)
class Requirement:
    """A row of ``require``: where ``check`` is false, the command is refused with this error."""

    check: Expression
    error_class: str
    code: str
    message: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class TransitionDef:
    """An arrow. ``targets`` are state paths; none at all: the transition stays where it is.

    ``event``: the command or internal event that selects it, ``*`` and ``prefix.*`` included; for
    ``after``, the timer's event name (`timer_event`); the empty string for ``always``.
    ``delay``: only for ``after``. ``ignore``: the command is answered ``ignored``, nothing changes.
    ``outage``: what a time in which nothing ran does to the timer.
    ``forbidden`` (``on: {cmd: null}``): nothing is taken, and no ancestor is asked.
    """

    event: str
    source: str
    targets: tuple[str, ...]
    mark: Mark
    guard: Expression | None = None
    require: tuple[Requirement, ...] = ()
    actions: tuple[Action, ...] = ()
    reenter: bool = False
    ignore: bool = False
    forbidden: bool = False
    delay: Delay | None = None
    outage: OutagePolicy = "deadline"
    description: str = ""

    @property
    def delay_ms(self) -> int | None:
        """Milliseconds of ``after``; None where an expression gives them."""
        return self.delay.milliseconds if self.delay else None

    @property
    def delay_text(self) -> str:
        """The delay of ``after`` as the chart writes it, else empty."""
        return self.delay.text if self.delay else ""


@dataclass(frozen=True, slots=True)
class InvokeDef:
    """A function of the application that runs while a state is active; its end comes back as an event.

    ``function``: its name in the application's registry; ``input``: what it is given, evaluated when the step
    that entered the state has come to rest. ``attempts``: how often at most; ``interval_ms`` before the second
    one, then ``backoff`` times as long each.
    """

    id: str
    function: str
    input: Mapping[str, Expression]
    attempts: int
    interval_ms: int
    backoff: float
    mark: Mark


@dataclass(frozen=True, slots=True)
class StateDef:
    """A state and what stands in it, in the file's order.

    ``initial``: paths entered by default (compound: one; history: its default targets).
    ``initial_actions``: what happens then, after the state's own entry (a history without a target of its own: its
    parent's, whose initial it stands for).
    """

    path: str
    kind: StateKind
    mark: Mark
    children: tuple[StateDef, ...] = ()
    initial: tuple[str, ...] = ()
    entry: tuple[Action, ...] = ()
    exit: tuple[Action, ...] = ()
    on: tuple[TransitionDef, ...] = ()
    always: tuple[TransitionDef, ...] = ()
    after: tuple[TransitionDef, ...] = ()
    tags: tuple[str, ...] = ()
    description: str = ""
    invoke: tuple[InvokeDef, ...] = ()
    initial_actions: tuple[Action, ...] = ()

    @property
    def standing(self) -> tuple[Action, ...]:
        """The actions that stand in this state and belong to no event."""
        return (*self.entry, *self.exit, *(self.initial_actions if self.kind == "compound" else ()))

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]

    def walk(self) -> Iterator[StateDef]:
        """This state and all below it, in document order."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class ContextField:
    """A field of the context. ``schema``: JSON Schema words; ``public`` false: it never leaves the engine."""

    name: str
    schema: Mapping[str, Any]
    default: Any
    public: bool
    mark: Mark


@dataclass(frozen=True, slots=True)
class CommandDef:
    """A command that the chart declares.

    ``schema``: the JSON Schema of its whole ``data`` object; ``by``: actor kinds that may send it (empty:
    all); ``private``: data fields that are never shown.
    """

    name: str
    creates: bool
    schema: Mapping[str, Any]
    by: tuple[str, ...]
    mark: Mark
    private: frozenset[str] = frozenset()
    require: tuple[Requirement, ...] = ()
    """Rows that hold in every state, checked before those of the transition; a creating command's only rows."""
    description: str = ""
    if_missing: bool = False
    """Of one that creates: an instance that exists takes it as any other command; a new one takes it at once."""
    exclusive: bool = False
    """A second one for the same instance is refused ``in_flight`` while a first is queued or running."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A whole statechart. ``digest``: hex SHA-256 of its text, so that two texts with one version are told apart."""

    id: str
    version: int
    description: str
    context: Mapping[str, ContextField]
    commands: Mapping[str, CommandDef]
    root: StateDef
    source: str
    digest: str
    mark: Mark
    index: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    """Event types that the chart declares (all that it emits, where it declares none)."""
    states: Mapping[str, StateDef] = field(default_factory=dict)
    """Every state by its path, the root included, in document order."""
    public_fields: tuple[str, ...] = field(init=False)
    """Names of the context fields that may be shown, in the file's order."""
    listed_by: tuple[str, ...] = field(init=False)
    """``index`` without private fields: their values would stand in the names of keys."""

    def __post_init__(self) -> None:
        shown = tuple(name for name, declared in self.context.items() if declared.public)
        object.__setattr__(self, "public_fields", shown)
        object.__setattr__(self, "listed_by", tuple(name for name in self.index if name in shown))


INVOKE_DONE = "done.invoke."
INVOKE_ERROR = "error.invoke."
"""Begin the names of the events that an invoked function ends with; its id follows."""


def timer_event(state_path: str, delay_text: str) -> str:
    """The event name of a timer: ``after.30m.queued`` (XState: ``xstate.after.<delay>.<state id>``)."""
    return f"after.{delay_text}.{state_path}" if state_path else f"after.{delay_text}"
