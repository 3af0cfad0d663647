"""What a picture is written as, and where to: the formats, their file names, the file or stdout."""

from __future__ import annotations

import sys
from pathlib import Path

from interlock.cli.exits import CliError, Exit
from interlock.cli.output import print_block, say
from interlock.engine.picture_format import Format


def chosen_format(wanted: Format | None, output: Path | None) -> Format:
    """The format wanted, else what the file's name says, else Mermaid. Raises CliError (usage)."""
    chosen = wanted or _format_of(output)
    if chosen is Format.PNG and output is None and sys.stdout.isatty():
        raise CliError(Exit.USAGE, "A PNG is no text for a terminal. Name a file with -o, or pipe it on.")
    return chosen


def _format_of(output: Path | None) -> Format:
    endings = {f".{known.value}": known for known in Format}
    endings |= {".mmd": Format.MERMAID, ".md": Format.MERMAID, ".gv": Format.DOT, ".txt": Format.TEXT}
    endings |= {".puml": Format.PLANTUML, ".json": Format.XSTATE}
    if output is None:
        return Format.MERMAID
    if output.suffix not in endings:
        raise CliError(
            Exit.USAGE, f"{output.name} does not say what to write. Name it with --format, such as svg."
        )
    return endings[output.suffix]


def write_picture(picture: bytes, output: Path | None, chosen: Format) -> None:
    """Write it to the file, else to stdout. Raises CliError (failed) where the file cannot be written."""
    if output is not None:
        try:
            output.write_bytes(picture)
        except OSError as error:
            raise CliError(
                Exit.FAILED, f"{output}: {error.strerror}. Name a file that can be written."
            ) from None
        say(f"Wrote {output}.")
    elif chosen is Format.PNG:
        sys.stdout.flush()
        sys.stdout.buffer.write(picture)
    else:
        print_block(picture.decode())
