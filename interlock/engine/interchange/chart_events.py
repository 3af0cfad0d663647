"""Events of another program's machine as commands and internal events of a chart."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import jsonschema_rs

from interlock.engine.chart import INVOKE_DONE, INVOKE_ERROR
from interlock.engine.chart_builder import DONE, OUTCOMES
from interlock.engine.chart_words import COMMAND_NAME, EVENT_KEY, EVENT_NAME, IF_MISSING, WAITING_ID
from interlock.engine.interchange.chart_names import Names
from interlock.engine.interchange.chart_places import Places
from interlock.engine.interchange.model import Config, Note, Path, Place, Raises, Way

_THEIRS = {
    "xstate.done.actor.": INVOKE_DONE,
    "xstate.error.actor.": INVOKE_ERROR,
    INVOKE_DONE: INVOKE_DONE,
    INVOKE_ERROR: INVOKE_ERROR,
}
_ALL_OF_A_KIND = {
    "xstate.done.state.*": "done.state.*",
    "xstate.after.*": "after.*",
    "xstate.done.*": "done.*",
    "xstate.done.actor.*": "done.invoke.*",
    "xstate.error.actor.*": "error.invoke.*",
}


class Events:
    """What each event is called here. An event that the machine raises itself is internal, any other a command,
    unless the document declares it as one. ``invoked``: the id of each invocation, by its state and id there."""

    def __init__(self, config: Config, places: Places, notes: list[Note]) -> None:
        self.config = config
        self.places = places
        self.notes = notes
        self.raised = dict.fromkeys(
            act.event for place in config.root.walk() for act in place.acts() if isinstance(act, Raises)
        )
        taken: set[str] = set()
        self._commands = Names(COMMAND_NAME, "event", taken)
        self._internal = Names(EVENT_NAME, "event", taken)
        self.invoked: dict[tuple[Path, str], str] = {}
        self._runs: dict[str, str] = {}
        self._name_runs()
        self._name_events()

    def _name_runs(self) -> None:
        names = Names(WAITING_ID, "job")
        for place in self.config.root.walk():
            for each in place.invoke:
                key = f"{'.'.join(place.path)} {each.id}"
                name = names.give(key, each.id if WAITING_ID.fits(each.id) else each.src)
                self.invoked[place.path, each.id] = name
                self._runs.setdefault(each.id, name)

    def _name_events(self) -> None:
        found = [*self.config.commands]
        places: dict[str, str] = {}
        for place in self.config.root.walk():
            for event, _ in place.on:
                if event != "*" and not event.endswith(".*") and event and self._special(event) is None:
                    found.append(event)
                    places.setdefault(event, f"{place.place}.on.{event}".lstrip("."))
        found += self.raised
        self._order = list(dict.fromkeys(found))
        for event in sorted(dict.fromkeys(found), key=lambda event: not COMMAND_NAME.fits(event)):
            name = self.name(event)
            if name != event:
                message = f"the event is called {name!r} here, not {event[:64]!r}"
                self.notes.append(Note(places.get(event, ""), "renamed", message))

    def _is_internal(self, event: str) -> bool:
        return event in self.raised and event not in self.config.commands

    def name(self, event: str) -> str:
        """What an event that somebody sends or raises is called here."""
        special = self._special(event)
        if special is not None:
            return special
        return (self._internal if self._is_internal(event) else self._commands).give(event)

    def _special(self, event: str) -> str | None:
        """An event that the engine makes; empty for one that ours has not; None for any other."""
        if event in _ALL_OF_A_KIND:
            return _ALL_OF_A_KIND[event]
        for start, ours in _THEIRS.items():
            if event.startswith(start):
                name = self._runs.get(event.removeprefix(start))
                return f"{ours}{name}" if name else ""
        for start in (f"xstate.{DONE}", DONE):
            if event.startswith(start) and not event.endswith("*"):
                rest = event.removeprefix(start)
                path = self.places.by_id.get(rest, tuple(rest.split(".")))
                known = path in self.places.by_id.values()
                return f"{DONE}{self.places.dotted(path)}" if known and path else ""
        return "" if event.startswith("xstate.") else None

    def commands(self, raised: Collection[str] | None = None) -> dict[str, Any]:
        """The declarations, a creating one first. ``raised``: internal events that are raised; the others, which
        nobody raises after all, are commands too."""
        declared = {
            name: dict(words) if isinstance(words, Mapping) and words else None
            for name, words in ((self.name(key), words) for key, words in self.config.commands.items())
        }
        for event in self._order:
            if not self._is_internal(event) and (name := self._commands.given.get(event)):
                declared.setdefault(name, None)
        for name in self._internal.given.values():
            if raised is not None and name not in raised and COMMAND_NAME.fits(name):
                declared.setdefault(name, None)
        if not any(words and words.get("creates") in (True, IF_MISSING) for words in declared.values()):
            declared = {self._commands.give(" create", "create"): {"creates": True}, **declared}
        return declared

    def data(self, event: str) -> Mapping[str, Any] | None:
        """The schemas of what comes with an event, by its name here; None where nothing does."""
        for start, schemas in OUTCOMES.items():
            if event.startswith(start):
                return schemas
        if not self.is_asked(event) or event.endswith("*"):
            return None
        words = next((w for key, w in self.config.commands.items() if self.name(key) == event), None)
        given = words.get("data") if isinstance(words, Mapping) else None
        fields = given.items() if isinstance(given, Mapping) else ()
        return {name: schema_or_any(schema) for name, schema in fields}

    def is_asked(self, event: str) -> bool:
        """Whether it can be a command, so that there is somebody to answer."""
        return event.endswith("*") or event in self._commands.given.values()

    def table(self, place: Place) -> dict[str, list[Way]]:
        """The candidates of a state by our events."""
        made: dict[str, list[Way]] = {}
        for event, ways in place.on:
            if not event or event.endswith(".*"):
                continue
            name = "*" if event == "*" else self.name(event)
            if name:
                made.setdefault(name, []).extend(ways)
            else:
                self._leave_out(place, event)
        for event, ways in sorted(place.on, key=lambda row: -len(row[0])):
            if event.endswith(".*"):
                self._prefix(place, event, ways, made)
        order = [name for event, _ in place.on for name in self._meant(event)]
        return {name: made[name] for name in dict.fromkeys((*order, *made)) if name in made}

    def _meant(self, event: str) -> list[str]:
        """The keys that an event's transitions may stand under, as the document orders them."""
        if event.endswith(".*"):
            start = event.removesuffix("*")
            return [name for each, name in self._commands.given.items() if each.startswith(start)] + [
                _ALL_OF_A_KIND.get(event, event)
            ]
        return [event if event in ("", "*") else self.name(event)]

    def _prefix(self, place: Place, event: str, ways: tuple[Way, ...], made: dict[str, list[Way]]) -> None:
        """``user.*`` names commands with dots, which ours have not: their names are written out."""
        start = event.removesuffix("*")
        special = _ALL_OF_A_KIND.get(event)
        if special or (event.startswith("done.") or event == "after.*"):
            made.setdefault(special or event, []).extend(ways)
            return
        dotted = [each for each in self._commands.given if each.startswith(start)]
        for each in dotted:
            rows = made.setdefault(self._commands.given[each], [])
            if all(way.guard is not None for way in rows):  # Else it is never their turn.
                rows.extend(ways)
        known = [*self._internal.given.values(), *self._commands.given.values()]
        is_needed = not dotted or any(f"{each}.".startswith(start) for each in known)
        if is_needed and EVENT_KEY.fits(event):
            made.setdefault(event, []).extend(ways)
        elif not dotted:
            self._leave_out(place, event)

    def _leave_out(self, place: Place, event: str) -> None:
        message = f"no event of this chart is meant by {event[:64]!r}: its transitions are left out"
        note = Note(f"{place.place}.on.{event}".lstrip("."), "no_such_event", message)
        if note not in self.notes:
            self.notes.append(note)

    def eventless(self, place: Place) -> list[Way]:
        """Transitions of the empty event, as ``always`` was written before XState v5."""
        return [way for event, ways in place.on if not event for way in ways]


def schema_or_any(words: Any) -> Mapping[str, Any]:
    """The words as a schema for expressions; any value where they are none, which loading the chart will say."""
    schema = (
        {word: value for word, value in words.items() if word != "public"}
        if isinstance(words, Mapping)
        else {}
    )
    try:
        jsonschema_rs.validator_for(schema)
    except (jsonschema_rs.ValidationError, ValueError):
        return {}
    return schema
