"""``token``: who may come in over HTTP."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from interlock.cli.auditing import write_down
from interlock.cli.exits import CliError, Exit
from interlock.cli.inputs import settings
from interlock.cli.instances import AsJson
from interlock.cli.output import print_facts, print_json, print_table, say

app = typer.Typer(name="token", rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def token() -> None:
    """Who may come in over HTTP: make, list and revoke tokens."""


def _open() -> tuple[Any, Any]:
    """A client and the keys."""
    from interlock.engine.clients import connect
    from interlock.engine.keys import Keys

    used = settings()
    return connect(used), Keys(used.prefix)


@app.command()
def create(
    kind: Annotated[str, typer.Option(help="agent, supervisor, integration, bot, system or admin.")],
    id_: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="The agent's, user's or integration's id.")
    ] = None,
    tenant: Annotated[str, typer.Option(help="Whose data it may see.")] = "default",
    permission: Annotated[
        list[str] | None,
        typer.Option(metavar="P", help="update_intervention, read:SOURCE, ...; may be repeated."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a token. Prints it with its key id and secret, this once."""
    from interlock.engine import tokens
    from interlock.engine.audit import Action

    if kind not in tokens.KINDS:
        raise CliError(Exit.USAGE, f"--kind {kind}: there is no such kind. Use {', '.join(tokens.KINDS)}.")
    client, keys = _open()
    try:
        made = tokens.create(client, keys, kind, id=id_, tenant=tenant, permissions=permission or ())
    except tokens.TokenInvalid as error:
        raise CliError(Exit.INVALID, str(error)) from None
    told = {"id": made["id"], "kind": kind, "tenant": tenant, "permissions": permission or []}
    write_down(client, keys, Action.TOKEN_CREATED, made["key_id"], **told)
    if as_json:
        print_json(made)
    else:
        print_facts(made.items())
        say(
            "Keep the token: it is a bearer token, or key_id and secret by Basic, and it is never shown again."
        )


@app.command(name="list")
def list_(as_json: AsJson = False) -> None:
    """All tokens, oldest first, without their secrets."""
    from interlock.engine import tokens

    client, keys = _open()
    shown = [one.shown() for one in tokens.list_all(client, keys)]
    if as_json:
        print_json({"tokens": shown})
        return
    if not shown:
        say("No token. Make one with `interlock token create --kind admin`.")
        return
    columns = ["key_id", "id", "kind", "tenant", "permissions", "created_at"]
    print_table(
        columns, [[" ".join(one[n]) if n == "permissions" else one[n] for n in columns] for one in shown]
    )


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(metavar="ID", help="A key id, or an id: then all of its tokens.")],
    as_json: AsJson = False,
) -> None:
    """End a token, or all tokens of one principal, at once."""
    from interlock.engine import tokens
    from interlock.engine.audit import Action

    client, keys = _open()
    try:
        ended = tokens.revoke(client, keys, name)
    except tokens.TokenNotFound as error:
        raise CliError(Exit.NOT_FOUND, f"{error}.") from None
    write_down(client, keys, Action.TOKEN_REVOKED, name, key_ids=ended)
    if as_json:
        print_json({"revoked": ended})
    else:
        say(f"Revoked: {', '.join(ended)}.")
