"""What a chart's expressions compare with what: where `exploration` takes the values from that it tries. Pure.

A *path* is what an expression reads, by its parts: ``("data", "agent")``, ``("context", "legs")``,
``("actor", "kind")``. What stands with a path in one comparison or call is *related* to it: of
``data.agent == context.assignee``, the assignee is a value worth trying as an agent.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from interlock.engine.chart import Action, Assign, Chart, Raise, Send, TransitionDef
from interlock.engine.expressions import Expression

Path = tuple[str, ...]
ROOTS = ("context", "data", "actor")
_CONSTANTS = {"true": True, "false": False, "null": None, "True": True, "False": False, "None": None}
_TYPE_WORDS = frozenset({"type", "description", "title", "default", "examples", "public"})


@dataclass(slots=True)
class Related:
    """What stands beside a path: ``literals``, other ``paths``; ``timed``: the time now; ``measured``: a ``len``."""

    literals: list[Any] = field(default_factory=list)
    paths: set[Path] = field(default_factory=set)
    timed: bool = False
    measured: bool = False

    def take_in(self, other: Related) -> None:
        self.literals += [each for each in other.literals if not _is_among(each, self.literals)]
        self.paths |= other.paths
        self.timed = self.timed or other.timed
        self.measured = self.measured or other.measured


Relations = dict[Path, Related]
"""Every path that is read, with what is related to it."""


def relations(expressions: Iterable[Expression]) -> Relations:
    """What these expressions read, and what stands beside it."""
    found: Relations = {}
    for expression in expressions:
        tree = _tree(expression)
        for path in _paths(tree):
            found.setdefault(path, Related())
        for group in _groups(tree):
            related = Related(
                list(_literals(group)), set(_paths(group)), _names_now(group), _measures_length(group)
            )
            for path in related.paths:
                found[path].take_in(related)
    return found


def conditions(chart: Chart) -> Iterator[Expression]:
    """What decides where an instance goes, or whether it goes at all: guards, requirements, delays, sends."""
    for command in chart.commands.values():
        yield from (row.check for row in command.require)
    for state in chart.states.values():
        for transition in (*state.on, *state.always, *state.after):
            yield from conditions_of(transition)
        for invoke in state.invoke:
            yield from invoke.input.values()
        for action in state.standing:
            yield from _sent(action)


def conditions_of(transition: TransitionDef) -> Iterator[Expression]:
    """The guard, the requirements, the delay and what the actions send."""
    if transition.guard:
        yield transition.guard
    yield from (row.check for row in transition.require)
    if transition.delay and transition.delay.expression:
        yield transition.delay.expression
    for action in transition.actions:
        yield from _sent(action)


def _sent(action: Action) -> Iterator[Expression]:
    if isinstance(action, Send):
        yield action.key
        yield from action.data.values()
    if isinstance(action, Raise | Send) and action.delay and action.delay.expression:
        yield action.delay.expression


def assignments(actions: Iterable[Action]) -> Iterator[tuple[str, Expression]]:
    """Each context field that these actions set, with its expression."""
    for action in actions:
        if isinstance(action, Assign):
            yield from action.fields.items()


def all_actions(chart: Chart) -> Iterator[Action]:
    """All actions of a chart, in document order."""
    for state in chart.states.values():
        yield from state.standing
        for transition in (*state.on, *state.always, *state.after):
            yield from transition.actions


def deciding_fields(chart: Chart) -> frozenset[str]:
    """The context fields on which it can depend what an instance does: the conditions read them, their own values
    are made of them, or an assignment to them can be refused. Two instances that differ in others only go alike."""
    sets = list(assignments(all_actions(chart)))
    found = {name for each in conditions(chart) for name in context_fields(each)}
    for name, expression in sets:
        schema = chart.context[name].schema
        if schema.keys() - _TYPE_WORDS and context_fields(expression):
            found.add(name)
        tree = _tree(expression)
        if any(isinstance(node, ast.BinOp) for node in ast.walk(tree)):
            found |= {each for each in context_fields(expression) if chart.context[each].default is None}
    while True:
        behind = {each for name, made in sets if name in found for each in context_fields(made)}
        if behind <= found:
            return frozenset(found)
        found |= behind


def context_fields(expression: Expression) -> set[str]:
    """The context fields that an expression reads."""
    return {name.split(".")[1] for name in expression.names if name.startswith("context.")}


def _tree(expression: Expression) -> ast.expr:
    return ast.parse(expression.source.strip(), mode="eval").body


def _groups(node: ast.AST) -> Iterator[ast.AST]:
    """The outermost comparisons, calls and look-ups by a value."""
    by_value = isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Constant)
    if isinstance(node, ast.Compare | ast.Call) or by_value:
        yield node
        return
    for child in ast.iter_child_nodes(node):
        yield from _groups(child)


def _paths(node: ast.AST) -> Iterator[Path]:
    path = _path(node)
    if path is not None:
        yield path
        return
    for child in ast.iter_child_nodes(node):
        yield from _paths(child)


def _path(node: ast.AST) -> Path | None:
    """``data.order.total`` and ``data['order']['total']`` alike; None for what is no path."""
    parts: list[str] = []
    while True:
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            if not isinstance(node.slice.value, str):
                parts.clear()  # an item of a list: the list is what is read
            else:
                parts.append(node.slice.value)
            node = node.value
        elif isinstance(node, ast.Name) and node.id in ROOTS and parts:
            return (node.id, *reversed(parts))
        else:
            return None


def _literals(node: ast.AST) -> Iterator[Any]:
    """The constants in it, and whole lists and objects of constants; not the keys of paths."""
    if _path(node) is not None:
        return
    known, value = _constant(node)
    if known:
        yield value
    for child in ast.iter_child_nodes(node):
        yield from _literals(child)


def _constant(node: ast.AST) -> tuple[bool, Any]:
    match node:
        case ast.Constant(value=value):
            return True, value
        case ast.Name(id=name) if name in _CONSTANTS:
            return True, _CONSTANTS[name]
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=value)) if type(value) in (int, float):
            return True, -value  # type: ignore[operator]  # a number, as just seen
        case ast.List(elts=items):
            found = [_constant(item) for item in items]
            return all(known for known, _ in found), [value for _, value in found]
    return False, None


def _names_now(node: ast.AST) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "now" for each in ast.walk(node))


def _measures_length(node: ast.AST) -> bool:
    return any(
        isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id == "len"
        for each in ast.walk(node)
    )


def _is_among(value: Any, values: Iterable[Any]) -> bool:
    """Whether it is one of them; true is not 1."""
    return any(type(each) is type(value) and each == value for each in values)
