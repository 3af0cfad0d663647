"""``check`` and ``schema``: what an author of charts needs."""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from interlock.cli.exits import CliError, Exit
from interlock.cli.output import print_json, print_line, say

if TYPE_CHECKING:
    from interlock.engine.chart import Chart
    from interlock.engine.errors import Finding

app = typer.Typer(rich_markup_mode=None)


class ReportFormat(StrEnum):
    """How `check` tells what it found."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    """Workflow commands, which GitHub Actions shows beside the lines of a pull request."""


@app.command()
def check(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Charts, or directories of charts.")],
    format_: Annotated[
        ReportFormat, typer.Option("--format", "-f", help="github: annotations for GitHub Actions.")
    ] = ReportFormat.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find the mistakes in charts, each with file:line:column. Exit code 4 where one does not load."""
    files = [file for path in paths for file in chart_files(path)]
    calendars = [file for file in files if is_calendar(file)]
    policies = [file for file in files if is_policy(file)]
    charts = [file for file in files if file not in {*calendars, *policies}]
    findings = [finding for file in calendars for finding in _findings_of_calendar(file)]
    findings += [finding for file in charts for finding in findings_of(file)]
    findings += _findings_between(charts, policies)
    errors = [finding for finding in findings if finding.severity == "error"]
    if as_json or format_ is ReportFormat.JSON:
        print_json(
            {"files": len(files), "ok": not errors, "findings": [_as_dict(finding) for finding in findings]}
        )
    else:
        written = _annotation if format_ is ReportFormat.GITHUB else _line
        for finding in findings:
            print_line(written(finding))
        say(f"{len(files)} charts: {len(errors)} errors, {len(findings) - len(errors)} warnings.")
    if errors:
        raise typer.Exit(Exit.INVALID)


def chart_files(path: Path) -> list[Path]:
    """The charts, policies and calendars at ``path``, a file or a directory. Raises CliError where there is none."""
    from interlock.statecharts.catalog import is_chart

    if path.is_dir():
        every = (file for file in path.rglob("*") if is_chart(file) or is_policy(file) or is_calendar(file))
        found = sorted(file for file in every if file.is_file())
        if not found:
            raise CliError(Exit.NOT_FOUND, f"{path} holds no chart (*.yaml). Name a directory that does.")
        return found
    if not path.exists():
        raise CliError(Exit.NOT_FOUND, f"{path} does not exist. Name a chart or a directory of charts.")
    return [path]


def findings_of(file: Path) -> list[Finding]:
    """Everything wrong in one chart; empty where it is sound."""
    from interlock.engine.checks import check_chart
    from interlock.engine.errors import ChartError
    from interlock.engine.loader import load_chart
    from interlock.statecharts.functions import FUNCTIONS

    try:
        return list(check_chart(load_chart(file, functions=FUNCTIONS)))
    except ChartError as error:
        return list(error.findings)
    except OSError as error:
        raise CliError(Exit.FAILED, f"{file}: {error.strerror}. Make it readable.") from None


def is_policy(path: Path) -> bool:
    """Whether a file's name is that of a policy."""
    from interlock.engine.policy import POLICY_SUFFIX

    return path.name.endswith(POLICY_SUFFIX)


def is_calendar(path: Path) -> bool:
    """Whether a file's name is that of a calendar."""
    from interlock.engine.calendar_files import CALENDAR_SUFFIX

    return path.name.endswith(CALENDAR_SUFFIX)


def _findings_of_calendar(file: Path) -> list[Finding]:
    from interlock.engine.calendar_files import parse_calendar
    from interlock.engine.errors import ChartError
    from interlock.engine.loader import read_source

    try:
        parse_calendar(read_source(file), str(file))
    except ChartError as error:
        return list(error.findings)
    except OSError as error:
        raise CliError(Exit.FAILED, f"{file}: {error.strerror}. Make it readable.") from None
    return []


def _findings_between(files: list[Path], policies: list[Path]) -> list[Finding]:
    """What charts and policies send that neither another of these charts nor a shipped one takes, and what is wrong
    with the rules of policies."""
    from interlock.engine.errors import ChartError
    from interlock.engine.loader import load_chart, read_source
    from interlock.engine.policy import parse_policy
    from interlock.statecharts.calendars import SHIPPED
    from interlock.statecharts.catalog import is_chart
    from interlock.statecharts.functions import FUNCTIONS
    from interlock.statecharts.sends import check_sends

    charts: dict[tuple[str, int], Chart] = {}
    for file in [*files, *(path for path in chart_files(SHIPPED) if is_chart(path))]:
        with suppress(ChartError, OSError):
            chart = load_chart(file, functions=FUNCTIONS)
            charts.setdefault((chart.id, chart.version), chart)
    told = {str(file) for file in [*files, *policies]}
    try:
        policy = parse_policy([(read_source(file), str(file)) for file in policies], FUNCTIONS)
        broken = policy.check(charts.values())
    except ChartError as error:
        policy, broken = None, list(error.findings)
    except OSError as error:
        raise CliError(Exit.FAILED, f"{error.filename}: {error.strerror}. Make it readable.") from None
    sound = None if broken else policy
    return broken + [each for each in check_sends(charts.values(), sound) if each.mark.file in told]


def _line(finding: Finding) -> str:
    return str(finding) if finding.severity == "error" else f"{finding} [{finding.severity}]"


def _annotation(finding: Finding) -> str:
    """A workflow command (GitHub: "Workflow commands for GitHub Actions", setting an error message)."""
    place = f"file={_property(finding.mark.file)},line={finding.mark.line},col={finding.mark.column}"
    text = f"{finding.message} {finding.suggestion}".rstrip().replace("%", "%25")
    return f"::{finding.severity} {place},title={_property(finding.code)}::{text}"


def _property(text: str) -> str:
    return text.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")


def _as_dict(finding: Finding) -> dict[str, Any]:
    return {
        "file": finding.mark.file,
        "line": finding.mark.line,
        "column": finding.mark.column,
        "severity": finding.severity,
        "code": finding.code,
        "message": finding.message,
        "suggestion": finding.suggestion,
    }


class SchemaName(StrEnum):
    """What there is a schema of."""

    CHART = "chart"
    COMMAND = "command"
    EVENT = "event"
    CONFIG = "config"


@app.command()
def schema(what: Annotated[SchemaName, typer.Argument(help="Of what.")]) -> None:
    """The JSON Schema of charts, commands, events or the configuration, for editors and other programs."""
    from interlock.engine import schemas

    print_json(getattr(schemas, f"{what.value}_schema")())
