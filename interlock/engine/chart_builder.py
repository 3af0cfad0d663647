"""The third stage of loading: states, transitions and actions, every target resolved, every text compiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from interlock.engine.chart import (
    INVOKE_DONE,
    INVOKE_ERROR,
    Action,
    CommandDef,
    ContextField,
    Delay,
    InvokeDef,
    StateDef,
    TransitionDef,
    timer_event,
)
from interlock.engine.chart_actions import ActionBuilder, Data
from interlock.engine.chart_outline import Outline, StateNode, join, parent, text, texts
from interlock.engine.errors import Finding, Mark
from interlock.engine.outages import OutagePolicy
from interlock.engine.spelling import did_you_mean
from interlock.engine.yaml_source import Entries, Items, Node, Scalar, plain

DONE = "done.state."
OUTCOMES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    INVOKE_DONE: {"output": {}},
    INVOKE_ERROR: {"error": {"type": "string"}},
}
"""The data of the events that an invoked function ends with."""


@dataclass(slots=True)
class Builder:
    """Builds the state tree of a chart whose shape is sound; ``findings`` collects what has no meaning."""

    outline: Outline
    context: Mapping[str, ContextField]
    commands: Mapping[str, CommandDef]
    functions: Mapping[str, Callable[..., Any]]
    raised: frozenset[str]
    findings: list[Finding]
    acts: ActionBuilder = field(init=False)
    invoked: dict[str, Mark] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.acts = ActionBuilder(self.outline, self.context, self.functions, self.findings)
        for node in self.outline.states.values():
            for words in _rows(node.word("invoke")):
                name, mark = _invoke_id(words), (words.get("id") or words.values["src"]).mark
                if name in self.invoked:
                    message = f"the id {name!r} is taken by the invoke at line {self.invoked[name].line}"
                    self.refuse(mark, "duplicate_id", message, "Give each invoke an id of its own.")
                self.invoked.setdefault(name, mark)

    def refuse(self, mark: Mark, code: str, message: str, suggestion: str = "") -> None:
        self.findings.append(Finding(mark, code, message, suggestion))

    def state(self, path: str) -> StateDef:
        """The state and all below it."""
        node = self.outline.states[path]
        initial_actions = self._initial_actions(node)
        return StateDef(
            path=path,
            kind=node.kind,
            mark=node.mark,
            children=tuple(self._child(child, initial_actions) for child in node.children),
            initial=self._initial(node),
            initial_actions=initial_actions,
            entry=self.acts.actions(node.word("entry"), None),
            exit=self.acts.actions(node.word("exit"), None),
            on=tuple(self._on(node)),
            always=tuple(self._transitions(node.word("always"), path, "", None)),
            after=tuple(self._after(node)),
            tags=tuple(tag for tag, _ in texts(node.word("tags"))),
            description=text(node.word("description")),
            invoke=tuple(self._invoke(words) for words in _rows(node.word("invoke"))),
        )

    def _child(self, path: str, initial_actions: tuple[Action, ...]) -> StateDef:
        """The child of a state whose initial has these actions: a history without a target stands for that initial."""
        made = self.state(path)
        node = self.outline.states[path]
        if node.kind in ("shallow_history", "deep_history") and node.word("target") is None:
            return replace(made, initial_actions=initial_actions)
        return made

    def command(self, name: str, rows: Node | None) -> CommandDef:
        """The command with the rows of its ``require``, which see the context and its data."""
        return replace(self.commands[name], require=tuple(self.acts.requirements(rows, self._data(name))))

    def _initial(self, node: StateNode) -> tuple[str, ...]:
        if node.kind in ("shallow_history", "deep_history"):
            return self._history_default(node)
        written = node.word("initial")
        if isinstance(written, Entries):
            written = written.get("target")
        if node.kind != "compound" or not isinstance(written, Scalar):
            return ()
        path = join(node.path, written.value.lstrip("."))
        if path == node.path or path not in self.outline.states:
            hint = did_you_mean(written.value, [child.rpartition(".")[2] for child in node.children])
            self.refuse(written.mark, "unknown_initial", f"no state {written.value[:64]!r} stands here", hint)
            return ()
        return (path,)

    def _initial_actions(self, node: StateNode) -> tuple[Action, ...]:
        written = node.word("initial")
        if node.kind != "compound" or not isinstance(written, Entries):
            return ()
        return self.acts.actions(written.get("actions"), None)

    def _history_default(self, node: StateNode) -> tuple[str, ...]:
        targets = self._history_targets(node)
        if any(self.outline.states[target].kind in ("shallow_history", "deep_history") for target in targets):
            message = f"the default of history {node.path!r} is a history"
            self.refuse(node.mark, "history_of_history", message, "Give it a target that is a state.")
        return targets

    def _history_targets(self, node: StateNode) -> tuple[str, ...]:
        written = node.word("target")
        if written is not None:
            targets = self._targets(written, node.path)
            for target in targets:
                if not target or not target.startswith(f"{parent(node.path)}." if parent(node.path) else ""):
                    self.refuse(written.mark, "outside_history", "a history leads into its own parent only")
            return targets
        above = self.outline.states[parent(node.path)]
        return self._initial(above) if above.kind == "compound" else above.children[:0]

    def _on(self, node: StateNode) -> Iterator[TransitionDef]:
        on = node.word("on")
        if isinstance(on, Entries):
            for event, value in on.values.items():
                self._check_event(event, on.keys[event])
                yield from self._transitions(value, node.path, event, self._data(event), on.keys[event])
        done = node.word("onDone")
        if done is not None:
            yield from self._transitions(done, node.path, f"{DONE}{node.path}", None)
        for words in _rows(node.word("invoke")):
            for word, start in (("onDone", INVOKE_DONE), ("onError", INVOKE_ERROR)):
                event = f"{start}{_invoke_id(words)}"
                yield from self._transitions(words.get(word), node.path, event, OUTCOMES[start])

    def _invoke(self, words: Entries) -> InvokeDef:
        given, retry = words.get("input"), words.get("retry")
        rows = given.values if isinstance(given, Entries) else {}
        policy = retry if isinstance(retry, Entries) else Entries({}, {}, words.mark)
        interval, backoff = policy.get("interval"), policy.get("backoff")
        wait = self.acts.delay(interval, None).milliseconds if isinstance(interval, Scalar) else 1000
        factor = float(plain(backoff)) if backoff else 2.0
        if backoff and not 1 <= factor <= 100:
            self.refuse(backoff.mark, "bad_value", "'backoff' is a number from 1 to 100")
        attempts = policy.get("attempts")
        return InvokeDef(
            id=_invoke_id(words),
            function=text(words.get("src")),
            input={field: self.acts.expression(value, None) for field, value in rows.items()},
            attempts=plain(attempts) if attempts else 1,
            interval_ms=wait or 0,
            backoff=factor,
            mark=words.mark,
        )

    def _data(self, event: str) -> Data:
        for start, data in OUTCOMES.items():
            if event.startswith(start):
                return data
        command = self.commands.get(event)
        return None if command is None else command.schema["properties"]

    def _check_event(self, event: str, mark: Mark) -> None:
        if event in self.commands or event in self.raised or event == "*" or event.endswith(".*"):
            return
        for start in OUTCOMES:
            if event.startswith(start):
                name = event.removeprefix(start)
                if name not in self.invoked:
                    message = f"no invoke has the id {name[:64]!r}"
                    self.refuse(mark, "unknown_id", message, did_you_mean(name, self.invoked))
                return
        if event.startswith(DONE):
            path = event.removeprefix(DONE)
            state = self.outline.states.get(path)
            if state is None or state.kind not in ("compound", "parallel"):
                compound = [each for each, found in self.outline.states.items() if each and found.children]
                message = f"no state {path!r} can be done: it holds no states"
                self.refuse(mark, "unknown_state", message, did_you_mean(path, compound))
            return
        hint = did_you_mean(event, [*self.commands, *self.raised])
        self.refuse(mark, "unknown_command", f"{event!r} is neither a declared command nor raised", hint)

    def _after(self, node: StateNode) -> Iterator[TransitionDef]:
        after = node.word("after")
        for delay, value in after.values.items() if isinstance(after, Entries) else ():
            mark = after.keys[delay] if isinstance(after, Entries) else node.mark
            made = self.acts.delay(Scalar(delay, mark, delay), None)
            event = timer_event(node.path, made.text)
            yield from self._transitions(value, node.path, event, None, mark, made)

    def _transitions(
        self,
        node: Node | None,
        source: str,
        event: str,
        data: Data,
        key: Mark | None = None,
        delay: Delay | None = None,
    ) -> Iterator[TransitionDef]:
        rows = node.items if isinstance(node, Items) else () if node is None else (node,)
        for row in rows:
            yield self._transition(row, source, event, data, key, delay)

    def _transition(
        self,
        row: Node,
        source: str,
        event: str,
        data: Data,
        key: Mark | None,
        delay: Delay | None,
    ) -> TransitionDef:
        mark = key if key and isinstance(row, Scalar) and row.value is None else row.mark
        words = row if isinstance(row, Entries) else Entries({}, {}, mark)
        target = row if isinstance(row, Scalar) and row.value is not None else words.get("target")
        guard = words.get("guard")
        made = TransitionDef(
            event=event,
            source=source,
            targets=() if target is None else self._targets(target, source),
            mark=mark,
            guard=None if guard is None else self.acts.expression(guard, data),
            require=tuple(self.acts.requirements(words.get("require"), data)),
            actions=self.acts.actions(words.get("actions"), data),
            reenter=_flag(words, "reenter"),
            ignore=_flag(words, "ignore"),
            forbidden=isinstance(row, Scalar) and row.value is None,
            delay=delay,
            outage=cast(OutagePolicy, text(words.get("outage")) or "deadline"),
            description=text(words.get("description")),
        )
        self._check_transition(made, words)
        return made

    def _check_transition(self, made: TransitionDef, words: Entries) -> None:
        if made.ignore and (made.targets or made.actions):
            message = "an ignored command changes nothing: it has neither target nor actions"
            self.refuse(words.keys["ignore"], "ignore_with_effect", message, "Remove ignore, or the rest.")
        if made.outage != "deadline" and (made.delay is None or made.delay.expression):
            message = "'outage' is for a timer whose delay is written out"
            hint = "What an expression gives is a deadline." if made.delay else "Remove it."
            self.refuse(words.keys["outage"], "no_timer_here", message, hint)
        if (made.ignore or made.require) and made.event not in self.commands and not made.event.endswith("*"):
            word = "ignore" if made.ignore else "require"
            message = f"{word!r} answers a command, and none is at hand here"
            self.refuse(words.keys[word], "no_command_here", message, "Use a guard.")

    def _targets(self, node: Node, source: str) -> tuple[str, ...]:
        found: list[str] = []
        for target, mark in texts(node):
            path = self.outline.resolve(source, target)
            if path is None:
                message = f"no state is meant by {target[:64]!r}"
                self.refuse(mark, "unknown_target", message, self.outline.hint(source, target))
                continue
            clashing = next((each for each in found if self.outline.clash(each, path)), None)
            if clashing is not None:
                message = f"{clashing or 'the root'!r} and {path or 'the root'!r} are never active together"
                self.refuse(mark, "conflicting_targets", message, "Name one state of each parallel region.")
            found.append(path)
        return tuple(found)


def _rows(node: Node | None) -> list[Entries]:
    """The mappings of a list, or the one that stands there without a list."""
    rows = node.items if isinstance(node, Items) else (node,)
    return [row for row in rows if isinstance(row, Entries)]


def _invoke_id(words: Entries) -> str:
    return text(words.get("id")) or text(words.get("src"))


def _flag(words: Entries, name: str) -> bool:
    written = words.get(name)
    return written is not None and plain(written) is True


def raised_events(node: Node) -> Iterator[str]:
    """All events that ``raise`` actions name anywhere below a node."""
    if isinstance(node, Entries):
        for key, value in node.values.items():
            if key == "raise":
                event = text(value.get("event") if isinstance(value, Entries) else value)
                yield from (event,) if event else ()
            yield from raised_events(value)
    elif isinstance(node, Items):
        for item in node.items:
            yield from raised_events(item)
