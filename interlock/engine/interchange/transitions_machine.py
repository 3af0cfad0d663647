"""The machine that the library `transitions` (0.9) makes of its constructor's arguments, without the library.

`Machine` and `HierarchicalMachine` are followed to the letter where it decides what happens: the order in which
transitions are added, ``*``, ``=``, lists of sources, scopes of nested transitions, ``remap``, ordered transitions,
states that are made on the way. Names of code are kept as names; nothing is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from interlock.engine.interchange.model import NotReadable
from interlock.engine.interchange.transitions_model import Arrow, Node, TheirMachine
from interlock.engine.spelling import did_you_mean

MAX_DEPTH = 30
MAX_STATES = 5_000
MAX_TRANSITIONS = 50_000


_MACHINE = frozenset(
    [
        "states",
        "initial",
        "transitions",
        "send_event",
        "auto_transitions",
        "ordered_transitions",
        "ignore_invalid_triggers",
        "before_state_change",
        "after_state_change",
        "name",
        "queued",
        "prepare_event",
        "finalize_event",
        "model_attribute",
        "model_override",
        "on_exception",
        "on_final",
        "separator",
        "model",
        "models",
    ]
)
_DRAWING = frozenset(
    [
        "title",
        "show_conditions",
        "show_auto_transitions",
        "show_state_attributes",
        "use_pygraphviz",
        "graph_engine",
        "auto_transitions_markup",
    ]
)
_LEFT_OVER = ("prepare_event", "finalize_event", "on_exception", "model", "models", "model_override")
_STATE = frozenset(
    [
        "name",
        "on_enter",
        "on_exit",
        "ignore_invalid_triggers",
        "final",
        "tags",
        "timeout",
        "on_timeout",
        "on_final",
        "children",
        "states",
        "initial",
        "parallel",
        "transitions",
        "remap",
        "label",
        "accepted",
        "retries",
        "on_failure",
        "volatile",
        "hook",
    ]
)
_STATE_LEFT_OVER = ("accepted", "retries", "on_failure", "volatile", "hook")
_ROW = ("trigger", "source", "dest", "conditions", "unless", "before", "after", "prepare")


def their_machine(document: Any) -> TheirMachine:
    """The machine of the constructor's arguments as plain values. Raises NotReadable, which names the place."""
    if not isinstance(document, dict):
        raise NotReadable(
            "a configuration is a mapping: the arguments of Machine, such as states and transitions"
        )
    for word in document:
        if word not in _MACHINE | _DRAWING:
            raise NotReadable(f"unknown word. {did_you_mean(str(word), _MACHINE)}", str(word)[:64])
    return _Maker(document).machine()


class _Maker:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        separator = document.get("separator", "_")
        if not isinstance(separator, str) or not separator:
            raise NotReadable("a separator is a text", "separator")
        self.machine_ = TheirMachine(
            name=_text(document.get("name"), "name"),
            root=Node((), ""),
            initial=(),
            separator=separator,
            is_nested="separator" in document or _is_nested(document.get("states")),
            queued=bool(document.get("queued", False)),
            auto_transitions=_flag(document, "auto_transitions", "", True),
            send_event=_flag(document, "send_event", "", False),
            ignores=_flag(document, "ignore_invalid_triggers", "", False),
            before=_names(document.get("before_state_change"), "before_state_change"),
            after=_names(document.get("after_state_change"), "after_state_change"),
            on_final=_names(document.get("on_final"), "on_final"),
        )
        self.count = self.arrow_count = 0

    def machine(self) -> TheirMachine:
        made, document = self.machine_, self.document
        root = made.root
        self._states(root, document.get("states"), "states", {})
        self._begin(document.get("initial", "initial"))
        self._rows(root, document.get("transitions"), "transitions")
        if _flag(document, "ordered_transitions", "", False):
            self._ordered()
        for word in _LEFT_OVER:
            if document.get(word) and document.get(word) != "self":
                made.leftover.append((word, word))
        self._check_ends(root)
        return made

    # States

    def _states(self, above: Node, written: Any, place: str, remap: Mapping[str, str]) -> None:
        rows = _rows(written)
        for number, row in enumerate(rows):
            where = f"{place}[{number}]" if isinstance(written, list) else place
            if isinstance(row, str):
                self._state_by_name(above, row, where, remap)
            elif isinstance(row, dict):
                self._state_by_words(above, row, where, remap)
            else:
                raise NotReadable("a state is a name, or a mapping with its name", where)

    def _state_by_name(self, above: Node, name: str, place: str, remap: Mapping[str, str]) -> None:
        if name in remap:
            return
        first, *rest = name.split(self.machine_.separator, 1) if self.machine_.is_nested else (name,)
        if not rest:
            self._new(above, name, place)
            return
        below = above.children.get(first) or self._new(above, first, place)
        self._state_by_name(below, rest[0], place, {})

    def _new(self, above: Node, name: str, place: str) -> Node:
        if not name:
            raise NotReadable("a state has a name", place)
        if name in above.children:
            raise NotReadable(f"the state {name[:64]!r} is there already", place)
        self.count += 1
        path = (*above.path, name)
        if len(path) > MAX_DEPTH or self.count > MAX_STATES:
            raise NotReadable(f"at most {MAX_DEPTH} levels and {MAX_STATES} states are read", place)
        above.children[name] = Node(path, place, ignores=self.machine_.ignores)
        return above.children[name]

    def _state_by_words(
        self, above: Node, words: Mapping[str, Any], place: str, remap: Mapping[str, str]
    ) -> None:
        for word in words:
            if word not in _STATE:
                hint = did_you_mean(str(word), _STATE)
                raise NotReadable(f"unknown word. {hint}", f"{place}.{str(word)[:64]}")
        name = _text(words.get("name"), f"{place}.name")
        if name in remap:
            return
        node = self._new(above, name, place)
        self._furnish(node, words, place)
        parallel = words.get("parallel")
        below = parallel or words.get("children", words.get("states"))
        key = "parallel" if parallel else "children" if "children" in words else "states"
        own = _remap(words.get("remap"), f"{place}.remap")
        self._states(node, below, f"{place}.{key}", own)
        node.initial = self._initial(node, words, parallel, place)
        self._rows(node, words.get("transitions"), f"{place}.transitions")
        if "remap" in words:
            self._move_out(above, node, own)

    def _furnish(self, node: Node, words: Mapping[str, Any], place: str) -> None:
        node.on_enter = _names(words.get("on_enter"), f"{place}.on_enter")
        node.on_exit = _names(words.get("on_exit"), f"{place}.on_exit")
        node.on_final = _names(words.get("on_final"), f"{place}.on_final")
        node.on_timeout = _names(words.get("on_timeout"), f"{place}.on_timeout")
        node.final = _flag(words, "final", place, False)
        if words.get("ignore_invalid_triggers") is not None:
            node.ignores = _flag(words, "ignore_invalid_triggers", place, False)
        node.tags = _names(words.get("tags"), f"{place}.tags")
        timeout = words.get("timeout", 0) or 0
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not 0 <= timeout < 1e9:
            raise NotReadable("a timeout is a number of seconds", f"{place}.timeout")
        node.timeout = timeout
        if timeout and "on_timeout" not in words:
            raise NotReadable("a state with a timeout needs on_timeout", f"{place}.timeout")
        self.machine_.leftover += [(f"{place}.{word}", word) for word in _STATE_LEFT_OVER if words.get(word)]

    def _initial(self, node: Node, words: Mapping[str, Any], parallel: Any, place: str) -> tuple[str, ...]:
        if parallel:
            return tuple(node.children)
        names = _names(words.get("initial"), f"{place}.initial")
        for name in names:
            if name not in node.children:
                hint = did_you_mean(name, node.children)
                raise NotReadable(f"no state {name[:64]!r} stands here. {hint}", f"{place}.initial")
        return self._regions(node, names, f"{place}.initial")

    def _regions(self, node: Node, names: tuple[str, ...], place: str) -> tuple[str, ...]:
        if len(set(names)) > 1 and set(names) != set(node.children):
            missing = sorted(node.children.keys() - set(names))
            raise NotReadable(
                f"several initial states are parallel regions, and then {missing[0][:64]!r} must be one too",
                place,
            )
        return tuple(node.children) if len(set(names)) > 1 else names[:1]

    def _begin(self, written: Any) -> None:
        made = self.machine_
        if isinstance(written, list) and len(written) > 1:
            names = _names(written, "initial")
            unknown = [name for name in names if name not in made.root.children]
            if unknown:
                hint = did_you_mean(unknown[0], made.root.children)
                raise NotReadable(f"no state {unknown[0][:64]!r} stands at the top. {hint}", "initial")
            made.root.initial = self._regions(made.root, names, "initial")
            return
        name = _text(written[0] if isinstance(written, list) and written else written, "initial")
        if not name:
            raise NotReadable("a machine without 'initial' has no state for a new model: name one", "initial")
        made.initial = made.split(name)
        node = made.root
        for key in made.initial:
            node = node.children.get(key) or self._new(node, key, "initial")
        made.root.initial = made.initial[:1]

    # Transitions

    def _rows(self, scope: Node, written: Any, place: str) -> None:
        for number, row in enumerate(_rows(written)):
            where = f"{place}[{number}]" if isinstance(written, list) else place
            if isinstance(row, list):
                if not 3 <= len(row) <= len(_ROW):
                    raise NotReadable(f"a transition is [{', '.join(_ROW)}], three of them at least", where)
                row = dict(zip(_ROW, row, strict=False))
            if not isinstance(row, dict):
                raise NotReadable("a transition is a mapping or a list", where)
            for word in row:
                if word not in (*_ROW, "label"):
                    raise NotReadable(
                        f"unknown word. {did_you_mean(str(word), _ROW)}", f"{where}.{str(word)[:64]}"
                    )
            for word in ("trigger", "source", "dest"):
                if word not in row:
                    raise NotReadable(f"a transition needs {word!r}", where)
            self._transition(scope, row, where)

    def _transition(self, scope: Node, row: Mapping[str, Any], place: str) -> None:
        trigger = _text(row["trigger"], f"{place}.trigger")
        if not trigger or trigger == self.document.get("model_attribute", "state"):
            raise NotReadable("a trigger has a name other than the model's attribute", f"{place}.trigger")
        dest = row["dest"]
        if dest is not None and (not isinstance(dest, str) or not dest):
            raise NotReadable("'dest' is a state's name, = or null", f"{place}.dest")
        written = row["source"]
        if written == "*":
            all_below = self.machine_.is_nested and dest == "="
            sources = self._all_names(scope) if all_below else list(scope.children)
            if all_below and scope.path:  # The library takes names from the top for names of this scope.
                sources = []
                self.machine_.leftover.append((place, "* to ="))
        else:
            sources = list(_names(written, f"{place}.source"))
        parts: dict[str, Any] = {word: _names(row.get(word), f"{place}.{word}") for word in _ROW[3:]}
        for source in sources:
            end = source if dest == "=" else dest
            self._add(scope, Arrow(trigger, source, end, place, is_spread=written == "*", **parts))

    def _add(self, scope: Node, arrow: Arrow) -> None:
        self.arrow_count += 1
        if self.arrow_count > MAX_TRANSITIONS:
            raise NotReadable(f"over {MAX_TRANSITIONS} transitions", arrow.place)
        scope.arrows.setdefault(arrow.trigger, {}).setdefault(arrow.source, []).append(arrow)

    def _all_names(self, scope: Node) -> list[str]:
        start = len(scope.path)
        return [self.machine_.separator.join(node.path[start:]) for node in scope.walk() if node is not scope]

    def _ordered(self) -> None:
        names = self._all_names(self.machine_.root)
        if len(names) < 2:
            raise NotReadable("ordered transitions need two states", "ordered_transitions")
        initial = self.machine_.separator.join(self.machine_.initial)
        if initial in names:
            start = names.index(initial)
            names = names[start:] + names[:start]
        for source, dest in zip(names, [*names[1:], names[0]], strict=True):
            self._add(self.machine_.root, Arrow("next_state", source, dest, "ordered_transitions"))

    def _move_out(self, above: Node, node: Node, remap: Mapping[str, str]) -> None:
        """``HierarchicalMachine._remap_state``: what led to a remapped state leads out of this one."""
        moved: list[Arrow] = []
        for trigger, by_source in list(node.arrows.items()):
            for source, arrows in list(by_source.items()):
                if source not in remap:
                    gone = [arrow for arrow in arrows if arrow.dest in remap]
                    outer = f"{node.path[-1]}{self.machine_.separator}{source}"
                    moved += [replace(each, source=outer, dest=remap[str(each.dest)]) for each in gone]
                    arrows[:] = [arrow for arrow in arrows if arrow.dest not in remap]
                if source in remap or not arrows:
                    del by_source[source]
            if not by_source:
                del node.arrows[trigger]
        for arrow in moved:
            self._add(above, arrow)

    def _check_ends(self, root: Node) -> None:
        """Refuse sources and targets that are no states of their scope: there they fail when they are taken."""
        for scope in root.walk():
            names = set(self._all_names(scope)) if scope.arrows else set()
            for by_source in scope.arrows.values():
                for arrow in (each for arrows in by_source.values() for each in arrows):
                    for word, name in (("source", arrow.source), ("dest", arrow.dest)):
                        if name is not None and name not in names:
                            inside = f" in {self.machine_.separator.join(scope.path)!r}" if scope.path else ""
                            hint = did_you_mean(name, names)
                            raise NotReadable(
                                f"no state {name[:64]!r} is there{inside}. {hint}", f"{arrow.place}.{word}"
                            )


def _is_nested(written: Any) -> bool:
    """Whether states hold states, so that the machine is a hierarchical one."""
    words = ("children", "states", "parallel")
    return any(isinstance(row, dict) and any(row.get(word) for word in words) for row in _rows(written))


def _remap(written: Any, place: str) -> dict[str, str]:
    if written is None:
        return {}
    if not isinstance(written, dict) or not all(isinstance(each, str) for each in written.values()):
        raise NotReadable("'remap' says which state outside stands for which one inside", place)
    return written


def _names(written: Any, place: str) -> tuple[str, ...]:
    rows = _rows(written)
    for row in rows:
        if not isinstance(row, str) or not row:
            raise NotReadable("a name or a list of names is expected here", place)
    return tuple(rows)


def _text(written: Any, place: str) -> str:
    if written is None:
        return ""
    if not isinstance(written, str):
        raise NotReadable("a string is expected here", place)
    return written


def _flag(words: Mapping[str, Any], name: str, place: str, default: bool) -> bool:
    written = words.get(name, default)
    if written is None:
        return default
    if not isinstance(written, bool):
        raise NotReadable("true or false is expected here", f"{place}.{name}".lstrip("."))
    return written


def _rows(written: Any) -> list[Any]:
    return written if isinstance(written, list) else [] if written is None else [written]
