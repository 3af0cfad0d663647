"""``import``: a machine of XState or of the library `transitions` as a chart, with what will be different."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from interlock.cli.exits import CliError, Exit
from interlock.cli.output import print_block, print_json, say

if TYPE_CHECKING:
    from interlock.engine.interchange.chart_yaml import Imported

app = typer.Typer(rich_markup_mode=None)


class From(StrEnum):
    """Who wrote the machine."""

    XSTATE = "xstate"
    TRANSITIONS = "transitions"


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE|-", help="JSON or YAML; - is stdin.")],
    from_: Annotated[
        From | None, typer.Option("--from", help="Whose machine it is; guessed, where nothing is said.")
    ] = None,
    chart_id: Annotated[
        str, typer.Option("--id", metavar="ID", help="The chart's id, not the machine's.")
    ] = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the chart there.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print chart and notes as JSON.")] = False,
) -> None:
    """Turn an XState v5 machine (JSON) or a `transitions` configuration into a chart; tell what differs on stderr."""
    made = _imported(_text(file), file, from_, _checked_id(chart_id))
    notes = [str(note) for note in made.notes] + [str(finding) for finding in made.findings]
    if as_json:
        print_json({"chart": made.text, "notes": _as_dicts(made)})
    elif output is None:
        print_block(made.text)
    if output is not None:
        _write(made.text, output)
    for line in notes if not as_json else ():
        say(line)
    if made.findings:
        raise CliError(
            Exit.INVALID,
            f"The chart does not load yet, for {len(made.findings)} reasons: correct them in its text.",
        )
    say(f"{len(made.notes)} notes. `interlock check` finds what else is doubtful in the chart.")


def _imported(text: str, file: str, from_: From | None, chart_id: str) -> Imported:
    from interlock.engine.errors import ChartError
    from interlock.engine.interchange.model import NotReadable
    from interlock.engine.interchange.reading import import_chart
    from interlock.statecharts.functions import FUNCTIONS

    try:
        return import_chart(
            text, origin=from_.value if from_ else None, chart_id=chart_id, functions=FUNCTIONS
        )
    except NotReadable as error:
        raise CliError(Exit.INVALID, f"{file}: {error}".rstrip(".") + ".") from None
    except ChartError as error:
        first = error.findings[0]
        place = f"{file}:{first.mark.line}:{first.mark.column}"
        raise CliError(Exit.INVALID, f"{place}: {first.message}. {first.suggestion}".rstrip()) from None


def _text(file: str) -> str:
    from interlock.engine.interchange.reading import MAX_BYTES

    try:
        if file == "-":
            raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(file).open("rb") as opened:
                raw = opened.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise CliError(Exit.NOT_FOUND, f"{file} does not exist. Name a file, or - for stdin.") from None
    except OSError as error:
        raise CliError(Exit.FAILED, f"{file}: {error.strerror}. Name a file that can be read.") from None
    try:
        return raw.decode("utf-8-sig", "strict" if len(raw) <= MAX_BYTES else "replace")
    except UnicodeDecodeError as error:
        raise CliError(
            Exit.INVALID, f"{file}: byte {error.start + 1} is not UTF-8. Save it as UTF-8."
        ) from None


def _checked_id(chart_id: str) -> str:
    from interlock.engine.chart_words import CHART_ID

    if chart_id and not CHART_ID.fits(chart_id):
        raise CliError(Exit.USAGE, f"--id {chart_id[:64]!r} is no chart's id. Write {CHART_ID.form}.")
    return chart_id


def _as_dicts(made: Imported) -> list[dict[str, str]]:
    """The notes; then, as errors of the text, why it does not load."""
    notes = [
        {"place": each.place, "code": each.code, "message": each.message, "suggestion": each.suggestion}
        for each in made.notes
    ]
    for each in made.findings:
        place = f"chart:{each.mark.line}:{each.mark.column}"
        message = {"place": place, "code": each.code, "message": each.message, "suggestion": each.suggestion}
        notes.append({**message, "severity": "error"})
    return notes


def _write(text: str, output: Path) -> None:
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise CliError(Exit.FAILED, f"{output}: {error.strerror}. Name a file that can be written.") from None
    say(f"Wrote {output}.")
