"""XState v5: the chart as the JSON that ``createMachine`` takes.

Guards and actions are references by name, with their texts as parameters: ``expression`` and ``refused``
are the guards; ``assign``, ``emit``, ``raise``, ``send`` and ``cancel`` the actions. Who runs the machine
fills them in by ``setup``. The ``require`` rows of a transition stand before it as a candidate that goes
nowhere, with the guard ``refused``. What XState has no place for stands in ``meta``: the commands and the context
with their schemas, ``ignore``, ``outage``, what is not accepted, so that the import gives the same chart; where an
instance is (``active``, ``due``), which way it came (``taken``), how many are where (``count``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from interlock.engine.chart import (
    INVOKE_DONE,
    INVOKE_ERROR,
    Action,
    Assign,
    Cancel,
    Chart,
    CommandDef,
    Delay,
    Emit,
    InvokeDef,
    Raise,
    Requirement,
    Send,
    StateDef,
    TransitionDef,
)
from interlock.engine.chart_words import IF_MISSING
from interlock.engine.diagrams.identifiers import plain_ids
from interlock.engine.diagrams.overlay import NOTHING, DiagramError, Overlay
from interlock.engine.expressions import Expression

_DONE = "done.state."


def xstate_source(chart: Chart, overlay: Overlay = NOTHING, *, brief: bool = False) -> str:
    """The configuration as indented JSON. ``brief``: states and events only.

    Raises DiagramError where an ``initial`` is no child of its state: XState has no such thing.
    """
    config = _Writer(chart, overlay, brief).machine()
    return orjson.dumps(config, option=orjson.OPT_INDENT_2).decode() + "\n"


class _Writer:
    def __init__(self, chart: Chart, overlay: Overlay, brief: bool) -> None:
        self.chart = chart
        self.overlay = overlay
        self.brief = brief
        self.ids = plain_ids(chart.states)

    def machine(self) -> dict[str, Any]:
        chart = self.chart
        return {
            "id": chart.id,
            "version": str(chart.version),
            **({"description": chart.description} if chart.description else {}),
            **(
                {}
                if self.brief
                else {"context": {name: each.default for name, each in chart.context.items()}}
            ),
            **self.state(chart.root),
            **_present(meta={**self.now(chart.root), **({} if self.brief else self.meta())}),
        }

    def meta(self) -> dict[str, Any]:
        chart = self.chart
        fields = {
            name: {**each.schema, "default": each.default, **({} if each.public else {"public": False})}
            for name, each in chart.context.items()
        }
        return {
            "commands": {command.name: self.command(command) for command in chart.commands.values()},
            **_present(context=fields, events=list(chart.events), index=list(chart.index)),
        }

    def command(self, command: CommandDef) -> dict[str, Any]:
        private = {"public": False}
        return _present(
            creates=IF_MISSING if command.if_missing else command.creates,
            data={
                name: {**schema, **(private if name in command.private else {})}
                for name, schema in command.schema.get("properties", {}).items()
            },
            exclusive=command.exclusive,
            required=list(command.schema.get("required", [])),
            by=list(command.by),
            require=[_row(row) for row in command.require],
            description=command.description,
        )

    def state(self, state: StateDef) -> dict[str, Any]:
        if state.kind in ("shallow_history", "deep_history"):
            return self.history(state)
        on: dict[str, list[dict[str, Any]]] = {}
        own: dict[str, list[dict[str, Any]]] = {_DONE + state.path: []}
        for invoke in state.invoke:
            own |= {f"{start}{invoke.id}": [] for start in (INVOKE_DONE, INVOKE_ERROR)}
        for each in state.on:
            rows = own[each.event] if each.event in own else on.setdefault(self.event(each.event), [])
            rows += self.candidates(each)
        after: dict[str, list[dict[str, Any]]] = {}
        for each in state.after:
            # What an expression gives is XState's named delay: filled in by setup, like guards and actions.
            key = each.delay_text if each.delay_ms is None else str(each.delay_ms)
            after.setdefault(key, []).extend(self.candidates(each))
        return _present(
            id=self.ids[state.path] if state.path and self.odd(state.path) else "",
            type=state.kind if state.kind in ("parallel", "final") else "",
            initial=self.initial(state),
            description=state.description if state.path else "",
            tags=list(state.tags),
            entry=self.actions(state.entry),
            exit=self.actions(state.exit),
            on={event: _one(rows) for event, rows in on.items()},
            onDone=own[_DONE + state.path],
            invoke=[] if self.brief else [_invoke(each, own) for each in state.invoke],
            always=[row for each in state.always for row in self.candidates(each)],
            after={delay: _one(rows) for delay, rows in after.items()},
            states={child.name: self.state(child) for child in state.children},
            meta=self.now(state),
        )

    def now(self, state: StateDef) -> dict[str, Any]:
        """What the overlay says of a state."""
        made = _present(active=state.path in self.overlay.active, due=self.overlay.timers.get(state.path, ""))
        count = self.overlay.count(state)
        return made if count is None else {**made, "count": count}

    def initial(self, state: StateDef) -> str | dict[str, Any]:
        if state.kind != "compound" or not state.initial:
            return ""
        child = next((child.name for child in state.children if child.path == state.initial[0]), None)
        if child is None:
            where = state.path or self.chart.id
            raise DiagramError(
                f"XState's initial states are children: {where!r} begins at {state.initial[0]!r}, further below."
                " Give each state on the way its own 'initial'."
            )
        actions = self.actions(state.initial_actions)
        return {"target": child, "actions": actions} if actions else child

    def history(self, state: StateDef) -> dict[str, Any]:
        above = f"{state.path.rpartition('.')[0]}."
        # Without a target it stands for its parent's initial, with the actions of that.
        written = () if state.initial_actions else state.initial
        targets = [self.target(path) if self.odd(path) else path.removeprefix(above) for path in written]
        return _present(
            id=self.ids[state.path] if self.odd(state.path) else "",
            type="history",
            history=state.kind.removesuffix("_history"),
            target=_one(targets),
            description=state.description,
        )

    def candidates(self, made: TransitionDef) -> Iterator[dict[str, Any]]:
        guard = made.guard.source if made.guard and not self.brief else None
        if made.require and not self.brief:
            rows = [_row(row) for row in made.require]
            yield {"guard": {"type": "refused", "params": {"guard": guard, "require": rows}}}
        yield _present(
            target=_one([self.target(path) for path in made.targets]),
            guard={} if guard is None else {"type": "expression", "params": {"expression": guard}},
            reenter=made.reenter,
            actions=self.actions(made.actions),
            description=made.description,
            meta=_present(
                ignore=made.ignore,
                taken=self.overlay.has_taken(made),
                forbidden=made.forbidden,
                outage="" if made.outage == "deadline" else made.outage,
            ),
        )

    def target(self, path: str) -> str:
        if not path:
            return f"#{self.chart.id}"
        return f"#{self.ids[path]}" if self.odd(path) else f"#{self.chart.id}.{path}"

    def odd(self, path: str) -> bool:
        """Whether XState would read a path, or its machine's id, as something else; such a state gets an id."""
        return not re.fullmatch(r"[\w-]+(\.[\w-]+)*", path) or not re.fullmatch(r"[\w-]+", self.chart.id)

    def event(self, event: str) -> str:
        for ours, theirs in ((INVOKE_DONE, "xstate.done.actor."), (INVOKE_ERROR, "xstate.error.actor.")):
            if event.startswith(ours):
                return theirs + event.removeprefix(ours)
        if event in ("done.*", "done.state.*", "after.*"):
            return f"xstate.{event}"
        if event.startswith(_DONE) and event.removeprefix(_DONE) in self.chart.states:
            return f"xstate.{_DONE}{self.target(event.removeprefix(_DONE))[1:]}"
        return event

    def actions(self, actions: Sequence[Action]) -> list[dict[str, Any]]:
        return [] if self.brief else [_action(action) for action in actions]


def _action(action: Action) -> dict[str, Any]:
    match action:
        case Assign(fields=fields):
            return {"type": "assign", "params": _sources(fields)}
        case Emit(type=type_):
            return {"type": "emit", "params": {"type": type_}}
        case Raise():
            return {"type": "raise", "params": {"event": action.event, **_later(action.delay, action.id)}}
        case Send():
            where = {"machine": action.machine, "key": action.key.source, "command": action.command}
            data = {"data": _sources(action.data)} if action.data else {}
            return {"type": "send", "params": {**where, **data, **_later(action.delay, action.id)}}
        case Cancel(id=id_):
            return {"type": "cancel", "params": {"id": id_}}


def _invoke(invoke: InvokeDef, own: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """``input``: the texts of its expressions; ``meta``: how often it is tried, which XState does not do."""
    retry = {"attempts": invoke.attempts, "interval": invoke.interval_ms, "backoff": invoke.backoff}
    return _present(
        src=invoke.function,
        id=invoke.id,
        input=_sources(invoke.input),
        onDone=own[f"{INVOKE_DONE}{invoke.id}"],
        onError=own[f"{INVOKE_ERROR}{invoke.id}"],
        meta={"retry": retry} if invoke.attempts > 1 else {},
    )


def _sources(fields: Mapping[str, Expression]) -> dict[str, str]:
    return {name: value.source for name, value in fields.items()}


def _later(delay: Delay | None, id_: str) -> dict[str, Any]:
    """When and under which name a ``raise`` or ``send`` waits: milliseconds, or an expression's text."""
    waits = _present(id=id_)
    if delay is not None:
        waits["delay"] = delay.text if delay.milliseconds is None else delay.milliseconds
    return waits


def _row(row: Requirement) -> dict[str, Any]:
    error = {"class": row.error_class, "code": row.code, "message": row.message}
    return {"check": row.check.source, "error": error}


def _one(rows: list[Any]) -> Any:
    """A list's only item without the list."""
    return rows[0] if len(rows) == 1 else rows


def _present(**values: Any) -> dict[str, Any]:
    """The words that say something: no empty text, list or object, no ``false``."""
    return {name: value for name, value in values.items() if value not in ("", [], {}, False, None)}
