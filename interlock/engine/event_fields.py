"""What the events of a chart let a webhook's ``where`` see, and whether an expression asks for more: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from interlock.engine.chart import Chart
from interlock.engine.chart_declarations import context_fields
from interlock.engine.chart_outline import outline, text
from interlock.engine.chart_shape import check_shape
from interlock.engine.chart_words import CHART
from interlock.engine.errors import Finding
from interlock.engine.event_filters import FilterInvalid
from interlock.engine.expressions import AnyField, ExpressionError, compile_expression
from interlock.engine.spelling import did_you_mean
from interlock.engine.yaml_source import Entries, raise_findings, read_yaml

_CONTEXT = "context."


@dataclass(frozen=True, slots=True)
class Declared:
    """A version of a chart, as its events show it. ``public``: context field to its JSON Schema; ``private``: those
    that no event carries; ``states``: the paths of all its states."""

    machine: str
    public: Mapping[str, Mapping[str, Any]]
    private: frozenset[str]
    states: frozenset[str]

    @classmethod
    def of(cls, chart: Chart) -> Declared:
        return cls(
            chart.id,
            {name: field.schema for name, field in chart.context.items() if field.public},
            frozenset(name for name, field in chart.context.items() if not field.public),
            frozenset(path for path in chart.states if path),
        )

    @classmethod
    def read(cls, source: str) -> Declared:
        """From a registered text, without compiling it: its expressions may call functions of another program.

        Raises ChartError.
        """
        findings: list[Finding] = []
        root = read_yaml(source, "<chart>")
        check_shape(root, CHART, findings)
        raise_findings(findings)
        assert isinstance(root, Entries), "the shape of a chart is a mapping"
        machine = text(root.get("id"))
        fields = context_fields(root.get("context"), findings)
        states = outline(machine, root, findings).states
        raise_findings(findings)
        return cls(
            machine,
            {name: field.schema for name, field in fields.items() if field.public},
            frozenset(name for name, field in fields.items() if not field.public),
            frozenset(path for path in states if path),
        )


def check_where(where: str, machines: Sequence[str], charts: Iterable[Declared]) -> None:
    """See that an event could have what ``where`` reads. ``machines``: of the filter, empty for all.

    A field is enough where one version of one of the charts has it: of the others' events it is null. Where a chart of
    ``machines`` is not known, nothing is said. Raises FilterInvalid.
    """
    charts = list(charts)
    asked = [one for one in charts if not machines or one.machine in machines]
    if not asked or set(machines) - {one.machine for one in asked}:
        return
    public = _merged(asked, typed=bool(machines))
    try:
        _check_fields(where, public, asked)
        compile_expression(
            where, context=public, data=None, states=frozenset().union(*(one.states for one in asked))
        )
    except ExpressionError as error:
        raise FilterInvalid(f"--where, column {error.offset + 1}: {error}") from None


def _merged(charts: Iterable[Declared], *, typed: bool) -> dict[str, Mapping[str, Any]]:
    """All public fields; with their schema where all agree on it and ``typed``, else of any type."""
    found: dict[str, Mapping[str, Any]] = {}
    for one in charts:
        for name, schema in one.public.items():
            found[name] = schema if typed and found.get(name, schema) == schema else {}
    return found


def _check_fields(where: str, public: Mapping[str, Any], charts: Sequence[Declared]) -> None:
    read = compile_expression(where, context=AnyField(), data=None).names
    private = frozenset().union(*(one.private for one in charts))
    whose = ", ".join(sorted({one.machine for one in charts}))
    for name in sorted(one.removeprefix(_CONTEXT) for one in read if one.startswith(_CONTEXT)):
        if name in public:
            continue
        if name in private:
            raise FilterInvalid(f"--where: context.{name} is private, so no event carries it ({whose})")
        hint = did_you_mean(name, public)
        raise FilterInvalid(f"--where: no event has context.{name} ({whose}). {hint}".rstrip())
