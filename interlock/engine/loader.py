"""YAML to a `Chart`, in three stages: parse, shape, meaning. Each collects all its findings before it stops.

parse: `yaml_source` (is it YAML that we read?); shape: `chart_shape` (does each word stand where it may, by
the table in `chart_words`?); meaning: `chart_declarations`, `chart_outline`, `chart_builder` (does what is
named exist, does every expression compile?).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from interlock.engine.chart import Chart, CommandDef
from interlock.engine.chart_builder import Builder, raised_events
from interlock.engine.chart_declarations import commands, context_fields
from interlock.engine.chart_outline import outline, text, texts
from interlock.engine.chart_shape import check_shape
from interlock.engine.chart_words import CHART
from interlock.engine.errors import ChartError, Finding, Mark
from interlock.engine.includes import Includes, whole_text
from interlock.engine.spelling import did_you_mean
from interlock.engine.yaml_source import MAX_BYTES, Entries, Node, decode, plain, raise_findings, read_yaml

Functions = Mapping[str, Callable[..., Any]]

_DECLARED = ("context", "commands")
"""Words whose keys the author chooses, so that none of them is an action."""


def load_chart(path: Path, *, functions: Functions | None = None) -> Chart:
    """The chart in a file. ``functions``: the application's own, that expressions may call by name.

    Files that its states include are read too. Raises ChartError, whose findings name each place as
    file:line:column; OSError where there is no file.
    """
    return _parse(read_source(path), str(path), path.parent, functions)


def read_source(path: Path) -> str:
    """The text of a chart's or a policy's file. Raises ChartError (too_large, not_utf8), OSError."""
    with path.open("rb") as file:
        raw = file.read(MAX_BYTES + 1)
    return decode(raw, str(path))


def parse_chart(source: str, file: str = "<chart>", *, functions: Functions | None = None) -> Chart:
    """The chart in a text, which includes no files; ``file`` names it in findings. Raises ChartError."""
    return _parse(source, file, None, functions)


def _parse(source: str, file: str, directory: Path | None, functions: Functions | None) -> Chart:
    root = read_yaml(source, file)
    findings: list[Finding] = []
    includes = Includes(directory, findings)
    root = includes.expand(root)
    raise_findings(findings)
    if includes.files:
        source = whole_text(root)
        read_yaml(source, file)
    check_shape(root, CHART, findings)
    raise_findings(findings)
    if not isinstance(root, Entries):
        raise ChartError([Finding(root.mark, "wrong_kind", "the file is a mapping")])
    return _chart(root, source, functions or {})


def exclusive_commands(source: str) -> frozenset[str]:
    """The commands that a registered chart calls exclusive, told without compiling it.

    So a process can tell that has none of the functions that the chart's expressions call. Raises ChartError.
    """
    if "exclusive" not in source:
        return frozenset()
    root = read_yaml(source, "<chart>")
    rows = root.get("commands") if isinstance(root, Entries) else None
    names = rows.values if isinstance(rows, Entries) else {}
    return frozenset(name for name in names if _is_true(_word(rows, name, "exclusive")))


def _is_true(node: Node | None) -> bool:
    return node is not None and plain(node) is True


def _hiding(secret: frozenset[str], command: CommandDef) -> CommandDef:
    """The command with those of its data private too that bear a private context field's name."""
    return replace(command, private=command.private | secret & command.schema["properties"].keys())


def _chart(root: Entries, source: str, functions: Functions) -> Chart:
    findings: list[Finding] = []
    fields = context_fields(root.get("context"), findings)
    declared = commands(root.get("commands"), findings)
    chart_id = text(root.get("id"))
    states = outline(chart_id, root, findings)
    behaviour = [value for word, value in root.values.items() if word not in _DECLARED]
    raised = frozenset(event for value in behaviour for event in raised_events(value))
    builder = Builder(states, fields, declared, functions, raised, findings)
    tree = builder.state("")
    builder.acts.check_cancels()
    rows = root.values["commands"]
    secret = frozenset(name for name, declaration in fields.items() if not declaration.public)
    with_rows = {
        name: _hiding(secret, builder.command(name, _word(rows, name, "require"))) for name in declared
    }
    index = _index(root.get("index"), fields, findings)
    events = _events(root.get("events"), chart_id, findings) or tuple(dict.fromkeys(builder.acts.emitted))
    raise_findings(findings)
    return Chart(
        id=chart_id,
        version=plain(root.values["version"]),
        description=text(root.get("description")),
        context=fields,
        commands=with_rows,
        root=tree,
        source=source,
        digest=hashlib.sha256(source.encode()).hexdigest(),
        mark=Mark(root.mark.file, root.mark.line, root.mark.column),
        index=index,
        events=events,
        states={state.path: state for state in tree.walk()},
    )


def _word(table: Node | None, name: str, word: str) -> Node | None:
    """``table[name][word]``, where there is one."""
    row = table.get(name) if isinstance(table, Entries) else None
    return row.get(word) if isinstance(row, Entries) else None


def _index(node: Node | None, fields: Mapping[str, Any], findings: list[Finding]) -> tuple[str, ...]:
    for name, mark in texts(node):
        if name not in fields:
            hint = did_you_mean(name, fields)
            findings.append(Finding(mark, "unknown_field", f"context.{name} is not declared", hint))
    return tuple(name for name, _ in texts(node))


def _events(node: Node | None, chart_id: str, findings: list[Finding]) -> tuple[str, ...]:
    for event, mark in texts(node):
        if not event.startswith(f"{chart_id}."):
            message = f"this chart emits {chart_id}.<verb>, not {event[:64]!r}"
            findings.append(Finding(mark, "foreign_event", message))
    return tuple(event for event, _ in texts(node))
