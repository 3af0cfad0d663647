"""What the states of another program's machine are called in a chart, and how targets name them."""

from __future__ import annotations

from interlock.engine.chart_words import STATE_NAME
from interlock.engine.interchange.chart_names import Names
from interlock.engine.interchange.model import Config, Note, Path, Place


class Places:
    """The names of all states. ``ids``: of those that have one of their own; ``by_id``: what an id means."""

    def __init__(self, config: Config, chart_id: str, notes: list[Note]) -> None:
        self.chart_id = chart_id
        self.notes = notes
        self.ids: dict[Path, str] = {}
        self.by_id: dict[str, Path] = {}
        self._names: dict[Path, str] = {}
        for place in config.root.walk():
            self._name_children(place)
            self.by_id.setdefault(".".join((config.id, *place.path)), place.path)
        for place in config.root.walk():
            self.by_id[place.id] = place.path
        self.paths = [".".join(self.names(path)) for path in self._names]
        self._give_ids(config)

    def _name_children(self, place: Place) -> None:
        names = Names(STATE_NAME, "state")
        keys = sorted(place.children, key=lambda child: not STATE_NAME.fits(child.key))
        for child in keys:  # Those that may keep their names take them first.
            name = names.give(child.key, child.key if STATE_NAME.fits(child.key[:128]) else f"{child.key}")
            self._names[child.path] = name
            if name != child.key:
                message = f"the state is called {name!r} here, not {child.key[:64]!r}"
                self.notes.append(Note(child.place, "renamed", message))

    def _give_ids(self, config: Config) -> None:
        names = Names(STATE_NAME, "state", {self.chart_id})
        for place in config.root.walk():
            own = place.id and place.id != ".".join((config.id, *place.path))
            if not place.path or not own:
                continue
            if not STATE_NAME.fits(place.id) and place.path[-1:] == (place.id,):
                continue
            self.ids[place.path] = names.give(place.id)
            if self.ids[place.path] != place.id:
                message = f"the id is {self.ids[place.path]!r} here, not {place.id[:64]!r}"
                self.notes.append(Note(f"{place.place}.id", "renamed", message))

    def name(self, path: Path) -> str:
        """The state's name among its siblings."""
        return self._names[path]

    def names(self, path: Path) -> tuple[str, ...]:
        """The names on the way to a state."""
        return tuple(self._names[path[:end]] for end in range(1, len(path) + 1))

    def dotted(self, path: Path) -> str:
        """The state's path as expressions and done events name it."""
        return ".".join(self.names(path))

    def target(self, source: Path, path: Path) -> str:
        """The shortest text by which a transition of ``source`` means the state."""
        if not path:
            return f"#{self.chart_id}"
        if path in self.ids:
            return f"#{self.ids[path]}"
        names = self.names(path)
        if source and path[: len(source)] == source and path != source:
            return "." + ".".join(names[len(source) :])
        above = max(len(source) - 1, 0)
        if path[:above] == source[:above] and len(path) > above:
            return ".".join(names[above:])
        first = f"{self.chart_id}." if names[0] in (self.chart_id, *self.ids.values()) else ""
        return f"#{first}{'.'.join(names)}"
