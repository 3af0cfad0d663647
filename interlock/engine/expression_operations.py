"""What the operators of expressions do with JSON values: as in Python, less what surprises or explodes."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.engine.expression_functions import EvaluationError, bounded, kind_of

Operation = Callable[[Any, Any], Any]
Run = Callable[[Any], Any]
ORDERED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


@dataclass(frozen=True, slots=True)
class Rule:
    """An arithmetic operator: its sign, the kinds that it takes on both sides, what it does."""

    sign: str
    kinds: tuple[str, ...]
    run: Operation


def _arithmetic(sign: str, act: Operation, kinds: tuple[str, ...] = ("number",)) -> Rule:
    def run(left: Any, right: Any) -> Any:
        # Integers, which every operator takes, are most of what charts reckon with.
        if not type(left) is int is type(right):
            kind = kind_of(left)
            if kind != kind_of(right) or kind not in kinds:
                raise EvaluationError(f"cannot write {kind} {sign} {kind_of(right)}")
        try:
            return bounded(act(left, right))
        except ZeroDivisionError:
            raise EvaluationError(f"{sign} by zero") from None
        except OverflowError:
            raise EvaluationError("a number that is not finite") from None

    return Rule(sign, kinds, run)


ARITHMETIC: Mapping[type[ast.operator], Rule] = {
    ast.Add: _arithmetic("+", operator.add, ("number", "string", "array")),
    ast.Sub: _arithmetic("-", operator.sub),
    ast.Mult: _arithmetic("*", operator.mul),
    ast.Div: _arithmetic("/", operator.truediv),
    ast.FloorDiv: _arithmetic("//", operator.floordiv),
    ast.Mod: _arithmetic("%", operator.mod),
}


def negative(value: Any) -> Any:
    """``-value``. Raises EvaluationError for what is no number."""
    if kind_of(value) != "number":
        raise EvaluationError(f"cannot negate {kind_of(value)}")
    return -value


def _ordering(compare: Operation) -> Operation:
    def run(left: Any, right: Any) -> Any:
        if type(left) is int is type(right):
            return compare(left, right)
        kind = kind_of(left)
        if kind != kind_of(right) or kind not in ("number", "string", "array"):
            raise EvaluationError(f"cannot order {kind} and {kind_of(right)}")
        try:
            return compare(left, right)
        except TypeError:
            raise EvaluationError("cannot order the items of two lists") from None

    return run


def _contained(item: Any, container: Any) -> bool:
    kind = kind_of(container)
    if kind == "array":
        return item in container
    if kind not in ("string", "object"):
        raise EvaluationError(f"a {kind} has nothing in it")
    if kind_of(item) != "string":
        raise EvaluationError(f"a {kind_of(item)} is never in a {kind}")
    return item in container


COMPARISONS: Mapping[type[ast.cmpop], Operation] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: _ordering(operator.lt),
    ast.LtE: _ordering(operator.le),
    ast.Gt: _ordering(operator.gt),
    ast.GtE: _ordering(operator.ge),
    ast.In: _contained,
    ast.NotIn: lambda item, container: not _contained(item, container),
}


def lookup(container: Any, key: Any) -> Any:
    """``container[key]``: null where a null or an object has no such key.

    Raises EvaluationError beyond a list's or a string's end, and for what has no items.
    """
    if container is None:
        return None
    if isinstance(container, Mapping):
        if not isinstance(key, str):
            raise EvaluationError(f"an object is read by a string, found {kind_of(key)}")
        return container.get(key)
    if kind_of(container) not in ("array", "string"):
        raise EvaluationError(f"a {kind_of(container)} has no items")
    if type(key) is not int:
        raise EvaluationError(f"a {kind_of(container)} is read by an integer, found {kind_of(key)}")
    try:
        return container[key]
    except IndexError:
        raise EvaluationError("beyond the end; get(list, index, default) answers null there") from None


def both(first: Run, second: Run) -> Run:
    """``first and second``."""
    return lambda scope: first(scope) and second(scope)


def either(first: Run, second: Run) -> Run:
    """``first or second``."""
    return lambda scope: first(scope) or second(scope)


def comparison(compare: Operation, left: Run, right: Run) -> Run:
    """``left < right`` and its like."""
    return lambda scope: compare(left(scope), right(scope))


def chain(operands: Sequence[Run], compares: Sequence[Operation]) -> Run:
    """``a < b < c``: each operand is computed once, and none after a comparison that fails."""
    first, rest = operands[0], tuple(zip(compares, operands[1:], strict=True))

    def run(scope: Any) -> bool:
        left = first(scope)
        for compare, operand in rest:
            right = operand(scope)
            if not compare(left, right):
                return False
            left = right
        return True

    return run


def called(name: str, function: Callable[..., Any], runs: tuple[Run, ...], check: Run | None) -> Run:
    """A call whose result is checked (by `bounded` where None); a failure tells the function, no values."""
    checked = check or bounded

    def run(scope: Any) -> Any:
        arguments = [argument(scope) for argument in runs]
        try:
            return checked(function(*arguments))
        except EvaluationError:
            raise
        except Exception as error:
            raise EvaluationError(f"{name}: {type(error).__name__}") from None

    return run
