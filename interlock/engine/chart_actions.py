"""What stands at a transition or a state and is done: actions, requirements, delays, with their expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from interlock.engine.chart import (
    Action,
    Assign,
    Cancel,
    ContextField,
    Delay,
    Emit,
    Raise,
    Requirement,
    Send,
)
from interlock.engine.chart_declarations import field_schemas, valid
from interlock.engine.chart_outline import Outline, text
from interlock.engine.durations import delay_ms, meant_as_delay
from interlock.engine.errors import Finding, Mark
from interlock.engine.expressions import Expression, ExpressionError, compile_expression, literal
from interlock.engine.spelling import did_you_mean
from interlock.engine.yaml_source import Entries, Items, Node, Scalar, plain

Data = Mapping[str, Mapping[str, Any]] | None
"""The fields of a command's data, by name, as far as there is a command; None: there is none."""


@dataclass(slots=True)
class ActionBuilder:
    """Builds what is done in a chart whose shape is sound; ``findings`` collects what has no meaning.

    ``emitted``: the event types of all emits, in order.
    """

    outline: Outline
    context: Mapping[str, ContextField]
    functions: Mapping[str, Callable[..., Any]]
    findings: list[Finding]
    emitted: list[str] = field(default_factory=list)
    _cancelled: list[Cancel] = field(default_factory=list)
    _waiting: set[str] = field(default_factory=set)

    def refuse(self, mark: Mark, code: str, message: str, suggestion: str = "") -> None:
        self.findings.append(Finding(mark, code, message, suggestion))

    def delay(self, node: Scalar, data: Data) -> Delay:
        """A delay, or an expression that gives one."""
        text = " ".join(node.value.split())
        if not meant_as_delay(text):
            return Delay(text, expression=self.expression(node, data))
        try:
            return Delay(text, delay_ms(text))
        except ValueError as error:
            self.refuse(node.mark, "bad_delay", f"{text[:64]!r} is no delay: {error}")
            return Delay(text, 0)

    def requirements(self, node: Node | None, data: Data) -> Iterator[Requirement]:
        """The rows of a ``require``."""
        for row in node.items if isinstance(node, Items) else () if node is None else (node,):
            error = row.get("error") if isinstance(row, Entries) else None
            if not isinstance(row, Entries) or not isinstance(error, Entries):
                continue
            code = text(error.get("code"))
            yield Requirement(
                check=self.expression(row.values["check"], data),
                error_class=text(error.get("class")),
                code=code,
                message=text(error.get("message")) or f"{code.replace('_', ' ').capitalize()}.",
                mark=row.mark,
            )

    def actions(self, node: Node | None, data: Data) -> tuple[Action, ...]:
        """One action, or a list of them."""
        rows = node.items if isinstance(node, Items) else () if node is None else (node,)
        return tuple(self._action(row, data) for row in rows if isinstance(row, Entries))

    def _action(self, row: Entries, data: Data) -> Action:
        assign = row.get("assign")
        if isinstance(assign, Entries):
            return Assign(
                {
                    name: self._assigned(name, assign, data)
                    for name in assign.values
                    if self._has_field(name, assign)
                },
                row.mark,
            )
        for word, build in (("raise", self._raise), ("send", self._send), ("cancel", self._cancel)):
            if word in row.values:
                return build(row.values[word], row.mark, data)
        emitted = text(row.get("emit"))
        self.emitted.append(emitted)
        machine, _, verb = emitted.partition(".")
        if machine != self.outline.chart_id:
            message = f"this chart emits {self.outline.chart_id}.<verb>, not {emitted[:64]!r}"
            hint = f"Write {self.outline.chart_id}.{verb}."
            self.refuse(row.values["emit"].mark, "foreign_event", message, hint)
        return Emit(emitted, row.mark)

    def _raise(self, node: Node, mark: Mark, data: Data) -> Action:
        if not isinstance(node, Entries):
            return Raise(text(node), mark)
        delay, name = self._waits(node, data)
        return Raise(text(node.get("event")), mark, delay, name)

    def _send(self, node: Node, mark: Mark, data: Data) -> Action:
        assert isinstance(node, Entries)
        given = node.get("data")
        rows = given.values if isinstance(given, Entries) else {}
        delay, name = self._waits(node, data)
        return Send(
            machine=text(node.get("machine")),
            key=self.expression(node.values["key"], data),
            command=text(node.get("command")),
            data={field: self.expression(value, data) for field, value in rows.items()},
            mark=mark,
            delay=delay,
            id=name,
        )

    def _cancel(self, node: Node, mark: Mark, data: Data) -> Action:
        del data
        made = Cancel(text(node), node.mark)
        self._cancelled.append(made)
        return replace(made, mark=mark)

    def _waits(self, words: Entries, data: Data) -> tuple[Delay | None, str]:
        """Delay and id of a ``raise`` or ``send``."""
        delay, name = words.get("delay"), text(words.get("id"))
        if name and delay is None:
            message = f"{name!r} names what waits, and this does not wait"
            self.refuse(words.keys["id"], "id_without_delay", message, "Give it a delay, or remove the id.")
        self._waiting.add(name)
        return (self.delay(delay, data) if isinstance(delay, Scalar) else None), name

    def check_cancels(self) -> None:
        """Refuse each ``cancel`` of what is never delayed under its id; once all states are built."""
        for each in self._cancelled:
            if each.id not in self._waiting:
                hint = did_you_mean(each.id, self._waiting)
                message = f"no delayed raise or send has the id {each.id!r}"
                self.refuse(each.mark, "unknown_id", message, hint)

    def _has_field(self, name: str, assign: Entries) -> bool:
        if name not in self.context:
            hint = did_you_mean(name, self.context)
            self.refuse(assign.keys[name], "unknown_field", f"context.{name} is not declared", hint)
        return name in self.context

    def _assigned(self, name: str, assign: Entries, data: Data) -> Expression:
        node = assign.values[name]
        if isinstance(node, Scalar) and isinstance(node.value, str):
            return self.expression(node, data)
        value = plain(node)
        if not valid(value, self.context[name].schema):
            self.refuse(node.mark, "invalid_value", f"context.{name} cannot be this: it breaks its schema")
        return literal(value)

    def expression(self, node: Node, data: Data) -> Expression:
        """The compiled expression of a string; anything else stands for itself."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return literal(plain(node))
        try:
            return compile_expression(
                node.value,
                context=field_schemas(self.context),
                data=data,
                functions=self.functions,
                states=self.outline.states.keys() - {""},
            )
        except ExpressionError as error:
            self.refuse(node.place(error.offset), "bad_expression", error.message, error.suggestion)
            return literal(None)
