"""Parsed expressions to closures: one method for each kind of node that the language has, none for others."""

from __future__ import annotations

import ast
import inspect
import math
import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from interlock.engine.expression_functions import FUNCTIONS, MAX_INTEGER, in_state, json_value
from interlock.engine.expression_operations import (
    ARITHMETIC,
    COMPARISONS,
    ORDERED,
    both,
    called,
    chain,
    comparison,
    either,
    lookup,
    negative,
)
from interlock.engine.expression_shapes import ACTOR_SHAPES, ANY, SCOPE_SHAPES, Shape, shape_below, shape_of
from interlock.engine.spelling import did_you_mean

if TYPE_CHECKING:
    from interlock.engine.expressions import Scope

Run = Callable[["Scope"], Any]

_CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "null": None}
_ROOTS = ("context", "data", "actor", *SCOPE_SHAPES)
_NUMBER, _BOOLEAN, _STRING = frozenset({"number"}), frozenset({"boolean"}), frozenset({"string"})
_REFUSED: Mapping[type[ast.AST], tuple[str, str]] = {
    ast.Lambda: ("a lambda", ""),
    ast.JoinedStr: ("an f-string", "Join strings with + and str()."),
    ast.NamedExpr: ("an assignment", "Assign with an action."),
    ast.Slice: ("a slice", ""),
    ast.Starred: ("a star", ""),
    ast.Tuple: ("a tuple", "Write a list: [a, b]."),
    ast.Set: ("a set", "Write a list: [a, b]."),
    ast.Pow: ("**", ""),
    ast.Is: ("is", "Write ==."),
    ast.IsNot: ("is not", "Write !=."),
}


class Problem(Exception):
    """What is wrong at a node; `compile_expression` makes an ExpressionError of it."""

    def __init__(self, node: ast.expr, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.node, self.message, self.suggestion = node, message, suggestion


@dataclass(frozen=True, slots=True)
class Part:
    """A compiled node: what runs, and what is known of its value."""

    run: Run
    shape: Shape = ANY


class Compiler:
    """Compiles one expression. ``names`` collects all that it reads."""

    def __init__(
        self,
        source: bytes,
        context: Mapping[str, Mapping[str, Any]],
        data: Mapping[str, Mapping[str, Any]] | None,
        functions: Mapping[str, Callable[..., Any]],
        states: Collection[str] | None,
    ) -> None:
        self._lines = source.split(b"\n")
        self._context, self._data, self._functions, self._states = context, data, functions, states
        self.names: set[str] = set()
        self._methods: Mapping[type[ast.AST], Callable[[Any], Part]] = {
            ast.Constant: self._constant,
            ast.Name: self._name,
            ast.Attribute: self._attribute,
            ast.Subscript: self._subscript,
            ast.List: self._list,
            ast.Dict: self._dict,
            ast.BoolOp: self._bool_op,
            ast.UnaryOp: self._unary,
            ast.BinOp: self._binary,
            ast.Compare: self._compare,
            ast.IfExp: self._conditional,
            ast.Call: self._call,
        }

    def part(self, node: ast.expr) -> Part:
        """The compiled node. Raises Problem."""
        method = self._methods.get(type(node))
        if method is None:
            raise self._refused(node, node)
        return method(node)

    def _refused(self, node: ast.expr, what: ast.AST) -> Problem:
        name, hint = _REFUSED.get(type(what), (type(what).__name__, ""))
        return Problem(node, f"{name} has no place in an expression", hint)

    def _check_spelling(self, node: ast.expr, word: str) -> None:
        # Python folds look-alike letters: 'ｄata' would be read as 'data', unseen by who reviews the chart.
        line = self._lines[(node.end_lineno or 1) - 1][: node.end_col_offset]
        if not line.endswith(word.encode()) or word.startswith("__"):
            raise Problem(node, f"{word!r} is no name here", "Names are plain, without leading '__'.")

    def _constant(self, node: ast.Constant) -> Part:
        value = node.value
        if isinstance(value, (bytes, complex)) or value is ...:
            raise Problem(node, f"a {type(value).__name__} has no place in an expression")
        if isinstance(value, int) and not isinstance(value, bool) and value > MAX_INTEGER:
            raise Problem(node, "an integer beyond 64 bits")
        if (
            isinstance(value, str)
            and not value.isprintable()
            and any("\ud800" <= c <= "\udfff" for c in value)
        ):
            raise Problem(node, "half a surrogate pair is no character")
        if isinstance(value, float) and not math.isfinite(value):
            raise Problem(node, "a number that is not finite")
        return _fixed(value)

    def _name(self, node: ast.Name) -> Part:
        word = node.id
        self._check_spelling(node, word)
        if word in _CONSTANTS:
            return _fixed(_CONSTANTS[word])
        if word in SCOPE_SHAPES:
            self.names.add(word)
            return Part(operator.attrgetter(word), SCOPE_SHAPES[word])
        if word in ("context", "data", "actor"):
            raise Problem(node, f"{word} alone is no value", f"Name a field: {word}.<field>.")
        if word in FUNCTIONS or word in self._functions:
            raise Problem(node, f"{word} is a function", f"Call it: {word}(...).")
        raise Problem(node, f"unknown name {word!r}", self._hint(word))

    def _hint(self, word: str) -> str:
        fields = {name: f"context.{name}" for name in self._context}
        fields |= {name: f"data.{name}" for name in self._data or ()}
        if word in fields:
            return f"Did you mean {fields[word]!r}?"
        return did_you_mean(word, [*_ROOTS, *_CONSTANTS, *fields.values()])

    def _attribute(self, node: ast.Attribute) -> Part:
        self._check_spelling(node, node.attr)
        return self._field(node, node.value, node.attr)

    def _field(self, node: ast.expr, above: ast.expr, field: str) -> Part:
        """``above.field`` or ``above['field']``."""
        if isinstance(above, ast.Name) and above.id in ("context", "data", "actor"):
            self._check_spelling(above, above.id)
            return self._declared(node, above.id, field)
        part = self.part(above)
        shape, message, suggestion = shape_below(part.shape, field)
        if message:
            raise Problem(node, message, suggestion)
        run = part.run
        return Part(lambda scope: lookup(run(scope), field), shape)

    def _declared(self, node: ast.expr, root: str, field: str) -> Part:
        name = f"{root}.{field}"
        if root == "actor":
            if field not in ACTOR_SHAPES:
                raise Problem(node, f"an actor has no {field!r}", did_you_mean(field, ACTOR_SHAPES))
            self.names.add(name)
            return Part(lambda scope: scope.actor[field], ACTOR_SHAPES[field])
        declared = self._context if root == "context" else self._data
        if declared is None:
            raise Problem(node, f"there is no data here: {name}", "Only a command's transition has data.")
        if field not in declared:
            raise Problem(node, f"{name} is not declared", did_you_mean(field, declared))
        self.names.add(name)
        shape = shape_of(declared[field], name)
        if root == "context":
            return Part(lambda scope: scope.context.get(field), shape)
        return Part(lambda scope: scope.data.get(field), shape)

    def _subscript(self, node: ast.Subscript) -> Part:
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            return self._field(node, node.value, node.slice.value)
        container, index = self.part(node.value), self.part(node.slice)
        if not container.shape.may_be("array", "object", "string"):
            raise Problem(node, f"{container.shape} has no items")
        run, at = container.run, index.run
        return Part(lambda scope: lookup(run(scope), at(scope)))

    def _list(self, node: ast.List) -> Part:
        runs = self._runs(node.elts)
        return Part(lambda scope: [run(scope) for run in runs], Shape(frozenset({"array"})))

    def _dict(self, node: ast.Dict) -> Part:
        keys: list[str] = []
        for each in node.keys:
            if not isinstance(each, ast.Constant) or not isinstance(each.value, str):
                raise Problem(each or node, "an object's keys are literal strings")
            keys.append(each.value)
        rows = tuple(zip(keys, self._runs(node.values), strict=True))
        return Part(lambda scope: {key: run(scope) for key, run in rows}, Shape(frozenset({"object"})))

    def _runs(self, nodes: Sequence[ast.expr]) -> tuple[Run, ...]:
        return tuple(self.part(node).run for node in nodes)

    def _bool_op(self, node: ast.BoolOp) -> Part:
        first, *others = self._runs(node.values)
        for other in others:
            first = both(first, other) if isinstance(node.op, ast.And) else either(first, other)
        return Part(first)

    def _unary(self, node: ast.UnaryOp) -> Part:
        part = self.part(node.operand)
        run = part.run
        if isinstance(node.op, ast.Not):
            return Part(lambda scope: not run(scope), Shape(_BOOLEAN))
        if not isinstance(node.op, ast.USub):
            raise self._refused(node, node.op)
        if not part.shape.may_be("number"):
            raise Problem(node, f"cannot negate {part.shape}")
        return Part(lambda scope: negative(run(scope)), Shape(_NUMBER))

    def _binary(self, node: ast.BinOp) -> Part:
        left, right = self.part(node.left), self.part(node.right)
        rule = ARITHMETIC.get(type(node.op))
        if rule is None:
            raise self._refused(node, node.op)
        if not any(left.shape.may_be(kind) and right.shape.may_be(kind) for kind in rule.kinds):
            raise Problem(node, f"cannot write {left.shape} {rule.sign} {right.shape}")
        run, a, b = rule.run, left.run, right.run
        kinds = frozenset(k for k in rule.kinds if left.shape.may_be(k) and right.shape.may_be(k))
        return Part(lambda scope: run(a(scope), b(scope)), Shape(kinds))

    def _compare(self, node: ast.Compare) -> Part:
        parts = [self.part(each) for each in (node.left, *node.comparators)]
        runs: list[Run] = []
        for left, op, right, at in zip(parts, node.ops, parts[1:], node.comparators, strict=False):
            if type(op) not in COMPARISONS:
                raise self._refused(node, op)
            self._check_comparison(at, left.shape, op, right.shape)
            runs.append(comparison(COMPARISONS[type(op)], left.run, right.run))
        if len(runs) == 1:
            return Part(runs[0], Shape(_BOOLEAN))
        return Part(
            chain([part.run for part in parts], [COMPARISONS[type(op)] for op in node.ops]), Shape(_BOOLEAN)
        )

    def _check_comparison(self, node: ast.expr, left: Shape, op: ast.cmpop, right: Shape) -> None:
        if isinstance(op, ORDERED):
            if not any(left.may_be(kind) and right.may_be(kind) for kind in ("number", "string", "array")):
                raise Problem(node, f"cannot order {left} and {right}")
        elif isinstance(op, (ast.In, ast.NotIn)):
            if not right.may_be("array", "string", "object"):
                raise Problem(node, f"{right} has nothing in it")
            self._check_literals(node, left)
        else:
            self._check_literals(node, left)
            if node.__class__ is not ast.Constant and right.values and left.values and not left.name:
                self._check_values(node, left.values, right)

    def _check_literals(self, node: ast.expr, left: Shape) -> None:
        if left.name:
            for each in node.elts if isinstance(node, ast.List) else [node]:
                if isinstance(each, ast.Constant) and isinstance(each.value, str):
                    self._check_values(each, frozenset({each.value}), left)

    def _check_values(self, node: ast.expr, written: frozenset[str], shape: Shape) -> None:
        for word in sorted(written):
            if shape.values is not None and word not in shape.values:
                raise Problem(node, f"{shape.name} is never {word[:64]!r}", did_you_mean(word, shape.values))

    def _conditional(self, node: ast.IfExp) -> Part:
        test, then, other = self._runs([node.test, node.body, node.orelse])
        return Part(lambda scope: then(scope) if test(scope) else other(scope))

    def _call(self, node: ast.Call) -> Part:
        if not isinstance(node.func, ast.Name):
            raise Problem(
                node, "only a function can be called, by its name", "Write lower(x), not x.lower()."
            )
        name = node.func.id
        self._check_spelling(node.func, name)
        function = FUNCTIONS.get(name) or self._functions.get(name)
        if function is None:
            known = [*FUNCTIONS, *self._functions]
            raise Problem(node, f"unknown function {name!r}", did_you_mean(name, known))
        if node.keywords:
            raise Problem(node, f"{name} takes its arguments by position")
        if function is in_state:
            return self._in_state(node)
        runs = self._runs(node.args)
        _check_arity(node, name, function, len(runs))
        return Part(called(name, function, runs, None if name in FUNCTIONS else json_value))

    def _in_state(self, node: ast.Call) -> Part:
        path = node.args[0].value if len(node.args) == 1 and isinstance(node.args[0], ast.Constant) else None
        if not isinstance(path, str):
            raise Problem(node, "in_state takes one literal path", "Write in_state('open.assigned').")
        if self._states is not None and path not in self._states:
            raise Problem(node.args[0], f"unknown state {path[:64]!r}", did_you_mean(path, self._states))
        self.names.add(f"in_state:{path}")
        return Part(lambda scope: path in scope.states, Shape(_BOOLEAN))


def _fixed(value: Any) -> Part:
    if value is None:
        return Part(lambda _: None, Shape(frozenset()))
    if isinstance(value, str):
        return Part(lambda _: value, Shape(_STRING, frozenset({value})))
    return Part(lambda _: value, Shape(_BOOLEAN if isinstance(value, bool) else _NUMBER))


def _check_arity(node: ast.expr, name: str, function: Callable[..., Any], given: int) -> None:
    try:
        inspect.signature(function).bind(*range(given))
    except TypeError as error:
        raise Problem(node, f"{name} does not take {given} arguments: {error}") from None
    except ValueError:  # a function written in C that tells no signature
        return
