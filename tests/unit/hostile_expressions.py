"""Measures in a process of its own what hostile texts cost: run as a module, prints JSON.

``{"seconds": processor time of the slowest, "megabytes": growth of the process over all of them, "accepted":
[texts]}``. The texts of `test_expressions` come first, then more ways to blow up, to reach out and to confuse.
Last, texts that load and blow up only while they run, when what they give is given to them again (`BOMBS`).
"""

from __future__ import annotations

import json
import resource
import time
from typing import Any

from interlock.engine.expressions import EvaluationError, ExpressionError, Scope, compile_expression
from interlock.engine.step import MICROSTEP_LIMIT
from tests.unit.test_expressions import HOSTILE

_POWERS = [
    *(
        "9**9**9",
        "9**9**9**9",
        "2**2**2**2**2",
        "pow(9, 9, 9)",
        "pow(9, 999999999)",
        "1<<999999999",
        "9 << 9",
    ),
    *("(9**9)**(9**9)", "10**100**100", "-9**99999999", "int('9' * 99999)**2", "[0]*(10**10)", "'a'*10**10"),
    *("'a' ** 2", "context.free ** 2", "1 @ 1", "~1", "1 ^ 1", "1 | 1", "1 & 1", "1 >> 1"),
]
_FORMATS = [
    *("'{}'.format(1)", "'{0.__class__}'.format(1)", "'%s' % ().__class__", "f'{1}'", "f'{context.free}'"),
    *("f'{9:9999999999}'", "'%9999999999d' % 1 .x", "'{:>9999999999}'.format(1)", "str.format('{}', 1)"),
    *(
        "'a'.join(['b'])",
        "''.encode()",
        "b'bytes'",
        "rb'x'",
        "u'x'.upper()",
        "'%c'.__mod__(1)",
        "format(1, '9')",
    ),
]
_LITERALS = [
    *("9" * 1_999, "9" * 5_000, "0x" + "f" * 1_900, "1e" + "9" * 500, "0." + "1" * 1_999, "1_0" * 900),
    *("1j", "9e999", "-9e999", "'" + "a" * 3_000 + "'", "'''" + "a" * 3_000 + "'''", "0b" + "1" * 1_900),
    *(
        "[" + "'a'," * 700 + "]",
        "{" + "'a':1," * 330 + "}",
        "{1,2,3}",
        "(1,2,3)",
        "...",
        "'\\ud800'",
        "'\\N{DEL}'.x",
    ),
]
_SYNTAX = [
    *(
        "[x for x in [1]]",
        "(x for x in [1])",
        "{x: x for x in [1]}",
        "{x for x in [1]}",
        "lambda x: x",
        "x := 1",
    ),
    *(
        "(x := 1)",
        "await x",
        "yield 1",
        "yield from []",
        "*context.free",
        "[*context.rows]",
        "{**context.free}",
    ),
    *(
        "print(*[1])",
        "len(x=1)",
        "max(*context.rows)",
        "context.rows[1:2]",
        "context.rows[::1]",
        "1 if 1",
        "if 1: 1",
    ),
    *(
        "import os",
        "x = 1",
        "del context",
        "pass",
        "raise 1",
        "assert 1",
        "return 1",
        "while 1: 1",
        "1; 2",
        "1\n2",
    ),
    *(
        "# 1",
        "`1`",
        "1 <> 2",
        "not",
        "and",
        "()",
        "",
        " ",
        "\n",
        "\\",
        "1 is 1",
        "1 is not 2",
        "$x",
        "@x",
        "x?",
    ),
]
_LETTERS = [
    *(
        "\uff44ata.agent",
        "context.\uff46ree",
        "\u212fval('1')",
        "con\u200btext.free",
        "\u202econtext.free",
        "\x00",
    ),
    *(
        "1\x001",
        "\x1b[31m1",
        "\ud800",
        "\ufeff1 +",
        "context\u3002free",
        "'\x00'",
        "１ +",
        "\u2028",
        "a\u0301",
    ),
]
_REACHES = [
    *(
        "globals()",
        "locals()",
        "vars()",
        "dir()",
        "type(1)",
        "object()",
        "id(1)",
        "input()",
        "breakpoint()",
        "help()",
    ),
    *(
        "compile('1', '', 'eval')",
        "memoryview(b'')",
        "super()",
        "setattr(1, 'a', 1)",
        "exit()",
        "quit()",
        "license()",
    ),
    *(
        "os.system('true')",
        "sys.exit()",
        "context()",
        "context.free()",
        "data.agent.upper()",
        "actor.kind.x.y()",
    ),
    *(
        "now.now",
        "key.key",
        "version.real",
        "version.bit_length()",
        "command.split()",
        "len.__self__",
        "len.x",
        "True()",
    ),
    *("context['__class__']", "context[context]", "data[data.agent]", "actor['kind'].x", "in_state", "get"),
]
_DEPTHS = [
    *(
        "(" * 10_000,
        ")" * 10_000,
        "[" * 5_000 + "]" * 5_000,
        "{" * 1_000,
        "'" * 1_999,
        '"' * 1_999,
        "-" * 10_000,
    ),
    *(
        "not " * 400 + "x",
        "1 if " * 300,
        "context.free[" * 90,
        "a." * 900 + "a",
        "1," * 999,
        "1 or " * 399 + "1",
    ),
]
TEXTS = [*HOSTILE, *_POWERS, *_FORMATS, *_LITERALS, *_SYNTAX, *_LETTERS, *_REACHES, *_DEPTHS]

BOMBS = [
    ("append(context.rows, context.rows)", "rows", [1]),
    ("[context.rows, context.rows]", "rows", [1]),
    ("context.rows + context.rows", "rows", ["a" * 1_000]),
    ("append(context.rows, {'a': context.rows, 'b': context.rows})", "rows", [1]),
    ("merge(context.customer, {'a': context.customer, 'b': context.customer})", "customer", {}),
    ("merge(context.customer, {'a': context.customer})", "customer", {}),
    ("unique([" + ", ".join(["context.rows"] * 120) + "])", "rows", ["a" * 1_000]),
    ("[str([" + ", ".join(["context.rows"] * 120) + "])]", "rows", ["a" * 10_000] * 90),
    ("context.free + context.free", "free", "ab"),
    ("upper(context.free) + lower(context.free)", "free", "ß"),
    ("str([context.free, context.free])", "free", "\\"),
    ("context.count * context.count", "count", 3),
    ("context.count * context.count + 0.5", "count", 3.5),
]
"""Text, the context field that it gives the next value of, and the first value."""

CONTEXT = {
    "free": {},
    "rows": {"type": "array"},
    "customer": {"type": "object"},
    "count": {"type": "integer"},
}
DATA = {"agent": {"type": "string"}}


def measure() -> dict[str, object]:
    accepted, slowest = [], 0.0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for text in TEXTS:
        started = time.process_time()
        try:
            compile_expression(text, context=CONTEXT, data=DATA)
        except ExpressionError:
            pass
        else:
            accepted.append(text)
        slowest = max(slowest, time.process_time() - started)
    for text, field, value in BOMBS:
        started = time.process_time()
        if not is_refused(text, field, value):
            accepted.append(text)
        slowest = max(slowest, time.process_time() - started)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "texts": len(set(TEXTS)),
        "bombs": len(BOMBS),
        "seconds": slowest,
        "megabytes": grown / 1024,
        "accepted": accepted,
    }


def is_refused(text: str, field: str, value: Any) -> bool:
    """Whether the text fails within so many rounds as a step may have."""
    expression = compile_expression(text, context=CONTEXT, data=DATA)
    for _ in range(MICROSTEP_LIMIT):
        scope = Scope({field: value}, {}, {}, "", "", 1, "", frozenset())
        try:
            value = expression.evaluate(scope)
        except EvaluationError:
            return True
    return False


if __name__ == "__main__":
    print(json.dumps(measure()))
