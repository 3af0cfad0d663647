"""Where a machine of the library `transitions` would have behaved differently: each place with its reason.

What is said of the library here is shown by `tests/imports/test_against_transitions.py`, which runs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from interlock.engine.interchange.model import Note, Path
from interlock.engine.interchange.transitions_model import Arrow, Node, TheirMachine

STATES_DIFFER = frozenset(
    (
        "resets_regions",
        "partial_entry",
        "parallel_conflict",
        "scope_order",
        "double_dispatch",
        "final_is_left",
        "nested_trigger",
        "same_name",
    )
)
"""Codes of the notes that say that other states may be reached. The others are about callbacks and answers."""


@dataclass(frozen=True, slots=True)
class _Move:
    """A transition by whole paths."""

    trigger: str
    scope: Path
    source: Path
    dest: Path | None
    arrow: Arrow

    @property
    def domain(self) -> Path:
        """The state inside which states are left and entered here (SCXML: the transition domain)."""
        if self.dest is None:
            return self.source
        if self.dest[: len(self.source)] == self.source and self.dest != self.source:
            return self.source
        return _common(self.source[:-1], self.dest[:-1])


def differences(machine: TheirMachine) -> Iterator[Note]:
    """The notes, those on the whole machine first."""
    moves = list(_moves(machine))
    yield from _on_the_whole(machine, moves)
    yield from _callbacks(machine, moves)
    yield from _states(machine)
    if machine.is_nested:
        yield from _nested(machine, moves)


def _moves(machine: TheirMachine) -> Iterator[_Move]:
    for scope in machine.root.walk():
        for trigger, by_source in scope.arrows.items():
            for arrow in (each for arrows in by_source.values() for each in arrows):
                dest = None if arrow.dest is None else (*scope.path, *machine.split(arrow.dest))
                yield _Move(trigger, scope.path, (*scope.path, *machine.split(arrow.source)), dest, arrow)


# The whole machine


def _on_the_whole(machine: TheirMachine, moves: list[_Move]) -> Iterator[Note]:
    if machine.auto_transitions:
        yield Note(
            "auto_transitions",
            "auto_transitions",
            "to_<state>() leads from every state to every other there; here only what is written does.",
            "Add a command for each jump that is meant.",
        )
    if all(node.ignores for node in machine.root.walk() if node.path):
        answer = "False is answered there; here the command is answered 'ignored'."
    else:
        answer = "MachineError is raised there; here the command is refused as 'not_accepted'."
    yield Note("", "invalid_trigger", f"A trigger that the state does not take: {answer}")
    if any(move.arrow.conditions or move.arrow.unless for move in moves):
        message = (
            "Where no condition holds, False is answered there; here the command is refused 'not_accepted'."
        )
        yield Note(
            "", "false_condition", message, "Use ignore: true as a last candidate where that is meant."
        )
    given = "EventData" if machine.send_event else "what the trigger is called with"
    message = (
        f"Callbacks get {given} there; here expressions read data, and a command takes what it declares."
    )
    yield Note(
        "send_event" if machine.send_event else "", "arguments", message, "Write the data of each command."
    )
    for place, word in machine.leftover:
        yield Note(
            place, "not_carried", f"{word!r} has no place in a chart: it is left out.", _HINTS.get(word, "")
        )


_HINTS = {
    "prepare_event": "Conditions are expressions here: they need nothing prepared.",
    "finalize_event": "Each step announces an event when it is committed.",
    "on_exception": "An error refuses the command and changes nothing.",
    "model": "An instance is a model: its key is its name.",
    "models": "An instance is a model: its key is its name.",
    "* to =": "Inside a state it names no state of it there, so it is never taken: name the sources.",
    "retries": "Count in the context, and guard by the count.",
}


# Callbacks


def _callbacks(machine: TheirMachine, moves: list[_Move]) -> Iterator[Note]:
    nodes = [node for node in machine.root.walk() if node.path]
    if machine.before or machine.after or any(move.arrow.before or move.arrow.after for move in moves):
        yield Note(
            "",
            "callback_order",
            "'before' runs before the states are left there and 'after' when the others have been entered; here "
            "both are the transition's actions, between exit and entry.",
        )
    for move in moves:
        if move.arrow.prepare:
            message = "'prepare' runs there even where no condition holds; here nothing does: it is left out."
            yield Note(f"{move.arrow.place}.prepare", "not_carried", message, _HINTS["prepare_event"])
    node = machine.root
    for key in machine.initial:
        node = node.children[key]
        if node.on_enter:
            message = "A new model is put into its state without on_enter there; here the state is entered."
            yield Note(f"{node.place}.on_enter", "initial_entry", message)
    triggers = {move.trigger for move in moves}
    if machine.auto_transitions:
        triggers |= {f"to_{machine.separator.join(node.path)}" for node in nodes}
    for place, names in _all_callbacks(machine, nodes, moves):
        for name in names:
            if name in triggers:
                yield _nested_trigger(machine, place, name)
    if any(
        node.is_parallel and any(child.on_enter or child.on_exit for child in node.walk()) for node in nodes
    ):
        message = "Parallel states are entered level by level there; here each region to its end, in order."
        yield Note("", "entry_order", message)


def _nested_trigger(machine: TheirMachine, place: str, name: str) -> Note:
    if machine.queued:
        message = f"{name!r} is queued there and runs in a step of its own; here it belongs to the same step."
        return Note(place, "queued_trigger", message, "Where it fails, here the whole command is refused.")
    message = (
        f"{name!r} is triggered in the middle of the transition there, before its other callbacks and state changes "
        "are done; here it is taken when the transition has ended."
    )
    return Note(place, "nested_trigger", message, "queued=True comes near to that there.")


def _all_callbacks(
    machine: TheirMachine, nodes: list[Node], moves: list[_Move]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "before_state_change", machine.before
    yield "after_state_change", machine.after
    yield "on_final", machine.on_final
    for node in nodes:
        yield f"{node.place}.on_enter", node.on_enter
        yield f"{node.place}.on_exit", node.on_exit
        yield f"{node.place}.on_final", node.on_final
    seen = set()
    for move in moves:
        if move.arrow.place not in seen:
            seen.add(move.arrow.place)
            yield f"{move.arrow.place}.before", move.arrow.before
            yield f"{move.arrow.place}.after", move.arrow.after


# States


def _states(machine: TheirMachine) -> Iterator[Note]:
    for node in machine.root.walk():
        if not node.path:
            continue
        if node.timeout:
            yield Note(
                f"{node.place}.timeout",
                "timeout",
                "A timeout is a thread there: it ends with the process, and changes of state race with it; here it is "
                "a durable timer.",
            )
        if node.children and not node.initial:
            yield Note(
                node.place,
                "no_initial",
                "The state can be active by itself there; here a state in it, 'itself', stands for that.",
                "Give it an initial state if it is never meant to be active alone.",
            )
        if node.final:
            yield from _final(machine, node)


def _final(machine: TheirMachine, node: Node) -> Iterator[Note]:
    leaving = []
    for end in range(len(node.path)):
        scope = machine.at(node.path[:end])
        name = machine.separator.join(node.path[end:])
        if scope is not None:
            leaving += [arrow for rows in scope.arrows.values() for arrow in rows.get(name, ())]
    if node.children:
        message = "A final state holds no states here: it is not final."
        yield Note(f"{node.place}.final", "final_with_states", message)
    elif any(not arrow.is_spread for arrow in leaving):
        message = "A final state can be left there; here it is no final state, because transitions leave it."
        yield Note(f"{node.place}.final", "not_final", message, "Remove these transitions, or 'final'.")
    elif leaving:
        message = "'*' leads out of final states too there; here nothing leaves them."
        yield Note(f"{node.place}.final", "final_is_left", message, "Remove 'final' if it is to be left.")
    elif len(node.path) == 1:
        message = "A machine goes on in a final state there; here the instance is done and takes no command."
        yield Note(f"{node.place}.final", "final_ends", message)


# Nested states


def _nested(machine: TheirMachine, moves: list[_Move]) -> Iterator[Note]:
    told: set[tuple[str, str]] = set()
    for note in (*_regions(machine, moves), *_scopes(machine, moves)):
        if (note.place, note.code) not in told:
            told.add((note.place, note.code))
            yield note


def _regions(machine: TheirMachine, moves: list[_Move]) -> Iterator[Note]:
    parallel = {node.path for node in machine.root.walk() if node.is_parallel}
    for move in moves:
        if move.dest is None:
            continue
        name = machine.separator.join(move.dest)
        if move.domain in parallel:
            message = (
                f"Only the region of {name!r} is left and entered there; here all regions of the parallel state are "
                "put back to their start."
            )
            yield Note(move.arrow.place, "resets_regions", message, "Let the transition begin in its region.")
        for end in range(len(move.domain), len(move.dest)):
            if move.dest[:end] in parallel and end >= len(move.domain) + (move.domain in parallel):
                message = f"Only {name!r} is entered there, without the other regions; here all regions are."
                yield Note(move.arrow.place, "partial_entry", message)
                break
        if move.domain == move.source and len(move.dest) >= len(move.source) + 2:
            message = (
                f"What is active above {name!r} already stays so there; here it is left and entered, with its "
                "callbacks and timers."
            )
            yield Note(move.arrow.place, "common_ancestor", message)
    for end in range(1, len(machine.initial)):
        if machine.initial[:end] in parallel:
            message = "The machine begins in one region there, without the others; here in all regions."
            yield Note("initial", "partial_entry", message)
    for path in sorted(parallel):
        yield from _conflicts(path, moves)


def _conflicts(path: Path, moves: list[_Move]) -> Iterator[Note]:
    by_trigger: dict[str, list[_Move]] = {}
    for move in moves:
        if move.source[: len(path)] == path and len(move.source) > len(path):
            by_trigger.setdefault(move.trigger, []).append(move)
    depth = len(path) + 1
    for rows in by_trigger.values():
        if len({move.source[:depth] for move in rows}) < 2:
            continue
        for move in rows:
            if move.dest is not None and len(move.domain) < depth:
                message = (
                    "It leaves its region, and another region has a transition for the same trigger, which is taken "
                    "all the same there, in states that are not active any more; here the first one wins."
                )
                yield Note(move.arrow.place, "parallel_conflict", message, "Give it a trigger of its own.")


def _scopes(machine: TheirMachine, moves: list[_Move]) -> Iterator[Note]:
    parallel = [node.path for node in machine.root.walk() if node.is_parallel]
    by_trigger: dict[str, list[_Move]] = {}
    for move in moves:
        by_trigger.setdefault(move.trigger, []).append(move)
        if move.scope in parallel:
            message = (
                "A transition that stands in a parallel state is tried once for each region there; here once."
            )
            yield Note(move.arrow.place, "double_dispatch", message, "Put it beside the parallel state.")
        inside = move.dest[len(move.scope) :] if move.dest and move.scope else ()
        if len(inside) > 1 and inside[0] == move.scope[0]:
            message = f"{inside[0][:64]!r} is taken for the state of that name at the top there."
            yield Note(move.arrow.place, "same_name", message, "Give the two states different names.")
    for rows in by_trigger.values():
        scopes = {move.scope for move in rows}
        for move in rows if len(scopes) > 1 else ():
            if any(_differ(move, other, parallel) for other in rows):
                message = (
                    "Transitions that stand in a state are tried before those around it there, also where these begin "
                    "further inside; here the innermost source comes first."
                )
                yield Note(move.arrow.place, "scope_order", message, "Put them into one list.")


def _differ(outer: _Move, inner: _Move, parallel: list[Path]) -> bool:
    """Whether an outer transition may be taken in the inner one's place, or beside it."""
    if outer.scope == inner.scope or inner.scope[: len(outer.scope)] != outer.scope:
        return False
    if any(_common(path, inner.scope) in (path, inner.scope) for path in parallel):
        return True
    return len(outer.source) > len(inner.source) and outer.source[: len(inner.source)] == inner.source


def _common(first: Path, second: Path) -> Path:
    shared = 0
    while shared < min(len(first), len(second)) and first[shared] == second[shared]:
        shared += 1
    return first[:shared]
