"""Cells that several tables share: guards, refusals, outcomes, what follows. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from interlock.engine.chart import Raise, Requirement, TransitionDef
from tools.lifecycles.consequences import Consequences
from tools.lifecycles.markdown import code, codes, lines, prose


def state_cell(path: str) -> str:
    """Where a row stands; the root is any state."""
    return code(path) if path else "any state"


def guard_cell(transition: TransitionDef) -> str:
    """Its condition, which selects, and its requirements, which refuse; numbered as `refusal_cell`."""
    guard = f"if {code(transition.guard.source)}" if transition.guard else ""
    return lines((guard, *_numbered([check_words(row) for row in transition.require])))


def refusal_cell(rows: Iterable[Requirement]) -> str:
    """Class, code and message of each requirement."""
    return lines(_numbered([refusal_words(row.error_class, row.code, row.message) for row in rows]))


def check_words(row: Requirement) -> str:
    """A requirement's condition; one that never holds says so."""
    return "never" if row.check.source.strip() == "false" else code(row.check.source)


def refusal_words(error_class: str, name: str, message: str) -> str:
    """``guard_failed`` ``already_open``: It is open already."""
    return f"{code(error_class)} {code(name)}" + (f": {prose(message)}" if message else "")


def outcome_cell(transition: TransitionDef) -> str:
    """Where a transition leads, and what its chart says about it."""
    raised = [action.event for action in transition.actions if isinstance(action, Raise) and not action.delay]
    then = f", then {codes(raised)}" if raised else ""
    return lines((_outcome(transition) + then, prose(transition.description)))


def follow_cells(found: Consequences) -> tuple[str, str]:
    """Events, and commands to others; those that follow in some cases only in italics."""
    events = [*map(code, found.events), *(f"*{code(name)}*" for name in found.possible_events)]
    sends = [*map(code, found.sends), *(f"*{code(name)}*" for name in found.possible_sends)]
    return lines(events), lines(sends)


def _numbered(texts: Sequence[str]) -> list[str]:
    return [f"{number}. {text}" for number, text in enumerate(texts, 1)] if len(texts) > 1 else list(texts)


def _outcome(transition: TransitionDef) -> str:
    if transition.ignore:
        return "ignored"
    if transition.forbidden:
        return "not accepted"
    if not transition.targets:
        return "stays"
    again = ", anew" if transition.reenter else ""
    return (
        "to "
        + " and ".join(state_cell(path) if path else "its beginning" for path in transition.targets)
        + again
    )
