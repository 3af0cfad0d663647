"""``dead``: the commands that could not be applied, each with its reason."""

from __future__ import annotations

from typing import Annotated

import typer

from interlock.cli.instances import AsJson
from interlock.cli.output import print_json, print_table, say

app = typer.Typer(name="dead", rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def dead() -> None:
    """Commands that could not be applied."""


@app.command(name="list")
def list_(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """The newest dead letters. Of what was published, --json shows what its chart calls public."""
    from interlock.cli.server import Server

    letters = Server().dead_letters(limit)
    if as_json:
        print_json({"letters": letters})
        return
    if not letters:
        say("No dead letter.")
        return
    print_table(
        ["letter", "at", "class", "code", "message"],
        [
            [
                letter["letter_id"],
                letter["at"],
                letter["error"]["class"],
                letter["error"]["code"],
                letter["error"]["message"],
            ]
            for letter in letters
        ],
    )
