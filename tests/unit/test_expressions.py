"""The expression language: what it computes, what it refuses at load, what it refuses while it runs."""

import ast
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from interlock.engine.expressions import (
    FUNCTIONS,
    EvaluationError,
    ExpressionError,
    Scope,
    compile_expression,
    literal,
)

CONTEXT = {
    "priority": {"type": "integer"},
    "name": {"type": ["string", "null"]},
    "kind": {"type": "string", "enum": ["chat", "mail"]},
    "rows": {"type": "array"},
    "flag": {"type": "boolean"},
    "customer": {"type": "object", "properties": {"id": {"type": "string"}, "age": {"type": "integer"}}},
    "free": {"type": "object"},
    "any": {},
}
DATA = {"agent": {"type": "string"}, "count": {"type": "number"}, "text": {"type": "string"}}


def compiled(text, **more):
    return compile_expression(text, **{"context": CONTEXT, "data": DATA, **more})


def scope(**more):
    values = {
        "context": {
            "priority": 3,
            "name": None,
            "kind": "chat",
            "rows": [1, 2, 2],
            "flag": True,
            "customer": {"id": "C-1"},
            "free": {"a": {"b": 7}},
            "any": "secret-value",
        },
        "data": {"agent": "ann", "count": 2.5},
        "actor": {"id": "u1", "kind": "agent", "permissions": ["read:*"]},
        "now": "2026-11-22T10:00:00.000Z",
        "key": "T-1",
        "version": 4,
        "command": "assign",
        "states": frozenset({"open", "open.assigned"}),
    }
    return Scope(**{**values, **more})


def value_of(text, **more):
    return compiled(text, **more).evaluate(scope())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("7 // 2 + 7 % 2", 4),
        ("7 / 2", 3.5),
        ("-context.priority", -3),
        ("'a' + 'b'", "ab"),
        ("context.rows + [3]", [1, 2, 2, 3]),
        ("true and not false", True),
        ("True and not False", True),
        ("null == None", True),
        ("context.name", None),
        ("data.text", None),
        ("data['agent']", "ann"),
        ("data.agent != ''", True),
        ("1 < context.priority <= 3", True),
        ("3 < context.priority < 1 / 0", False),
        ("context.name or 'nobody'", "nobody"),
        ("context.name and 1 / 0", None),
        ("'x' if context.flag else 1 / 0", "x"),
        ("context.kind in ['chat', 'mail']", True),
        ("'read:*' in actor.permissions", True),
        ("'x' not in actor.permissions", True),
        ("'nn' in data.agent", True),
        ("'id' in context.customer", True),
        ("actor.kind == 'agent' and actor.id == 'u1'", True),
        ("context.customer.id", "C-1"),
        ("context.customer['age']", None),
        ("context.free.a.b", 7),
        ("context.free.x.y.z", None),
        ("context.rows[0]", 1),
        ("context.rows[-1]", 2),
        ("context.free[data.agent]", None),
        ("{'who': data.agent, 'n': [1]}", {"who": "ann", "n": [1]}),
        ("now", "2026-11-22T10:00:00.000Z"),
        ("[key, version, command]", ["T-1", 4, "assign"]),
        ("in_state('open.assigned')", True),
        ("in_state('closed')", False),
        ("'größer' + '\\n'", "größer\n"),
        ("  (1 +\n 2)  ", 3),
    ],
)
def test_an_expression_has_pythons_value(text, expected):
    assert value_of(text) == expected
    assert type(value_of(text)) is type(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("min(3, 1, 2)", 1),
        ("max(context.rows)", 2),
        ("max('a', 'b')", "b"),
        ("sum(context.rows)", 5),
        ("len('abc') + len(context.rows) + len(null) + len({'a': 1})", 7),
        ("abs(-2)", 2),
        ("round(2.5)", 2),
        ("round(2.345, 1)", 2.3),
        ("lower('AB') + upper('ab') + strip(' x ')", "abABx"),
        ("startswith('abc', 'ab')", True),
        ("startswith(context.name, 'ab')", False),
        ("endswith('abc', 'bc')", True),
        ("endswith(null, 'bc')", False),
        ("int('12') + int(2.9)", 14),
        ("float('1.5')", 1.5),
        ("str(3) + str(null) + str(true) + str('s')", "3nulltrues"),
        ("str({'b': 1, 'a': 2})", '{"a":2,"b":1}'),
        ("bool('')", False),
        ("coalesce(null, context.name, 5, 6)", 5),
        ("coalesce(null)", None),
        ("get(context.free, 'a')", {"b": 7}),
        ("get(context.rows, 9, 'none')", "none"),
        ("get(null, 'a', 1)", 1),
        ("append(context.rows, 4)", [1, 2, 2, 4]),
        ("append(null, 4)", [4]),
        ("without(context.rows, 2)", [1]),
        ("without(context.customer, 'id')", {}),
        ("merge(context.customer, {'age': 3}, null)", {"id": "C-1", "age": 3}),
        ("unique(context.rows + [[1], [1]])", [1, 2, [1]]),
        ("add_seconds(now, 90)", "2026-11-22T10:01:30.000Z"),
        ("add_seconds(now, -0.5)", "2026-11-22T09:59:59.500Z"),
        ("seconds_between(now, add_seconds(now, 60))", 60.0),
    ],
)
def test_a_function_computes_what_its_docstring_says(text, expected):
    assert value_of(text) == expected


def test_every_function_is_documented_by_how_it_is_written():
    for name, function in FUNCTIONS.items():
        assert function.__doc__.startswith(f"``{name}("), name


def test_no_function_changes_what_it_is_given():
    seen = scope()
    texts = ["append(context.rows, 9)", "without(context.rows, 2)", "merge(context.free, {'z': 1})"]
    for text in texts:
        compiled(text).evaluate(seen)
    assert seen.context == scope().context


def test_an_expression_tells_what_it_reads():
    names = compiled("data.agent != '' and context.priority > 1 and actor.kind == 'bot' or now == key").names
    assert names == {"data.agent", "context.priority", "actor.kind", "now", "key"}


def test_an_application_registers_functions_in_code():
    assert value_of("double(context.priority)", functions={"double": lambda n: n * 2}) == 6


def test_an_application_cannot_hide_a_builtin():
    with pytest.raises(ValueError, match="built-in"):
        compiled("len('')", functions={"len": lambda x: 1})


@pytest.mark.parametrize("made", [object(), {1: 2}, (1,), [object()], float("nan"), 2**64])
def test_what_an_application_makes_must_be_json(made):
    with pytest.raises(EvaluationError):
        value_of("make()", functions={"make": lambda: made})


@pytest.mark.parametrize("value", [None, True, 3, 2.5, "it's", [1, {"a": None}], {"k": [1]}])
def test_a_literal_is_its_value(value):
    assert literal(value).evaluate(scope()) == value
    assert literal(value).names == frozenset()


def test_a_literal_list_is_new_each_time():
    expression = literal([1])
    expression.evaluate(scope()).append(2)
    assert expression.evaluate(scope()) == [1]
    assert expression.source == "[1]"


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("context.priorty > 1", "context.priorty is not declared Did you mean 'priority'?", 0),
        ("1 + data.agnt", "data.agnt is not declared Did you mean 'agent'?", 4),
        ("'ü' + priority", "unknown name 'priority' Did you mean 'context.priority'?", 6),
        ("actor.role == 'x'", "an actor has no 'role' Known: id, kind, permissions.", 0),
        ("actor.kind == 'supervisr'", "actor.kind is never 'supervisr' Did you mean 'supervisor'?", 14),
        ("actor.kind in ['agent', 'bott']", "actor.kind is never 'bott' Did you mean 'bot'?", 24),
        ("context.kind == 'chad'", "context.kind is never 'chad' Did you mean 'chat'?", 16),
        ("'chad' == context.kind", "context.kind is never 'chad' Did you mean 'chat'?", 10),
        ("context.name < 3", "cannot order context.name (string) and number", 15),
        ("null < 3", "cannot order null and number", 7),
        ("context.name + 3", "cannot write context.name (string) + number", 0),
        ("'a' * 3", "cannot write string * number", 0),
        ("'%s' % 'x'", "cannot write string % string", 0),
        ("-'a'", "cannot negate string", 0),
        ("1 in 2", "number has nothing in it", 5),
        ("context.priority.x", "context.priority (number) has no fields", 0),
        ("context.customer.idd", "context.customer.idd is not declared Did you mean 'id'?", 0),
        ("context.rows['a']", "context.rows (array) has no fields", 0),
        ("context.flag + 1", "cannot write context.flag (boolean) + number", 0),
        ("context.priority[0]", "context.priority (number) has no items", 0),
        ("upper('a', 'b')", "upper does not take 2 arguments", 0),
        ("len()", "len does not take 0 arguments", 0),
        ("uper('a')", "unknown function 'uper' Did you mean 'upper'?", 0),
        ("round(1, digits=2)", "round takes its arguments by position", 0),
        ("data.agent.upper()", "only a function can be called, by its name", 0),
        ("context", "context alone is no value", 0),
        ("len", "len is a function Call it: len(...).", 0),
        ("context.name is None", "is has no place in an expression Write ==.", 0),
        ("in_state(data.agent)", "in_state takes one literal path", 0),
        ("in_state('opn')", "unknown state 'opn' Did you mean 'open'?", 9),
        ("(1 + 2", "not an expression", 0),
        ("  (1 +\n  nope)", "unknown name 'nope'", 9),
        ("", "an expression is empty", 0),
        ("   ", "an expression is empty", 0),
    ],
)
def test_a_mistake_is_found_at_load_with_its_place(text, message, offset):
    with pytest.raises(ExpressionError) as caught:
        compiled(text, states={"open", "closed"})
    assert str(caught.value).startswith(message)
    assert caught.value.offset == offset


def test_where_there_is_no_data_an_expression_cannot_read_any():
    with pytest.raises(ExpressionError, match="there is no data here"):
        compiled("data.agent", data=None)


@pytest.mark.parametrize(
    "text",
    [
        "context.any < 3",
        "context.name < 'a'",
        "context.any + 1",
        "1 / (context.priority - 3)",
        "1 % 0",
        "1 // 0",
        "1e308 * 10",
        "9223372036854775807 + 1",
        "9223372036854775807 * 9223372036854775807",
        "context.rows[3]",
        "get(context.rows, 0)['a']",
        "context.free['a'][1]",
        "context.free[1]",
        "-context.any",
        "'a' in context.name",
        "1 in context.any",
        "get(context.free, 'flag', true) + 1",
        "context.rows < ['a']",
        "min([])",
        "min(1, 'a')",
        "min(context.any)",
        "len(3)",
        "abs('a')",
        "round('a')",
        "round(1.5, 99)",
        "lower(null)",
        "int('x')",
        "int([])",
        "float('nan')",
        "float('1e999')",
        "append('a', 1)",
        "merge([])",
        "unique('a')",
        "without('a', 1)",
        "get('abc', 1)",
        "get(context.rows, 'a')",
        "sum(['a'])",
        "add_seconds('yesterday', 1)",
        "add_seconds(now, 1e300)",
        "add_seconds(now, 'a')",
        "seconds_between(now, null)",
        "str(unbounded())",
        "unbounded()",
        "broken()",
    ],
)
def test_a_failure_while_it_runs_is_an_evaluation_error_that_shows_no_value(text):
    def broken():
        raise KeyError("secret-value")

    functions = {"unbounded": lambda: "x" * 65_537, "broken": broken}
    with pytest.raises(EvaluationError) as caught:
        value_of(text, functions=functions)
    assert "secret" not in str(caught.value)


def test_a_string_or_list_made_at_run_time_is_bounded():
    large = {**scope().context, "any": "x" * 40_000, "rows": [0] * 6_000}
    for text in ("context.any + context.any", "context.rows + context.rows", "append(context.rows + [1], 2)"):
        expression = compiled(text)
        if text.startswith("append"):
            assert len(expression.evaluate(scope(context=large))) == 6_002
            continue
        with pytest.raises(EvaluationError, match="over"):
            expression.evaluate(scope(context=large))


def test_data_nested_too_deep_to_compare_is_an_evaluation_error():
    left, right = [], []
    for _ in range(100_000):
        left, right = [left], [right]
    with pytest.raises(EvaluationError, match="RecursionError"):
        compiled("context.any == data.agent").evaluate(scope(context={"any": left}, data={"agent": right}))


_TEMPLATES = [
    "{}",
    "context.{}",
    "context.free.{}",
    "data.{}",
    "actor.{}",
    "now.{}",
    "({}).x",
    "''.{}",
    "[].{}",
    "len({})",
    "{}()",
]
_DUNDERS = ["__class__", "__dict__", "__globals__", "__builtins__", "__import__", "__subclasses__", "__mro__"]
_SINGLE = [
    "__import__('os').system('true')",
    "eval('1')",
    "exec('1')",
    "open('/etc/passwd')",
    "getattr(context, 'x')",
    "().__class__.__bases__[0].__subclasses__()",
    "(lambda: 1)()",
    "lambda x: x",
    "[x for x in [1]]",
    "{x for x in [1]}",
    "{x: x for x in [1]}",
    "(x for x in [1])",
    "f'{context.any}'",
    "f'{1:>99999999}'",
    "'{}'.format(context)",
    "'%999999999d' % 1",
    "'a' * 999999999",
    "[0] * 999999999",
    "9 ** 9 ** 9",
    "2 ** 2",
    "1 << 99999999",
    "1 >> 1",
    "1 @ 1",
    "1 & 1",
    "1 | 1",
    "1 ^ 1",
    "~1",
    "+1",
    "(x := 1)",
    "x = 1",
    "import os",
    "del x",
    "pass",
    "yield",
    "(yield 1)",
    "await x",
    "print(1)",
    "1; 2",
    "1\n2",
    "*[1]",
    "len(*[[1]])",
    "max(**{})",
    "{**context.free}",
    "[*context.rows]",
    "b'x'",
    "1j",
    "...",
    "1e999",
    "9223372036854775808",
    "9" * 1_990,
    "0x" + "f" * 1_000,
    "1e" + "9" * 1_000,
    "1, 2",
    "(1, 2)",
    "{1, 2}",
    "{1: 2}",
    "{data.agent: 2}",
    "context.rows[0:1]",
    "context.rows[:]",
    "context.rows[...]",
    "context[context.any]",
    "data[data.agent]",
    "actor[data.agent]",
    "context",
    "data",
    "actor",
    "context.free.upper()",
    "context.free['a']()",
    "len(1)(2)",
    "[len][0]('x')",
    "len.x",
    "len == len",
    "in_state",
    "in_state()",
    "in_state('a', 'b')",
    "in_state(1)",
    "scope",
    "self",
    "True()",
    "None.x()",
    "1 is 1",
    "1 is not 1",
    "1if 1else 2",
    "'\\d'",
    "'\\N{nope}'",
    "'unclosed",
    '"""unclosed',
    "(((",
    ")",
    "\\",
    "\x00",
    "1\x001",
    "\x0c1\x0c2",
    "1 +\r 2",
    "\ud800",
    "'\ud800'",
    "'\\ud800'",
    "\ufeff1",
    "ｃontext.name",
    "context.ｎame",
    "ｄata.agent",
    "ｌen('a')",
    "tｒue",
    "context.nаme",
    "ℂ",
    "𝐝𝐚𝐭𝐚.agent",
    "data\u200b.agent",
    "data\u00a0.agent",
    "１ + x",
    "$x",
    "context.name!",
    "context->name",
    "context?.name",
    "a && b",
    "!a",
    "a || b",
    "`id`",
    "%(x)s",
    "{{ 7 * 7 }}",
    "${7*7}",
    "#{7*7}",
    "# only a comment",
    "if",
    "not",
    "and",
    "1 if 2",
    "1 == ",
    "match x: pass",
    "type(1)",
    "vars()",
    "globals()",
    "locals()",
    "dir(context)",
    "input()",
    "compile('1', '', 'eval')",
    "breakpoint()",
    "str.format('{0.__class__}', context)",
    "'a'.join(context.rows)",
    "now.__format__('x')",
    "context.__init__",
    "context.free.__class__",
    "context.free['__class__']()",
    "context.customer.__class__.__name__",
    "now[0].__class__",
    "(" * 10_000 + "1" + ")" * 10_000,
    "[" * 10_000,
    "(" * 900 + "1" + ")" * 900,
    "[" * 150 + "]" * 150,
    "-" * 1_990 + "1",
    "not " * 490 + "1",
    "1" + "+1" * 900,
    "1" + "<1" * 900,
    "1 and " * 310 + "1",
    "[" + "1," * 900 + "]",
    "len(" * 300 + "1" + ")" * 300,
    "context" + ".x" * 900,
    "context.free" + ".x" * 60,
    "context.rows" + "[0]" * 60,
    "1 if 1 else " * 150 + "1",
    "x" * 1_000_000,
    "{'a':" * 300 + "1" + "}" * 300,
    "lambda:" * 280 + "1",
    "f'{" * 100 + "1" + "}'" * 100,
    "max(" + ",".join(["context.rows"] * 160) + ") ** 1" + " " * 20,
]
HOSTILE = _SINGLE + [template.format(word) for template in _TEMPLATES for word in _DUNDERS]


def test_there_are_some_two_hundred_hostile_texts():
    assert len(HOSTILE) >= 200


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_text_is_refused_quickly(text):
    started = time.perf_counter()
    with pytest.raises(ExpressionError) as caught:
        compiled(text)
    assert time.perf_counter() - started < 0.5
    assert 0 <= caught.value.offset <= len(text)
    assert len(str(caught.value)) < 1_000


def test_a_guard_of_one_comparison_takes_less_than_a_few_microseconds():
    expression, seen = compiled("data.agent != ''"), scope()
    best = min(_seconds(lambda: expression.evaluate(seen)) for _ in range(5))
    assert best < 5e-6


def _seconds(act, times=2_000):
    started = time.perf_counter()
    for _ in range(times):
        act()
    return (time.perf_counter() - started) / times


def test_threads_parse_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    both_inside, met = threading.Barrier(2), []
    parse = ast.parse

    def watched(*args: Any, **options: Any) -> Any:
        with suppress(threading.BrokenBarrierError):
            both_inside.wait(0.3)
            met.append("two at once")
        return parse(*args, **options)

    monkeypatch.setattr(ast, "parse", watched)
    filters = list(warnings.filters)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(compiled, ["1 + 1", "2 + 2"]))
    assert met == []
    assert list(warnings.filters) == filters
