"""A machine of another program as a chart of ours, in YAML that a person can go on with.

What the other program keeps in code has a place that loads: a guard is a field of the context that is false until
somebody writes the condition, an action an event that is announced, a named delay a field that holds seconds. Each
has a comment where it stands. What cannot be carried over, or has another name here, is told in notes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.engine.chart_words import CHART_ID
from interlock.engine.errors import ChartError, Finding
from interlock.engine.interchange.chart_acts import Acts
from interlock.engine.interchange.chart_events import Events
from interlock.engine.interchange.chart_fields import Fields
from interlock.engine.interchange.chart_names import fitting, snake_case
from interlock.engine.interchange.chart_places import Places
from interlock.engine.interchange.model import Config, Note, NotReadable, Path, Place, Way
from interlock.engine.interchange.yaml_text import Lines, Remark, Rows, yaml_text
from interlock.engine.loader import parse_chart

_CODE = ("named_guard", "named_action", "named_delay", "invoked_function")

Functions = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Imported:
    """A chart's ``text``; ``notes``: what is different from the document, by place; ``findings``: why the chart
    does not load, none where it does."""

    text: str
    notes: tuple[Note, ...]
    findings: tuple[Finding, ...]


def chart_yaml(
    config: Config, *, origin: str, chart_id: str = "", functions: Functions | None = None
) -> Imported:
    """The machine as a chart. ``origin``: the other program's name in comments; ``chart_id``: instead of its own.

    ``functions``: the application's own, that expressions may call. The same machine always gives the same bytes.
    Raises NotReadable where no chart can be made of it.
    """
    writer = _Writer(config, origin, chart_id, functions or {})
    text = writer.text()
    try:
        parse_chart(text, "<chart>", functions=functions)
    except ChartError as error:
        return Imported(text, tuple(writer.notes), error.findings)
    return Imported(text, tuple(writer.notes), ())


class _Writer:
    def __init__(self, config: Config, origin: str, chart_id: str, functions: Functions) -> None:
        if config.root.kind == "final":
            raise NotReadable("a machine whose root is final has no life to describe", "type")
        self.config = config
        self.origin = origin
        self.notes: list[Note] = list(config.notes)
        self.chart_id = chart_id or self._chart_id(config.id)
        self.places = Places(config, self.chart_id, self.notes)
        self.events = Events(config, self.places, self.notes)
        self.fields = Fields(config, origin, self.places, functions, self.notes)
        if not config.commands and len(self.events.commands()) > 1:
            message = "an event brings what it likes there; here a command takes the data that it declares, so far none"
            self.notes.append(Note("", "no_data", message, "Write the data of each command."))
        self.acts = Acts(config, origin, self.chart_id, self.fields, self.events, self.notes)

    def _chart_id(self, written: str) -> str:
        name = written if CHART_ID.fits(written) else fitting(snake_case(written), CHART_ID, "machine")
        if name != written:
            message = f"the chart's id is {name!r}, not {written[:64]!r}"
            self.notes.append(Note("id", "renamed", message, "Choose another with --id."))
        return name

    def text(self) -> str:
        config = self.config
        body = self._state(config.root)
        events = [f"{self.chart_id}.{each.rpartition('.')[2]}" for each in config.rest.get("events", ())]
        tree: dict[str, Any] = {
            "id": self.chart_id,
            "version": int(config.version) if config.version.isdigit() and int(config.version[:9]) else 1,
            "description": config.description,
            "context": Rows(self.fields.tree()),
            "index": config.rest.get("index", []),
            "events": events,
            "commands": Rows(self.events.commands(self.acts.raised)),
            **body,
        }
        heading = f"Imported from {self.origin}."
        if any(note.code in _CODE for note in self.notes):
            heading += " What was code there has a comment and is to be completed."
        return yaml_text(_said(tree), [heading])

    # States

    def _state(self, place: Place) -> dict[str, Any]:
        if place.is_history:
            return self._history(place)
        kind, children = self._kind(place), self._children(place)
        words: dict[str, Any] = {
            "id": self.places.ids.get(place.path, ""),
            "type": kind if kind in ("parallel", "final") else "",
            "description": place.description if place.path else "",
            "tags": _one(list(place.tags)),
        }
        acts = self.acts
        if kind == "compound":
            where = f"{place.place}.initial".lstrip(".")
            actions = acts.tree(place.initial_actions, None, f"{where}.actions")
            target = self._initial(place)
            words["initial"] = {"target": target, "actions": _one(actions)} if actions else target
        words["entry"] = _one(acts.tree(place.entry, None, f"{place.place}.entry"))
        words["exit"] = _one(acts.tree(place.exit, None, f"{place.place}.exit"))
        if kind == "final":
            self._unmoved(place)
        else:
            words |= self._moves(place)
        words["states"] = Rows({name: below or None for name, below in children})
        return _said(words)

    def _kind(self, place: Place) -> str:
        """The kind that the state has here: of what its children allow."""
        inside = [child for child in place.children if not child.is_history]
        if place.kind == "final" and inside:
            self._note(place, "final_with_states", "a final state holds no states here: it is not final")
            return "compound" if place.initial else "parallel"
        if place.kind == "parallel" and not inside:
            return "atomic" if place.path else "compound"
        if not place.path and not place.children:
            return "compound"
        return place.kind

    def _children(self, place: Place) -> Iterator[tuple[str, dict[str, Any]]]:
        if not place.path and not any(not child.is_history for child in place.children):
            self._note(place, "no_states", "a chart has states: its one is 'active'")
            yield "active", {}
        for child in place.children:
            yield self.places.name(child.path), self._state(child)

    def _initial(self, place: Place) -> str:
        if not place.initial:
            return "active" if not place.path else self.places.name(place.children[0].path)
        if len(place.initial) > 1:
            self._note(place, "many_initial", "a state begins in one state: the first of these")
        first = self.config.at(place.initial[0])
        if first.is_history and not first.initial and first.path[:-1] == place.path:
            self._note(
                place,
                "history_initial",
                "its history says nothing of where to begin: the first state is taken",
            )
            first = next((child for child in place.children if not child.is_history), first)
        return ".".join(self.places.names(first.path)[len(place.path) :])

    def _history(self, place: Place) -> dict[str, Any]:
        kept = []
        for path in place.initial:
            is_inside = path[: len(place.path) - 1] == place.path[:-1] and len(path) >= len(place.path)
            if not is_inside or self.config.at(path).is_history:
                message = "the default of a history is a state beside it: this one is left out"
                self._note(place, "history_default", message)
            else:
                kept.append(self.places.target(place.path, path))
        words = {
            "id": self.places.ids.get(place.path, ""),
            "type": "history",
            "history": "deep" if place.kind == "deep_history" else "",
            "description": place.description,
            "target": _one(kept),
        }
        return _said(words)

    # Transitions

    def _moves(self, place: Place) -> dict[str, Any]:
        on: dict[str, Any] = {
            event: _one(self._ways(ways, place.path, event))
            for event, ways in self.events.table(place).items()
            if ways
        }
        for event, rows in on.items():
            if rows == {} and (self.acts.lone_is_forbidden or self._is_forbidden(place, event)):
                on[event] = None
        after: dict[str, list[Any]] = {}
        for delay, ways in place.after:
            where = f"{place.place}.after.{delay}".lstrip(".")
            rows = self._ways(ways, place.path, "", timer=True)
            after.setdefault(self.fields.delay(delay, where), []).extend(rows)
        done = self._ways(place.done, place.path, "")
        if done and self._kind(place) not in ("compound", "parallel"):
            self._note(place, "never_done", "a state without states is never done: 'onDone' is left out")
            done = []
        always = [*self.events.eventless(place), *place.always]
        return {
            "invoke": _one([self._invoke(each, place) for each in place.invoke]),
            "always": _one([row for row in self._ways(always, place.path, "") if row != {}]),
            "on": Lines(on) if len(on) > 1 else on,
            "onDone": _one(done),
            "after": {delay: _one(rows) for delay, rows in after.items() if rows},
        }

    def _is_forbidden(self, place: Place, event: str) -> bool:
        return any(way.forbidden for way in self.events.table(place)[event])

    def _unmoved(self, place: Place) -> None:
        """A final state is left by nothing of its own here."""
        if place.on or place.always or place.after or place.done or place.invoke:
            message = "a final state takes no event here: its transitions are left out"
            self._note(place, "final_is_left", message, "Make it no final state where it shall be left.")

    def _ways(self, ways: Sequence[Way], source: Path, event: str, *, timer: bool = False) -> list[Any]:
        data = self.events.data(event)
        return [self._way(way, source, event, data, timer) for way in ways]

    def _way(self, way: Way, source: Path, event: str, data: Any, timer: bool) -> Any:
        is_asked = self.events.is_asked(event)
        if (way.require or way.ignore) and not is_asked:
            note = "'require' and 'ignore' answer a command, and none is at hand here: they are left out"
            self.notes.append(Note(way.place, "no_command_here", note))
        targets = [self.places.target(source, path) for path in way.targets or ()]
        words = {
            "description": way.description,
            "guard": self.fields.guard(way.guard, data, way.place),
            "require": _one([self._refusal(row.check, row.error) for row in way.require if is_asked]),
            "target": _one(targets),
            "reenter": way.reenter,
            "actions": _one(self.acts.tree(way.actions, data, f"{way.place}.actions")),
            "outage": way.outage if timer else "",
            "ignore": way.ignore and is_asked,
        }
        said = _said(words)
        return said["target"] if said.keys() == {"target"} and isinstance(said["target"], str) else said

    def _refusal(self, check: str, error: Mapping[str, Any]) -> dict[str, Any]:
        return {"check": check, "error": dict(error)}

    def _invoke(self, invocation: Any, place: Place) -> dict[str, Any]:
        name = self.events.invoked[(place.path, invocation.id)]
        done, error = (f"{start}{name}" for start in ("done.invoke.", "error.invoke."))
        words = {
            **self.acts.invoke(invocation, name, place.place),
            "onDone": _one(self._ways(invocation.done, place.path, done)),
            "onError": _one(self._ways(invocation.error, place.path, error)),
        }
        return _said(words)

    def _note(self, place: Place, code: str, message: str, suggestion: str = "") -> None:
        self.notes.append(Note(place.place, code, message, suggestion))


def _one(rows: list[Any]) -> Any:
    """A list's only item without the list."""
    return rows[0] if len(rows) == 1 else rows


def _said(words: Mapping[str, Any]) -> dict[str, Any]:
    """The words that say something."""
    kept = {}
    for name, value in words.items():
        inner = value.value if isinstance(value, Remark) else value
        if inner not in ("", [], False, None) and not (inner == {} and name not in ("onDone", "onError")):
            kept[name] = value
    return kept
