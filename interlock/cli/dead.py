"""``dead``: the commands that could not be applied, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from interlock.cli.auditing import write_down
from interlock.cli.exits import CliError, Exit
from interlock.cli.instances import AsJson
from interlock.cli.output import print_facts, print_json, print_table, say

LetterId = Annotated[str, typer.Argument(metavar="LETTER", help="Its letter_id, as `dead list` shows it.")]

app = typer.Typer(name="dead", rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def dead() -> None:
    """Commands that could not be applied: look at them, send them again, throw them away."""


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


@app.command()
def show(letter_id: LetterId, as_json: AsJson = False) -> None:
    """One dead letter. Of what was published, it shows what its chart calls public."""
    from interlock.cli.server import Server

    with _told():
        letter = Server().dead_letter(letter_id)
    if as_json:
        print_json(letter)
    else:
        print_facts(_facts(letter))


@app.command()
def retry(letter_id: LetterId, as_json: AsJson = False) -> None:
    """Publish its command again under a new id, and throw the letter away. Made twice, it counts once."""
    from interlock.cli.server import Server
    from interlock.engine.audit import Action

    server = Server()
    with _told():
        command_id = server.retry_letter(letter_id)
    store = server.store
    write_down(store.client, store.keys, Action.DEAD_LETTER_RETRIED, letter_id, command=command_id)
    if as_json:
        print_json({"letter_id": letter_id, "command": command_id})
        return
    say("Published again; where it cannot be applied this time either, `interlock dead list` shows it anew.")
    print_facts([("command", command_id)])


@app.command()
def discard(letter_id: LetterId, as_json: AsJson = False) -> None:
    """Throw it away: its command is never applied."""
    from interlock.cli.server import Server
    from interlock.engine import dead_letters
    from interlock.engine.audit import Action

    store = Server().store
    with _told():
        dead_letters.discard(store, letter_id)
    write_down(store.client, store.keys, Action.DEAD_LETTER_DISCARDED, letter_id)
    if as_json:
        print_json({"discarded": letter_id})
    else:
        say(f"Discarded: {letter_id}.")


def _facts(letter: dict[str, Any]) -> Iterator[tuple[str, object]]:
    for name in ("letter_id", "at", "id", "machine", "key"):
        yield name, letter[name]
    yield from letter["error"].items()
    yield "raw_bytes", letter["raw_bytes"]
    yield "command", letter["command"]


@contextmanager
def _told() -> Iterator[None]:
    """What the engine refuses, by its exit code."""
    from interlock.engine import dead_letters

    try:
        yield
    except dead_letters.LetterNotFound as error:
        raise CliError(Exit.NOT_FOUND, f"{error}.") from None
    except dead_letters.RetryRefused as error:
        raise CliError(Exit.REFUSED, f"{error}.") from None
