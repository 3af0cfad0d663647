"""Actions and invocations of another program's machine in the words of a chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from interlock.engine.chart_words import CODE, COMMAND_NAME, EVENT_TYPE, FIELD_NAME, WAITING_ID
from interlock.engine.interchange.chart_events import Events
from interlock.engine.interchange.chart_fields import Fields, Schemas, duration
from interlock.engine.interchange.chart_names import Names, fitting, past, snake_case
from interlock.engine.interchange.model import (
    Act,
    Assigns,
    Cancels,
    Config,
    Emits,
    Invocation,
    Named,
    Note,
    Raises,
    Sends,
)
from interlock.engine.interchange.yaml_text import Remark, one_line

_NOT_CARRIED = {
    "xstate.sendTo": "sends an event to an actor",
    "xstate.sendParent": "sends an event to the parent actor",
    "xstate.forwardTo": "forwards an event to an actor",
    "xstate.spawnChild": "starts an actor",
    "xstate.stopChild": "stops an actor",
    "xstate.log": "writes a log",
    "xstate.enqueueActions": "decides in code which actions follow",
    "xstate.assign": "sets the context in code",
    "xstate.raise": "raises an event that code names",
    "xstate.emit": "emits an event that code names",
    "xstate.cancel": "cancels what code names",
}


class Acts:
    """Writes actions. ``lone_is_forbidden``: an empty transition means what ``null`` means here, as in XState."""

    def __init__(
        self, config: Config, origin: str, chart_id: str, fields: Fields, events: Events, notes: list[Note]
    ) -> None:
        self.config = config
        self.origin = origin
        self.chart_id = chart_id
        self.fields = fields
        self.events = events
        self.notes = notes
        self.speaks_ours = config.is_ours or bool(config.commands)
        self.lone_is_forbidden = not self.speaks_ours
        self._types = Names(CODE, "action_done")
        self._waiting = Names(WAITING_ID, "wait")
        self._delayed: set[str] = set()
        self.raised: set[str] = set()
        """What the chart raises, by our names: a raise that stands in what is left out is none."""
        self._name_all()

    def _name_all(self) -> None:
        acts = [act for place in self.config.root.walk() for act in place.acts()]
        for act in acts:  # Types that the document gives come before those that are made of names.
            if isinstance(act, Emits):
                self._emitted(act.type)
        for act in acts:
            if isinstance(act, Raises) and act.delay is not None and act.id:
                self._delayed.add(act.id)
            if isinstance(act, Sends) and act.words.get("delay") is not None:
                self._delayed.add(str(act.words.get("id") or ""))

    def tree(self, acts: Sequence[Act], data: Schemas | None, place: str) -> list[Any]:
        """The actions, without those that have no place here."""
        made = [self._act(act, data, place.lstrip(".")) for act in acts]
        return [each for each in made if each is not None]

    def _act(self, act: Act, data: Schemas | None, place: str) -> Any:
        match act:
            case Named():
                return self._named(act, place)
            case Assigns(fields=fields):
                made = {
                    self.fields.assigned(name, place): self._value(value, data, place)
                    for name, value in fields.items()
                }
                return {"assign": made} if made else None
            case Emits(type=type_):
                return {"emit": f"{self.chart_id}.{self._emitted(type_)}"}
            case Raises():
                return self._raise(act, place)
            case Sends(words=words):
                return {"send": self._send(words, place)}
            case Cancels(id=name):
                if name in self._delayed:
                    return {"cancel": self._waiting.give(name)}
                message = f"nothing that waits has the id {name[:64]!r}: 'cancel' is left out"
                self.notes.append(Note(place, "unknown_id", message))
        return None

    def _emitted(self, type_: str) -> str:
        start, _, verb = type_.rpartition(".")
        is_kept = EVENT_TYPE.fits(type_) and start in (self.config.id, self.chart_id)
        if is_kept:
            return self._types.give(f"type {verb}", verb)
        is_new = f"type {type_}" not in self._types.given
        name = self._types.give(f"type {type_}", snake_case(verb or type_) or "event_emitted")
        if is_new:
            self.notes.append(
                Note("", "renamed", f"the event {type_[:64]!r} is called '{self.chart_id}.{name}' here")
            )
        return name

    def _named(self, act: Named, place: str) -> Any:
        if act.name in _NOT_CARRIED:
            message = f"{act.name} {_NOT_CARRIED[act.name]}: it is left out"
            hint = "Say it with assign, emit, raise, send or cancel."
            self.notes.append(Note(place, "not_carried", message, hint))
            return None
        key = f"action {act.name}"
        is_new = key not in self._types.given
        name = self._types.give(key, fitting(past(act.name), CODE, "action_done"))
        if is_new:
            message = f"the action {act.name[:64]!r} is code there: '{self.chart_id}.{name}' is announced"
            hint = "Let a subscriber do it, or say it with assign, raise, send or invoke."
            self.notes.append(Note(place, "named_action", message, hint))
        params = "" if act.params is None else f" {one_line(act.params)}"
        return Remark({"emit": f"{self.chart_id}.{name}"}, f"{self.origin} action {act.name}{params}")

    def _value(self, value: Any, data: Schemas | None, place: str) -> Any:
        """A value as our expressions have it: what is no expression is the text itself."""
        if not isinstance(value, str) or self.fields.compiles(value, data):
            return value
        if self.speaks_ours:
            message = f"no expression of this chart: {value[:100]!r} is taken as a text"
            self.notes.append(Note(place, "bad_expression", message, "Write it again."))
        return _quoted(value)

    def _raise(self, act: Raises, place: str) -> dict[str, Any]:
        event = self.events.name(act.event)
        self.raised.add(event)
        if act.delay is None:
            return {"raise": event}
        words: dict[str, Any] = {"event": event, "delay": self.fields.delay(act.delay, place)}
        return {"raise": words | ({"id": self._waiting.give(act.id)} if act.id else {})}

    def _send(self, words: Mapping[str, Any], place: str) -> dict[str, Any]:
        made = {word: words[word] for word in ("machine", "key", "command", "data") if word in words}
        delay = words.get("delay")
        if isinstance(delay, (int, float)) and not isinstance(delay, bool):
            made["delay"] = duration(delay)
        elif isinstance(delay, str):
            made["delay"] = self.fields.delay(delay, place)
        if "delay" in made and words.get("id"):
            made["id"] = self._waiting.give(str(words["id"]))
        return made

    def invoke(self, invocation: Invocation, name: str, place: str) -> dict[str, Any]:
        """The words of an invocation but for its outcomes."""
        place = f"{place}.invoke".lstrip(".")
        src = fitting(invocation.src, COMMAND_NAME, "job")
        if not self.speaks_ours:
            message = (
                f"{invocation.src[:64]!r} is an actor there; here a worker runs a function of that name once"
            )
            hint = "Offer it in an installed package under the entry points interlock.invocable."
            self.notes.append(Note(place, "invoked_function", message, hint))
        given = {fitting(key, FIELD_NAME, "field"): value for key, value in invocation.input.items()}
        retry = dict(invocation.rest.get("retry") or {})
        if isinstance(retry.get("interval"), (int, float)):
            retry["interval"] = duration(retry["interval"])
        return {
            "src": src,
            "id": "" if name == src else name,
            "input": {key: self._value(value, None, place) for key, value in given.items()},
            "retry": retry,
        }


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"
