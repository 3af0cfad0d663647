"""XState v5: the JSON that ``createMachine`` takes, as a `Config`; and charts of ours as JSON, whose words are
almost the same.

What XState says of ids, targets and defaults is followed (`StateNode`, `resolveTarget`, `toStatePath`). What our
own export writes (`diagrams.xstate`) is read back: guards ``expression`` and ``refused``, actions ``assign``,
``emit``, ``raise``, ``send`` and ``cancel`` with their parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from interlock.engine.chart_words import CONTEXT_FIELD, json_schema
from interlock.engine.interchange.model import (
    Act,
    Assigns,
    Cancels,
    Combined,
    Config,
    Emits,
    Guard,
    InState,
    Invocation,
    Kind,
    Named,
    Note,
    NotReadable,
    Path,
    Place,
    Raises,
    Refusal,
    Sends,
    Text,
    Way,
)
from interlock.engine.spelling import did_you_mean

DEFAULT_ID = "(machine)"
"""XState's id of a machine that gives itself none."""
MAX_DEPTH = 64
MAX_STATES = 10_000

_KINDS: Mapping[str, Kind] = {
    "atomic": "atomic",
    "compound": "compound",
    "parallel": "parallel",
    "final": "final",
}
_STATE_WORDS = frozenset(
    [
        "id",
        "key",
        "type",
        "initial",
        "states",
        "on",
        "onDone",
        "always",
        "after",
        "entry",
        "exit",
        "invoke",
        "history",
        "target",
        "tags",
        "description",
        "meta",
        "output",
        "order",
    ]
)
_KINDS_OF_JSON = frozenset(("string", "integer", "number", "boolean", "object", "array", "null"))
_FIELD_WORDS = frozenset(json_schema(CONTEXT_FIELD)["properties"])
_WAY_WORDS = frozenset(
    [
        "target",
        "guard",
        "cond",
        "actions",
        "reenter",
        "internal",
        "description",
        "meta",
        "require",
        "ignore",
        "outage",
        "eventType",
        "source",
    ]
)


_WORDS: tuple[Literal["and", "or", "not"], ...] = ("and", "or", "not")
_COMPOSITES = {f"{start}{word}": word for start in ("", "xstate.") for word in _WORDS}
_NUMBER = re.compile(r"\s*[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,4})?\s*", re.ASCII)
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)


def read_xstate(document: Any) -> Config:
    """The machine in a parsed JSON document. Raises NotReadable, which names the place."""
    return _Reader(document).config()


class _Reader:
    def __init__(self, document: Any) -> None:
        if not isinstance(document, dict):
            raise NotReadable("a machine is a JSON object with its states")
        self.document = document
        self.is_ours = _is_ours(document)
        self.machine_id = self._string(document.get("id"), "id") or DEFAULT_ID
        self.notes: list[Note] = []
        self.known: dict[Path, Mapping[str, Any]] = {}
        self.ids: dict[str, Path] = {}
        self.named: dict[str, Path] = {}
        self._collect((), document, "")

    def config(self) -> Config:
        document = self.document
        root = self._place((), document, "")
        self._root_words()
        return Config(
            id=self.machine_id,
            root=root,
            context=self._table(document.get("context"), "context"),
            version=str(document.get("version") or ""),
            description=self._string(document.get("description"), "description"),
            commands=self._table(
                document.get("commands") or _exported_commands(document.get("meta")), "commands"
            ),
            rest=self._rest(),
            is_ours=self.is_ours,
            notes=tuple(self.notes),
        )

    def _rest(self) -> Mapping[str, Any]:
        """``events`` and ``index`` of a chart of ours; of our own export also ``context``, the fields' schemas."""
        meta = self.document.get("meta")
        kept = meta if isinstance(meta, dict) and isinstance(meta.get("commands"), dict) else {}
        found = {word: kept[word] for word in ("context", "events", "index") if word in kept}
        return found | {word: self.document[word] for word in ("events", "index") if word in self.document}

    def _root_words(self) -> None:
        words = {
            "context",
            "version",
            "commands",
            "events",
            "index",
            "types",
            "schemas",
            "options",
            "predictableActionArguments",
        }
        self._unread(self.document, _STATE_WORDS | words, "")

    def _unread(self, words: Mapping[str, Any], known: frozenset[str] | set[str], place: str) -> None:
        for word in words:
            if word not in known:
                self.notes.append(
                    Note(_at(place, word), "unknown_word", f"{word[:64]!r} is no word of XState v5.")
                )
        for word in ("output", "order"):
            if word in words:
                self.notes.append(Note(_at(place, word), "not_carried", f"{word!r} has no place in a chart."))

    # Which states there are

    def _collect(self, path: Path, words: Mapping[str, Any], place: str) -> None:
        if len(path) > MAX_DEPTH or len(self.known) >= MAX_STATES:
            raise NotReadable(f"at most {MAX_DEPTH} levels and {MAX_STATES} states are read", place)
        self.known[path] = words
        own = self._string(words.get("id"), _at(place, "id")) if path else self.machine_id
        default = ".".join((self.machine_id, *path))
        for name in (own, default):
            if name and self.ids.setdefault(name, path) != path and name == own:
                raise NotReadable(f"the id {own!r} is taken by another state", place)
        self.named[own or default] = path
        for key, child in _in_order(self._table(words.get("states"), _at(place, "states"))):
            below = _at(place, f"states.{key}")
            if child is None:
                child = {}
            if not isinstance(child, dict):
                raise NotReadable("a state is an object", below)
            self._collect((*path, key), child, below)

    def _place(self, path: Path, words: Mapping[str, Any], place: str) -> Place:
        kind = self._kind(words, place)
        if path:
            self._unread(words, _STATE_WORDS, place)
        children = tuple(
            self._place((*path, key), self.known[(*path, key)], _at(place, f"states.{key}"))
            for key, _ in _in_order(words.get("states") or {})
        )
        initial, actions = self._initial(path, words, kind, place)
        return Place(
            path=path,
            id=self._string(words.get("id"), _at(place, "id")) or ".".join((self.machine_id, *path)),
            kind=kind,
            place=place,
            children=children,
            initial=initial,
            initial_actions=actions,
            entry=self._actions(words.get("entry"), _at(place, "entry")),
            exit=self._actions(words.get("exit"), _at(place, "exit")),
            on=tuple(
                (event, self._ways(ways, path, _at(place, f"on.{event}")))
                for event, ways in self._table(words.get("on"), _at(place, "on")).items()
            ),
            done=self._ways(_given(words, "onDone"), path, _at(place, "onDone")),
            always=self._ways(words.get("always") or [], path, _at(place, "always")),
            after=tuple(
                (_delay(delay), self._ways(ways, path, _at(place, f"after.{delay}")))
                for delay, ways in self._after(words.get("after"), _at(place, "after"))
            ),
            invoke=tuple(self._invocations(words.get("invoke"), path, _at(place, "invoke"))),
            tags=tuple(self._string(tag, _at(place, "tags")) for tag in _rows(words.get("tags"))),
            description=self._string(words.get("description"), _at(place, "description")),
        )

    def _kind(self, words: Mapping[str, Any], place: str) -> Kind:
        written = words.get("type")
        has_children = bool(words.get("states"))
        if written == "history" or (written is None and words.get("history") and not has_children):
            return "deep_history" if words.get("history") == "deep" else "shallow_history"
        if written is None:
            return "compound" if has_children else "atomic"
        kind = _KINDS.get(written) if isinstance(written, str) else None
        if kind is None:
            raise NotReadable(
                "a state's type is atomic, compound, parallel, final or history", _at(place, "type")
            )
        return kind

    def _initial(
        self, path: Path, words: Mapping[str, Any], kind: Kind, place: str
    ) -> tuple[tuple[Path, ...], tuple[Act, ...]]:
        if kind in ("shallow_history", "deep_history"):
            written = words.get("target")
            targets = [self._target(one, path, _at(place, "target")) for one in _rows(written)]
            return tuple(targets), ()
        if kind != "compound":
            return (), ()
        written, where = words.get("initial"), _at(place, "initial")
        actions: tuple[Act, ...] = ()
        if isinstance(written, dict):
            actions = self._actions(written.get("actions"), f"{where}.actions")
            written = written.get("target")
        if not written:
            first = next(iter(words.get("states") or {}), "")
            raise NotReadable(f"a state with states in it needs 'initial', such as {first!r}", place)
        found = []
        for one in _rows(written):
            target = self._string(one, where)
            inside = (*path, *to_state_path(target.removeprefix(".")))
            below = self._by_id(target) if target.startswith("#") else inside
            if below not in self.known or below[: len(path)] != path or below == path:
                names = [key for key, _ in _in_order(words.get("states") or {})]
                raise NotReadable(
                    f"no state {target[:64]!r} stands here. {did_you_mean(target, names)}", where
                )
            found.append(below)
        return tuple(found), actions

    # Transitions

    def _ways(self, written: Any, path: Path, place: str) -> tuple[Way, ...]:
        if written is None:
            return (Way(None, place, forbidden=True),)
        rows = _rows(written)
        made = [
            self._way(row, path, place if row is written else f"{place}[{number}]")
            for number, row in enumerate(rows)
        ]
        return tuple(_with_refusals(made))

    def _way(self, row: Any, path: Path, place: str) -> Way:
        words = {"target": row} if isinstance(row, str) else row
        if not isinstance(words, dict):
            raise NotReadable("a transition is a target or an object", place)
        self._unread(words, _WAY_WORDS, place)
        target = words.get("target")
        where = _at(place, "target")
        meta = words.get("meta")
        kept: Mapping[str, Any] = meta if isinstance(meta, dict) else {}
        return Way(
            targets=None
            if target is None or target == ""
            else tuple(self._target(one, path, where) for one in _rows(target)) or None,
            place=place,
            guard=self._guard(words.get("guard", words.get("cond")), place),
            require=tuple(_refusals(words.get("require"), _at(place, "require"))),
            actions=self._actions(words.get("actions"), _at(place, "actions")),
            reenter=_flag(words, "reenter", place) or words.get("internal") is False,
            forbidden=kept.get("forbidden") is True,
            ignore=_flag(words, "ignore", place) or kept.get("ignore") is True,
            outage=self._string(words.get("outage", kept.get("outage")), _at(place, "outage")),
            description=self._string(words.get("description"), _at(place, "description")),
        )

    def _target(self, written: Any, source: Path, place: str) -> Path:
        """XState's ``resolveTarget``; a history's default and the root's own targets are children by name."""
        target = self._string(written, place)
        if target.startswith("#"):
            path = self._by_id(target)
        elif target.startswith("."):
            path = (*source, *to_state_path(target[1:]))
        else:
            path = (*source[:-1], *to_state_path(target))
        if path is None or path not in self.known:
            names = [".".join(each) for each in self.known if each] + [f"#{name}" for name in self.named]
            raise NotReadable(f"no state is meant by {target[:64]!r}. {did_you_mean(target, names)}", place)
        return path

    def _by_id(self, target: str) -> Path | None:
        """``#id`` or ``#id.child``, the longest id first: XState reads an id up to its first dot."""
        parts = target[1:].split(".")
        for cut in range(len(parts), 0, -1):
            start = self.ids.get(".".join(parts[:cut]).replace("\\", ""))
            if start is not None:
                path = (*start, *to_state_path(".".join(parts[cut:]))) if cut < len(parts) else start
                if path in self.known:
                    return path
        return None

    def _guard(self, written: Any, place: str) -> Guard | None:
        words: Mapping[str, Any] = written if isinstance(written, dict) else {}
        match written:
            case None:
                return None
            case bool():
                return Text("true" if written else "false")
            case str() if written:
                return Named(written)
            case {"type": "expression", "params": {"expression": str(text)}}:
                return Text(text)
            case {"type": str(name)} if name:
                return self._composite(name, words, place) or Named(name, words.get("params"))
        raise NotReadable("a guard is a name, or an object with its 'type'", _at(place, "guard"))

    def _composite(self, name: str, words: Mapping[str, Any], place: str) -> Guard | None:
        """``and``, ``or``, ``not`` and ``stateIn`` as their helpers leave them in JSON; None for a name of code.

        Their guards stand in ``guards``, or with XState's own prefix in ``params``.
        """
        params = words.get("params")
        inside = params if isinstance(params, dict) else words
        word = _COMPOSITES.get(name)
        rows = words.get("guards", inside.get("guards"))
        if word == "not" and rows is None:
            rows = words.get("guard", inside.get("guard"))
        if word is not None and rows:
            where = _at(place, "guards")
            made = [self._guard(each, f"{where}[{number}]") for number, each in enumerate(_rows(rows))]
            guards = tuple(each for each in made if each is not None)
            if guards and (word != "not" or len(guards) == 1):
                return Combined(word, guards)
        state = inside.get("state", inside.get("stateValue"))
        if name in ("stateIn", "xstate.stateIn") and isinstance(state, str):
            path = self._by_id(state) if state.startswith("#") else to_state_path(state)
            if path in self.known:
                return InState(path)
        return None

    def _invocations(self, written: Any, path: Path, place: str) -> Iterator[Invocation]:
        for number, words in enumerate(_rows(written)):
            here = place if words is written else f"{place}[{number}]"
            if not isinstance(words, dict) or not isinstance(words.get("src"), str):
                raise NotReadable("an invoke names its 'src'", here)
            meta = words.get("meta")
            kept: Any = meta.get("retry") if isinstance(meta, dict) else None
            retry = words.get("retry") or kept
            given = words.get("input")
            yield Invocation(
                src=words["src"],
                id=self._string(words.get("id"), f"{here}.id")
                or (words["src"] if self.is_ours else f"{number}.{'.'.join((self.machine_id, *path))}"),
                input=given if isinstance(given, dict) else {},
                done=self._ways(_given(words, "onDone"), path, f"{here}.onDone"),
                error=self._ways(_given(words, "onError"), path, f"{here}.onError"),
                rest={"retry": retry} if retry else {},
            )

    # Actions

    def _actions(self, written: Any, place: str) -> tuple[Act, ...]:
        return tuple(
            self._action(row, place if row is written else f"{place}[{number}]")
            for number, row in enumerate(_rows(written))
        )

    def _action(self, row: Any, place: str) -> Act:
        if isinstance(row, str) and row:
            return Named(row)
        if isinstance(row, dict):
            name = row.get("type")
            if isinstance(name, str) and name:
                return _built_in(name, row.get("params"), place) or Named(name, row.get("params"))
            if len(row) == 1:
                word, value = next(iter(row.items()))
                made = _built_in(word, value, place)
                if made is not None:
                    return made
        raise NotReadable(
            "an action is a name, an object with its 'type', or one of assign, emit, raise, send and cancel",
            place,
        )

    # Shapes

    def _after(self, written: Any, place: str) -> Sequence[tuple[str, Any]]:
        return _in_order(self._table(written, place))

    def _table(self, written: Any, place: str) -> Mapping[str, Any]:
        if written is None:
            return {}
        if not isinstance(written, dict):
            raise NotReadable("an object is expected here", place)
        return written

    def _string(self, written: Any, place: str) -> str:
        if written is None:
            return ""
        if not isinstance(written, str):
            raise NotReadable("a string is expected here", place)
        return written


def to_state_path(text: str) -> Path:
    """The keys in a dotted text; a backslash takes the next character as it is (XState: ``toStatePath``)."""
    keys, key, letters = [], "", iter(text)
    for letter in letters:
        if letter == "\\":
            key += next(letters, "")
        elif letter == ".":
            keys.append(key)
            key = ""
        else:
            key += letter
    return (*keys, key)


def _is_ours(document: Mapping[str, Any]) -> bool:
    """Whether a document is a chart in our own words: XState has no ``commands``, and its context holds values."""
    if isinstance(document.get("commands"), dict):
        return True
    context = document.get("context")
    return (
        isinstance(context, dict)
        and bool(context)
        and all(isinstance(each, dict) and _is_schema(each) for each in context.values())
    )


def _is_schema(value: Mapping[str, Any]) -> bool:
    """Whether a value reads as the words of a context field, and not as a value of XState's context."""
    kinds = _rows(value.get("type", "null"))
    return (
        ("type" in value or "default" in value)
        and value.keys() <= _FIELD_WORDS
        and all(isinstance(kind, str) and kind in _KINDS_OF_JSON for kind in kinds)
    )


def _exported_commands(meta: Any) -> Any:
    """The commands that our own export keeps in ``meta``."""
    return meta.get("commands") if isinstance(meta, dict) else None


def _built_in(word: str, value: Any, place: str) -> Act | None:
    """An action of our language; None where the name is somebody's own."""
    match word.removeprefix("xstate."), value:
        case ("assign", dict()):
            return Assigns(value)
        case ("emit", str()) | ("emit", {"type": str()}):
            return Emits(value if isinstance(value, str) else value["type"])
        case ("raise", str()):
            return Raises(value)
        case ("raise", {"event": str(event)}) | ("raise", {"event": {"type": str(event)}}):
            delay, name = value.get("delay"), value.get("id")
            if isinstance(delay, bool) or not isinstance(delay, (int, float, str, type(None))):
                raise NotReadable("a delay is milliseconds, or a text such as 30m", f"{place}.delay")
            return Raises(event, delay, name if isinstance(name, str) else "")
        case ("send", {"machine": str(), "key": str(), "command": str()}):
            return Sends(value)
        case ("cancel", str()) | ("cancel", {"id": str()}):
            return Cancels(value if isinstance(value, str) else value["id"])
    return None


def _with_refusals(ways: Sequence[Way]) -> Iterator[Way]:
    """Our export puts the ``require`` rows of a transition before it, as a candidate that goes nowhere."""
    rows: tuple[Refusal, ...] = ()
    for way in ways:
        guard = way.guard
        if isinstance(guard, Named) and guard.name == "refused" and isinstance(guard.params, dict):
            rows = tuple(_refusals(guard.params.get("require"), way.place))
            continue
        yield replace(way, require=(*rows, *way.require)) if rows else way
        rows = ()


def _refusals(written: Any, place: str) -> Iterator[Refusal]:
    for row in _rows(written):
        match row:
            case {"check": str(check), "error": dict(error)}:
                yield Refusal(check, error)
            case {"check": bool(check), "error": dict(error)}:
                yield Refusal("true" if check else "false", error)
            case _:
                raise NotReadable("a requirement has 'check' and 'error'", place)


def _flag(words: Mapping[str, Any], name: str, place: str) -> bool:
    written = words.get(name, False)
    if not isinstance(written, bool):
        raise NotReadable("true or false is expected here", _at(place, name))
    return written


def _delay(text: str) -> int | float | str:
    """A delay's key: milliseconds, where JavaScript reads it as a number."""
    if not _NUMBER.fullmatch(text):
        return text
    number = float(text)
    if number in (float("inf"), float("-inf")):
        return text
    return int(number) if number == int(number) else number


def _in_order(table: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The entries as JavaScript goes through them: keys that are whole numbers first, ascending."""
    numbers = [key for key in table if _INDEX.fullmatch(key) and int(key) < 2**32 - 1]
    if not numbers:
        return list(table.items())
    others = dict.fromkeys(table)
    for key in numbers:
        del others[key]
    return [(key, table[key]) for key in (*sorted(numbers, key=int), *others)]


def _rows(written: Any) -> list[Any]:
    return written if isinstance(written, list) else [] if written is None else [written]


def _given(words: Mapping[str, Any], name: str) -> Any:
    """The transitions of a word, none where it is left out; ``{}`` is one that does nothing, and keeps others off."""
    found = words.get(name)
    return [] if found is None or found is False else found


def _at(place: str, word: str) -> str:
    return f"{place}.{word}" if place else word
