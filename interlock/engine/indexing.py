"""Which index entries an instance has at a snapshot. Pure: the commit writes them, a repair compares them.

An instance is indexed as the chart of its own version says, and moves with its migration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from interlock.engine.chart import Chart
from interlock.engine.keys import PartitionKeys
from interlock.engine.ordering import END, encoded
from interlock.engine.snapshot import Snapshot
from interlock.engine.sources import source_of
from interlock.engine.tenancy import split

CREATED_AT, UPDATED_AT, CHART_VERSION = "$created_at", "$updated_at", "$chart_version"
TENANT, SOURCE = "$tenant", "$source"
"""What every instance is listed by beside its fields; no context field can be called so. Where there is no source
that all may know of (`sources`), there is no `SOURCE`."""


@dataclass(frozen=True, slots=True)
class Row:
    """An instance as lists see it. ``states``: every active state's path, compound ones too; ``tags``: of these;
    ``values``: encoded (`ordering`), by the index's name: `CREATED_AT`, ..., the public context fields
    that its chart lists by. ``members``: of those of these fields that are arrays, what they hold, encoded.
    """

    version: int
    states: tuple[str, ...]
    tags: tuple[str, ...]
    values: Mapping[str, str]
    members: Mapping[str, Sequence[str]]

    def to_bytes(self) -> bytes:
        """JSON; equal rows give equal bytes."""
        return orjson.dumps([self.version, self.states, self.tags, self.values, self.members])

    @classmethod
    def from_bytes(cls, raw: bytes) -> Row | None:
        """The inverse; None where it is none of ours."""
        try:
            version, states, tags, values, members = orjson.loads(raw)
        except (ValueError, TypeError):
            return None
        sound = type(version) is int and type(values) is dict and type(members) is dict
        if not sound or not all(map(_texts, members.values())):
            return None
        if not _texts(states) or not _texts(tags) or not _texts(list(values.values())):
            return None
        return cls(version, tuple(states), tuple(tags), values, members)

    def entries(self, partition: PartitionKeys, machine: str, key: str) -> set[tuple[str, str]]:
        """The sorted sets that hold it, each with its member there; all have the score 0."""
        found = {(partition.state_index(machine, state), key) for state in self.states}
        found |= {(partition.tag_index(machine, tag), key) for tag in self.tags}
        found |= {
            (partition.order_index(machine, name), value + END + key) for name, value in self.values.items()
        }
        found |= {
            (partition.member_index(machine, name), value + END + key)
            for name, values in self.members.items()
            for value in values
        }
        found.add((partition.index(machine), key))
        return found


def row_of(chart: Chart, snapshot: Snapshot) -> Row:
    """The row of an instance; ``chart`` is that of its version."""
    states = tuple(sorted(set(_upward(snapshot.state))))
    tags = {tag for path in ("", *states) if (state := chart.states.get(path)) for tag in state.tags}
    values = {
        CREATED_AT: encoded(snapshot.created_at),
        UPDATED_AT: encoded(snapshot.updated_at),
        CHART_VERSION: encoded(snapshot.chart_version),
    }
    values[TENANT] = encoded(split(snapshot.key)[0])
    public = {name: snapshot.context.get(name) for name in chart.public_fields}
    if (source := source_of(public)) is not None:
        values[SOURCE] = encoded(source)
    members = {}
    for name in chart.listed_by:
        value = snapshot.context.get(name)
        values[name] = encoded(value)
        if isinstance(value, list) and value:
            members[name] = sorted(set(map(encoded, value)))
    return Row(snapshot.version, states, tuple(sorted(tags)), values, members)


def _upward(paths: list[str]) -> Iterator[str]:
    for path in paths:
        yield path
        while "." in path:
            path = path.rpartition(".")[0]
            yield path


def _texts(value: Any) -> bool:
    return type(value) is list and set(map(type, value)) <= {str}
