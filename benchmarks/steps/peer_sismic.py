"""`sismic`: one interpreter; its private `_configuration` is set and its evaluator's variables are overwritten.

Its documentation names no way to restore a state value (an interpreter can be pickled whole, which is slower
than anything here), so that this favours it. Contracts are off. Left out: making the interpreter, once.
"""

from __future__ import annotations

from typing import Any

from sismic.interpreter import Event, Interpreter
from sismic.io import import_from_yaml

from benchmarks.steps.charts import Advance, Names

ARROW = "transitions: [{{event: go, guard: {f} >= 0, action: {f} = {f} + 1, target: {to}}}]"


def state(name: str, to: str, field: str = "n") -> str:
    return "{name: " + name + ", " + ARROW.format(f=field, to=to) + "}"


def text_of(chart: str) -> str:
    if chart == "flat":
        root = f"name: root, initial: a, states: [{state('a', 'b')}, {state('b', 'c')}, {state('c', 'a')}]"
    elif chart == "two_level":
        work = (
            f"{{name: work, initial: draft, {ARROW.format(f='n', to='idle')}, "
            f"states: [{state('draft', 'review')}, {{name: review}}]}}"
        )
        root = f"name: root, initial: idle, states: [{state('idle', 'work')}, {work}]"
    else:
        regions = ", ".join(
            f"{{name: {r}, initial: {r}a, states: [{state(f'{r}a', f'{r}b', r)}, {state(f'{r}b', f'{r}a', r)}]}}"
            for r in "xyz"
        )
        root = f"name: root, parallel states: [{regions}]"
    return f"statechart: {{name: bench, root state: {{{root}}}}}"


def make(chart: str) -> tuple[Any, Advance, Names]:
    fields = "xyz" if chart == "three_regions" else "n"
    interpreter = Interpreter(
        import_from_yaml(text_of(chart)), initial_context=dict.fromkeys(fields, 0), ignore_contract=True
    )
    interpreter.execute_once()
    variables: Any = interpreter.context

    def advance(active: list[str], context: dict[str, int]) -> tuple[list[str], dict[str, int]]:
        interpreter._configuration = set(active)
        variables.update(context)
        interpreter.queue(Event("go"))
        interpreter.execute_once()
        return list(interpreter._configuration), {name: variables[name] for name in fields}

    def names(active: list[str]) -> list[str]:
        return [name for name in active if name not in ("root", "work", "x", "y", "z")]

    return interpreter.configuration, advance, names
