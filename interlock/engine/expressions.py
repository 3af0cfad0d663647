"""The one small language of charts: a whitelisted subset of Python's expression syntax.

A text is parsed with `ast` and compiled to closures; nothing is ever handed to Python's evaluator. Names
are checked against the declared context and data when the chart is loaded. ``context.x.y`` and
``context.x['y']`` look a key up in JSON, never an attribute of an object; what is missing is null.

Literals (``true``, ``false``, ``null`` too), lists, objects, ``context.x``, ``data.x``, ``actor.id``,
``actor.kind``, ``actor.permissions``, ``now``, ``key``, ``version``, ``command``; ``and or not``, chained
comparisons, ``in``, ``+ - * / // %``, ``a if b else c``, ``x[y]``, and calls of `FUNCTIONS` or of functions
that the application has registered in code.
"""

from __future__ import annotations

import ast
import threading
import warnings
from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import orjson

from interlock.engine.errors import InterlockError
from interlock.engine.expression_compiler import Compiler, Problem, Run
from interlock.engine.expression_functions import FUNCTIONS, EvaluationError, measured

__all__ = [
    "FUNCTIONS",
    "AnyField",
    "EvaluationError",
    "Expression",
    "ExpressionError",
    "Scope",
    "compile_expression",
    "literal",
]

MAX_TEXT = 2_000
"""Characters of an expression."""
MAX_NODES = 300
MAX_DEPTH = 40
_PARSING = threading.Lock()
"""A gateway compiles charts in several threads: warnings are caught for all of them at once, and CPython's parser
counts its depth for all of them too."""


class ExpressionError(InterlockError):
    """A text is no expression of this language. Correct the chart.

    ``offset``: 0-based column of the fault in the text, in characters.
    """

    def __init__(self, message: str, offset: int = 0, suggestion: str = "") -> None:
        super().__init__(f"{message} {suggestion}".rstrip())
        self.message = message
        self.offset = offset
        self.suggestion = suggestion


@dataclass(slots=True)
class Scope:
    """What an expression sees. All values are JSON.

    ``actor``: ``id`` (string or None), ``kind``, ``permissions`` (list). ``now``: RFC 3339 in UTC with
    milliseconds (`messages.format_time`). ``command``: its name. ``states``: paths of all active states.
    """

    context: Mapping[str, Any]
    data: Mapping[str, Any]
    actor: Mapping[str, Any]
    now: str
    key: str
    version: int
    command: str
    states: frozenset[str]


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression. ``names``: all that it reads, ``context.priority``, ``now``, ``in_state:<path>``."""

    source: str
    names: frozenset[str]
    run: Run = field(repr=False, compare=False)

    def evaluate(self, scope: Scope) -> Any:
        """The value, a JSON value. Raises EvaluationError, never anything else."""
        try:
            return self.run(scope)
        except EvaluationError:
            raise
        except Exception as error:
            # Its text may quote a private value, so only its kind is told.
            raise EvaluationError(f"{type(error).__name__} while it ran") from None


class AnyField(dict[str, Mapping[str, Any]]):
    """Declarations of fields where every name is declared, of any type."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str)

    def __missing__(self, name: str) -> Mapping[str, Any]:
        return {}


def compile_expression(
    text: str,
    *,
    context: Mapping[str, Mapping[str, Any]],
    data: Mapping[str, Mapping[str, Any]] | None,
    functions: Mapping[str, Callable[..., Any]] | None = None,
    states: Collection[str] | None = None,
) -> Expression:
    """Compile a text.

    ``context``, ``data``: declared field name -> its JSON Schema; ``data`` None: this place has no data.
    ``functions``: the application's own, by name. ``states``: paths that ``in_state`` may name (None: any).
    Raises ExpressionError with the offset of the fault; ValueError where a function hides a built-in.
    """
    hidden = FUNCTIONS.keys() & (functions or {}).keys()
    if hidden:
        raise ValueError(
            f"{sorted(hidden)} are built-in functions of expressions: register under other names"
        )
    body = text.strip()
    skipped = len(text) - len(text.lstrip())
    tree = _parse(body, skipped)
    compiler = Compiler(body.encode(), context, data, functions or {}, states)
    try:
        part = compiler.part(tree)
    except Problem as problem:
        offset = skipped + _offset(body, problem.node.lineno, problem.node.col_offset)
        raise ExpressionError(problem.message, offset, problem.suggestion) from None
    run = part.run
    if part.shape.may_be("array", "object"):
        return Expression(text, frozenset(compiler.names), lambda scope: measured(run(scope)))
    return Expression(text, frozenset(compiler.names), run)


def literal(value: Any) -> Expression:
    """An expression that always gives this JSON value; its source is the value's JSON text."""
    source = orjson.dumps(value).decode()
    if isinstance(value, (list, dict)):
        # A context that held the chart's own list could change the chart.
        return Expression(source, frozenset(), lambda _: deepcopy(value))
    return Expression(source, frozenset(), lambda _: value)


def _parse(body: str, skipped: int) -> ast.expr:
    if not body:
        raise ExpressionError("an expression is empty", 0, "Write 'true' for what always holds.")
    if len(body) > MAX_TEXT:
        raise ExpressionError(
            f"an expression over {MAX_TEXT} characters", 0, "Split it, or register a function."
        )
    control = next((i for i, letter in enumerate(body) if letter < " " and letter not in "\n\t"), None)
    if control is not None:
        raise ExpressionError("a control character in an expression", skipped + control)
    try:
        with _PARSING, warnings.catch_warnings():
            # Python warns about such as '\d' or 1if: no chart needs them, and a warning would go unseen.
            warnings.simplefilter("error")
            tree = ast.parse(body, mode="eval").body
    except SyntaxError as error:
        offset = skipped + _line_start(body, error.lineno or 1) + max((error.offset or 1) - 1, 0)
        raise ExpressionError(f"not an expression: {error.msg}", min(offset, skipped + len(body))) from None
    except (ValueError, MemoryError, RecursionError):
        raise ExpressionError("not an expression: Python's parser gives up on it", skipped) from None
    _measure(tree, skipped)
    return tree


def _measure(tree: ast.expr, skipped: int) -> None:
    """Without recursion, because the tree may be as deep as the parser allows."""
    nodes = 0
    waiting: list[tuple[ast.AST, int]] = [(tree, 1)]
    while waiting:
        node, depth = waiting.pop()
        nodes += isinstance(node, ast.expr)
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            limit = f"{MAX_NODES} parts" if nodes > MAX_NODES else f"{MAX_DEPTH} levels of nesting"
            raise ExpressionError(f"an expression over {limit}", skipped, "Split it, or register a function.")
        waiting.extend((child, depth + 1) for child in ast.iter_child_nodes(node))


def _line_start(body: str, line: int) -> int:
    return sum(len(each) + 1 for each in body.split("\n")[: line - 1])


def _offset(body: str, line: int, column_bytes: int) -> int:
    """ast counts columns in UTF-8 bytes; people count characters."""
    return _line_start(body, line) + len(
        body.split("\n")[line - 1].encode()[:column_bytes].decode(errors="ignore")
    )
